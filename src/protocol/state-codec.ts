/**
 * The state's bytes and its hash.
 *
 * The hash is SHA-256 over context, facts, the root hashes of the tables in the order below, the number of eras, and each
 * era's head and root hashes, the planned one last.
 */
import { hash } from "node:crypto";
import type { Codec } from "scale-ts";
import { CONTEXT } from "../context.ts";
import { DEPLOYED_NAME_BYTES_MAX } from "../contract-id.ts";
import { type AccountId, accountIdCodec, accountOf, hashCodec, publicKeyCodec } from "./account.ts";
import { ENDPOINT_BYTES_MAX, NOMINATIONS_MAX, actionCodec, payeeCodec, prefsCodec } from "./call.ts";
import { MerkleMap } from "./merkle-map.ts";
import {
  type Hex,
  balance,
  boundedBytes,
  boundedVector,
  decode,
  encode,
  joined,
  mapped,
  millisecondsCodec,
  nullable,
  struct,
  u32,
} from "./scale.ts";
import { keySessionCodec } from "./key-session.ts";
import { migrationCodec } from "./migration.ts";
import { closedAbandonmentCodec, keyUserCodec, partitionCodec, rotationCodec } from "./rotation.ts";
import { elementHexCodec, postedDealingCodec, retiredCodec, sharingCodec } from "./sharing.ts";
import type {
  Account,
  Contract,
  ContractEcdhKey,
  Duty,
  Era,
  Exposure,
  Facts,
  IndividualExposure,
  Nominations,
  SlashingSpans,
  SpanRecord,
  StakingLedger,
  State,
  Tables,
  UnappliedSlash,
  UnlockChunk,
  Vote,
  Worker,
} from "./state.ts";

/** Lists of the state have no bound of their own where the rules that fill them have one. */
const UNBOUNDED = 2 ** 30 - 1;

const individualCodec = struct<IndividualExposure>({ who: accountIdCodec, value: balance });

const factsCodec = struct<Facts>({
  height: u32,
  timestamp: millisecondsCodec,
  totalIssuance: balance,
  session: u32,
  sessionHeight: u32,
  sessionParent: hashCodec,
  gatekeepers: boundedVector(publicKeyCodec, UNBOUNDED),
  nextSlash: u32,
  governanceRound: u32,
  votes: boundedVector(struct<Vote>({ member: publicKeyCodec, action: actionCodec }), UNBOUNDED),
  measurements: boundedVector(hashCodec, UNBOUNDED),
  rotationOrdered: nullable(u32),
  rotationInterval: u32,
  rotationEnded: u32,
  rotation: nullable(rotationCodec),
  closedAbandonments: boundedVector(closedAbandonmentCodec, UNBOUNDED),
  rotationWorkers: boundedVector(publicKeyCodec, UNBOUNDED),
  stateStore: nullable(hashCodec),
  migrationOrdered: nullable(migrationCodec),
  launched: nullable(u32),
  keySession: nullable(keySessionCodec),
  nextEpoch: u32,
  nextSessionHeight: u32,
  sharings: boundedVector(sharingCodec, UNBOUNDED),
  retired: boundedVector(retiredCodec, UNBOUNDED),
  excluded: boundedVector(publicKeyCodec, UNBOUNDED),
});

const TABLES: { readonly [K in keyof Tables]: Codec<Tables[K] extends MerkleMap<infer V> ? V : never> } = {
  accounts: struct<Account>({ sequence: u32, free: balance, reserved: balance }),
  workers: struct<Worker>({
    identityKey: publicKeyCodec,
    ecdhKey: publicKeyCodec,
    operator: accountIdCodec,
    measurement: nullable(hashCodec),
    deposit: balance,
    endpoint: nullable(boundedBytes(ENDPOINT_BYTES_MAX)),
  }),
  bonded: struct<StakingLedger>({
    total: balance,
    active: balance,
    unlocking: boundedVector(struct<UnlockChunk>({ value: balance, era: u32 }), UNBOUNDED),
    payee: payeeCodec,
    identityKey: nullable(publicKeyCodec),
  }),
  validators: prefsCodec,
  nominators: struct<Nominations>({ targets: boundedVector(accountIdCodec, NOMINATIONS_MAX), submittedIn: u32 }),
  spans: struct<SlashingSpans>({
    spanIndex: u32,
    lastStart: u32,
    lastNonzeroSlash: u32,
    prior: boundedVector(u32, UNBOUNDED),
    records: boundedVector(struct<SpanRecord>({ spanIndex: u32, slashed: balance, paidOut: balance }), UNBOUNDED),
  }),
  unapplied: struct<UnappliedSlash>({
    id: u32,
    slashEra: u32,
    dueSession: u32,
    validator: accountIdCodec,
    own: balance,
    others: boundedVector(individualCodec, UNBOUNDED),
    reporter: nullable(accountIdCodec),
    payout: balance,
  }),
  duties: struct<Duty>({ stash: nullable(accountIdCodec), points: u32, heartbeat: nullable(u32) }),
  dealings: postedDealingCodec,
  contracts: struct<Contract>({
    owner: accountIdCodec,
    name: boundedBytes(DEPLOYED_NAME_BYTES_MAX),
    worker: publicKeyCodec,
    deposit: balance,
    ecdhKey: nullable(struct<ContractEcdhKey>({ rotationId: u32, publicKey: elementHexCodec })),
  }),
  partitions: partitionCodec,
  keyUsers: keyUserCodec,
};
const TABLE_NAMES = Object.keys(TABLES) as (keyof Tables)[];

