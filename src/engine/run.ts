/**
 * Runs a verb over descriptor rows: cuts them into segments, lets paths.ts decide how each goes, prepares the keys that
 * those ways need, and takes them.
 */
import { learnHashKey, runHybrid } from "./hybrid.ts";
import type { KeyTable } from "./key-table.ts";
import type { Kernels } from "./kernels.ts";
import { runPasses, runPlaintext } from "./long-record.ts";
import { overwriteFreed } from "./native-key.ts";
import {
  checkPaths,
  choosePath,
  choosePathBetween,
  longRecordBytes,
  longRecordBytesBetween,
  type Path,
  type Paths,
} from "./paths.ts";
import { ROW, ROW_BYTES, ROW_WORDS } from "./rows.ts";
import { TAG_BYTES, type Verb } from "./suite.ts";

/** Rows that go the same way, from one address to another. */
interface Segment {
  readonly path: Path;
  readonly from: number;
  end: number;
  /** The first pending row, and the numbers of its keys; with `wasm`, the other rows may have others. */
  readonly row: number;
  readonly key: number;
  readonly newKey: number;
}

/** Runs rows on one instance of the kernels. */
export class RowRunner {
  readonly #kernels: Kernels;
  readonly #paths: Paths;

  /** @throws GatekeeperError INVALID_ARGUMENT for a table with a negative threshold or NaN. */
  constructor(kernels: Kernels, paths: Paths) {
    checkPaths(paths);
    this.#kernels = kernels;
    this.#paths = paths;
  }

  /**
   * Runs a verb over the pending ones of `count` rows; each is done or mismatched afterwards (assembly/descriptor.ts).
   * The new keys of a re-encryption are of `newKeys`, which may be of another suite.
   * Memory may grow: views made before are void. What is laid there besides the contexts is wiped when it returns; if
   * it throws, the caller wipes everything.
   */
  run(verb: Verb, rows: number, count: number, keys: KeyTable, newKeys = keys): void {
    const kernels = this.#kernels;
    const tag = kernels.alloc(TAG_BYTES);
    const segments = this.#plan(verb, rows, count, keys, newKeys);
    keys.expand();
    newKeys.expand();
    try {
      for (const segment of segments) this.#runSegment(verb, segment, keys, newKeys, tag);
    } finally {
      overwriteFreed();
    }
    kernels.bytes.fill(0, tag, kernels.alloc(0));
  }

  /** @param tag - where a tag has room. */
  #runSegment(verb: Verb, segment: Segment, keys: KeyTable, newKeys: KeyTable, tag: number): void {
    const kernels = this.#kernels;
    const { path, from, end, row, key, newKey } = segment;
    if (path === "wasm") {
      const count = (end - from) / ROW_BYTES;
      if (keys.suite === newKeys.suite) kernels.run(keys.suite, verb, from, count);
      else kernels.reencryptBetween(keys.suite, newKeys.suite, from, count);
    } else if (path === "hybrid") {
      const chosen = { key: keys.hybrid(key), newKey: newKeys.hybrid(newKey) };
      runHybrid(kernels, verb, { from, end }, chosen, { bytes: this.#paths.checkBytes, tag });
    } else if (path === "plaintext") {
      runPlaintext(kernels, verb, row, { key: keys.native(key), newKey: newKeys.native(newKey) });
    } else if (verb === "Verify" || verb === "Reencrypt") {
      // The tags of AES-256-GCM take the table of the hash key.
      if (keys.suite === "aes-256-gcm") learnHashKey(kernels, keys.hybrid(key));
      if (newKeys.suite === "aes-256-gcm") learnHashKey(kernels, newKeys.hybrid(newKey));
      runPasses(kernels, verb, row, { key: keys.native(key), newKey: newKeys.native(newKey) }, tag);
    }
  }

  /** Cuts the rows, and requests the keys that are to be expanded. */
  #plan(verb: Verb, rows: number, count: number, keys: KeyTable, newKeys: KeyTable): readonly Segment[] {
    const kernels = this.#kernels;
    const { suite } = keys;
    const between = suite !== newKeys.suite;
    const longBytes = between ? longRecordBytesBetween(this.#paths) : longRecordBytes(this.#paths, suite, verb);
    const reencrypt = verb === "Reencrypt";
    const words = new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
    const end = rows + count * ROW_BYTES;
    const segments: Segment[] = [];
    for (let from = rows; from < end;) {
      const next = kernels.call("segmentEnd", from, end, longBytes, Number(reencrypt));
      const blocks = kernels.constant("segmentBlocks");
      if (blocks === 0) break;
      const row = kernels.constant("segmentRow");
      const at = (row - rows) / 4;
      const key = keys.indexOf(words[at + ROW.key]!);
      const newKey = reencrypt ? newKeys.indexOf(words[at + ROW.newKey]!) : key;
      const length = words[at + ROW.length]!;
      const path = between
        ? choosePathBetween(this.#paths, length)
        : choosePath(this.#paths, suite, verb, blocks, length);
      // Of ChaCha20-Poly1305, the tags of a long record too are made in WebAssembly.
      const takes = (table: KeyTable): boolean =>
        path === "wasm" || (path === "passes" && table.suite === "chacha20-poly1305");
      if (takes(keys)) keys.request(key);
      if (takes(newKeys)) newKeys.request(newKey);
      const last = segments.at(-1);
      if (path === "wasm" && last?.path === "wasm") last.end = next;
      else segments.push({ path, from, end: next, row, key, newKey });
      from = next;
    }
    return segments;
  }
}
