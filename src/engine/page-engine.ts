/**
 * The engine for records as they lie in a store's pages: pages go in as they were read and come out as they are to
 * be written, without a buffer for each record and without a contract key in JavaScript's hands (page-keys.ts). Keys are
 * wiped before a call returns; of those that go a native way OpenSSL has a copy too, as native-key.ts says.
 */
import { randomFillSync } from "node:crypto";
import { Kernels } from "./kernels.ts";
import { type CheckJob, type CheckOutcome, checkPages } from "./page-check.ts";
import { type KeyMaterial, layPageKeys, type PageKeys } from "./page-keys.ts";
import { aadBound, type LaidPage, layPage, rowBoundOf, rowWords, storageKeyOf } from "./page-rows.ts";
import { pageSelfTest } from "./page-self-test.ts";
import { StatementRoom } from "./page-statement.ts";
import { MEASURED, type Paths } from "./paths.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "./rows.ts";
import { RowRunner } from "./run.ts";
import type { SealedUnder } from "./sealed-state.ts";
import { selfTest } from "./self-test.ts";
import { NONCE_BYTES, type Suite, suiteId, TAG_BYTES } from "./suite.ts";

export type { CheckJob, CheckOutcome } from "./page-check.ts";
export type { KeyMaterial } from "./page-keys.ts";
export type { SealedUnder } from "./sealed-state.ts";

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
  /** The page statement (page-statement.ts): null where no record was moved, or none was asked for. */
  readonly statement: Uint8Array | null;
}

