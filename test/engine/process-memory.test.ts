/** Searches all memory of a process that re-encrypts: V8's, OpenSSL's, what was freed, and WebAssembly's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";
import { keyBytes, layOut, nativeBox, testRecord } from "./record-batch.ts";

const CHILD = fileURLToPath(new URL("process-memory-child.ts", import.meta.url));
const WINDOW_BYTES = 1 << 24;
/** Records for every way that is taken as measured: many short ones, and long ones by themselves. */
const SIZES = [...Array.from({ length: 100 }, (_, index) => 100 + index), 8_192, 20_480, 30_001, 300_001];

/** How many of the pieces the writable memory of a process holds. */
function found(pid: number, pieces: readonly Buffer[]): number {
  const left = new Set(pieces);
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const window = Buffer.alloc(WINDOW_BYTES);
  for (const [, from, to] of readFileSync(`/proc/${pid}/maps`, "latin1").matchAll(/^(\w+)-(\w+) rw/gm)) {
    const end = BigInt(`0x${to}`);
    for (let at = BigInt(`0x${from}`); at < end;) {
      const wanted = end - at < BigInt(WINDOW_BYTES) ? Number(end - at) : WINDOW_BYTES;
      const length = readSync(memory, window, { position: at, length: wanted });
      if (length === 0) break;
      const seen = window.subarray(0, length);
      for (const piece of left) if (seen.includes(piece)) left.delete(piece);
      at += BigInt(length);
    }
  }
  closeSync(memory);
  return pieces.length - left.size;
}

async function plaintextsFound(suite: Suite, verb: "open" | "reencrypt" | "verify"): Promise<number> {
  const records = SIZES.map((size, index) => ({ ...testRecord(index, size, 1), key: 0, newKey: 1 }));
  const boxes = records.map((record, index) => nativeBox(suite, record, index));
  const { arena, table } = layOut(records, 2, boxes);
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-memory-"));
  writeFileSync(`${folder}/arena`, arena);
  writeFileSync(`${folder}/table`, new Uint8Array(table.buffer));
  writeFileSync(`${folder}/keys`, Buffer.concat([keyBytes(0), keyBytes(1)]));
  const child = spawn(process.execPath, [CHILD, folder, suite, verb], { stdio: ["pipe", "pipe", "inherit"] });
  try {
    const [answer] = (await once(child.stdout, "data")) as [Buffer];
    expect(answer.toString()).toBe("1\n");
    const pieces = [0, 50, 100, 101, 102, 103].flatMap((index) => {
      const text = Buffer.from(records[index]!.text);
      return [0, (text.length >> 1) & ~15, text.length - 24].map((at) => text.subarray(at, at + 24));
    });
    return found(child.pid!, pieces);
  } finally {
    child.stdin.end();
    if (child.exitCode === null) await once(child, "exit");
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(process.platform !== "linux")("the memory of a process", () => {
  it.each(ALL_SUITES)("holds no plaintext of %s after a re-encryption or a verification", async (suite) => {
    expect(await plaintextsFound(suite, "reencrypt")).toBe(0);
    expect(await plaintextsFound(suite, "verify")).toBe(0);
    // The control.
    expect(await plaintextsFound(suite, "open")).toBe(18);
  });
});
