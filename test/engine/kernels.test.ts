import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileKernels, Kernels } from "../../src/engine/kernels.ts";
import { ROW, ROW_BYTES } from "../../src/engine/rows.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";
import { compileBytes } from "../assembly/compile.ts";
import { bytesOf } from "./deterministic-bytes.ts";

/** A WebAssembly module that exports nothing but a memory and HEAP_BASE = 7. */
const ALMOST_EMPTY = Uint8Array.of(
  ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
  ...[5, 3, 1, 0, 1],
  ...[6, 6, 1, 0x7f, 0, 0x41, 7, 0x0b],
  ...[7, 22, 2, 6, ...Buffer.from("memory"), 2, 0, 9, ...Buffer.from("HEAP_BASE"), 3, 0],
);

describe("Kernels", () => {
  it("gives out memory that is aligned, lies above the kernels' own and does not overlap", () => {
    const sizes = fc.array(fc.oneof(fc.nat(40), fc.nat(100_000)), { maxLength: 30 });
    fc.assert(
      fc.property(sizes, (wanted) => {
        const kernels = new Kernels();
        let free = kernels.constant("HEAP_BASE");
        for (const size of wanted) {
          const at = kernels.alloc(size);
          expect(at % 16).toBe(0);
          expect(at).toBeGreaterThanOrEqual(free);
          expect(at - free).toBeLessThan(16);
          free = at + size;
          expect(free).toBeLessThanOrEqual(kernels.bytes.length);
        }
      }),
    );
  });

  it("rounds up from a heap that begins anywhere", () => {
    const kernels = new Kernels(new WebAssembly.Module(ALMOST_EMPTY));
    expect(kernels.constant("HEAP_BASE")).toBe(7);
    expect([kernels.alloc(0), kernels.alloc(1), kernels.alloc(16), kernels.alloc(17), kernels.alloc(0)]).toEqual([
      16, 16, 32, 48, 80,
    ]);
  });

  it("keeps what lies in memory when it grows, by no more than is needed", () => {
    const kernels = new Kernels();
    const at = kernels.put(bytesOf(1, 1000));
    const before = kernels.bytes.length;
    const rest = before - Math.ceil((at + 1000) / 16) * 16;
    kernels.alloc(rest);
    expect(kernels.bytes.length).toBe(before);
    kernels.alloc(1);
    expect(kernels.bytes.length).toBe(before + 65_536);
    kernels.alloc(65_536 - 16);
    expect(kernels.bytes.length).toBe(before + 65_536);
    kernels.alloc(10 * 65_536);
    expect(kernels.bytes.length).toBe(before + 11 * 65_536);
    expect(kernels.bytes.slice(at, at + 1000)).toEqual(bytesOf(1, 1000));
  });

  it("refuses to hold more than 1 GiB, and goes on", () => {
    const kernels = new Kernels();
    const at = kernels.alloc(1);
    const before = kernels.bytes.length;
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => kernels.alloc(2 ** 30)).toThrow(refused);
    expect(() => kernels.alloc(2 ** 32)).toThrow(refused);
    expect(kernels.bytes.length).toBe(before);
    expect(kernels.alloc(1)).toBe(at + 16);
  });

  it("gives memory out again after reset, as it was, and after wipe, zeroed", () => {
    const kernels = new Kernels();
    const first = kernels.put(bytesOf(1, 5000));
    kernels.reset();
    expect(kernels.alloc(10)).toBe(first);
    expect(kernels.bytes.slice(first, first + 5000)).toEqual(bytesOf(1, 5000));
    // The peak counts, not what is in use now; and what is beyond it is nobody's.
    kernels.bytes[first + 5000] = 1;
    kernels.wipe();
    expect(kernels.bytes.subarray(first, first + 5000).every((byte) => byte === 0)).toBe(true);
    expect(kernels.bytes[first + 5000]).toBe(1);
    expect(kernels.alloc(10)).toBe(first);
  });

  const traps: [name: string, from: Suite, to: Suite][] = ALL_SUITES.flatMap((from) =>
    ALL_SUITES.map((to) => [from === to ? from : `${from} on the way to ${to}`, from, to]),
  );

  it.each(traps)("wipes the scratch of %s after a call that trapped", (_, suite, newSuite) => {
    const kernels = new Kernels();
    kernels.wipe();
    const contextOf = (each: Suite): number => {
      const context = kernels.alloc(kernels.keyContextBytes(each));
      kernels.expandKeys(each, kernels.put(bytesOf(1, 32)), 1, context);
      return context;
    };
    const [context, newContext] = [contextOf(suite), contextOf(newSuite)];
    const text = kernels.put(bytesOf(2, 328)) + 12;
    const newNonce = kernels.put(bytesOf(3, 12));
    const rows = kernels.alloc(2 * ROW_BYTES);
    const words = new Uint32Array(kernels.bytes.buffer, rows, 20);
    // The first record is run; the second one's AAD lies outside the memory.
    for (const [row, aad] of [text, kernels.bytes.length].entries()) {
      words[row * 10 + ROW.text] = text + 150 * row;
      words[row * 10 + ROW.length] = 100;
      words[row * 10 + ROW.aad] = aad;
      words[row * 10 + ROW.aadLength] = 30;
      words[row * 10 + ROW.key] = context;
      words[row * 10 + ROW.newKey] = newContext;
      words[row * 10 + ROW.newNonce] = newNonce;
    }
    const scratch = (): Buffer => Buffer.from(kernels.bytes.slice(0, kernels.constant("HEAP_BASE")));
    const before = scratch();
    const run = (): void => {
      if (suite === newSuite) kernels.run(suite, "Seal", rows, 2);
      else kernels.reencryptBetween(suite, newSuite, rows, 2);
    };
    expect(run).toThrow("out of bounds");
    // The tables are where they were; ghash.ts says of what it gathers that it is public: ciphertext and AAD.
    expect(changed(before, scratch()), "the control: the trap left something").toBeGreaterThan(64);
    kernels.wipe();
    expect(changed(before, scratch())).toBeLessThanOrEqual(64);
    const second = kernels.bytes.subarray(kernels.constant("HEAP_BASE"));
    expect(second.every((byte) => byte === 0)).toBe(true);
  });

  it("says what is missing in a module of another program", () => {
    const unavailable = expect.objectContaining({ code: "KERNEL_UNAVAILABLE" });
    const kernels = new Kernels(new WebAssembly.Module(ALMOST_EMPTY));
    expect(() => kernels.keyContextBytes("aes-256-gcm")).toThrow(unavailable);
    expect(() => kernels.call("batchBind")).toThrow(unavailable);
    expect(() => kernels.call("memory")).toThrow(unavailable);
    expect(() => kernels.constant("memory")).toThrow(unavailable);
    const nothing = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    expect(() => new Kernels(nothing)).toThrow(unavailable);
  });

  it("says so when the file is no module", () => {
    const folder = mkdtempSync(join(tmpdir(), "gatekeeper-"));
    try {
      const file = join(folder, "kernels.wasm");
      writeFileSync(file, "not a module");
      expect(() => compileKernels(pathToFileURL(file))).toThrow(
        expect.objectContaining({ code: "KERNEL_UNAVAILABLE", message: expect.stringContaining(file) }),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("takes the build without relaxed multiply-adds where these round twice", async () => {
    const roundsTwice = await compileBytes(`export * from "./secp256k1-fma";`, (_, source) =>
      source.replace("f64x2.relaxed_madd(a, b, c)", "f64x2.add(f64x2.mul(a, b), c)"),
    );
    const folder = mkdtempSync(join(tmpdir(), "gatekeeper-"));
    try {
      const file = join(folder, "kernels.wasm");
      writeFileSync(file, roundsTwice);
      const taken = new Kernels(compileKernels(pathToFileURL(file)));
      expect(taken.call("multiplyAddDoubles", 1 + 2 ** -30, 1 + 2 ** -30, -(1 + 2 ** -29))).toBe(2 ** -60);
      expect(taken.constant("aes256GcmKeyBytes")).toBe(new Kernels().constant("aes256GcmKeyBytes"));
      // The control: a build whose multiply-adds round once is taken itself, and the other not even read.
      const once = new URL("../../build/kernels-unfused.wasm", import.meta.url);
      expect(() => compileKernels(once, new URL("file:///nowhere/kernels.wasm"))).not.toThrow();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

function changed(before: Uint8Array, after: Uint8Array): number {
  return before.reduce((sum, byte, at) => sum + (byte === after[at] ? 0 : 1), 0);
}
