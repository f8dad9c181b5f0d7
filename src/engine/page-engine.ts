/**
 * The engine for records as they lie in a store's pages: pages go in as they were read and come out as they are to
 * be written, without a buffer for each record and without a contract key in JavaScript's hands.
 *
 * A contract key is HKDF-SHA256 of key material that the caller derived (keys/contract-key.ts); it is expanded where
 * it comes into being and wiped there before the call returns. Those that go a native way OpenSSL has a copy of too, as
 * native-key.ts says.
 */
import { randomFillSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import { KeyTable } from "./key-table.ts";
import { Kernels } from "./kernels.ts";
import { MEASURED, type Paths } from "./paths.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "./rows.ts";
import { RowRunner } from "./run.ts";
import { selfTest } from "./self-test.ts";
import { KEY_BYTES, NONCE_BYTES, type Suite, suiteId } from "./suite.ts";

const PAGE_HEADER_BYTES = 16;
const RECORD_COUNT_OFFSET = 4;
/** Key length, sealed length, and a sealed state of an empty text: no record in a page is smaller. */
const RECORD_BYTES_MIN = 48;
const CONTRACT_BYTES = 32;
/** What the storage key follows in an AAD. */
const AAD_PREFIX_BYTES = 46;
const STORAGE_KEY_BYTES_MAX = 4_096;

/** What a contract key is derived from: HKDF-SHA256(ikm, no salt, info). The caller wipes `ikm`. */
export interface KeyMaterial {
  readonly ikm: Uint8Array;
  readonly info: Uint8Array;
}

/** One page to work on. Jobs that share a key share the KeyMaterial object. */
export interface PageJob {
  /** Contract id, 32 bytes. */
  readonly contract: Uint8Array;
  /** The page's body; it is copied and never changed. */
  readonly body: Uint8Array;
  readonly key: KeyMaterial;
}

/** A page to re-encrypt. */
export interface ReencryptJob extends PageJob {
  readonly newKey: KeyMaterial;
}

/** What became of a page. */
export interface PageOutcome {
  /** False when the body is malformed: then nothing was done to it. */
  readonly wellFormed: boolean;
  /** Records that were verified or re-encrypted. */
  readonly done: number;
  /** Bytes of their texts. */
  readonly bytes: number;
  /** Storage keys of the records whose tag did not match; they are as they were. */
  readonly mismatched: readonly Uint8Array[];
}

/** A re-encrypted page. */
export interface ReencryptOutcome extends PageOutcome {
  /** The new body: a view of WebAssembly memory, overwritten by the next call. */
  readonly body: Uint8Array;
}

/** A page in the kernels' memory, and its rows. */
interface LaidPage {
  readonly body: number;
  readonly length: number;
  /** Address of its first row. */
  readonly firstRow: number;
  /** Number of its rows; -1: malformed. */
  readonly rows: number;
}

/** How a page engine works. */
export interface PageEngineOptions {
  /** Another table than the measured one: which way each record goes. */
  readonly paths?: Paths;
  /** An instance of its own; the engine is its only user. */
  readonly kernels?: Kernels;
}

/**
 * Runs pages on the calling thread. Not re-entrant: one call at a time, as it owns its kernels. A call that finds that
 * this machine miscomputes throws KERNEL_SELF_TEST_FAILED.
 */
export class PageEngine {
  readonly #kernels: Kernels;
  readonly #runner: RowRunner;

  /**
   * @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation;
   * INVALID_ARGUMENT for `paths` with a negative threshold or NaN.
   */
  constructor(options: PageEngineOptions = {}) {
    const { kernels = new Kernels(), paths = MEASURED } = options;
    this.#kernels = kernels;
    this.#runner = new RowRunner(kernels, paths);
    selfTest(kernels);
  }

  /**
   * Moves every record that is not yet under rotation id `to` from rotation id `from` to it and to its job's new key.
   * One that is under neither id or another suite counts as mismatched.
   * @throws GatekeeperError INVALID_ARGUMENT when a contract id has not 32 bytes, or for more pages than fit 1 GiB;
   * KEY_UNAVAILABLE for key material that was wiped.
   */
  reencrypt(suite: Suite, from: number, to: number, jobs: readonly ReencryptJob[]): ReencryptOutcome[] {
    const kernels = this.#kernels;
    const materials = jobs.flatMap((job) => [job.key, job.newKey]);
    return this.#withKeys(suite, materials, (contexts, keys) => {
      const rowsMax = jobs.reduce((sum, job) => sum + rowBound(job.body), 0);
      const rows = kernels.alloc(rowsMax * ROW_BYTES);
      const nonces = kernels.alloc(rowsMax * NONCE_BYTES);
      randomFillSync(kernels.bytes, nonces, rowsMax * NONCE_BYTES);
      let count = 0;
      const pages = jobs.map((job) => {
        const firstRow = rows + count * ROW_BYTES;
        const page = this.#layOut(job, suite, { from, leave: to }, contexts.get(job.key)!, firstRow);
        if (page.rows > 0) {
          const newAads = kernels.alloc(aadBound(job.body));
          const newKey = contexts.get(job.newKey)!;
          const pageNonces = nonces + count * NONCE_BYTES;
          kernels.call("pageRetarget", firstRow, page.rows, suiteId(suite), to, newKey, pageNonces, newAads);
          count += page.rows;
        }
        return page;
      });
      this.#runner.run("Reencrypt", rows, count, keys);
      kernels.call("pageRelabel", rows, count, suiteId(suite), to);
      return pages.map((page) => ({
        ...this.#outcome(page),
        body: kernels.bytes.subarray(page.body, page.body + page.length),
      }));
    });
  }

  /**
   * Checks the tag of every record that is not under rotation id `leave`, or, where `leave` is `from`, of every record;
   * no plaintext comes into being. One that is not under rotation id `from` or under another suite counts as mismatched.
   * @throws GatekeeperError INVALID_ARGUMENT when a contract id has not 32 bytes, or for more pages than fit 1 GiB;
   * KEY_UNAVAILABLE for key material that was wiped.
   */
  verify(suite: Suite, from: number, leave: number, jobs: readonly PageJob[]): PageOutcome[] {
    const kernels = this.#kernels;
    const materials = jobs.map((job) => job.key);
    return this.#withKeys(suite, materials, (contexts, keys) => {
      const rows = kernels.alloc(jobs.reduce((sum, job) => sum + rowBound(job.body), 0) * ROW_BYTES);
      let count = 0;
      const pages = jobs.map((job) => {
        const page = this.#layOut(job, suite, { from, leave }, contexts.get(job.key)!, rows + count * ROW_BYTES);
        count += Math.max(page.rows, 0);
        return page;
      });
      this.#runner.run("Verify", rows, count, keys);
      return pages.map((page) => this.#outcome(page));
    });
  }

  /**
   * Begins anew in the kernels' memory, lends the keys to `body` and wipes them after it. What else it laid
   * there is public and stays, as outcomes are views of it; if it throws, all of it is wiped.
   */
  #withKeys<T>(
    suite: Suite,
    materials: readonly KeyMaterial[],
    body: (contexts: ReadonlyMap<KeyMaterial, number>, keys: KeyTable) => T,
  ): T {
    const kernels = this.#kernels;
    kernels.reset();
    try {
      const keys = this.#deriveKeys(suite, materials);
      const result = body(keys.contexts, keys.table);
      kernels.bytes.fill(0, keys.from, keys.to);
      return result;
    } catch (error) {
      kernels.wipe();
      throw error;
    }
  }

  /** Derives each distinct key once; everything secret lies between `from` and `to`. */
  #deriveKeys(
    suite: Suite,
    materials: readonly KeyMaterial[],
  ): { contexts: ReadonlyMap<KeyMaterial, number>; table: KeyTable; from: number; to: number } {
    const kernels = this.#kernels;
    const distinct = [...new Set(materials)];
    distinct.forEach(checkNotWiped);
    const contextBytes = kernels.keyContextBytes(suite);
    const from = kernels.alloc(distinct.length * contextBytes);
    const raw = kernels.alloc(distinct.length * KEY_BYTES);
    const words = distinct.flatMap(({ ikm, info }, index) => [
      kernels.put(ikm),
      ikm.length,
      0,
      0,
      kernels.put(info),
      info.length,
      raw + index * KEY_BYTES,
      KEY_BYTES,
    ]);
    const rows = kernels.put(new Uint8Array(Uint32Array.from(words).buffer));
    kernels.call("hkdfSha256Batch", rows, distinct.length);
    const contexts = new Map<KeyMaterial, number>();
    distinct.forEach((material, index) => {
      contexts.set(material, from + index * contextBytes);
    });
    const table = new KeyTable(kernels, suite, { raw, contexts: from, count: distinct.length });
    return { contexts, table, from, to: rows };
  }

  #layOut(job: PageJob, suite: Suite, ids: { from: number; leave: number }, key: number, firstRow: number): LaidPage {
    const kernels = this.#kernels;
    const { length } = job.body;
    if (job.contract.length !== CONTRACT_BYTES) {
      throw new GatekeeperError("INVALID_ARGUMENT", `a contract id has 32 bytes, not ${job.contract.length}`);
    }
    const body = kernels.put(job.body);
    const contract = kernels.put(job.contract);
    const aads = kernels.alloc(aadBound(job.body));
    const { from, leave } = ids;
    const rows = kernels.call("pageDescribe", body, length, contract, suiteId(suite), from, leave, key, firstRow, aads);
    return { body, length, firstRow, rows };
  }

  #outcome(page: LaidPage): PageOutcome {
    const { bytes: memory } = this.#kernels;
    if (page.rows < 0) return { wellFormed: false, done: 0, bytes: 0, mismatched: [] };
    const words = new Uint32Array(memory.buffer, page.firstRow, page.rows * ROW_WORDS);
    const mismatched: Uint8Array[] = [];
    let done = 0;
    let bytes = 0;
    for (let at = 0; at < words.length; at += ROW_WORDS) {
      const status = words[at + ROW.status]!;
      if (status === RecordStatus.done) {
        done++;
        bytes += words[at + ROW.length]!;
      } else if (status === RecordStatus.tagMismatch) {
        const aad = words[at + ROW.aad]!;
        mismatched.push(memory.slice(aad + AAD_PREFIX_BYTES, aad + words[at + ROW.aadLength]!));
      }
    }
    return { wellFormed: true, done, bytes, mismatched };
  }
}

/**
 * Material lives as long as its owner lets it; what is used after that would be sealed under a key that anyone can
 * derive. No branch depends on a byte until the answer.
 */
function checkNotWiped({ ikm }: KeyMaterial): void {
  if (ikm.length > 0 && ikm.reduce((any, byte) => any | byte, 0) === 0) {
    throw new GatekeeperError("KEY_UNAVAILABLE", "key material was used after it had been wiped");
  }
}

/** Most rows that a body can give, whatever its header claims. */
function rowBound(body: Uint8Array): number {
  return Math.min(recordCount(body), Math.floor(body.length / RECORD_BYTES_MIN));
}

/** Bytes that the AADs of a body can take, with the 16 behind them that the kernels may write over. */
function aadBound(body: Uint8Array): number {
  return 16 + Math.min(body.length, rowBound(body) * (AAD_PREFIX_BYTES + STORAGE_KEY_BYTES_MAX));
}

function recordCount(body: Uint8Array): number {
  if (body.length < PAGE_HEADER_BYTES) return 0;
  return new DataView(body.buffer, body.byteOffset, body.byteLength).getUint32(RECORD_COUNT_OFFSET, true);
}
