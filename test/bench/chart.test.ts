import { describe, expect, it } from "vitest";
import { chartPage } from "../../bench/chart.ts";
import { historyLine, surroundings } from "../../bench/history.ts";
import { RESULT, SIZES } from "./result.ts";

describe("the chart page", () => {
  const from = surroundings(new Date(0));
  const page = chartPage(from, [RESULT, { ...RESULT, rows: SIZES.slice(0, 2) }], [historyLine(from, 3, [RESULT])]);

  it("needs nothing from anywhere else", () => {
    expect(page).not.toMatch(/<script|<link|\bsrc=|\bhref=|https?:|@import|url\(/i);
  });

  it("draws every column and escapes what it is given", () => {
    expect(page.match(/<polyline /g)).toHaveLength(2);
    expect(page.match(/<rect /g)).toHaveLength(4);
    expect(page).toContain("A &#60;test&#62;");
    expect(page).not.toContain("NaN");
  });

  it("draws rows as bars that are no steps of a scale, and names a column that ends early", () => {
    const unordered = chartPage(from, [{ ...RESULT, unordered: true }], []);
    expect(unordered).not.toContain("<polyline ");
    expect(unordered.match(/<rect /g)).toHaveLength(5);
    expect(page).toMatch(/<text [^>]*>node:crypto<\/text>/);
  });
});
