import { describe, expect, it } from "vitest";
import { FLOORS, type Floor, floorSummary, judge } from "../../bench/floors.ts";
import { resultOf } from "../../bench/table.ts";

const times = (from: number): number[] => Array.from({ length: 7 }, (_, round) => from + round);
const RESULT = resultOf({ name: "speed", title: "", item: "record", ours: ["engine"], notes: [] }, [
  { row: "32 B", column: "engine", times: times(10).fill(10) },
  { row: "32 B", column: "slow", times: times(100) },
  { row: "32 B", column: "fast", times: times(50) },
  { row: "64 B", column: "engine", times: times(10) },
]);

function floor(atLeast: number, theirs: readonly string[] = ["fast"], row = "32 B"): Floor {
  return { table: "speed", row, ours: "engine", theirs, atLeast };
}

describe("a floor", () => {
  it("is compared with the fastest of several, round by round", () => {
    const [verdict] = judge([floor(5, ["slow", "fast"])], [RESULT]);
    expect(verdict!.ratio).toEqual({ median: 5.3, low: 5, high: 5.6 });
  });

  it("is missed only where the whole interval lies below it", () => {
    const summary = floorSummary(judge([floor(5), floor(5.6), floor(5.61)], [RESULT]));
    expect(summary.split("\n")).toEqual([
      "floors: 2 reached (1 only by the interval), 1 missed",
      "  missed: speed, 32 B: engine than fast 5.30 (5.00–5.60), at least 5.61",
    ]);
  });

  it("is neither reached nor missed where its table, row or a column was not measured", () => {
    const absent = [floor(1, ["fast", "other"]), floor(1, ["fast"], "64 B"), { ...floor(1), table: "other" }];
    const summary = floorSummary(judge(absent, [RESULT]));
    expect(summary).toMatch(/^floors: 0 reached, 0 missed, 3 not measured\n/);
    expect(summary.match(/ {2}not measured: /g)).toHaveLength(3);
  });
});

describe("the project's floors", () => {
  it("are one for each ratio", () => {
    const names = FLOORS.map(({ table, row, ours, theirs }) => [table, row, ours, ...theirs].join());
    expect(new Set(names).size).toBe(names.length);
    expect(FLOORS.every(({ atLeast }) => atLeast > 0)).toBe(true);
  });
});
