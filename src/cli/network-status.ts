/** A network's status: what its chain says, and nothing else. */
import { currentSharing } from "../protocol/key-session.ts";
import { type Migration, missingForMigration } from "../protocol/migration.ts";
import { type UnprovedAbandonment, retiredOf, unprovedAbandonments } from "../protocol/retirement.ts";
import { keyUsersOwing } from "../protocol/rotation-abandonment.ts";
import { type Rotation, isBlocked } from "../protocol/rotation.ts";
import type { State } from "../protocol/state.ts";
import { toHex } from "../bytes.ts";
import { keySessionDocument, masterKeyDocument } from "./key-documents.ts";
import { describeMigration } from "./migration-words.ts";
import { counted, formatCount } from "./progress.ts";
import { describeUnproved } from "./unproved-words.ts";

/** Where a network stands. */
export interface NetworkStatus {
  readonly height: number;
  /** Of the last block, in milliseconds since 1970, by the word of who made it. */
  readonly timestamp: number;
  readonly gatekeepers: readonly string[];
  /** How many of them have confirmed their share of the newest MasterKey. */
  readonly confirmed: number;
  /** By rotation id, ascending. */
  readonly masterKeys: readonly ReturnType<typeof masterKeyDocument>[];
  readonly store: string | null;
  readonly keySession: ReturnType<typeof keySessionDocument>;
  /** A migration that is ordered, and whose pRuntime holds a share and runs something else: it waits for those. */
  readonly migrationOrdered: (Migration & { readonly waitsFor: readonly string[] }) | null;
  readonly rotation: RotationStatus | null;
  /** MasterKeys of rotations that governance has closed, and that are not shown to be destroyed. */
  readonly unproved: readonly UnprovedAbandonment[];
}

/** How far a rotation is. */
interface RotationStatus extends Pick<
  Rotation,
  | "phase"
  | "migration"
  | "source"
  | "since"
  | "deadline"
  | "late"
  | "switchHeight"
  | "partitions"
  | "swept"
  | "verified"
  | "records"
  | "bytes"
> {
  /** The generation that it makes. */
  readonly rotationId: number;
  /** Records re-encrypted a second, from the switch block to the last receipt; null while that can't be told. */
  readonly recordsPerSecond: number | null;
  /** Seconds that this phase takes still, if its partitions go on as they did; null while that can't be told. */
  readonly etaSeconds: number | null;
  readonly leases: readonly { readonly holder: string; readonly partitions: readonly number[] }[];
  /** Partitions with records that can't be opened: how many, the first of them, and whether they are to be put aside. */
  readonly blocked: readonly {
    readonly partition: number;
    readonly failed: number;
    readonly records: readonly { readonly contract: string; readonly key: string }[];
    readonly quarantine: boolean;
  }[];
  /** Holders of shares that certify that nothing is left under the old key, and how many have to. */
  readonly certified: number;
  readonly certifiersNeeded: number;
  /** In abandonment, what is still to be destroyed; null before. */
  readonly owing: {
    readonly shares: readonly string[];
    readonly keys: readonly string[];
    readonly compaction: boolean;
  } | null;
}

/** @param timeOf - the time of a block that is there, in milliseconds since 1970. */
export function networkStatus(state: State, timeOf: (height: number) => number): NetworkStatus {
  const { height, timestamp, gatekeepers, sharings, stateStore, migrationOrdered, rotation } = state;
  const members = currentSharing(state)?.members ?? [];
  const holders = new Set(members.filter(({ confirmed }) => confirmed).map(({ identityKey }) => identityKey));
  return {
    height,
    timestamp,
    gatekeepers,
    confirmed: gatekeepers.filter((key) => holders.has(key)).length,
    masterKeys: sharings.map(masterKeyDocument),
    store: stateStore,
    keySession: keySessionDocument(state),
    migrationOrdered:
      migrationOrdered === null
        ? null
        : { ...migrationOrdered, waitsFor: missingForMigration(state, migrationOrdered) },
    rotation: rotation === null ? null : rotationStatus(state, rotation, timeOf),
    unproved: unprovedAbandonments(state),
  };
}

