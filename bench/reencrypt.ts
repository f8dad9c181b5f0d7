/** Re-encryption of batches of records of one size: the engine and its kernel beside everybody else. */
import type { Suite } from "../src/engine/suite.ts";
import { type Contender, type MakeContender, checkContender, oneIn } from "./contender.ts";
import { engineContender, kernelContender } from "./ours.ts";
import {
  CHAINSAFE_AAD_MAX,
  chainsafeContender,
  makeLibsodium,
  makeZepar,
  nobleContender,
  nodeContender,
} from "./peers.ts";
import type { Case, Pair, Table } from "./table.ts";
import { AAD_BYTES, type AadKind, type Side, type Workload, always, firstRecords, makeWorkload } from "./workload.ts";

const KIB = 1_024;
const MIB = KIB * KIB;
/** Record sizes in bytes. */
const RECORD_SIZES: readonly number[] = [32, 64, 128, 256, 512, KIB, 4 * KIB, 8 * KIB, 64 * KIB, MIB];

/** Records of a contract: so many that a batch spends its time on records, not on keys. */
const SMALL_BYTES_MAX = KIB;
const RECORDS_OF_SMALL = 1_000;
const RECORDS_OF_LARGER = 100;
const CONTRACTS_MAX = 4;
/** A batch is about as large as a commit of a rotation's sweep: its memory is then what the sweep's is. */
const BATCH_BYTES = MIB;
/** Except that it holds some records, however large they are. */
const RECORDS_MIN = 4;

/** The engine's columns, the same in every table. */
export const ENGINE = "engine";
export const WASM_ALONE = "WebAssembly alone";
export const PLAINTEXT_ALLOWED = "plaintext allowed";
export const KERNEL = "kernel";
export const NODE = "node:crypto";
export const NOBLE = "@noble/ciphers";
/** The peers of npm that are ChaCha20-Poly1305 in WebAssembly. */
export const LIBSODIUM = "libsodium-wrappers";
export const CHAINSAFE = "as-chacha20poly1305";
export const ZEPAR = "@hazae41/zepar";

/** Sizes at which the engine's other two ways are of interest, and up to which the slowest peer is. */
const WASM_ALONE_BYTES_MAX = 4 * KIB;
const NOBLE_BYTES_MAX = 4 * KIB;
const PLAINTEXT_ALLOWED_BYTES_MIN = 8 * KIB;

interface Entrant {
  readonly column: string;
  readonly make: MakeContender;
  /** Sizes that it takes part in. */
  readonly sizes?: (size: number) => boolean;
  /** Where it is slow: the most that it is given at once, as its time per record doesn't depend on how many there are. */
  readonly atMost?: { readonly records: number; readonly bytes: number };
  /** It takes no AAD: its records have none. */
  readonly withoutAad?: true;
}

interface Kind {
  readonly suite: Suite;
  readonly aad: AadKind;
  readonly size: number;
}

const NODE_AT_MOST = { records: 250, bytes: MIB };
const WASM_PEER_AT_MOST = { records: 250, bytes: 256 * KIB };
const NOBLE_AT_MOST = { records: 40, bytes: 64 * KIB };

