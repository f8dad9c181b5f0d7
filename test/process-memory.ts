/** Searches the memory of other processes, some of which run a script; Linux only. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { PatternSearch } from "./pattern-search.ts";

const sources = fileURLToPath(new URL("../src/", import.meta.url));
/** Read at a time; a pattern that lies across two pieces is found in their overlap. */
const PIECE_BYTES = 1 << 20;
const OVERLAP_BYTES = 64;
const PAGE_BYTES = 4_096;

/** What a script may call: waits until the memory was searched. */
const PAUSE = `
  import { readSync as readStdin, writeSync as writeStdout } from "node:fs";
  const pause = () => { writeStdout(1, "ready"); readStdin(0, new Uint8Array(1)); };
`;

/**
 * How often each pattern lies in the writable memory of a process at the point where its script calls `pause()`.
 * @param script - an ES module, run with --expose-gc; `SRC/` in it becomes the path of src/. It must not hold a pattern.
 * @returns one count a pattern; null where the system does not let one process read another's memory.
 */
export async function countInMemory(script: string, patterns: readonly Uint8Array[]): Promise<number[] | null> {
  const code = (PAUSE + script).replaceAll("SRC/", sources);
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "--eval", code], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  try {
    const [said] = (await Promise.race([once(child.stdout, "data"), once(child, "exit")])) as unknown[];
    if (String(said) !== "ready") throw new Error(`the script ended early: ${String(said)}`);
    return countInProcess(child.pid!, patterns);
  } finally {
    child.kill("SIGKILL");
  }
}

/**
 * How often each pattern lies in the writable memory of a process now.
 * @param patterns - of 4 bytes at least and 64 at most, each; not zeros alone.
 * @returns one count a pattern; null where the system does not let one process read another's memory, or it has ended.
 */
export function countInProcess(pid: number, patterns: readonly Uint8Array[]): number[] | null {
  let memory: number;
  let pages: number;
  try {
    pages = openSync(`/proc/${pid}/pagemap`, "r");
    memory = openSync(`/proc/${pid}/mem`, "r");
  } catch (error) {
    if (error instanceof Error && "code" in error && ["EACCES", "EPERM", "ENOENT"].includes(String(error.code))) {
      return null;
    }
    throw error;
  }
  const counts = patterns.map(() => 0);
  const search = new PatternSearch(patterns);
  const piece = Buffer.alloc(PIECE_BYTES);
  try {
    for (const [begin, end] of writableRanges(pid)) {
      for (let at = begin; at < end; at += PIECE_BYTES - OVERLAP_BYTES) {
        if (!isUsed(pages, at, Math.min(PIECE_BYTES, end - at))) continue;
        const got = readOrNothing(memory, piece.subarray(0, Math.min(PIECE_BYTES, end - at)), at);
        // What begins in the overlap is counted with the next piece.
        const counted = at + got < end ? got - OVERLAP_BYTES : got;
        search.count(piece.subarray(0, got), counted, counts);
      }
    }
  } finally {
    closeSync(memory);
    closeSync(pages);
  }
  return counts;
}

function writableRanges(pid: number): [begin: number, end: number][] {
  const lines = readFileSync(`/proc/${pid}/maps`, "latin1").split("\n");
  return lines.flatMap((line) => {
    const range = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    return range === null ? [] : [[Number.parseInt(range[1]!, 16), Number.parseInt(range[2]!, 16)]];
  });
}

/**
 * Whether any page there is in memory or swapped out, bits 63 and 62 of an entry of 8 bytes (Linux's pagemap.rst): most of
 * what a process has mapped it never wrote to.
 */
function isUsed(pages: number, at: number, length: number): boolean {
  const first = Math.floor(at / PAGE_BYTES);
  const entries = Buffer.alloc(8 * (Math.ceil((at + length) / PAGE_BYTES) - first));
  const got = readSync(pages, entries, 0, entries.length, 8 * first);
  for (let entry = 7; entry < got; entry += 8) if ((entries[entry]! & 0xc0) !== 0) return true;
  return false;
}

/** Some mappings can't be read; they belong to devices, not to the program. */
function readOrNothing(memory: number, into: Buffer, at: number): number {
  try {
    return readSync(memory, into, 0, into.length, at);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EIO") return 0;
    throw error;
  }
}
