/** What governance orders, and the owner of the contracts. */
import { toHex } from "../../../src/bytes.ts";
import type { Action } from "../../../src/protocol/call.ts";
import type { Authority } from "../../pruntime/authority.ts";
import type { Seeded } from "../../slow/seeded.ts";
import type { LifeSetting } from "./life-setting.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Writers } from "./writers.ts";

/** One order in so many blocks, and one contract that is another pRuntime's to run from then on. */
const ORDER_BLOCKS = 25;
const ASSIGN_BLOCKS = 30;
const ROTATE: Action = { tag: "rotate", value: undefined };

/** Who is there, and what they have. */
export interface Town {
  readonly chain: Authority;
  readonly setting: LifeSetting;
  readonly pRuntimes: readonly LivePRuntime[];
  readonly writers: Writers;
  readonly random: Seeded;
}

export class Orders {
  readonly #town: Town;
  /** Who may run contracts: all that do what they should. */
  readonly #runners: readonly LivePRuntime[];

  constructor(town: Town) {
    this.#town = town;
    this.#runners = town.pRuntimes.filter(({ name }) => name !== town.setting.byzantine);
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
    if (height >= setting.faultBlocks) return [];
    const assigned = random.below(ASSIGN_BLOCKS) === 0 ? [this.#assign()] : [];
    // A migration would be ordered here, too.
    const isTime = chain.ledger.state.rotation === null && random.below(ORDER_BLOCKS) === 0;
    return isTime ? [...assigned, ...this.rotate()] : assigned;
  }

  /** Has the MasterKey rotated. */
  rotate(): Uint8Array[] {
    return this.#vote(ROTATE);
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
