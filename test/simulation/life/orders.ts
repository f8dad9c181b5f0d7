/** What governance orders, and the owner of the contracts. */
import { toHex } from "../../../src/bytes.ts";
import { type Rotation, isBeforeSwitch } from "../../../src/protocol/rotation.ts";
import type { Action } from "../../../src/protocol/call.ts";
import type { Authority } from "../../pruntime/authority.ts";
import type { Seeded } from "../../slow/seeded.ts";
import type { LifeSetting } from "./life-setting.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Machine } from "./machine.ts";
import { drawMigration, isCopying } from "./migrations.ts";
import type { Upgrade } from "./upgrade.ts";
import type { Writers } from "./writers.ts";

/** One order in so many blocks, and one contract that is another pRuntime's to run from then on. */
const ORDER_BLOCKS = 5;
const ASSIGN_BLOCKS = 30;
/** Of blocks in which a migration could be called off, one in so many in which it is; and in which its target is lost. */
const CANCEL_BLOCKS = 90;
const LOSS_BLOCKS = 100;
/** One block in so many in which another build is to come into use. */
const UPGRADE_BLOCKS = 6;
/** Blocks in which it is noticed that one can't go on. */
const NOTICE_BLOCKS = 5;
/** How late one is, of which that is believed. */
const LATE_MAX = 2;
const ROTATE: Action = { tag: "rotate", value: undefined };
const CANCEL: Action = { tag: "cancelMigration", value: undefined };

/** Who is there, and what they have. */
export interface Town {
  readonly chain: Authority;
  readonly setting: LifeSetting;
  readonly pRuntimes: readonly LivePRuntime[];
  readonly writers: Writers;
  readonly machine: Machine;
  readonly upgrade: Upgrade;
  readonly random: Seeded;
}

export class Orders {
  readonly #town: Town;
  /** Height from which on nothing new comes to anybody's mind. */
  until = Number.POSITIVE_INFINITY;
  /** Whether it had to call off a migration since: another might be late, too, and what is called off in turn never ends. */
  #isWary = false;
  /** Who may run contracts: all that do what they should, and are there from the beginning. */
  readonly #runners: readonly LivePRuntime[];

  constructor(town: Town) {
    this.#town = town;
    this.#runners = town.pRuntimes.filter(({ name, isDeployed }) => isDeployed && name !== town.setting.byzantine);
  }

  /** Of the next block: the first MasterKey, contracts, who may rotate, and then whatever comes to somebody's mind. */
  due(): Uint8Array[] {
    const { chain, setting, random, pRuntimes } = this.#town;
    const { height } = chain;
    if (height === 0) return this.#vote({ tag: "launch", value: undefined });
    if (height === 1) return this.#deploy();
    const worker = setting.workers[height - 2];
    if (worker?.mayRotate === true) {
      const { identityKey } = pRuntimes.find(({ name }) => name === worker.name)!;
      return this.#vote({ tag: "setRotationWorker", value: { identityKey, may: true } });
    }
    if (height >= this.until) return this.unstick();
    const assigned = random.below(ASSIGN_BLOCKS) === 0 ? [this.#assign()] : [];
    const { rotation, sharings } = chain.ledger.state;
    const { upgrade } = this.#town;
    if (upgrade.isUnderWay || (upgrade.isAhead && sharings.length > 0 && random.below(UPGRADE_BLOCKS) === 0)) {
      return [...assigned, ...this.upgrade()];
    }
    if (rotation === null) {
      if (sharings.length === 0) return assigned;
      return random.below(ORDER_BLOCKS) === 0 ? [...assigned, ...this.rotate()] : assigned;
    }
    if (isCopying(rotation) && random.below(LOSS_BLOCKS) === 0) this.#loseTarget(rotation);
    const isCalledOff = rotation.migration !== null && isBeforeSwitch(rotation) && random.below(CANCEL_BLOCKS) === 0;
    return isCalledOff ? [...assigned, ...this.#vote(CANCEL)] : [...assigned, ...this.unstick()];
  }

  /** Has the MasterKey rotated, or states migrated. */
  rotate(): Uint8Array[] {
    const { chain, setting, machine, random } = this.#town;
    const { state } = chain.ledger;
    const isMigration = setting.migrates && !this.#isWary && state.sharings.length > 0 && random.below(3) > 0;
    return this.#vote(isMigration ? { tag: "migrate", value: drawMigration(state, machine, random) } : ROTATE);
  }

  /** What governance has to say for another build. */
  upgrade(): Uint8Array[] {
    const action = this.#town.upgrade.order();
    return action === null ? [] : this.#vote(action);
  }

  /** Calls off a migration that does not come to an end: its target is lost, or none any more. */
  unstick(): Uint8Array[] {
    const { chain, machine, random } = this.#town;
    const { rotation } = chain.ledger.state;
    if (!isCopying(rotation)) return [];
    const isStuck = machine.store(rotation.migration!.store!).isLost || rotation.late >= LATE_MAX;
    if (!isStuck || random.below(NOTICE_BLOCKS) > 0) return [];
    this.#isWary ||= chain.height >= this.until;
    return this.#vote(CANCEL);
  }

  #loseTarget({ migration }: Rotation): void {
    this.#town.machine.store(migration!.store!).isLost = true;
  }

  #deploy(): Uint8Array[] {
    const { chain, writers, random } = this.#town;
    return writers.names.map((name, ahead) => {
      const { identityKey: worker } = random.below(3) > 0 ? this.#runners.at(-1)! : random.of(this.#runners);
      return chain.message("rich", { tag: "deployContract", value: { name: Buffer.from(name), worker } }, ahead);
    });
  }

  #assign(): Uint8Array {
    const { chain, writers, random } = this.#town;
    const contract = toHex(random.of(writers.contracts).id);
    const { identityKey: worker } = random.of(this.#runners);
    return chain.message("rich", { tag: "assignContract", value: { contract, worker } });
  }

  #vote(action: Action): Uint8Array[] {
    const { chain } = this.#town;
    const value = { round: chain.ledger.state.governanceRound, action };
    return ["g1", "g2"].map((member) => chain.message(member, { tag: "govern", value }));
  }
}
