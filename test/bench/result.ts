/** A small result for the tests of what is made of results. */
import type { TableResult } from "../../bench/table.ts";

export const SIZES = ["32 B", "64 B", "128 B"];
export const RESULT: TableResult = {
  name: "test",
  title: "A <test>",
  item: "record",
  ours: ["engine"],
  notes: ["a & b"],
  rows: SIZES,
  columns: ["engine", "node:crypto"],
  cases: [
    ...SIZES.map((row) => ({ row, column: "engine", times: [100, 200, 400] })),
    ...SIZES.slice(0, 2).map((row) => ({ row, column: "node:crypto", times: [1_000, 1_600, 4_400] })),
  ],
};
