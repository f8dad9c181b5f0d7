/**
 * The work on one leased partition: it sees to the keys of the contracts that lie in it, a window of them ahead of where the
 * threads are, and has the threads sweep or verify it until something comes of it.
 */
import { fromHex, toHex } from "../bytes.ts";
import type { PartitionWork } from "../protocol/call.ts";
import {
  FAILURES_NAMED_MAX,
  FAILURE_KEY_BYTES_MAX,
  type Partition,
  type PartitionBound,
  type ReceiptClaim,
} from "../protocol/rotation.ts";
import type { Hex } from "../protocol/scale.ts";
import {
  type Generation,
  type SharedPartitionKeys,
  sharePartitionKeys,
  wipePartitionKeys,
} from "../rotation/partition-keys.ts";
import type { PartitionThreads } from "../rotation/partition-pool.ts";
import type { PartitionEnd } from "../rotation/partition-task.ts";
import type { Receipt } from "../rotation/receipt.ts";
import type { VerifyCopiedProgress } from "../rotation/verify-copied.ts";
import type { VerifyProgress } from "../rotation/verify-leased.ts";
import type { PageRef, StateStore, StoreLocation } from "../store/store.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";
import type { Provisioning } from "./provisioning.ts";

/** Contracts whose keys are there, or asked for, at a time. */
const WINDOW_CONTRACTS = 2_048;
/** Of them, those that are read at a time: a partition has a few, or very many. */
const CONTRACTS_READ = 64;

/** What a job works with; all of it is lent. */
export interface JobTools {
  /** What lists the contracts: where states are before the rotation. */
  readonly store: StateStore;
  /** Where that store is, in a migration to another; null where states stay in it. */
  readonly source: StoreLocation | null;
  readonly pool: PartitionThreads;
  readonly keys: ProvisionedKeys;
  readonly provisioning: Provisioning;
  /** The generation that is left, and the one that is gone to. */
  readonly from: Generation;
  readonly to: Generation;
}

/** A partition that was leased, as the ledger had it then. */
export type Lease = Partition & { readonly index: number };

/** The greatest id below one; null where there is none. */
function before(id: Uint8Array): Uint8Array | null {
  const at = id.findLastIndex((byte) => byte > 0);
  return at < 0 ? null : id.map((byte, index) => (index < at ? byte : index === at ? byte - 1 : 0xff));
}

/** One lease's. Dispose stops it. */
export class PartitionJob implements Disposable {
  readonly lease: Lease;
  readonly #tools: JobTools;
  readonly #stop = new AbortController();
  #mayWork = false;
  /** Contracts of the window. */
  #window = new Set<Hex>();
  #wake = (): void => undefined;
  /** How far the verification has come. */
  #verified: VerifyProgress | null = null;
  #copyVerified: VerifyCopiedProgress | null = null;
  #outcome: PartitionWork["outcome"] | null = null;
  #failed: unknown = null;

