/**
 * A pRuntime of a network that does not do what it should, by itself: beyond two of one mind nothing is promised (SECURITY.md). It
 * is a real `Enclave`, whose threads work on the store through somebody's hands (alterations.ts), and whose messages to the chain
 * are replaced on their way:
 *
 *   alters what it re-encrypts    another text (convicted), a record dropped or skipped, a bit flipped, an old state put back
 *   false receipt                 for partitions that it has leased and not looked at; or with another digest
 *   false verdict                 "faulty" of a right partition (convicted), "damaged", or "sound" of one that it has not looked at
 *   double lease                  takes all that it can get and does nothing; says what others have leased is done
 *   drops early                   what was kept of partitions that nobody has verified
 *   copies wrongly                to another store: as it alters what it re-encrypts, or with a state that was deleted
 *   ends the mirror               that states are copied to
 *   certifies early               before partitions are verified; or says that the store is compacted when it is not
 *   never declares                that what it has of a MasterKey is destroyed
 */
import { createHash } from "node:crypto";
import { accountOf } from "../../../src/protocol/account.ts";
import type { Call, PartitionWork } from "../../../src/protocol/call.ts";
import { readMessage, signMessage } from "../../../src/protocol/message.ts";
import {
  LEASES_MAX,
  type Partition,
  type ReceiptClaim,
  type Rotation,
  leasesOf,
} from "../../../src/protocol/rotation.ts";
import type { IdentityKey } from "../../../src/pruntime/identity-key.ts";
import { endMirror } from "../../../src/store/service.ts";
import type { StateStore } from "../../../src/store/store.ts";
import type { Authority } from "../../pruntime/authority.ts";
import type { Seeded } from "../../slow/seeded.ts";
import { ALTERATION_NAMES, type Altered, type AlterationName, alteringStore } from "./alterations.ts";
import { COPY_ALTERATION_NAMES, type CopyAlterationName, alterCopy, copyOf, isCopy } from "./copy-alterations.ts";
import type { KnownKeys } from "./known-keys.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Machine } from "./machine.ts";
import { isCopying } from "./migrations.ts";
import type { States } from "./states.ts";

/** How often it drops what was kept in one rotation: each time partitions are done anew, and it could go on for ever. */
const DROPS_MAX = 4;
/** Blocks from one mirror's end to the next: who ends it in each, of which only the next one puts it right, could go on for ever. */
const END_BLOCKS = 4;
/** Copies that it alters in one migration. */
const COPIES_MAX = 3;
/** More than there are kept pages. */
const KEPT_MAX = 100_000;
/** A receipt of who has done nothing. */
const NOTHING: ReceiptClaim = {
  pages: 0,
  records: 0,
  bytes: 0,
  failed: 0,
  failures: [],
  quarantined: 0,
  digest: `0x${createHash("sha256").update("gatekeeper/v1 partition digest").digest("hex")}`,
};

/** What it says in the place of what is right. */
const SAYINGS = [
  "empty receipt",
  "other digest",
  "faulty verdict",
  "damaged verdict",
  "unseen verdict",
  "hoarded leases",
  "others' leases",
  "drops early",
  "certifies early",
  "ends the mirror",
] as const;
type Saying = (typeof SAYINGS)[number];

export const ATTACKS = [...ALTERATION_NAMES, ...COPY_ALTERATION_NAMES, ...SAYINGS, "never declared"] as const;
export type AttackName = (typeof ATTACKS)[number];
const ATTACKS_IN_PLACE = ATTACKS.filter(
  (name) => !(COPY_ALTERATION_NAMES as readonly string[]).includes(name) && name !== "ends the mirror",
);
const ATTACKS_ON_COPIES = ATTACKS.filter(
  (name) => !(ALTERATION_NAMES as readonly string[]).includes(name) && name !== "drops early",
);

/** What it is up to in one rotation. */
interface Plan {
  readonly from: number;
  /** The store that states are copied from; null: they stay. */
  readonly source: string | null;
  /** At most one of these: else more is lost than can be put right. */
  readonly alters: AlterationName | null;
  readonly copies: CopyAlterationName | null;
  readonly says: Saying | null;
  readonly declares: boolean;
}

/** What it works with; all of it is lent. */
export interface Lair {
  readonly chain: Authority;
  readonly machine: Machine;
  readonly keys: KnownKeys;
  readonly states: States;
  readonly random: Seeded;
  /** What it tries more than anything else. */
  readonly favourite: AttackName;
}

