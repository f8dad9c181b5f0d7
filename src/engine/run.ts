/**
 * Runs a verb over descriptor rows: cuts them into segments, lets paths.ts decide how each goes, prepares the keys that
 * those ways need, and takes them.
 */
import { type HybridKey, learnHashKey, runHybrid } from "./hybrid.ts";
import type { Kernels } from "./kernels.ts";
import { runPasses, runPlaintext } from "./long-record.ts";
import { NativeKey, overwriteFreed } from "./native-key.ts";
import { choosePath, longRecordBytes, type Path, type Paths } from "./paths.ts";
import { ROW, ROW_BYTES, ROW_WORDS } from "./rows.ts";
import { KEY_BYTES, type Suite, TAG_BYTES, type Verb } from "./suite.ts";

/** The keys of a batch in the kernels' memory; who laid them there wipes keys and contexts. */
export interface KeyTable {
  /** Address of the keys, 32 bytes each. */
  readonly raw: number;
  /** Address of as many contexts, which rows name, and which are filled here as they are needed. */
  readonly contexts: number;
  readonly count: number;
}

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

  constructor(kernels: Kernels, paths: Paths) {
    this.#kernels = kernels;
    this.#paths = paths;
  }

  /**
   * Runs a verb over the pending ones of `count` rows; each is done or mismatched afterwards (assembly/descriptor.ts).
   * Memory may grow: views made before are void. What is laid there besides the contexts is wiped when it returns; if
   * it throws, the caller wipes everything.
   */
  run(suite: Suite, verb: Verb, rows: number, count: number, keys: KeyTable): void {
    const kernels = this.#kernels;
    const tag = kernels.alloc(TAG_BYTES);
    const { segments, expanded } = this.#plan(suite, verb, rows, count, keys);
    this.#expandKeys(suite, expanded, keys);
    const prepared = new PreparedKeys(kernels, suite, keys);
    for (const { path, from, end, row, key, newKey } of segments) {
      if (path === "wasm") {
        kernels.run(suite, verb, from, (end - from) / ROW_BYTES);
      } else if (path === "hybrid") {
        const chosen = { key: prepared.hybrid(key), newKey: prepared.hybrid(newKey) };
        runHybrid(kernels, verb, { from, end }, chosen, { bytes: this.#paths.checkBytes, tag });
      } else if (path === "plaintext") {
        runPlaintext(kernels, verb, row, { key: prepared.native(key), newKey: prepared.native(newKey) });
      } else if (verb === "Verify" || verb === "Reencrypt") {
        // The tags of AES-256-GCM take the table of the hash key.
        if (suite === "aes-256-gcm") {
          learnHashKey(kernels, prepared.hybrid(key));
          learnHashKey(kernels, prepared.hybrid(newKey));
        }
        const chosen = { key: prepared.native(key), newKey: prepared.native(newKey) };
        runPasses(kernels, suite, verb, row, chosen, tag);
      }
    }
    overwriteFreed();
    kernels.bytes.fill(0, tag, kernels.alloc(0));
  }

  /** Cuts the rows; and says which keys are to be expanded: 1 for those. */
  #plan(
    suite: Suite,
    verb: Verb,
    rows: number,
    count: number,
    keys: KeyTable,
  ): { segments: Segment[]; expanded: Uint8Array } {
    const kernels = this.#kernels;
    const contextBytes = kernels.keyContextBytes(suite);
    const longBytes = longRecordBytes(this.#paths, suite, verb);
    const reencrypt = verb === "Reencrypt";
    const words = new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
    const end = rows + count * ROW_BYTES;
    const segments: Segment[] = [];
    const expanded = new Uint8Array(keys.count);
    for (let from = rows; from < end;) {
      const next = kernels.call("segmentEnd", from, end, longBytes, Number(reencrypt));
      const blocks = kernels.constant("segmentBlocks");
      if (blocks === 0) break;
      const row = kernels.constant("segmentRow");
      const at = (row - rows) / 4;
      const key = (words[at + ROW.key]! - keys.contexts) / contextBytes;
      const newKey = reencrypt ? (words[at + ROW.newKey]! - keys.contexts) / contextBytes : key;
      const path = choosePath(this.#paths, suite, verb, blocks, words[at + ROW.length]!);
      if (path === "wasm" || (path === "passes" && suite === "chacha20-poly1305")) expanded[key] = expanded[newKey] = 1;
      const last = segments.at(-1);
      if (path === "wasm" && last?.path === "wasm") last.end = next;
      else segments.push({ path, from, end: next, row, key, newKey });
      from = next;
    }
    return { segments, expanded };
  }

  /** Expands keys, as many together as lie side by side. */
  #expandKeys(suite: Suite, expanded: Uint8Array, { raw, contexts }: KeyTable): void {
    const kernels = this.#kernels;
    for (let first = expanded.indexOf(1); first >= 0;) {
      const found = expanded.indexOf(0, first);
      const end = found < 0 ? expanded.length : found;
      kernels.expandKeys(
        suite,
        raw + first * KEY_BYTES,
        end - first,
        contexts + first * kernels.keyContextBytes(suite),
      );
      first = expanded.indexOf(1, end);
    }
  }
}

/** The keys of a batch that are in native hands, each made when it is first asked for. */
class PreparedKeys {
  readonly #kernels: Kernels;
  readonly #suite: Suite;
  readonly #keys: KeyTable;
  readonly #native = new Map<number, NativeKey>();
  readonly #hybrid = new Map<number, HybridKey>();

  constructor(kernels: Kernels, suite: Suite, keys: KeyTable) {
    this.#kernels = kernels;
    this.#suite = suite;
    this.#keys = keys;
  }

  native(index: number): NativeKey {
    let key = this.#native.get(index);
    if (key === undefined) {
      const at = this.#keys.raw + index * KEY_BYTES;
      key = new NativeKey(this.#suite, this.#kernels.bytes.subarray(at, at + KEY_BYTES));
      this.#native.set(index, key);
    }
    return key;
  }

  hybrid(index: number): HybridKey {
    let key = this.#hybrid.get(index);
    if (key === undefined) {
      const context = this.#keys.contexts + index * this.#kernels.keyContextBytes(this.#suite);
      key = { native: this.native(index), context, known: false };
      this.#hybrid.set(index, key);
    }
    return key;
  }
}
