/**
 * A store on the machine that all share. Commits are visible when they are applied, and durable when they are synced with all
 * before them; who commits hears of it then, and not before, unless it may be lost. A process that is killed loses nothing of what was applied: the
 * machine has it.
 */
import { toHex } from "../../../src/bytes.ts";
import { GatekeeperError } from "../../../src/errors.ts";
import type { Hex } from "../../../src/protocol/scale.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { NetworkStore } from "../../../src/store/network-store.ts";
import type { Commit, CommitResult, StateStore } from "../../../src/store/store.ts";
import type { Seeded } from "../../slow/seeded.ts";
import type { Steps } from "./steps.ts";

/** Pages that one of this store stands for, where it is cut: partitions are worth their while from 64 pages on. */
const PAGE_STANDS_FOR = 64;

/** Who is told of what is done with stores. */
export interface Watching {
  /** Of pages that are written by who does not re-encrypt them. */
  readonly wrote: (contract: Uint8Array) => void;
  /** Of who has made a commit that it has not heard of yet. */
  readonly committed: (owner: object, commit: Commit) => void;
}

export class SharedStore {
  /** What the chain knows it by. */
  readonly id: Hex;
  readonly memory = new MemoryStore({ syncEvery: Number.MAX_SAFE_INTEGER });
  /** Whether its disk is gone, with all that it had. */
  isLost = false;
  /** Whether no migration has named it. */
  isFresh = true;
  readonly #steps: Steps;
  readonly #watching: Watching;
  /** Commits that were applied since the last sync. */
  #unsynced: Commit[] = [];

  constructor(number: number, steps: Steps, watching: Watching) {
    this.id = toHex(Buffer.alloc(32, 0x50 + number));
    this.#steps = steps;
    this.#watching = watching;
  }

  /** Whether a commit would be lost, perhaps, if the power failed now. */
  get isUnsynced(): boolean {
    return this.#unsynced.length > 0;
  }

  /** @returns how many commits were lost. */
  async losePower(random: Seeded): Promise<number> {
    this.memory.crash();
    const kept = random.below(this.#unsynced.length + 1);
    const lost = this.#unsynced.length - kept;
    for (const commit of this.#unsynced.slice(0, kept)) await this.memory.commit(commit);
    await this.#sync();
    return lost;
  }

  /** The store as a process has it open. @param owner - whose steps these are. */
  open(owner: object): StateStore {
    return this.#as(owner, (act) =>
      this.#steps.take(owner, async () => {
        if (this.isLost) throw new GatekeeperError("STORE_UNAVAILABLE", "the disk that this store was on is gone");
        return act();
      }),
    );
  }

  /** The same, for who does all that it does at once. */
  atOnce(): StateStore {
    return this.#as({}, (act) => act());
  }

  /** What a pRuntime is given. @param owner - whose steps these are. */
  asNetworkStore(owner: object): NetworkStore {
    return { store: this.open(owner), location: { module: "", options: this.id }, id: this.id };
  }

  #as(owner: object, step: <T>(act: () => Promise<T>) => Promise<T>): StateStore {
    const { memory } = this;
    return {
      scan: (range, after, maxBytes) => step(() => memory.scan(range, after, maxBytes)),
      find: (contract, key) => step(() => memory.find(contract, key)),
      kept: (range, after, maxBytes) => step(() => memory.kept(range, after, maxBytes)),
      keptStatements: (range, after, limit) => step(() => memory.keptStatements(range, after, limit)),
      keptCount: () => step(() => memory.keptCount()),
      commit: async (commit) => {
        const result = await step(() => this.#apply(owner, commit));
        if (commit.mayBeLost !== true) await step(() => this.#sync());
        return result;
      },
      minimumRotationId: () => step(() => memory.minimumRotationId()),
      countByRotationId: () => step(() => memory.countByRotationId()),
      cell: (name) => step(() => memory.cell(name)),
      cells: (prefix, after, limit) => step(() => memory.cells(prefix, after, limit)),
      partitionBounds: (pagesEach) =>
        step(() => memory.partitionBounds(Math.max(1, Math.floor(pagesEach / PAGE_STANDS_FOR)))),
      contracts: (after, limit) => step(() => memory.contracts(after, limit)),
      contract: (id) => step(() => memory.contract(id)),
      sync: () => step(() => this.#sync()),
      compact: () => step(() => this.#sync()),
      close: async () => undefined,
    };
  }

  async #apply(owner: object, commit: Commit): Promise<CommitResult> {
    const result = await this.memory.commit(commit);
    this.#unsynced.push(structuredClone(commit));
    for (const { contract, keep } of commit.groups.flat()) if (keep === undefined) this.#watching.wrote(contract);
    this.#watching.committed(owner, commit);
    return result;
  }

  async #sync(): Promise<void> {
    this.#unsynced = [];
    await this.memory.compact();
  }
}
