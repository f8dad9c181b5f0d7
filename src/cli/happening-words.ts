/** What becomes of a network's keys, in words. */
import type { KeyHappening } from "../gatekeeper/chain-watch.ts";
import type { PublicKey } from "../protocol/account.ts";
import { describeMigration } from "./migration-words.ts";
import { counted } from "./progress.ts";
import { describeUnproved } from "./unproved-words.ts";

/**
 * A line about what happened.
 * @param nameOf - what a pRuntime is called.
 */
export function describeHappening(effect: KeyHappening, nameOf: (identityKey: PublicKey) => string): string {
  const list = (keys: readonly PublicKey[]): string => keys.map(nameOf).join(", ") || "nobody";
  const silent = (keys: readonly PublicKey[]): string => (keys.length === 0 ? "" : `; silent: ${list(keys)}`);
  switch (effect.kind) {
    case "GatekeeperChange":
      return `gatekeepers are ${list(effect.gatekeepers)}`;
    case "Launched":
      return "governance has the MasterKey made";
    case "KeySessionStarted":
      return `key session ${effect.epoch} (${effect.session}) of MasterKey ${effect.rotationId} begins: ${effect.threshold} of ${list(effect.committee)}`;
    case "KeySessionAdvanced":
      return `key session ${effect.epoch}: ${effect.phase}${silent(effect.silent)}`;
    case "KeySessionAborted":
      return `key session ${effect.epoch} failed: ${effect.reason}${silent(effect.silent)}; it is tried again`;
    case "SharingAdopted":
      return `MasterKey ${effect.rotationId} is ${effect.publicKey}, held by ${list(effect.holders)}${silent(effect.silent)}`;
    case "HandoverFailed":
      return `the MasterKey could not be handed over to the elected of era ${effect.era}: the gatekeepers stay`;
    case "Convicted":
      return convicted(effect, list);
    case "ShareConfirmed":
      return `${list([effect.identityKey])} holds a share of key session ${effect.epoch}, too`;
    case "ShareDestroyed":
      return `${list([effect.identityKey])} has destroyed its share of key session ${effect.epoch}`;
    case "SharesOutstanding":
      return `not declared destroyed, of key session ${effect.epoch}: ${list(effect.owing)}`;
    case "StoreAnnounced":
      return `contracts' states are in store ${effect.store}, says ${list([effect.identityKey])}`;
    case "StoreSet":
      return `contracts' states are in store ${effect.store} from here on`;
    case "RotationIntervalSet":
      return effect.blocks === 0
        ? "rotations begin by order alone"
        : `a rotation begins ${counted(effect.blocks, "block")} after the last`;
    case "RotationWorkerSet":
      return `${list([effect.identityKey])} may ${effect.may ? "" : "not "}take part in rotations without a share`;
    case "MigrationOrdered":
      return `a migration to ${describeMigration(effect.migration)} is ordered from block ${effect.migration.height} on, by ${list(effect.members)}`;
    case "MigrationCancelled":
      return `the migration is called off by ${list(effect.members)}`;
    case "RotationOrdered":
      return `a rotation is ordered by ${list(effect.members)}`;
    case "RotationStarted":
      return effect.migration === null
        ? `rotation ${effect.rotationId} begins, ${effect.ordered ? "ordered by governance" : "because it is time"}`
        : `rotation ${effect.rotationId} begins, a migration to ${describeMigration(effect.migration)}`;
    case "RotationAborted":
      return `rotation ${effect.rotationId} is given up, and the old MasterKey stays`;
    case "SwitchPlanned":
      return `rotation ${effect.rotationId}: states are re-encrypted from block ${effect.height} on`;
    case "MasterPubkeyRotated":
      return `the switch: from here on states are sealed under MasterKey ${effect.rotationId}`;
    case "RotationRestarted":
      return `rotation ${effect.rotationId}: the store is another, which is cut anew; what was done to the one before counts for nothing`;
    case "RotationAdvanced":
      return `rotation ${effect.rotationId}: ${effect.phase}`;
    case "RotationLate":
      return `rotation ${effect.rotationId} is late: ${effect.phase}${remaining(effect.remaining)}`;
    case "PartitionsRecorded":
      return `rotation ${effect.rotationId}: the store is cut into ${counted(effect.partitions, "partition")} by ${list([effect.identityKey])}`;
    case "PartitionPromised":
      return `${list([effect.holder])} is to have partition ${effect.partition} from the switch on`;
    case "PartitionLeased":
      return `${list([effect.holder])} has leased partition ${effect.partition}, which is ${effect.stage}`;
    case "LeaseExpired":
      return `${list([effect.holder])} did not come back in time with partition ${effect.partition}: it passes on to others`;
    case "PartitionSwept":
      return `partition ${effect.partition}: ${counted(effect.receipt.records, "record")}, ${counted(effect.receipt.bytes, "byte")}, vouches ${list([effect.receipt.by])}`;
    case "PartitionBlocked":
      return `partition ${effect.partition}: ${counted(effect.receipt.failed, "record")} can't be opened, says ${list([effect.receipt.by])}`;
    case "PartitionJudged":
      return `partition ${effect.partition} is ${effect.verdict}, says ${list([effect.identityKey])}`;
    case "PartitionReopened":
      return `partition ${effect.partition} is swept anew, attempt ${effect.attempt}`;
    case "QuarantineOrdered":
      return `governance has records of partition ${effect.partition} put aside that can't be opened`;
    case "RotationCertified":
      return `${list([effect.identityKey])} certifies that nothing is left under MasterKey ${effect.rotationId - 1}`;
    case "StoreCompacted":
      return `${list([effect.identityKey])} has compacted the store`;
    case "KeysDestroyed":
      return `${list([effect.identityKey])} has destroyed its keys of MasterKey ${effect.rotationId}`;
    case "MasterKeyAbandoned":
      return `MasterKey ${effect.rotationId} is gone; not declared destroyed: ${list(effect.outstanding)}`;
    case "AbandonmentClosed":
      return (
        `the abandonment of MasterKey ${effect.rotationId} is closed by ${list(effect.members)}: ${describeUnproved(effect, nameOf)}; ` +
        `keys of contracts not declared destroyed: ${list(effect.outstanding)}`
      );
    case "ContractDeployed":
    case "ContractAssigned":
      return `contract ${effect.contract} is run by ${list([effect.worker])}`;
    case "ContractKeyPublished":
      return `commands to contract ${effect.contract} are encrypted to ${effect.ecdhKey.publicKey}`;
  }
}

/** What it did is of a key session, or of the rotation that is under way. */
function convicted(
  { identityKey, offence, epoch }: Extract<KeyHappening, { readonly kind: "Convicted" }>,
  list: (keys: readonly PublicKey[]) => string,
): string {
  const isOfRotation = offence === "falseReceipt" || offence === "falseVerdict";
  const where = isOfRotation ? "the rotation" : `key session ${epoch}`;
  return `${list([identityKey])} is convicted of ${offence} in ${where}`;
}

/** How many partitions a phase waits for. */
function remaining(partitions: number | null): string {
  return partitions === null ? "" : `, ${counted(partitions, "partition")} to go`;
}
