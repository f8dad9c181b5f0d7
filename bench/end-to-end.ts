/**
 * All that a caller waits for, on one thread: from raw keys and one arena of sealed records, of many contracts and of
 * all sizes, to the same arena sealed anew. Few records of a contract make the fixed cost of a key show.
 */
import type { Suite } from "../src/engine/suite.ts";
import { engineFromRawKeysContender } from "./ours.ts";
import { nodeFromRawKeysContender } from "./peers.ts";
import { ENGINE, NODE, backAndForth } from "./reencrypt.ts";
import type { Case, Table } from "./table.ts";
import { type AadKind, type WorkloadShape, logUniform, makeWorkload, uniform } from "./workload.ts";

/** How many records of which sizes. */
export interface Load {
  readonly name: string;
  readonly contracts: number;
  readonly recordsEach: number;
  readonly size: () => number;
}

/** 40 to 134 bytes: 87 in the mean. */
const SMALL = uniform(40, 134);
/** 736 bytes in the mean. */
const MIXED = logUniform(16, 4_096);

/** From many records of a contract to few; 20,000 records each. */
export const LOADS: readonly Load[] = [
  { name: "20 × 1,000", contracts: 20, recordsEach: 1_000, size: SMALL },
  { name: "200 × 100", contracts: 200, recordsEach: 100, size: MIXED },
  { name: "2,000 × 10", contracts: 2_000, recordsEach: 10, size: SMALL },
];

/** One table a suite, one row a load and AAD. */
export function endToEndTable(suite: Suite, aads: readonly AadKind[], loads: readonly Load[] = LOADS): Table {
  return {
    name: `end-to-end/${suite}`,
    title: `Re-encrypt contracts × records end to end, ${suite}`,
    item: "record",
    ours: [ENGINE],
    unordered: true,
    notes: [
      "20 × 1,000 and 2,000 × 10: texts of 40 to 134 B, 87 B in the mean; 200 × 100: 16 B to 4 KiB, their logarithms spread evenly",
      `${ENGINE}: one Engine.reencrypt of everything, from raw keys, which are wiped; ${NODE}: the careful loop, from raw keys`,
    ],
    prepare: async (round) => {
      const cases = loads.flatMap((load) => aads.flatMap((aad) => casesOf({ suite, aad, ...load }, round)));
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

/** The row of a load. */
export function loadRow({ name }: Pick<Load, "name">, aad: AadKind): string {
  return `${name}, AAD of ${aad}`;
}

function casesOf(shape: Load & WorkloadShape, round: number): Case[] {
  const workload = makeWorkload(shape);
  const row = loadRow(shape, shape.aad);
  return [
    {
      row,
      column: ENGINE,
      items: workload.records.length,
      run: backAndForth(ENGINE, workload, engineFromRawKeysContender, round),
    },
    {
      row,
      column: NODE,
      items: workload.records.length,
      run: backAndForth(NODE, workload, nodeFromRawKeysContender, round),
    },
  ];
}
