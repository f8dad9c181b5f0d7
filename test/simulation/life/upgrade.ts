/**
 * Another build of the pRuntime takes the place of the one that there was: governance lets it serve, each stash starts one, which its
 * host registers, and serves with it from the next election on, by which it is given a share; and a migration to that build begins
 * when all who hold shares run it. The pRuntimes that were there before go on with what is theirs: contracts, and old shares.
 */
import { accountOf } from "../../../src/protocol/account.ts";
import { encodeAttestation } from "../../../src/protocol/attestation.ts";
import type { Action } from "../../../src/protocol/call.ts";
import type { Authority } from "../../pruntime/authority.ts";
import { idOf, measurementOf } from "../../protocol/network.ts";
import type { Seeded } from "../../slow/seeded.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Machine } from "./machine.ts";
import { drawMigration } from "./migrations.ts";

/** Of the other build. */
const MEASUREMENT = measurementOf("another build");
/** One block in so many in which a stash does what is next. */
const MOVE_BLOCKS = 3;

/** Who takes part. */
export interface UpgradeParties {
  readonly chain: Authority;
  /** pRuntimes of the other build, by the stash that has each. */
  readonly successors: ReadonlyMap<string, LivePRuntime>;
  readonly machine: Machine;
  readonly random: Seeded;
}

export class Upgrade {
  readonly #parties: UpgradeParties;
  #hasBegun = false;
  #isOrdered = false;

  constructor(parties: UpgradeParties) {
    this.#parties = parties;
  }

  /** Whether it has not begun. */
  get isAhead(): boolean {
    return !this.#hasBegun && this.#parties.successors.size > 0;
  }

  /** Whether it has begun, and the migration is not ordered yet, or has to wait until others hold the shares. */
  get isUnderWay(): boolean {
    return this.#hasBegun && (!this.#isOrdered || this.#state.migrationOrdered !== null);
  }

  /** What governance has to say for it now; null where it waits for others. */
  order(): Action | null {
    const { measurements, bonded, rotation } = this.#state;
    this.#hasBegun = true;
    if (this.#isOrdered) return null;
    if (!measurements.includes(MEASUREMENT)) return { tag: "allow", value: MEASUREMENT };
    const isServing = [...this.#parties.successors].every(
      ([stash, { identityKey }]) => bonded.get(idOf(stash))?.identityKey === identityKey,
    );
    // While a migration is under way no other can be ordered.
    if (!isServing || rotation !== null) return null;
    this.#isOrdered = true;
    const drawn = drawMigration(this.#state, this.#parties.machine, this.#parties.random);
    return { tag: "migrate", value: { ...drawn, measurement: MEASUREMENT } };
  }

  /** What stashes do for it. */
  async moves(): Promise<Uint8Array[]> {
    const { successors, random } = this.#parties;
    if (!this.isUnderWay || !this.#state.measurements.includes(MEASUREMENT)) return [];
    const said: Uint8Array[] = [];
    for (const [stash, pRuntime] of successors) {
      if (random.below(MOVE_BLOCKS) === 0) said.push(...(await this.#move(stash, pRuntime)));
    }
    return said;
  }

  async #move(stash: string, pRuntime: LivePRuntime): Promise<Uint8Array[]> {
    const { chain } = this.#parties;
    const { workers, bonded } = this.#state;
    pRuntime.isDeployed = true;
    if (!workers.has(accountOf(pRuntime.identityKey))) {
      const value = { measurement: MEASUREMENT };
      const registration = await pRuntime.register(idOf(stash), encodeAttestation({ tag: "software", value }));
      return registration === null ? [] : [chain.message(stash, { tag: "registerWorker", value: registration })];
    }
    const isServing = bonded.get(idOf(stash))?.identityKey === pRuntime.identityKey;
    return isServing ? [] : [chain.message(stash, { tag: "setKeys", value: pRuntime.identityKey })];
  }

  get #state() {
    return this.#parties.chain.ledger.state;
  }
}