  constructor(lease: Lease, tools: JobTools) {
    this.lease = lease;
    this.#tools = tools;
    void this.#run().catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#failed = error;
    });
  }

  /** What came of it; null before it is done. */
  get outcome(): PartitionWork["outcome"] | null {
    return this.#outcome;
  }

  /** What it failed with; null where it did not. */
  get failure(): unknown {
    return this.#failed;
  }

  /** Its lease has begun: before, it only sees to keys. */
  begin(): void {
    if (this.#mayWork) return;
    this.#mayWork = true;
    this.#wake();
  }

  /** Keys may have come. */
  wake(): void {
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#moveWindow([]);
    this.#wake();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let needed = await this.#listed(null);
    while (!signal.aborted) {
      const ahead = needed.length === 0 ? [] : await this.#listed(needed.at(-1)!);
      if (signal.aborted) return;
      this.#moveWindow([...needed, ...ahead]);
      await this.#untilReady(needed);
      if (signal.aborted) return;
      const answer = await this.#work();
      if (answer.end === "missing") {
        needed = answer.missingKeys.map(toHex);
        if ("at" in answer) this.#remember(answer.at);
        continue;
      }
      if (answer.end === "done") this.#outcome = { tag: "swept", value: claimOf(answer.receipt) };
      if (answer.end === "verdict") this.#outcome = { tag: "verified", value: answer.verdict };
      // Else the lease is another's, or the work is over: the ledger will say so.
      this.#moveWindow([]);
      return;
    }
  }

  /** Ids of contracts that lie in the partition behind one, as many as a half of the window has. */
  async #listed(behind: Hex | null): Promise<Hex[]> {
    const { from, to } = this.lease;
    const first = from === null ? null : before(fromHex(from.contract, "a bound"));
    let after = behind === null ? first : fromHex(behind, "a contract id");
    const isInside = (id: Hex): boolean => to === null || id < to.contract || (id === to.contract && to.key.length > 0);
    const listed: Hex[] = [];
    while (listed.length < WINDOW_CONTRACTS / 2) {
      const entries = await this.#tools.store.contracts(after, CONTRACTS_READ);
      const inside = entries.map(({ id }) => toHex(id)).filter(isInside);
      listed.push(...inside);
      if (inside.length < CONTRACTS_READ) break;
      after = entries.at(-1)!.id;
    }
    return listed;
  }

  /** Asks for the keys of contracts that are in the window now, and gives up those that are not any more. */
  #moveWindow(contracts: readonly Hex[]): void {
    const { provisioning } = this.#tools;
    const window = new Set(contracts);
    provisioning.want([...window].filter((id) => !this.#window.has(id)));
    provisioning.release([...this.#window].filter((id) => !window.has(id)));
    this.#window = window;
  }

  async #untilReady(contracts: readonly Hex[]): Promise<void> {
    const isReady = (): boolean => this.#mayWork && contracts.every((id) => this.#isHeld(id));
    while (!this.#stop.signal.aborted && !isReady()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #isHeld(contract: Hex): boolean {
    const { keys, from, to } = this.#tools;
    return keys.has(from.rotationId, contract) && keys.has(to.rotationId, contract);
  }

  #remember(at: VerifyProgress | VerifyCopiedProgress): void {
    if ("from" in at) this.#copyVerified = at;
    else this.#verified = at;
  }

  async #work(): Promise<PartitionEnd> {
    const { pool, source } = this.#tools;
    const { index, attempt, stage, receipt, quarantine } = this.lease;
    const range = { from: placeOf(this.lease.from), to: placeOf(this.lease.to) };
    const keys = this.#sharedKeys();
    try {
      if (source !== null) {
        if (stage !== "unswept") return await pool.verifyCopy(source, range, keys, this.#copyVerified);
        return await pool.copy(source, { ...range, index, attempt }, keys, { quarantine });
      }
      if (stage === "unswept") return await pool.sweep({ ...range, index, attempt }, keys, { quarantine });
      const { pages, digest, by } = receipt!;
      const claimed = { pages, digest: fromHex(digest, "a digest") };
      return await pool.verify(range, keys, claimed, fromHex(by, "an IdentityKey"), this.#verified);
    } finally {
      wipePartitionKeys(keys);
    }
  }

  /** Of all contracts of the window that have both. */
  #sharedKeys(): SharedPartitionKeys {
    const { keys, from, to } = this.#tools;
    const held = [...this.#window].filter((id) => this.#isHeld(id));
    const prfs = held.map((id) => ({
      contract: fromHex(id, "a contract id"),
      from: keys.prf(from.rotationId, id),
      to: keys.prf(to.rotationId, id),
    }));
    return sharePartitionKeys(from, to, prfs);
  }
}

/** A bound as a place in the store. */
export function placeOf(bound: PartitionBound | null): PageRef | null {
  return bound === null ? null : { contract: fromHex(bound.contract, "a bound"), lowerBound: bound.key };
}

/** What the chain is told of a receipt: names of records are cut to what it takes. */
function claimOf({ pages, records, bytes, failed, failures, quarantined, digest }: Receipt): ReceiptClaim {
  const named = failures.slice(0, FAILURES_NAMED_MAX).map(({ contract, key }) => ({
    contract,
    key: fromHex(key, "a storage key").slice(0, FAILURE_KEY_BYTES_MAX),
  }));
  return { pages, records, bytes, failed, failures: named, quarantined, digest: toHex(digest) };
}
