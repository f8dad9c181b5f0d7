/**
 * How many times faster each thing must be than what it is compared with. A ratio is a median over rounds, and its
 * floor is missed only where the whole 95 % interval lies below it: a median just below may be the machine's doing.
 */
import { ADDON, ADDON_VARIABLE_TIME, NOBLE_CURVES, TINY } from "./curve-peers.ts";
import { OPERATIONS, type Operation } from "./curve-workload.ts";
import { PROVE, VERIFY } from "./dleq.ts";
import { DEFINITION, GATEKEEPER, SMALL_ELECTION, sizeOf } from "./election.ts";
import { LOADS, loadRow } from "./end-to-end.ts";
import { times95 } from "./print.ts";
import {
  CHAINSAFE,
  ENGINE,
  KERNEL,
  LIBSODIUM,
  NOBLE,
  NODE,
  PLAINTEXT_ALLOWED,
  WASM_ALONE,
  ZEPAR,
} from "./reencrypt.ts";
import { CHAIN, REPLICA } from "./replay.ts";
import { type Estimate, timesFaster } from "./statistics.ts";
import { type TableResult, timesOf } from "./table.ts";
import { ONE, TWO } from "./threads.ts";

/** One ratio, and what it must be. */
export interface Floor {
  /** Name of the table, and the row in it. */
  readonly table: string;
  readonly row: string;
  readonly ours: string;
  /** The columns it is compared with: of several, in each round, the fastest. */
  readonly theirs: readonly string[];
  readonly atLeast: number;
}

/** A floor with the ratio that was measured; null where its table, row or columns were not. */
export interface Verdict {
  readonly floor: Floor;
  readonly ratio: Estimate | null;
}

const GCM = "reencrypt/aes-256-gcm/aad-16";
const CHACHA = "reencrypt/chacha20-poly1305/aad-16";
const SMALL = ["32 B", "64 B", "128 B", "256 B", "512 B", "1 KiB", "4 KiB"];
const LARGE = ["8 KiB", "64 KiB", "1 MiB"];
const WASM_PEERS = [LIBSODIUM, CHAINSAFE, ZEPAR];
const ROTATION = { table: "rotation/aes-256-gcm", row: "1,000,000 records" };

/** The floors of the project. */
export const FLOORS: readonly Floor[] = [
  ...rows(GCM, KERNEL, [NODE], SMALL, [60, 40, 28, 18, 10, 5.5, 1.6]),
  ...rows(GCM, KERNEL, [NODE], LARGE, [0.9, 0.5, 0.5]),
  ...rows(GCM, PLAINTEXT_ALLOWED, [NODE], LARGE, [1, 1, 1]),
  ...rows(GCM, WASM_ALONE, [NODE], SMALL, [16, 12, 7, 4, 2.3, 1.2]),
  ...rows(GCM, KERNEL, [NOBLE], SMALL, [50, 50, 50, 50, 50, 50, 50]),

  ...rows(CHACHA, KERNEL, [NODE], SMALL, [25, 22, 13, 8.5, 5.4, 3.5, 1.3]),
  ...rows(CHACHA, KERNEL, [NODE], LARGE, [0.9, 0.5, 0.5]),
  ...rows(CHACHA, PLAINTEXT_ALLOWED, [NODE], LARGE, [1, 1, 1]),
  ...rows(CHACHA, KERNEL, WASM_PEERS, SMALL, [5, 5, 2.2, 2.2, 2.2, 2.2, 2.2]),
  ...rows(CHACHA, KERNEL, WASM_PEERS, LARGE, [2.2, 2.2, 2.2]),

  { table: "contract-keys", row: "32 B", ours: "kernel", theirs: ["createHmac"], atLeast: 12 },
  { table: "contract-keys", row: "32 B", ours: "kernel", theirs: ["hkdfSync"], atLeast: 30 },

  ...rows("end-to-end/aes-256-gcm", ENGINE, [NODE], loadRows(), [35, 6, 3]),

  ...rows("threads/kernel", TWO, [ONE], ["aes-256-gcm", "chacha20-poly1305"], [1.8, 1.8]),

  ...curve("multiplyAll", [NOBLE_CURVES, TINY, ADDON, ADDON_VARIABLE_TIME], [100, 8, 2.7, 1.8]),
  ...curve("multiplyEach", [NOBLE_CURVES, ADDON], [95, 2.5]),
  ...curve("publicKeys", [NOBLE_CURVES, TINY, ADDON], [52, 13, 3.7]),
  ...curve("hashToCurve", [NOBLE_CURVES], [58]),
  ...curve("decompress", [NOBLE_CURVES, TINY, ADDON], [33, 9, 2.5]),
  ...curve("partials", [NOBLE_CURVES], [95]),
  ...curve("verifyEcdsa", [NOBLE_CURVES, TINY, ADDON], [30, 4, 1.2]),
  ...rows("dleq", ENGINE, [NOBLE_CURVES], [PROVE, VERIFY], [500, 500]),
  ...rows("threads/secp256k1", TWO, [ONE], [OPERATIONS.multiplyAll], [1.8]),

  { ...ROTATION, ours: "1 thread", theirs: ["copy, 1 thread"], atLeast: 0.6 },
  { ...ROTATION, ours: "2 threads", theirs: ["copy, 2 threads"], atLeast: 0.6 },
  { ...ROTATION, ours: "2 threads", theirs: ["paged loop"], atLeast: 0.5 },
  { ...ROTATION, ours: "2 threads", theirs: ["node:crypto loop"], atLeast: 6 },

  // 20,000 messages a second is what C takes to verify as many signatures, with nothing else done.
  { table: "replay", row: CHAIN, ours: REPLICA, theirs: [ADDON], atLeast: 1 },
  { table: "replay", row: CHAIN, ours: REPLICA, theirs: [NOBLE_CURVES], atLeast: 20 },
  { table: "election", row: sizeOf(SMALL_ELECTION), ours: GATEKEEPER, theirs: [DEFINITION], atLeast: 5 },
];

