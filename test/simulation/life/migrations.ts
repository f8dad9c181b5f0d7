/** What a migration goes to, and what must hold of the two stores of one that moves states to another. */
import { accountOf } from "../../../src/protocol/account.ts";
import type { Effect } from "../../../src/protocol/effect.ts";
import type { Migration } from "../../../src/protocol/migration.ts";
import { type Partition, type Rotation, isBeforeSwitch } from "../../../src/protocol/rotation.ts";
import type { State } from "../../../src/protocol/state.ts";
import { placeOf } from "../../../src/pruntime/partition-job.ts";
import { comparePlaces } from "../../../src/store/page.ts";
import { readService } from "../../../src/store/service.ts";
import type { Seeded } from "../../slow/seeded.ts";
import { ensure } from "../invariants.ts";
import type { Machine } from "./machine.ts";

const EVERYTHING = { from: null, to: null };
const ALL_BYTES = 2 ** 30;
/** Blocks from an order to the first in which what was ordered may begin, at most. */
const AHEAD = 3;

/** One to be ordered: other suites, or another store, or both. */
export function drawMigration({ height, sharings }: State, machine: Machine, random: Seeded): Migration {
  const { keySuite, cipherSuite } = sharings.at(-1)!;
  const target = random.below(4) > 0 ? machine.fresh() : null;
  if (target !== null) target.isFresh = false;
  const isOther = random.below(2) === 0;
  const otherCipher = cipherSuite === "aes-256-gcm" ? "chacha20-poly1305" : "aes-256-gcm";
  return {
    measurement: null,
    envelopeVersion: 1,
    cipherSuite: isOther ? otherCipher : cipherSuite,
    // Elements of the other group are noble's, which takes its time.
    keySuite: random.below(12) === 0 ? (keySuite === 1 ? 2 : 1) : keySuite,
    store: target?.id ?? null,
    height: height + 2 + random.below(AHEAD),
  };
}

/** Whether states are written in two stores. */
export function isMirrored(rotation: Rotation | null): rotation is Rotation {
  return rotation !== null && rotation.source !== null && ["reencryption", "verification"].includes(rotation.phase);
}

/** Whether all of them are known to be there, and certified next. */
export function isCopied(rotation: Rotation | null): rotation is Rotation {
  return isMirrored(rotation) && rotation.phase === "verification" && rotation.verified === rotation.partitions;
}

/** Whether they are still copied there: nobody has certified it, and nobody who is honest would without that store. */
export function isCopying(rotation: Rotation | null): rotation is Rotation {
  return isMirrored(rotation) && !isCopied(rotation);
}

/** Whether a state lies in a partition. */
export function isInPartition({ from, to }: Partition, contract: Uint8Array, key: Uint8Array): boolean {
  const [first, end] = [placeOf(from), placeOf(to)];
  const place = { contract, lowerBound: key };
  return (first === null || comparePlaces(place, first) >= 0) && (end === null || comparePlaces(place, end) < 0);
}

/** Generations that states may be under, wherever they are in force. */
export function generationsInForce({ rotation, sharings }: Pick<State, "rotation" | "sharings">): number[] {
  if (rotation !== null && isBeforeSwitch(rotation)) return [rotation.from];
  return sharings.map(({ rotationId }) => rotationId);
}

export class Migrations {
  readonly #machine: Machine;
  /** The store that the migration which is under way has left, since its switch. */
  #left: string | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /**
   * Partitions of the store that states go to of which a copy is complete, and stays so: all that was carried over since is newer. Before
   * it is verified one counts only that nobody has had a hand in who does not do what he should: whoever takes it over goes on where it
   * is, and has seen nothing of what was done before. Once it was found to be damaged, all of it is copied anew.
   * @param isTouched - whether such a one has vouched for an attempt at a partition, or altered something in it.
   */
  async copied(
    { rotation, partitions }: State,
    isTouched: (index: number, partition: Partition) => boolean,
  ): Promise<Partition[]> {
    if (!isMirrored(rotation)) return [];
    const { memory, isLost } = this.#machine.store(rotation.migration!.store!);
    if (isLost || (await readService(memory)).state !== "mirror") return [];
    return [...partitions.values()].filter(
      (partition, index) =>
        partition.stage === "verified" || (partition.stage === "swept" && !isTouched(index, partition)),
    );
  }

  /** Never do two stores serve, between any two commits. @throws Error when they do. */
  async checkServing({ stateStore }: State): Promise<void> {
    const serving: string[] = [];
    for (const { id, memory, isLost, isFresh } of this.#machine.stores) {
      if (isFresh && id !== this.#machine.stores[0]!.id) continue;
      const service = await readService(memory);
      const isNamed = service.rotationId !== null || id === stateStore;
      if (!isLost && isNamed && ["serves", "mirrored"].includes(service.state)) serving.push(id);
    }
    ensure(serving.length <= 1, `${serving.length} stores serve`);
  }

  /**
   * A migration begins when all who hold shares are what it names; a store that was left is empty when it is over.
   * @param mayLeave - whether somebody may have said that it is empty without that being so.
   * @throws Error which says what does not hold.
   */
  async check(effects: readonly Effect[], state: State, mayLeave: boolean): Promise<void> {
    const { rotation, workers } = state;
    for (const effect of effects) {
      if (effect.kind !== "RotationStarted" || effect.migration === null) continue;
      const { measurement } = effect.migration;
      const holders = state.sharings.at(-1)!.members.map(({ identityKey }) => workers.get(accountOf(identityKey)));
      const isHeld = measurement === null || holders.every((holder) => holder?.measurement === measurement);
      ensure(isHeld, "a migration has begun before all who hold shares are what it names");
    }
    if (rotation?.phase === "abandonment" && rotation.source !== null) this.#left = rotation.source;
    if (!effects.some(({ kind }) => kind === "MasterKeyAbandoned") || this.#left === null) return;
    const { memory } = this.#machine.store(this.#left);
    this.#left = null;
    if (mayLeave) return;
    ensure((await readService(memory)).state === "closed", "a store that was left is not closed");
    ensure((await memory.countByRotationId()).size === 0, "a store that was left says that it has records");
    const pages = await memory.scan(EVERYTHING, null, ALL_BYTES);
    ensure(
      pages.every(({ body }) => body.length === EMPTY_BODY_BYTES),
      "a store that was left has records",
    );
    ensure((await memory.keptCount()) === 0, "a store that was left has kept pages");
  }
}

/** A page without records. */
const EMPTY_BODY_BYTES = 16;