export class Byzantine implements Disposable {
  /** Names of the attacks that were made. */
  readonly made = new Set<string>();
  /** What it has altered in the rotation that is under way, perhaps in several partitions at once. */
  altered: readonly Altered[] = [];
  readonly #pRuntime: LivePRuntime;
  readonly #lair: Lair;
  readonly #signer: IdentityKey;
  #plan: Plan | null = null;
  /** Copies that it has altered in the migration that is under way. */
  #copies = 0;
  /** Attempts at partitions in which it has altered copies, of all migrations. */
  readonly #touched = new Set<string>();
  /** How often it has dropped what was kept in the rotation that is under way. */
  #drops = 0;
  /** The last block in which it has ended a mirror. */
  #endedAt = -END_BLOCKS;
  /** Whether it has said of a store that a migration has left that it is empty. */
  hasLeftStore = false;

  constructor(pRuntime: LivePRuntime, lair: Lair) {
    this.#pRuntime = pRuntime;
    this.#lair = lair;
    this.#signer = pRuntime.disk.signer();
    pRuntime.disk.forgets = true;
    pRuntime.through = (store) =>
      alteringStore(this.#copyingStore(store), {
        keys: lair.keys,
        states: lair.states,
        random: lair.random,
        plan: () => (this.#planned()?.alters !== undefined && this.altered.length === 0 ? this.#plan!.alters : null),
        done: (what) => {
          this.made.add(what.name);
          this.altered = [...this.altered, what];
        },
      });
  }