/** Looks every floor up in what was measured. */
export function judge(floors: readonly Floor[], results: readonly TableResult[]): Verdict[] {
  return floors.map((floor) => {
    const result = results.find(({ name }) => name === floor.table);
    return { floor, ratio: result === undefined ? null : ratioToFastest(result, floor) };
  });
}

/** How many floors were reached and missed, then each that was missed, or not measured. */
export function floorSummary(verdicts: readonly Verdict[]): string {
  const measured = verdicts.filter(({ ratio }) => ratio !== null);
  const missed = measured.filter(isMissed);
  const unsure = measured.filter(({ floor, ratio }) => ratio!.median < floor.atLeast).length - missed.length;
  const counts = [
    `${measured.length - missed.length} reached${unsure === 0 ? "" : ` (${unsure} only by the interval)`}`,
    `${missed.length} missed`,
  ];
  const unmeasured = verdicts.filter(({ ratio }) => ratio === null);
  if (unmeasured.length > 0) counts.push(`${unmeasured.length} not measured`);
  return [
    `floors: ${counts.join(", ")}`,
    ...missed.map(({ floor, ratio }) => `  missed: ${nameOf(floor)} ${times95(ratio)}, at least ${floor.atLeast}`),
    ...unmeasured.map(({ floor }) => `  not measured: ${nameOf(floor)}, at least ${floor.atLeast}`),
  ].join("\n");
}

function isMissed({ floor, ratio }: Verdict): boolean {
  return ratio !== null && ratio.high < floor.atLeast;
}

function nameOf({ table, row, ours, theirs }: Floor): string {
  return `${table}, ${row}: ${ours} than ${theirs.length > 1 ? "the fastest of " : ""}${theirs.join(", ")}`;
}

function ratioToFastest(result: TableResult, { row, ours, theirs }: Floor): Estimate | null {
  const own = timesOf(result, row, ours);
  const others = theirs.map((column) => timesOf(result, row, column)).filter((times) => times !== null);
  if (own === null || others.length < theirs.length) return null;
  return timesFaster(
    own,
    own.map((_, round) => Math.min(...others.map((times) => times[round]!))),
  );
}

/** One floor a row; the rows after the last of `atLeast` have none. */
function rows(
  table: string,
  ours: string,
  theirs: readonly string[],
  names: readonly string[],
  atLeast: readonly number[],
): Floor[] {
  return atLeast.map((times, index) => ({ table, row: names[index]!, ours, theirs, atLeast: times }));
}

/** One floor a peer, for an operation of secp256k1. */
function curve(operation: Operation, peers: readonly string[], atLeast: readonly number[]): Floor[] {
  const row = OPERATIONS[operation];
  return peers.map((peer, index) => {
    return { table: "secp256k1", row, ours: ENGINE, theirs: [peer], atLeast: atLeast[index]! };
  });
}

function loadRows(): string[] {
  return LOADS.map((load) => loadRow(load, "16 B"));
}