/** What else a re-encryption is to give. */
export interface ReencryptOptions {
  /** Page statements. With texts of 128 bytes a re-encryption takes about a fifth longer: a hash of 74 bytes and a key each. */
  readonly statements?: boolean;
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
    pageSelfTest(kernels);
  }

  /**
   * Moves every record that is under `from` to `to` and to its job's new key, and leaves those that are under `to`. One
   * that is under neither counts as mismatched. The suites may differ; no plaintext comes into being in any case, unless
   * the engine was made with `paths` that allow it.
   * @throws GatekeeperError INVALID_ARGUMENT when a contract id has not 32 bytes, or for more pages than fit 1 GiB;
   * KEY_UNAVAILABLE for key material that was wiped.
   */
  reencrypt(
    from: SealedUnder,
    to: SealedUnder,
    jobs: readonly ReencryptJob[],
    { statements = false }: ReencryptOptions = {},
  ): ReencryptOutcome[] {
    const kernels = this.#kernels;
    return this.#withBothKeys(from, to, jobs, (keys, newKeys) => {
      const bodies = jobs.map(({ body }) => body);
      const rowsMax = rowBoundOf(bodies);
      const rows = kernels.alloc(rowsMax * ROW_BYTES);
      const nonces = kernels.alloc(rowsMax * NONCE_BYTES);
      randomFillSync(kernels.bytes, nonces, rowsMax * NONCE_BYTES);
      const leave = { rotationId: to.rotationId, suiteId: suiteId(to.suite) };
      let count = 0;
      const pages = jobs.map((job) => {
        const firstRow = rows + count * ROW_BYTES;
        const page = layPage(kernels, job, { from, leave }, keys.contextOf(job.key), firstRow);
        if (page.rows > 0) {
          const newAads = kernels.alloc(aadBound(job.body));
          const newKey = newKeys.contextOf(job.newKey);
          const pageNonces = nonces + count * NONCE_BYTES;
          const { rotationId } = to;
          kernels.call("pageRetarget", firstRow, page.rows, leave.suiteId, rotationId, newKey, pageNonces, newAads);
          count += page.rows;
        }
        return page;
      });
      const tags = kernels.alloc(statements ? count * TAG_BYTES : 0);
      if (statements) kernels.call("pageKeepTags", rows, count, tags);
      this.#runner.run("Reencrypt", rows, count, keys.table, newKeys.table);
      kernels.call("pageRelabel", rows, count, leave.suiteId, to.rotationId);
      const room = statements ? new StatementRoom(kernels, bodies) : null;
      return pages.map((page, index) => ({
        ...this.#outcome(page),
        body: kernels.bytes.subarray(page.body, page.body + page.length),
        statement:
          room &&
          this.#state(page, jobs[index]!.contract, tags + ((page.firstRow - rows) / ROW_BYTES) * TAG_BYTES, room),
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
    return this.#withKeys([{ suite, materials }], ([keys]) => {
      const rows = kernels.alloc(rowBoundOf(jobs.map(({ body }) => body)) * ROW_BYTES);
      const selection = { from: { suite, rotationId: from }, leave: { rotationId: leave, suiteId: 0 } };
      let count = 0;
      const pages = jobs.map((job) => {
        const page = layPage(kernels, job, selection, keys!.contextOf(job.key), rows + count * ROW_BYTES);
        count += Math.max(page.rows, 0);
        return page;
      });
      this.#runner.run("Verify", rows, count, keys!.table);
      return pages.map((page) => this.#outcome(page));
    });
  }

  /**
   * Checks what another engine re-encrypted: whether the records that replaced those of `before` are what these become
   * when they are moved from `from` to `to`. No plaintext comes into being. Records under `to` are not looked at, nor
   * are those of `after` that `before` has not; their tags are what `verify` is for.
   * @throws GatekeeperError INVALID_ARGUMENT when a contract id has not 32 bytes, or for more pages than fit 1 GiB;
   * KEY_UNAVAILABLE for key material that was wiped.
   */
  check(from: SealedUnder, to: SealedUnder, jobs: readonly CheckJob[]): CheckOutcome[] {
    const kernels = this.#kernels;
    try {
      return this.#withBothKeys(from, to, jobs, (keys, newKeys) =>
        checkPages({ kernels, runner: this.#runner, keys, newKeys }, from, to, jobs),
      );
    } finally {
      kernels.wipe();
    }
  }

  /** The keys of a re-encryption: where both suites are one, each material is derived once for both. */
  #withBothKeys<T>(
    from: SealedUnder,
    to: SealedUnder,
    jobs: readonly { readonly key: KeyMaterial; readonly newKey: KeyMaterial }[],
    body: (keys: PageKeys, newKeys: PageKeys) => T,
  ): T {
    if (from.suite === to.suite) {
      const materials = jobs.flatMap((job) => [job.key, job.newKey]);
      return this.#withKeys([{ suite: from.suite, materials }], ([keys]) => body(keys!, keys!));
    }
    const old = { suite: from.suite, materials: jobs.map((job) => job.key) };
    const next = { suite: to.suite, materials: jobs.map((job) => job.newKey) };
    return this.#withKeys([old, next], ([keys, newKeys]) => body(keys!, newKeys!));
  }

  /**
   * Begins anew in the kernels' memory, lends keys of each suite to `body` and wipes them after it. What else it laid
   * there is public and stays, as outcomes are views of it; if it throws, all of it is wiped.
   */
  #withKeys<T>(
    wanted: readonly { readonly suite: Suite; readonly materials: readonly KeyMaterial[] }[],
    body: (keys: readonly PageKeys[]) => T,
  ): T {
    const kernels = this.#kernels;
    kernels.reset();
    try {
      const begin = kernels.alloc(0);
      const keys = wanted.map(({ suite, materials }) => layPageKeys(kernels, suite, materials));
      const end = kernels.alloc(0);
      const result = body(keys);
      kernels.bytes.fill(0, begin, end);
      return result;
    } catch (error) {
      kernels.wipe();
      throw error;
    }
  }

  #state(page: LaidPage, contract: Uint8Array, tags: number, room: StatementRoom): Uint8Array | null {
    if (page.rows < 0) return null;
    return room.finish(this.#kernels.call("pageStatement", page.firstRow, page.rows, tags, room.begin(contract)));
  }

  #outcome(page: LaidPage): PageOutcome {
    if (page.rows < 0) return { wellFormed: false, done: 0, bytes: 0, mismatched: [] };
    const words = rowWords(this.#kernels, page);
    const mismatched: Uint8Array[] = [];
    let done = 0;
    let bytes = 0;
    for (let at = 0; at < words.length; at += ROW_WORDS) {
      const status = words[at + ROW.status]!;
      if (status === RecordStatus.done) {
        done++;
        bytes += words[at + ROW.length]!;
      } else if (status === RecordStatus.tagMismatch) {
        mismatched.push(storageKeyOf(this.#kernels, words, at));
      }
    }
    return { wellFormed: true, done, bytes, mismatched };
  }
}