function rotationStatus(state: State, rotation: Rotation, timeOf: (height: number) => number): RotationStatus {
  const { from, phase, migration, source, since, deadline, late, switchHeight } = rotation;
  const { partitions, swept, verified, records, bytes } = rotation;
  const listed = [...state.partitions.values()];
  const lastReceipt = Math.max(0, ...listed.map(({ receipt }) => receipt?.height ?? 0));
  const sweepMilliseconds = lastReceipt === 0 || switchHeight === null ? 0 : timeOf(lastReceipt) - timeOf(switchHeight);
  const leases = new Map<string, number[]>();
  for (const [index, { holder }] of listed.entries()) {
    if (holder !== null) leases.set(holder, [...(leases.get(holder) ?? []), index]);
  }
  return {
    rotationId: from + 1,
    phase,
    migration,
    source,
    since,
    deadline,
    late,
    switchHeight,
    partitions,
    swept,
    verified,
    records,
    bytes,
    recordsPerSecond: sweepMilliseconds > 0 ? Math.round((records * 1_000) / sweepMilliseconds) : null,
    etaSeconds: etaSeconds(rotation, state.timestamp - timeOf(since)),
    leases: [...leases].map(([holder, held]) => ({ holder, partitions: held })),
    blocked: listed.flatMap((each, partition) => {
      if (!isBlocked(each)) return [];
      const { failed, failures } = each.receipt!;
      const named = failures.map(({ contract, key }) => ({ contract, key: toHex(key) }));
      return [{ partition, failed, records: named, quarantine: each.quarantine }];
    }),
    certified: rotation.certifiers.length,
    certifiersNeeded: currentSharing(state)?.threshold ?? 0,
    owing: phase === "abandonment" ? owingOf(state, rotation) : null,
  };
}

/** @param spent - milliseconds since the phase began. */
function etaSeconds({ phase, partitions, swept, verified }: Rotation, spent: number): number | null {
  if (partitions === null || (phase !== "reencryption" && phase !== "verification")) return null;
  const done = phase === "reencryption" ? swept : verified;
  return done === 0 ? null : Math.ceil((spent * (partitions - done)) / done / 1_000);
}

function owingOf(state: State, { from, compacted, partitions }: Rotation): RotationStatus["owing"] {
  const shares = retiredOf(state, from).flatMap(({ owing }) => owing);
  return {
    shares: [...new Set(shares)],
    keys: keyUsersOwing(state, from).map(({ identityKey }) => identityKey),
    compaction: !compacted && partitions !== 0,
  };
}

/** A status in lines. */
export function describeNetwork(status: NetworkStatus): string {
  const { height, timestamp, gatekeepers, confirmed, masterKeys, store, keySession, migrationOrdered, rotation } =
    status;
  const shares = `${confirmed} with a confirmed share`;
  const lines = [
    `block ${height}, ${new Date(timestamp).toISOString()}`,
    `${counted(gatekeepers.length, "gatekeeper")}, ${shares}`,
    ...masterKeys.flatMap(({ rotationId, threshold, holders, mayFailForUse, mayFailForNextKey, warning }) => [
      `MasterKey ${rotationId}: any ${threshold} of ${counted(holders.length, "holder")} use it; for that ${mayFailForUse} may fail, for the next key ${mayFailForNextKey}`,
      ...(warning === undefined ? [] : [`  ${warning}`]),
    ]),
    ...(masterKeys.length === 0 ? ["no MasterKey yet"] : []),
    store === null ? "no store yet" : `store ${store}`,
  ];
  if (keySession !== null) {
    const { epoch, kind, rotationId, phase, deadline, missing } = keySession;
    lines.push(
      `key session ${epoch} (${kind} of MasterKey ${rotationId}): ${phase} until block ${deadline}; missing: ${missing.join(", ") || "nobody"}`,
    );
  }
  if (migrationOrdered !== null) {
    const { waitsFor } = migrationOrdered;
    const waiting =
      waitsFor.length === 0 ? "" : `; it waits for other pRuntimes to hold the shares of ${waitsFor.join(", ")}`;
    lines.push(
      `a migration to ${describeMigration(migrationOrdered)} is ordered from block ${migrationOrdered.height} on${waiting}`,
    );
  }
  for (const unproved of status.unproved) {
    const what = describeUnproved(unproved, (key) => key);
    lines.push(
      `MasterKey ${unproved.rotationId}, whose abandonment governance closed in block ${unproved.height}: ${what}`,
    );
  }
  return [...lines, ...rotationLines(rotation)].join("\n");
}