const ERA_TABLES = {
  exposures: struct<Exposure>({
    identityKey: publicKeyCodec,
    commission: u32,
    total: balance,
    own: balance,
    others: boundedVector(individualCodec, UNBOUNDED),
  }),
  stashes: accountIdCodec,
  validatorSlashes: u32,
  nominatorSlashes: balance,
};

/** A state without anything in it. */
export function emptyTables(): Tables {
  return Object.fromEntries(
    TABLE_NAMES.map((name) => [name, new MerkleMap(TABLES[name] as never)]),
  ) as unknown as Tables;
}

/** An era that has not begun. */
export function newEra(index: number, exposures: readonly (readonly [AccountId, Exposure])[]): Era {
  const serving = exposures.map(([stash, { identityKey }]) => [accountOf(identityKey), stash] as const);
  return {
    index,
    startSession: 0,
    startHeight: 0,
    startTime: 0,
    exposures: filled(ERA_TABLES.exposures, exposures),
    stashes: filled(ERA_TABLES.stashes, serving),
    validatorSlashes: new MerkleMap(ERA_TABLES.validatorSlashes),
    nominatorSlashes: new MerkleMap(ERA_TABLES.nominatorSlashes),
  };
}

/** SHA-256 over all of the state. */
export function hashState(state: State): Uint8Array {
  const eras = [...state.eras, ...(state.planned === null ? [] : [state.planned])];
  return hash(
    "sha256",
    joined([
      Buffer.from(CONTEXT.ledgerState, "ascii"),
      factsCodec.enc(state),
      ...TABLE_NAMES.map((name) => state[name].rootHash()),
      u32.enc(state.eras.length),
      ...eras.flatMap((era) => [
        eraHeadCodec.enc(era),
        era.exposures.rootHash(),
        era.stashes.rootHash(),
        era.validatorSlashes.rootHash(),
        era.nominatorSlashes.rootHash(),
      ]),
    ]),
    "buffer",
  );
}

const ERA_HEAD = { index: u32, startSession: u32, startHeight: u32, startTime: millisecondsCodec };
const eraHeadCodec = struct<Pick<Era, keyof typeof ERA_HEAD>>(ERA_HEAD);

/** The table's codec as a list of entries in the order of keys, each once: a table has one encoding. */
function tableCodec<V>(inner: Codec<V>): Codec<MerkleMap<V>> {
  const entries = boundedVector(struct<{ key: Hex; value: V }>({ key: hashCodec, value: inner }), UNBOUNDED);
  return mapped(
    entries,
    (map: MerkleMap<V>) => [...map].map(([key, value]) => ({ key, value })),
    (list) => {
      if (list.some(({ key }, at) => at > 0 && key <= list[at - 1]!.key)) throw new RangeError("not in order");
      const read = list.map(({ key, value }) => [key, value] as const);
      return filled(inner, read);
    },
  );
}

const eraCodec: Codec<Era> = struct<Era>({
  ...ERA_HEAD,
  exposures: tableCodec(ERA_TABLES.exposures),
  stashes: tableCodec(ERA_TABLES.stashes),
  validatorSlashes: tableCodec(ERA_TABLES.validatorSlashes),
  nominatorSlashes: tableCodec(ERA_TABLES.nominatorSlashes),
});

const stateCodec = struct<{ facts: Facts; tables: Tables; eras: readonly Era[]; planned: Era | null }>({
  facts: factsCodec,
  tables: struct<Tables>(
    Object.fromEntries(TABLE_NAMES.map((name) => [name, tableCodec(TABLES[name] as never)])) as never,
  ),
  eras: boundedVector(eraCodec, UNBOUNDED),
  planned: nullable(eraCodec),
});

/** The whole state as bytes. */
export function encodeState(state: State): Uint8Array {
  return encode(stateCodec, { facts: state, tables: state, eras: state.eras, planned: state.planned });
}

/** The state in these bytes, or null if they are none. */
export function decodeState(bytes: Uint8Array): State | null {
  const read = decode(stateCodec, bytes);
  return read === null ? null : { ...read.facts, ...read.tables, eras: read.eras, planned: read.planned };
}

function filled<V>(codec: Codec<V>, entries: Iterable<readonly [Hex, V]>): MerkleMap<V> {
  let map = new MerkleMap(codec);
  for (const [key, value] of entries) map = map.set(key, value);
  return map;
}