  /** Alters copies that go through it to another store. */
  #copyingStore(store: StateStore): StateStore {
    return {
      ...store,
      commit: async (commit) => {
        const attack = this.#planned()?.copies ?? null;
        const isDue = attack !== null && isCopy(commit) && this.#copies < COPIES_MAX;
        const altered = isDue ? alterCopy(commit, this.#lair, attack) : null;
        if (altered === null) return store.commit(commit);
        const { index, attempt } = copyOf(commit);
        const name = attemptName(this.#rotation!, index, attempt);
        const wasTouched = this.#touched.has(name);
        // It may be killed before it hears of it; and where others wrote some of the pages, all the others are written.
        this.#touched.add(name);
        const result = await store.commit(altered);
        if (!result.cellsHeld && !wasTouched) this.#touched.delete(name);
        if (result.cellsHeld && result.conflicts.length === 0) {
          this.#copies++;
          this.made.add(attack!);
        }
        return result;
      },
    };
  }

  /** Whether it has vouched for an attempt at a partition that is copied to another store, or altered something in it. */
  hasTouched(index: number, { attempt, receipt }: Partition): boolean {
    const isOurs = receipt?.by === this.#pRuntime.identityKey;
    return isOurs || this.#touched.has(attemptName(this.#rotation!, index, attempt));
  }

  [Symbol.dispose](): void {
    this.#signer[Symbol.dispose]();
  }

  /** What leaves in the place of what its enclave says. */
  replace(said: readonly Uint8Array[]): Uint8Array[] {
    const [own] = said.map((bytes) => readMessage(bytes)!);
    const call = this.#replaced(own?.call ?? null);
    if (call === null) return [];
    const { ledger } = this.#lair.chain;
    const sequence = ledger.state.accounts.get(accountOf(this.#signer.publicKey))?.sequence ?? 0;
    if (call === own?.call && sequence === own.sequence) return [...said];
    return [signMessage(this.#signer, ledger.genesisHash, sequence, call)];
  }

  /** What it does with the store now. */
  async meddle(): Promise<void> {
    const plan = this.#planned();
    const { random, machine, chain } = this.#lair;
    if (plan === null || (plan.says !== "drops early" && plan.says !== "ends the mirror")) return;
    const rotation = this.#rotation!;
    if (random.below(30) > 0 || !["reencryption", "verification"].includes(rotation.phase)) return;
    if (plan.says === "ends the mirror") {
      if (isCopying(rotation) && chain.height >= this.#endedAt + END_BLOCKS) await this.#endMirror(rotation);
      return;
    }
    const store = machine.inForce(chain.ledger.state).atOnce();
    const drop = await store.keptStatements({ from: null, to: null }, null, KEPT_MAX);
    if (drop.length === 0 || this.#drops++ >= DROPS_MAX) return;
    this.made.add("drops early");
    await store.commit({ groups: [], sealedUnder: null, drop });
  }

  /** Ends a mirror that states are still copied to: they stay where they are, and the migration has to be called off. */
  async #endMirror(rotation: Rotation): Promise<void> {
    const { machine, chain } = this.#lair;
    this.#endedAt = chain.height;
    const [source, target] = [rotation.source!, rotation.migration!.store!].map((id) => machine.store(id));
    const [rotationId, height] = [rotation.from + 1, rotation.switchHeight!];
    const migration = {
      rotationId,
      sourceId: source!.id,
      targetId: target!.id,
      height,
      now: chain.ledger.state.height,
    };
    await endMirror(source!.atOnce(), target!.isLost ? null : target!.atOnce(), migration);
    this.made.add("ends the mirror");
  }

  get #rotation(): Rotation | null {
    return this.#lair.chain.ledger.state.rotation;
  }

  #planned(): Plan | null {
    const rotation = this.#rotation;
    const { random } = this.#lair;
    if (rotation === null) return null;
    if (this.#plan?.from !== rotation.from || this.#plan.source !== rotation.source) {
      const { favourite } = this.#lair;
      const made = rotation.source === null ? ATTACKS_IN_PLACE : ATTACKS_ON_COPIES;
      const attack = made.includes(favourite) && random.below(3) > 0 ? favourite : random.of(made);
      this.altered = [];
      this.#copies = 0;
      this.#drops = 0;
      this.#plan = {
        from: rotation.from,
        source: rotation.source,
        alters: ALTERATION_NAMES.find((name) => name === attack) ?? null,
        copies: COPY_ALTERATION_NAMES.find((name) => name === attack) ?? null,
        says: SAYINGS.find((name) => name === attack) ?? null,
        declares: attack !== "never declared" && random.below(3) > 0,
      };
    }
    return this.#plan;
  }

  #replaced(own: Call | null): Call | null {
    const plan = this.#planned();
    const rotation = this.#rotation;
    if (plan === null || rotation === null) return own;
    if (own?.tag === "declareAbandoned" || (own?.tag === "declareDestroyed" && rotation.phase === "abandonment")) {
      if (plan.declares) return own;
      this.made.add("never declared");
      return null;
    }
    if (plan.says === null) return own;
    return this.#says(plan.says, rotation, own);
  }

  #saysCompacted({ from, source }: Rotation): Call {
    this.hasLeftStore ||= source !== null;
    return { tag: "declareCompacted", value: from + 1 };
  }

  #says(saying: Saying, rotation: Rotation, own: Call | null): Call | null {
    const { random, chain } = this.#lair;
    const { state } = chain.ledger;
    const rotationId = rotation.from + 1;
    const isAtWork = rotation.phase === "reencryption" || rotation.phase === "verification";
    if (saying === "certifies early") {
      if (rotation.phase === "abandonment" && random.below(4) === 0) return this.#saysCompacted(rotation);
      if (!isAtWork || random.below(4) > 0) return own;
      this.made.add(saying);
      return { tag: "certifyRotation", value: { rotationId, switchHeight: rotation.switchHeight! } };
    }
    if (!isAtWork || rotation.partitions === null || saying === "drops early" || saying === "ends the mirror")
      return own;
    const leases = leasesOf(state, this.#pRuntime.identityKey);
    const works = (done: readonly PartitionWork[]): Call => {
      this.made.add(saying);
      return { tag: "workPartitions", value: { rotationId, done, wanted: LEASES_MAX } };
    };
    switch (saying) {
      case "hoarded leases":
        return own?.tag === "workPartitions" || own === null ? works([]) : own;
      case "others' leases": {
        const all = [...state.partitions.values()].map((partition, index) => ({ ...partition, index }));
        return random.below(3) > 0 ? own : works(all.filter(({ stage }) => stage !== "verified").map(claimed));
      }
      case "empty receipt":
        return leases.some(({ stage }) => stage === "unswept") ? works(leases.map(claimed)) : own;
      case "other digest":
        return own?.tag === "workPartitions" && own.value.done.some(({ outcome }) => outcome.tag === "swept")
          ? works(own.value.done.map(withOtherDigest))
          : own;
      default: {
        const verifying = leases.filter(({ stage }) => stage === "swept");
        if (verifying.length === 0) return own;
        const value = saying === "faulty verdict" ? "faulty" : saying === "damaged verdict" ? "damaged" : "sound";
        return works(
          verifying.map(({ index, attempt }) => ({ partition: index, attempt, outcome: { tag: "verified", value } })),
        );
      }
    }
  }
}

/** No two migrations have the same switch block. */
function attemptName({ switchHeight }: Rotation, index: number, attempt: number): string {
  return `${switchHeight} ${index} ${attempt}`;
}

/** As if nothing had been there to do, or all were right. */
function claimed({ index, attempt, stage }: Partition & { readonly index: number }): PartitionWork {
  const outcome: PartitionWork["outcome"] =
    stage === "unswept" ? { tag: "swept", value: NOTHING } : { tag: "verified", value: "sound" };
  return { partition: index, attempt, outcome };
}

function withOtherDigest(work: PartitionWork): PartitionWork {
  const { outcome } = work;
  if (outcome.tag !== "swept") return work;
  return { ...work, outcome: { tag: "swept", value: { ...outcome.value, digest: NOTHING.digest } } };
}
