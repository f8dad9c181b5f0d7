/** Who must be convicted, and who must never be. */
import type { Effect } from "../../../src/protocol/effect.ts";
import { type State, numberKey } from "../../../src/protocol/state.ts";
import { findRecord } from "../../../src/store/page.ts";
import { idOf } from "../../protocol/network.ts";
import { ensure } from "../invariants.ts";
import { ALTERATIONS, type Altered } from "./alterations.ts";
import type { Byzantine } from "./byzantine.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Machine } from "./machine.ts";
import { isInPartition } from "./migrations.ts";

/** What befalls who is off or late, honest or not. */
const OF_SILENCE = ["unresponsive", "undestroyed"];

/** A lie that shows, of a partition. */
interface Proof {
  readonly partition: number;
  readonly offence: "falseReceipt" | "falseVerdict";
  readonly holds: () => boolean;
}

export class Convictions {
  readonly convicted = new Set<string>();
  readonly #liar: LivePRuntime | null;
  readonly #byzantine: Byzantine | null;
  readonly #machine: Machine;
  readonly #stashes: readonly string[];
  #proofs: Proof[] = [];
  /** Lies that had to be punished, and were. */
  proved = 0;

  /** @param stashes - of who does what it should. */
  constructor(liar: LivePRuntime | null, byzantine: Byzantine | null, machine: Machine, stashes: readonly string[]) {
    this.#liar = liar;
    this.#byzantine = byzantine;
    this.#machine = machine;
    this.#stashes = stashes.map(idOf);
  }

  /** @param before - the block. @throws Error when somebody is blamed wrongly, or not blamed who is proved to have lied. */
  async check(before: State, effects: readonly Effect[], isCalm: boolean): Promise<void> {
    // Who is convicted is so once, whatever else the same message says.
    let isConvicted = false;
    for (const effect of effects) {
      switch (effect.kind) {
        case "Convicted":
          isConvicted = true;
          ensure(effect.identityKey === this.#liar?.identityKey, `an honest one was convicted of ${effect.offence}`);
          this.convicted.add(effect.identityKey);
          if (this.#proofs.length > 0) this.proved++;
          this.#proofs = [];
          break;
        case "OffenceReported":
          if (this.#stashes.includes(effect.stash) && (isCalm || !OF_SILENCE.includes(effect.offence))) {
            ensure(false, `an honest one was punished for ${effect.offence}`);
          }
          break;
        case "PartitionSwept":
          if (effect.receipt.by === this.#liar?.identityKey) await this.#noteReceipt(before, effect.partition);
          break;
        case "PartitionJudged":
          if (effect.identityKey === this.#liar?.identityKey && effect.verdict === "faulty") {
            const { receipt } = before.partitions.get(numberKey(effect.partition))!;
            if (isConvicted || receipt!.by === this.#liar.identityKey) break;
            this.#proofs.push({ partition: effect.partition, offence: "falseVerdict", holds: () => true });
          }
          break;
        case "PartitionReopened":
          // Somebody has found something else that was wrong there.
          this.#proofs = this.#proofs.filter(({ partition }) => partition !== effect.partition);
          break;
        case "RotationLate":
          // Too few have looked at it in time.
          this.#proofs = [];
          break;
        case "RotationAdvanced": {
          if (effect.phase !== "abandonment") break;
          const proof = this.#proofs.find(({ holds }) => holds());
          ensure(proof === undefined, `somebody got away with a ${proof?.offence ?? "lie"}`);
          this.#proofs = [];
          break;
        }
      }
    }
  }

  /** Whether it has vouched for a text that it has put in the place of another, and that is still there. */
  async #noteReceipt(state: State, index: number): Promise<void> {
    for (const altered of this.#byzantine!.altered) await this.#noteVouched(state, index, altered);
  }

  async #noteVouched(state: State, index: number, altered: Altered): Promise<void> {
    if (!ALTERATIONS[altered.name].isProof || !altered.isStated || altered.sealed === null) return;
    const { contract, key, sealed, alteration } = altered;
    if (!isInPartition(state.partitions.get(numberKey(index))!, contract, key)) return;
    const page = await this.#machine.inForce(state).memory.find(contract, key);
    const isThere = page !== null && Buffer.compare(findRecord(page, key) ?? new Uint8Array(0), sealed) === 0;
    if (!isThere) return;
    this.#proofs.push({ partition: index, offence: "falseReceipt", holds: () => !alteration.isWritten });
  }
}
