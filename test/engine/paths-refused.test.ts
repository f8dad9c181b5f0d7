/** A Node.js whose OpenSSL lists every cipher and refuses one. */
import { expect, it, vi } from "vitest";
import { RecordStatus } from "../../src/engine/rows.ts";
import { layOut, testRecord } from "./record-batch.ts";

it.each(["aes-256-gcm", "chacha20-poly1305", "aes-256-ecb", "aes-256-ctr", "chacha20"])(
  "takes WebAssembly alone where %s is refused",
  async (refused) => {
    vi.resetModules();
    vi.doMock(import("node:crypto"), async (original) => {
      const actual = await original();
      const createCipheriv = (...args: Parameters<typeof actual.createCipheriv>) => {
        if (args[0] === refused) throw new Error("unsupported");
        return actual.createCipheriv(...args);
      };
      return { ...actual, createCipheriv } as typeof actual;
    });
    const { MEASURED, MEASURED_WITH_PLAINTEXT, NATIVE_ALWAYS, WASM_ONLY } = await import("../../src/engine/paths.ts");
    expect([MEASURED, MEASURED_WITH_PLAINTEXT, NATIVE_ALWAYS]).toEqual([WASM_ONLY, WASM_ONLY, WASM_ONLY]);
    const { Engine } = await import("../../src/engine/engine.ts");
    const all = [testRecord(1, 30_000, 1), testRecord(2, 100, 1)];
    for (const suite of ["aes-256-gcm", "chacha20-poly1305"] as const) {
      expect([...new Engine().seal(suite, layOut(all, 1))]).toEqual([RecordStatus.done, RecordStatus.done]);
    }
    vi.doUnmock("node:crypto");
  },
);
