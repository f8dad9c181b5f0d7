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
});
