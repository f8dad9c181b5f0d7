/**
 * What rotations of a network's MasterKey were, from what its blocks did: a record each, with every receipt. It asks no ledger for
 * its state: what a record says was told by messages, one by one, and rotation-audit.ts has something to check the ledger against.
 */
import type { PublicKey } from "../protocol/account.ts";
import type { Migration } from "../protocol/migration.ts";
import type { Effect } from "../protocol/effect.ts";
import type { Applied } from "../protocol/replica.ts";
import type { ReceiptClaim, Verdict } from "../protocol/rotation.ts";
import type { Hex } from "../protocol/scale.ts";

/** What was found of a receipt. */
interface ReceiptJudgement {
  readonly height: number;
  readonly by: PublicKey;
  readonly verdict: Verdict;
}

/** What a pRuntime vouched for of a partition, and what became of it. */
export interface ReceiptRecord extends ReceiptClaim {
  readonly partition: number;
  /** How often it had been reopened before. */
  readonly attempt: number;
  readonly height: number;
  readonly by: PublicKey;
  readonly judgements: readonly ReceiptJudgement[];
  /** Whether it is what counts of its partition: no record was left out, and the partition was not reopened since. */
  readonly stands: boolean;
}

/** Who certified, and when. */
interface Certificate {
  readonly height: number;
  readonly by: PublicKey;
}

/** A sharing of the MasterKey that is left, and who had confirmed a share of it. */
interface LeftSharing {
  readonly epoch: number;
  readonly threshold: number;
  readonly holders: readonly PublicKey[];
  /** Of these, who has not declared its share destroyed. */
  readonly owing: readonly PublicKey[];
}

/** One rotation. Heights are of blocks; null where it has not come to that, or never will. */
export interface RotationRecord {
  /** Of the MasterKey that it is to. */
  readonly rotationId: number;
  /** "closed": governance has ended it although the MasterKey that is left is not shown to be destroyed. */
  readonly outcome: "under way" | "aborted" | "complete" | "closed";
  readonly began: number;
  /** Members of governance that ordered it; null where it was time. */
  readonly orderedBy: readonly PublicKey[] | null;
  /** Where states went besides; null where it is no migration. */
  readonly migration: Migration | null;
  readonly switched: number | null;
  /** Id of the store at the switch, or of the one that took its place since; null where there was none, so that nothing was sealed under the MasterKey that is left. */
  readonly store: Hex | null;
  /** When its last partition was verified and enough had certified. */
  readonly abandoning: number | null;
  readonly ended: number | null;
  /** Into how many the store was cut, and by whom; null where there was none, or nobody has. */
  readonly partitions: number | null;
  readonly cutBy: PublicKey | null;
  /** In the order of blocks. */
  readonly receipts: readonly ReceiptRecord[];
  readonly certificates: readonly Certificate[];
  /** Holders of shares of the new MasterKey that were not convicted, and how many stand for it, when it began to be abandoned. */
  readonly certifying: { readonly threshold: number; readonly holders: readonly PublicKey[] } | null;
  readonly convicted: readonly PublicKey[];
  readonly compactedBy: PublicKey | null;
  /** Of the MasterKey that is left, from then on. */
  readonly left: readonly LeftSharing[];
  /** Who had keys of contracts that are derived from it, and has not declared them destroyed, as the record counts. */
  readonly owingKeys: readonly PublicKey[];
  /** The same, as the ledger told it at the end. */
  readonly outstanding: readonly PublicKey[];
  /** By whose votes it was closed, and what was missing then, as the ledger told it; null where it was not. */
  readonly closed: Pick<
    Extract<Effect, { readonly kind: "AbandonmentClosed" }>,
    "members" | "shares" | "compacted"
  > | null;
}

type Growing = { -readonly [K in keyof RotationRecord]: RotationRecord[K] };

/** A MasterKey's sharing, in force or not. */
interface KnownSharing {
  readonly epoch: number;
  readonly rotationId: number;
  readonly threshold: number;
  readonly holders: readonly PublicKey[];
  readonly owing: readonly PublicKey[];
}

/** Follows a chain from its first block on. What it holds is the rotation under way, and who has something of which MasterKey. */
export class RotationHistory {
  #rotation: Growing | null = null;
  /** Votes that ordered the next one, and the next migration. */
  #ordered: readonly PublicKey[] | null = null;
  #migrationOrdered: readonly PublicKey[] = [];
  /** Thresholds of key sessions that may yet make something, by epoch. */
  readonly #thresholds = new Map<number, number>();
  #sharings: readonly KnownSharing[] = [];
  /** The oldest MasterKey that a pRuntime may have keys of. */
  readonly #keyUsers = new Map<PublicKey, number>();
  readonly #deregistered = new Set<PublicKey>();
  #gatekeepers: readonly PublicKey[];
  #convicted: readonly PublicKey[] = [];
  #store: Hex | null = null;
  /** How often partitions of the rotation under way were reopened. */
  readonly #attempts = new Map<number, number>();