function rotationLines(rotation: RotationStatus | null): string[] {
  if (rotation === null) return ["no rotation under way"];
  const { rotationId, phase, migration, since, deadline, late, leases, blocked, owing } = rotation;
  return [
    `${progressOf(rotation)}; ${phase} since block ${since}, due by block ${deadline}`,
    ...(migration === null ? [] : [`  a migration to ${describeMigration(migration)}`]),
    ...leases.map(({ holder, partitions }) => `  ${holder} has leased ${counted(partitions.length, "partition")}`),
    ...blocked.map(({ partition, failed, records, quarantine }) => {
      const named = records.map(({ contract, key }) => `${contract} ${key}`).join(", ");
      const aside = quarantine ? "; governance has them put aside" : "";
      return `  partition ${partition}: ${counted(failed, "record")} can't be opened: ${named}${aside}`;
    }),
    ...(owing === null ? [] : owingLines(owing)),
    ...(owing === null || late === 0 ? [] : [closingLine(rotationId)]),
  ];
}

function owingLines({ shares, keys, compaction }: NonNullable<RotationStatus["owing"]>): string[] {
  return [
    ...shares.map((key) => `  ${key} has not declared its share destroyed`),
    ...keys.map((key) => `  ${key} has not declared its keys destroyed`),
    ...(compaction ? ["  the store is not compacted yet"] : []),
  ];
}

/** What can be done about an abandonment that is late. */
function closingLine(rotationId: number): string {
  return `  it is late; where it can't end, governance may close it, unproved: gatekeeper govern close-abandonment ${rotationId}`;
}

/** What of a status is news where it is told in lines, without the block that it is of. */
export function summaryOf({ confirmed, gatekeepers, keySession, rotation, unproved }: NetworkStatus): string {
  const parts = [`${confirmed} of ${counted(gatekeepers.length, "gatekeeper")} with shares`];
  if (keySession !== null) parts.push(`key session ${keySession.epoch} in ${keySession.phase}`);
  parts.push(rotation === null ? "no rotation under way" : progressOf(rotation));
  if (rotation !== null && rotation.blocked.length > 0) {
    parts.push(`${counted(rotation.blocked.length, "partition")} with records that can't be opened`);
  }
  if (unproved.length > 0) parts.push(`${counted(unproved.length, "old MasterKey")} not shown to be destroyed`);
  return parts.join("; ");
}

function progressOf({ rotationId, phase, partitions, swept, verified, ...rest }: RotationStatus): string {
  const parts = [`rotation ${rotationId} in ${phase}`];
  if (partitions !== null) parts.push(`${swept} of ${counted(partitions, "partition")} swept, ${verified} verified`);
  if (rest.records > 0) parts.push(counted(rest.records, "record"));
  if (rest.recordsPerSecond !== null) parts.push(`${formatCount(rest.recordsPerSecond)} records/s`);
  if (rest.etaSeconds !== null) parts.push(`${formatCount(rest.etaSeconds)} s left`);
  if (rest.certified > 0) parts.push(`certified by ${rest.certified} of ${rest.certifiersNeeded}`);
  return parts.join(", ");
}