/** One table: one suite, one kind of AAD, all sizes. */
export function reencryptTable(suite: Suite, aad: AadKind, sizes: readonly number[] = RECORD_SIZES): Table {
  return {
    name: `reencrypt/${suite}/aad-${AAD_BYTES[aad]}`,
    title: `Re-encrypt, ${suite}, AAD of ${aad}`,
    item: "record",
    ours: [ENGINE, WASM_ALONE, PLAINTEXT_ALLOWED, KERNEL],
    pairs: pairsFor(suite, aad),
    notes: notesFor(suite, aad),
    prepare: async (round) => {
      const entrants = await entrantsOf(suite, aad);
      const cases = sizes.flatMap((size) => casesOfSize({ suite, aad, size }, round, entrants));
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

/** A size as a row of the table. */
function sizeName(size: number): string {
  if (size < KIB) return `${size} B`;
  return size < MIB ? `${size / KIB} KiB` : `${size / MIB} MiB`;
}

function notesFor(suite: Suite, aad: AadKind): string[] {
  const notes = [
    `${ENGINE}: Engine.reencrypt, one thread; key expansion, nonces, copies in and out and wiping included`,
    `${WASM_ALONE}: the same, kept to WebAssembly; ${PLAINTEXT_ALLOWED}: the same, allowed to have plaintexts in memory`,
    `${KERNEL}: the same between its copies: records and nonces lie in WebAssembly memory and stay there, keys are at hand`,
    `${NODE}: the careful loop, KeyObjects at hand, createDecipheriv and createCipheriv for each record`,
    `records of a contract: ${RECORDS_OF_SMALL.toLocaleString("en")} up to ${SMALL_BYTES_MAX / KIB} KiB, ` +
      `${RECORDS_OF_LARGER} up to 8 KiB, then as many as make 1 MiB, at least ${RECORDS_MIN}; the slower get fewer`,
  ];
  if (aad === "78 B") {
    notes.push(
      "an AAD of 78 B is a sealed state's with a storage key of 32 B; old and new differ and both lie in the arena",
    );
  }
  if (suite === "chacha20-poly1305") {
    notes.push(
      isShort(aad)
        ? `${ZEPAR} takes no AAD: its records have none, which spares it some of the work`
        : `${ZEPAR} takes no AAD at all, ${CHAINSAFE} none above ${CHAINSAFE_AAD_MAX} bytes`,
    );
  }
  return notes;
}

function pairsFor(suite: Suite, aad: AadKind): Pair[] {
  const pairs: Pair[] = [
    [KERNEL, NODE],
    [ENGINE, NODE],
    [WASM_ALONE, NODE],
    [PLAINTEXT_ALLOWED, NODE],
    [KERNEL, NOBLE],
  ];
  if (suite === "chacha20-poly1305") {
    pairs.push([KERNEL, LIBSODIUM]);
    if (isShort(aad)) pairs.push([KERNEL, ZEPAR], [KERNEL, CHAINSAFE]);
  }
  return pairs;
}

/** Whether an AAD is so short that the peers take part that can't take a longer one, or none. */
function isShort(aad: AadKind): boolean {
  return AAD_BYTES[aad] <= CHAINSAFE_AAD_MAX;
}

async function entrantsOf(suite: Suite, aad: AadKind): Promise<Entrant[]> {
  const all: Entrant[] = [
    { column: ENGINE, make: engineContender("measured") },
    { column: WASM_ALONE, make: engineContender("wasmOnly"), sizes: (size) => size <= WASM_ALONE_BYTES_MAX },
    {
      column: PLAINTEXT_ALLOWED,
      make: engineContender("plaintextInMemory"),
      sizes: (size) => size >= PLAINTEXT_ALLOWED_BYTES_MIN,
    },
    { column: KERNEL, make: kernelContender },
    { column: NODE, make: nodeContender, atMost: NODE_AT_MOST },
    { column: NOBLE, make: nobleContender, atMost: NOBLE_AT_MOST, sizes: (size) => size <= NOBLE_BYTES_MAX },
  ];
  if (suite === "chacha20-poly1305") {
    all.push({ column: LIBSODIUM, make: await makeLibsodium(), atMost: WASM_PEER_AT_MOST });
    if (isShort(aad)) {
      all.push(
        { column: ZEPAR, make: await makeZepar(), atMost: WASM_PEER_AT_MOST, withoutAad: true },
        { column: CHAINSAFE, make: chainsafeContender, atMost: WASM_PEER_AT_MOST },
      );
    }
  }
  return all;
}

function casesOfSize(kind: Kind, round: number, entrants: readonly Entrant[]): Case[] {
  const { size } = kind;
  const shape = { ...kind, size: always(size), ...batchOf(size) };
  const workload = makeWorkload(shape);
  return entrants
    .filter(({ sizes }) => sizes?.(size) ?? true)
    .map(({ column, make, atMost, withoutAad }) => {
      const count = atMost === undefined ? workload.records.length : recordsAtMost(atMost, size);
      const some = withoutAad
        ? makeWorkload({ ...shape, aad: "none", contracts: 1, recordsEach: count })
        : firstRecords(workload, count);
      return { row: sizeName(size), column, items: some.records.length, run: backAndForth(column, some, make, round) };
    });
}

function batchOf(size: number): { contracts: number; recordsEach: number } {
  const wanted = size <= SMALL_BYTES_MAX ? RECORDS_OF_SMALL : RECORDS_OF_LARGER;
  const fitting = Math.max(RECORDS_MIN, Math.floor(BATCH_BYTES / size));
  const recordsEach = Math.min(wanted, fitting);
  return { contracts: Math.max(1, Math.min(CONTRACTS_MAX, Math.floor(fitting / recordsEach))), recordsEach };
}

function recordsAtMost({ records, bytes }: NonNullable<Entrant["atMost"]>, size: number): number {
  return Math.max(1, Math.min(records, Math.floor(bytes / size)));
}

/** A contender whose outputs have been checked; each call moves the records to the side where they are not. */
export function backAndForth(name: string, workload: Workload, make: MakeContender, round: number): () => void {
  const contender: Contender = make(workload);
  checkContender(name, workload, contender, oneIn(round));
  let side: Side = 0;
  return () => {
    contender.reencrypt(side);
    side = side === 0 ? 1 : 0;
  };
}