  /** @param gatekeepers - those that the chain begins with. */
  constructor(gatekeepers: readonly PublicKey[]) {
    this.#gatekeepers = gatekeepers;
  }

  /** The rotation that is under way after the last block; null where none is. */
  get underWay(): RotationRecord | null {
    return this.#rotation;
  }

  /**
   * What the next block did.
   * @returns the rotation that ended in it, whichever way; null where none did.
   */
  follow({ height, effects }: Applied): RotationRecord | null {
    let ended: RotationRecord | null = null;
    for (const effect of effects) {
      this.#seeKeys(effect);
      ended = this.#seeRotation(effect, height) ?? ended;
    }
    return ended;
  }

  /** Who has shares, or keys of contracts. */
  #seeKeys(effect: Effect): void {
    switch (effect.kind) {
      case "GatekeeperChange": {
        const before = this.#gatekeepers;
        const stays = (key: PublicKey): boolean => !before.includes(key) && !effect.gatekeepers.includes(key);
        this.#convicted = this.#rotation === null ? [] : this.#convicted.filter(stays);
        this.#gatekeepers = effect.gatekeepers;
        break;
      }
      case "Convicted":
        this.#convicted = [...this.#convicted, effect.identityKey];
        break;
      case "KeySessionStarted":
        this.#thresholds.set(effect.epoch, effect.threshold);
        break;
      case "KeySessionAborted":
        this.#thresholds.delete(effect.epoch);
        break;
      case "SharingAdopted": {
        const { epoch, rotationId, holders } = effect;
        const threshold = this.#thresholds.get(epoch) ?? 0;
        this.#thresholds.delete(epoch);
        this.#sharings = [...this.#sharings, { epoch, rotationId, threshold, holders, owing: holders }];
        break;
      }
      case "ShareConfirmed":
        this.#change(effect.epoch, ({ holders, owing }) => ({
          holders: [...holders, effect.identityKey],
          owing: [...owing, effect.identityKey],
        }));
        break;
      case "ShareDestroyed":
        this.#change(effect.epoch, ({ owing }) => ({ owing: owing.filter((key) => key !== effect.identityKey) }));
        break;
      case "ContractDeployed":
      case "ContractAssigned":
        this.#noteKeyUser(effect.worker);
        break;
      case "PartitionPromised":
      case "PartitionLeased":
        this.#noteKeyUser(effect.holder);
        break;
      case "KeysDestroyed":
        if (this.#deregistered.has(effect.identityKey)) this.#keyUsers.delete(effect.identityKey);
        else this.#keyUsers.set(effect.identityKey, effect.rotationId + 1);
        break;
      case "WorkerRegistered":
        this.#deregistered.delete(effect.identityKey);
        break;
      case "WorkerDeregistered":
        if (this.#keyUsers.has(effect.identityKey)) this.#deregistered.add(effect.identityKey);
    }
  }

  #change(epoch: number, change: (sharing: KnownSharing) => Partial<KnownSharing>): void {
    this.#sharings = this.#sharings.map((sharing) =>
      sharing.epoch === epoch ? { ...sharing, ...change(sharing) } : sharing,
    );
  }

  #noteKeyUser(identityKey: PublicKey): void {
    if (this.#keyUsers.has(identityKey)) return;
    const newest = this.#sharings.at(-1)?.rotationId ?? 0;
    const { rotationId, outcome, abandoning } = this.#rotation ?? { rotationId: 0, outcome: null, abandoning: null };
    const isBoth = outcome === "under way" && newest === rotationId && abandoning === null;
    this.#keyUsers.set(identityKey, isBoth ? newest - 1 : newest);
  }

  #seeRotation(effect: Effect, height: number): RotationRecord | null {
    if (effect.kind === "RotationOrdered") this.#ordered = effect.members;
    if (effect.kind === "StoreAnnounced" || effect.kind === "StoreSet") this.#store = effect.store;
    if (effect.kind === "MigrationOrdered") this.#migrationOrdered = effect.members;
    if (effect.kind === "RotationStarted") {
      const { rotationId, migration } = effect;
      const orderedBy = migration === null ? this.#ordered : this.#migrationOrdered;
      this.#rotation = { ...NOTHING_YET, rotationId, began: height, orderedBy, migration };
      this.#ordered = null;
      this.#attempts.clear();
    }
    const rotation = this.#rotation;
    if (rotation === null) return null;
    switch (effect.kind) {
      case "RotationAborted":
        return this.#ended("aborted", height);
      case "MasterPubkeyRotated":
        rotation.switched = height;
        rotation.store = this.#store;
        break;
      case "RotationRestarted":
        rotation.store = this.#store;
        rotation.partitions = null;
        rotation.cutBy = null;
        rotation.receipts = rotation.receipts.map((receipt) => ({ ...receipt, stands: false }));
        rotation.certificates = [];
        this.#attempts.clear();
        break;
      case "PartitionsRecorded":
        rotation.partitions = effect.partitions;
        rotation.cutBy = effect.identityKey;
        break;
      case "PartitionSwept":
      case "PartitionBlocked": {
        const { partition, receipt } = effect;
        const attempt = this.#attempts.get(partition) ?? 0;
        const stands = effect.kind === "PartitionSwept";
        rotation.receipts = [...rotation.receipts, { ...receipt, partition, attempt, judgements: [], stands }];
        break;
      }
      case "PartitionJudged": {
        const judgement = { height, by: effect.identityKey, verdict: effect.verdict };
        this.#changeReceipt(effect.partition, ({ judgements }) => ({ judgements: [...judgements, judgement] }));
        break;
      }
      case "PartitionReopened":
        this.#changeReceipt(effect.partition, () => ({ stands: false }));
        this.#attempts.set(effect.partition, effect.attempt);
        break;
      case "Convicted":
        rotation.convicted = [...rotation.convicted, effect.identityKey];
        break;
      case "RotationCertified":
        rotation.certificates = [...rotation.certificates, { height, by: effect.identityKey }];
        break;
      case "RotationAdvanced":
        if (effect.phase === "abandonment") this.#beginAbandonment(rotation, height);
        break;
      case "StoreCompacted":
        rotation.compactedBy = effect.identityKey;
        break;
      case "MasterKeyAbandoned":
        rotation.outstanding = effect.outstanding;
        return this.#ended("complete", height);
      case "AbandonmentClosed": {
        const { members, shares, compacted, outstanding } = effect;
        rotation.outstanding = outstanding;
        rotation.closed = { members, shares, compacted };
        return this.#ended("closed", height);
      }
    }
    return null;
  }

  #changeReceipt(partition: number, change: (receipt: ReceiptRecord) => Partial<ReceiptRecord>): void {
    const rotation = this.#rotation!;
    rotation.receipts = rotation.receipts.map((receipt) =>
      receipt.partition === partition && receipt.stands ? { ...receipt, ...change(receipt) } : receipt,
    );
  }

  #beginAbandonment(rotation: Growing, height: number): void {
    const newest = this.#sharings.findLast(({ rotationId }) => rotationId === rotation.rotationId);
    rotation.abandoning = height;
    if (newest === undefined) return;
    const { threshold, holders } = newest;
    rotation.certifying = { threshold, holders: holders.filter((key) => !this.#convicted.includes(key)) };
  }

  #ended(outcome: "aborted" | "complete" | "closed", height: number): RotationRecord {
    const rotation = this.#rotation!;
    this.#rotation = null;
    if (outcome === "aborted") {
      // Where its MasterKey was there already, another will have its rotation id.
      this.#sharings = this.#sharings.filter(({ rotationId }) => rotationId !== rotation.rotationId);
      return { ...rotation, outcome, ended: height };
    }
    const from = rotation.rotationId - 1;
    const left = this.#sharings.filter(({ rotationId }) => rotationId === from);
    this.#sharings = this.#sharings.filter(({ rotationId }) => rotationId !== from);
    const owingKeys = [...this.#keyUsers].filter(([, since]) => since <= from).map(([key]) => key);
    for (const key of owingKeys) if (this.#deregistered.delete(key)) this.#keyUsers.delete(key);
    return { ...rotation, outcome, ended: height, left, owingKeys };
  }
}

const NOTHING_YET: Omit<RotationRecord, "rotationId" | "began" | "orderedBy" | "migration"> = {
  outcome: "under way",
  switched: null,
  store: null,
  abandoning: null,
  ended: null,
  partitions: null,
  cutBy: null,
  receipts: [],
  certificates: [],
  certifying: null,
  convicted: [],
  compactedBy: null,
  left: [],
  owingKeys: [],
  outstanding: [],
  closed: null,
};
