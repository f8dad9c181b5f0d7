import { describe, expect, it } from "vitest";
import { printed } from "../../bench/print.ts";
import { RESULT } from "./result.ts";

describe("printed", () => {
  it("aligns times and ratios, with a dash for what was not measured", () => {
    expect(
      printed(RESULT)
        .split("\n")
        .map((text) => text.trimEnd()),
    ).toEqual([
      "A <test>",
      "",
      "  ns per record  engine  node:crypto",
      "  32 B              200        1,600",
      "  64 B              200        1,600",
      "  128 B             200            –",
      "",
      "  times faster                         32 B              64 B  128 B",
      "  engine than node:crypto  10.0 (8.00–11.0)  10.0 (8.00–11.0)      –",
      "",
      "  a & b",
    ]);
  });

  it("goes on below where a line would be too long", () => {
    const rows = Array.from({ length: 12 }, (_, index) => `row ${index}`);
    const cases = rows.flatMap((row) => [
      { row, column: "engine", times: [100] },
      { row, column: "node:crypto", times: [1_000] },
    ]);
    const lines = printed({ ...RESULT, rows, cases }).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(140);
    const ratios = lines.filter((line) => line.startsWith("  engine than"));
    expect(ratios).toHaveLength(2);
    expect(ratios.join().match(/10\.0 \(10\.0–10\.0\)/g)).toHaveLength(12);
    expect(lines.filter((line) => line.startsWith("  times faster")).join()).toMatch(/row 0 .*row 11/);
  });

  it("gives items per second where a table asks for them", () => {
    const lines = printed({ ...RESULT, perSecond: true }).split("\n");
    const from = lines.findIndex((line) => line.startsWith("  records per second"));
    expect(lines.slice(from, from + 4).map((text) => text.trimEnd())).toEqual([
      "  records per second     engine  node:crypto",
      "  32 B                5,000,000      625,000",
      "  64 B                5,000,000      625,000",
      "  128 B               5,000,000            –",
    ]);
  });

  it("compares the pairs that a table names, if it names any", () => {
    expect(printed({ ...RESULT, pairs: [["node:crypto", "engine"]] })).toContain("  node:crypto than engine  0.10 ");
  });
});
