/**
 * The work on one leased partition: it sees to the keys of the contracts that lie in it, a window of them ahead of where the
 * threads are, and has the threads sweep or verify it until something comes of it.
 */
import { fromHex, toHex } from "../bytes.ts";
import { CONTRACT_ID_BYTES } from "../contract-id.ts";
import { PRF_BYTES } from "../keys/contract-key.ts";
import type { PartitionWork } from "../protocol/call.ts";
import type { Partition, PartitionBound } from "../protocol/rotation.ts";
import type { Hex } from "../protocol/scale.ts";
import type { PartitionAnswer, PartitionPool, PartitionTask } from "../rotation/partition-pool.ts";
import type { PageRange, PageRef, StateStore } from "../store/store.ts";
import type { ProvisionedKeys } from "./provisioned-keys.ts";
import type { Provisioning } from "./provisioning.ts";

/** Contracts whose keys are there, or asked for, at a time. */
const WINDOW_CONTRACTS = 2_048;

/** What a job works with; all of it is lent. */
export interface JobTools {
  readonly store: StateStore;
  readonly pool: PartitionPool;
  readonly keys: ProvisionedKeys;
  readonly provisioning: Provisioning;
  /** The generation that is left; the next one is gone to. */
  readonly from: number;
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
  /** Contracts of the window. */
  #window = new Set<Hex>();
  #wake = (): void => undefined;
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
      await this.#untilHeld(needed);
      if (signal.aborted) return;
      const answer = await this.#work();
      switch (answer.tag) {
        case "missingKeys":
          needed = answer.value.map(toHex);
          break;
        case "swept":
        case "verified":
          this.#outcome = answer;
          this.#moveWindow([]);
          return;
        // The lease is another's, or this one is over: the ledger will say so.
        case "lost":
        case "stopped":
          this.#moveWindow([]);
          return;
      }
    }
  }

  /** Ids of contracts that lie in the partition behind one, as many as a half of the window has. */
  async #listed(behind: Hex | null): Promise<Hex[]> {
    const { from, to } = this.lease;
    const first = from === null ? null : before(fromHex(from.contract, "a bound"));
    const after = behind === null ? first : fromHex(behind, "a contract id");
    const entries = await this.#tools.store.contracts(after, WINDOW_CONTRACTS / 2);
    return entries.map(({ id }) => toHex(id)).filter((id) => to === null || id <= to.contract);
  }

  /** Asks for the keys of contracts that are in the window now, and gives up those that are not any more. */
  #moveWindow(contracts: readonly Hex[]): void {
    const { provisioning } = this.#tools;
    const window = new Set(contracts);
    provisioning.want([...window].filter((id) => !this.#window.has(id)));
    provisioning.release([...this.#window].filter((id) => !window.has(id)));
    this.#window = window;
  }

  async #untilHeld(contracts: readonly Hex[]): Promise<void> {
    while (!this.#stop.signal.aborted && !contracts.every((id) => this.#isHeld(id))) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #isHeld(contract: Hex): boolean {
    const { keys, from } = this.#tools;
    return keys.has(from, contract) && keys.has(from + 1, contract);
  }

  async #work(): Promise<PartitionAnswer> {
    const { pool } = this.#tools;
    const keys = this.#packKeys();
    try {
      return await pool.run(taskOf(this.lease), keys, this.#stop.signal);
    } finally {
      new Uint8Array(keys).fill(0);
    }
  }

  /** Of all contracts of the window that have both: id, x(P) of the old generation, x(P) of the new one. */
  #packKeys(): SharedArrayBuffer {
    const { keys, from } = this.#tools;
    const held = [...this.#window].filter((id) => this.#isHeld(id));
    const size = CONTRACT_ID_BYTES + 2 * PRF_BYTES;
    const packed = new SharedArrayBuffer(held.length * size);
    for (const [at, id] of held.entries()) {
      const entry = new Uint8Array(packed, at * size, size);
      entry.set(fromHex(id, "a contract id"));
      keys.copyTo(entry.subarray(CONTRACT_ID_BYTES), from, [id]);
      keys.copyTo(entry.subarray(CONTRACT_ID_BYTES + PRF_BYTES), from + 1, [id]);
    }
    return packed;
  }
}
