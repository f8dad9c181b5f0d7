/**
 * Whether a rotation was complete, checked of what its messages said: each partition swept, verified by another, certified by t
 * holders of shares, and the MasterKey that was left destroyed by so many that nobody could put it together.
 */
import type { PublicKey } from "../protocol/account.ts";
import type { ReceiptRecord, RotationRecord } from "./rotation-history.ts";

/** What is missing, or wrong. */
export type AuditFinding =
  /** There was a store, and nobody cut it. */
  | { readonly kind: "uncut" }
  | { readonly kind: "unswept"; readonly partition: number }
  /** Nobody called it sound, or too few in a dispute. */
  | { readonly kind: "unverified"; readonly partition: number; readonly by: PublicKey }
  | { readonly kind: "verifiedBySweeper"; readonly partition: number; readonly by: PublicKey }
  | { readonly kind: "uncertified"; readonly certifiers: readonly PublicKey[]; readonly threshold: number }
  | { readonly kind: "uncompacted" }
  /** So many have not declared their shares destroyed that they could put the old MasterKey together. */
  | { readonly kind: "sharesLeft"; readonly epoch: number; readonly owing: readonly PublicKey[] }
  /** Governance has ended it, by these votes, because what follows was missing. */
  | { readonly kind: "closed"; readonly rotationId: number; readonly members: readonly PublicKey[] }
  /** The ledger told of others at the end than are owing by their own messages. */
  | { readonly kind: "owingDiffers"; readonly owing: readonly PublicKey[]; readonly told: readonly PublicKey[] };

/** What is wrong with a rotation that is over: nothing, if it was complete; nothing either, if it was given up. */
export function auditRotation(rotation: RotationRecord): AuditFinding[] {
  if (rotation.outcome === "aborted" || rotation.outcome === "under way") return [];
  const { rotationId, store, partitions, closed } = rotation;
  const found: AuditFinding[] = [];
  if (closed !== null) found.push({ kind: "closed", rotationId, members: closed.members });
  if (store !== null && partitions === null) found.push({ kind: "uncut" });
  const standing = standingReceipts(rotation);
  for (let partition = 0; partition < (partitions ?? 0); partition++) {
    const finding = auditPartition(standing.get(partition), partition, rotation.certifying?.threshold ?? 1);
    if (finding !== null) found.push(finding);
  }
  if (partitions !== null) {
    const certifiers = countingCertifiers(rotation);
    const threshold = rotation.certifying?.threshold ?? 1;
    if (certifiers.length < threshold) found.push({ kind: "uncertified", certifiers, threshold });
    if (rotation.compactedBy === null) found.push({ kind: "uncompacted" });
  }
  // The ledger knows of others besides: of receivers that never confirmed, and of handovers that failed.
  const told = (closed?.shares ?? []).filter(({ epoch }) => rotation.left.every((sharing) => sharing.epoch !== epoch));
  for (const { epoch, threshold, owing } of [...rotation.left, ...told]) {
    if (owing.length >= threshold) found.push({ kind: "sharesLeft", epoch, owing });
  }
  const { owingKeys, outstanding } = rotation;
  if ([...owingKeys].sort().join() !== [...outstanding].sort().join()) {
    found.push({ kind: "owingDiffers", owing: owingKeys, told: outstanding });
  }
  return found;
}

/** Receipts that count, by partition. */
function standingReceipts({ receipts }: RotationRecord): ReadonlyMap<number, ReceiptRecord> {
  return new Map(receipts.filter(({ stands }) => stands).map((receipt) => [receipt.partition, receipt]));
}

/** Who certified, and held a share when that was counted. */
export function countingCertifiers({ certificates, certifying }: RotationRecord): PublicKey[] {
  const holders = certifying?.holders ?? [];
  return [...new Set(certificates.map(({ by }) => by))].filter((key) => holders.includes(key));
}

/**
 * A verdict that nobody contradicts is enough. In a dispute none is given but by holders of shares, t of which have to call it sound;
 * the sweeper may be one, by its receipt.
 */
function auditPartition(receipt: ReceiptRecord | undefined, partition: number, threshold: number): AuditFinding | null {
  if (receipt === undefined) return { kind: "unswept", partition };
  const { by, judgements } = receipt;
  const sound = judgements.filter(({ verdict }) => verdict === "sound");
  // Where nobody said anything else before, what was written since is as good.
  const found = judgements.filter(({ verdict }) => verdict === "sound" || verdict === "overwritten");
  if (found.some((judgement) => judgement.by === by)) return { kind: "verifiedBySweeper", partition, by };
  const isDisputed = judgements.some(({ verdict }) => verdict === "faulty");
  const isVerified = isDisputed ? sound.length >= threshold - 1 : found.length > 0;
  return isVerified ? null : { kind: "unverified", partition, by };
}
