/** Everything that the ledger knows, its bytes and its hash. Names as in `pallet_staking`, where it has them. */
import { hash } from "node:crypto";
import type { Codec } from "scale-ts";
import { CONTEXT } from "../keys/context.ts";
import { type AccountId, type PublicKey, accountIdCodec, accountOf, hashCodec, publicKeyCodec } from "./account.ts";
import {
  type Action,
  type Migration,
  NOMINATIONS_MAX,
  type Payee,
  type ValidatorPrefs,
  actionCodec,
  migrationCodec,
  payeeCodec,
  prefsCodec,
} from "./call.ts";
import { MerkleMap } from "./merkle-map.ts";
import {
  type Hex,
  balance,
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

/** Lists of the state have no bound of their own where the rules that fill them have one. */
const UNBOUNDED = 2 ** 30 - 1;

/** What somebody owns, and how many messages he has sent. Accounts never go: their sequences would begin anew. */
export interface Account {
  readonly sequence: number;
  /** What it may spend, but for what is at stake. */
  readonly free: bigint;
  /** What it has put down for its pRuntimes. */
  readonly reserved: bigint;
}

/** A registered pRuntime. */
export interface Worker {
  readonly identityKey: PublicKey;
  readonly ecdhKey: PublicKey;
  readonly operator: AccountId;
  /** SHA-256 of what proves its measurement. */
  readonly attestationHash: Hex;
  /** What its operator put down for it. */
  readonly deposit: bigint;
}

/** Stake that was unbonded and can be withdrawn from an era on. */
export interface UnlockChunk {
  readonly value: bigint;
  readonly era: number;
}

/** What a stash has at stake. */
export interface StakingLedger {
  /** Active and unlocking: it can't be spent. */
  readonly total: bigint;
  readonly active: bigint;
  readonly unlocking: readonly UnlockChunk[];
  readonly payee: Payee;
  /** What it serves with as a gatekeeper. */
  readonly identityKey: PublicKey | null;
}

/** Whom a nominator backs. */
interface Nominations {
  readonly targets: readonly AccountId[];
  readonly submittedIn: number;
}

/** Somebody's stake behind a gatekeeper. */
export interface IndividualExposure {
  readonly who: AccountId;
  readonly value: bigint;
}

/** What answers for a gatekeeper in an era. */
export interface Exposure {
  readonly identityKey: PublicKey;
  readonly commission: number;
  readonly total: bigint;
  readonly own: bigint;
  readonly others: readonly IndividualExposure[];
}

/** An era whose gatekeepers can still be slashed for what they did in it. */
export interface Era {
  readonly index: number;
  readonly startSession: number;
  readonly startHeight: number;
  /** Milliseconds since 1970. */
  readonly startTime: number;
  /** By stash. */
  readonly exposures: MerkleMap<Exposure>;
  /** Stashes by the accounts of the IdentityKeys that they serve with. */
  readonly stashes: MerkleMap<AccountId>;
  /** The greatest fraction that a gatekeeper was slashed by for this era, in billionths: `ValidatorSlashInEra`. */
  readonly validatorSlashes: MerkleMap<number>;
  /** What a nominator was slashed for this era, for all gatekeepers together: `NominatorSlashInEra`. */
  readonly nominatorSlashes: MerkleMap<bigint>;
}

/** What the maximum of slashes is taken over: `SlashingSpans` with their `SpanSlash`. */
export interface SlashingSpans {
  readonly spanIndex: number;
  readonly lastStart: number;
  readonly lastNonzeroSlash: number;
  /** Lengths of the spans before, the last first. */
  readonly prior: readonly number[];
  readonly records: readonly SpanRecord[];
}

/** What was slashed in a span, and paid to reporters for it. */
export interface SpanRecord {
  readonly spanIndex: number;
  readonly slashed: bigint;
  readonly paidOut: bigint;
}

/** A slash that waits. */
export interface UnappliedSlash {
  readonly id: number;
  /** When the offence was. */
  readonly slashEra: number;
  /** From when on it is due: sessions go on even where eras don't. */
  readonly dueSession: number;
  readonly validator: AccountId;
  readonly own: bigint;
  readonly others: readonly IndividualExposure[];
  readonly reporter: AccountId | null;
  readonly payout: bigint;
}

/** What an acting gatekeeper did in the era. */
export interface Duty {
  /** Null where gatekeepers are listed, not elected. */
  readonly stash: AccountId | null;
  /** `EraRewardPoints`. */
  readonly points: number;
  /** The last session that it sent a heartbeat in. */
  readonly heartbeat: number | null;
}

/** A member of governance who has voted. */
interface Vote {
  readonly member: PublicKey;
  readonly action: Action;
}

/** What is no table. */
interface Facts {
  readonly height: number;
  /** Milliseconds since 1970, by the word of who made the block. */
  readonly timestamp: number;
  readonly totalIssuance: bigint;
  readonly session: number;
  readonly sessionHeight: number;
  /** State hash at the end of the session before. */
  readonly sessionParent: Hex;
  /** GatekeeperState: the IdentityKeys of those who act. */
  readonly gatekeepers: readonly PublicKey[];
  readonly nextSlash: number;
  readonly governanceRound: number;
  readonly votes: readonly Vote[];
  /** pRuntimes that may serve, ascending. */
  readonly measurements: readonly Hex[];
  /** Height at which governance last ordered a rotation. */
  readonly rotationOrdered: number | null;
  readonly migrationOrdered: Migration | null;
}

/** Tables by account id, but for `unapplied` (by `slashKey`) and `duties` (by the account of the IdentityKey). */
interface Tables {
  readonly accounts: MerkleMap<Account>;
  readonly workers: MerkleMap<Worker>;
  readonly bonded: MerkleMap<StakingLedger>;
  readonly validators: MerkleMap<ValidatorPrefs>;
  readonly nominators: MerkleMap<Nominations>;
  readonly spans: MerkleMap<SlashingSpans>;
  readonly unapplied: MerkleMap<UnappliedSlash>;
  readonly duties: MerkleMap<Duty>;
}

/** The state of the ledger; never changed, only replaced. */
export interface State extends Facts, Tables {
  /** The active era last, and before it those whose offences can still be punished. None where none are elected. */
  readonly eras: readonly Era[];
  /** Who was elected for the era that comes. */
  readonly planned: Era | null;
}

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
  migrationOrdered: nullable(migrationCodec),
});

const TABLES: { readonly [K in keyof Tables]: Codec<Tables[K] extends MerkleMap<infer V> ? V : never> } = {
  accounts: struct<Account>({ sequence: u32, free: balance, reserved: balance }),
  workers: struct<Worker>({
    identityKey: publicKeyCodec,
    ecdhKey: publicKeyCodec,
    operator: accountIdCodec,
    attestationHash: hashCodec,
    deposit: balance,
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

/** Where a slash lies among the unapplied: they go in the order in which they were computed. */
export function slashKey(id: number): Hex {
  return `0x${id.toString(16).padStart(64, "0")}`;
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

/** The table's codec as a list of entries in the order of keys. */
function tableCodec<V>(inner: Codec<V>): Codec<MerkleMap<V>> {
  const entries = boundedVector(struct<{ key: Hex; value: V }>({ key: hashCodec, value: inner }), UNBOUNDED);
  return mapped(
    entries,
    (map: MerkleMap<V>) => [...map].map(([key, value]) => ({ key, value })),
    (list) =>
      filled(
        inner,
        list.map(({ key, value }) => [key, value] as const),
      ),
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
