/** Results as plain text: a table of times, then how many times faster Gatekeeper's columns are than the others. */
import type { Estimate } from "./statistics.ts";
import { type TableResult, cellOf, pairsOf, ratioOf } from "./table.ts";

/** Between columns. */
const GAP = "  ";
/** Characters that a line of a table takes at most, if two of its columns do. */
const LINE = 140;

/** A table and its ratios, ready to be printed. */
export function printed(result: TableResult): string {
  const times = [
    [`ns per ${result.item}`, ...result.columns],
    ...result.rows.map((row) => [row, ...result.columns.map((column) => nanoseconds(cellOf(result, row, column)))]),
  ];
  const rates = [
    [`${result.item}s per second`, ...result.columns],
    ...result.rows.map((row) => [row, ...result.columns.map((column) => perSecond(cellOf(result, row, column)))]),
  ];
  const ratios = [
    ["times faster", ...result.rows],
    ...pairsOf(result).map(([ours, theirs]) => [
      `${ours} than ${theirs}`,
      ...result.rows.map((row) => times95(ratioOf(result, row, ours, theirs))),
    ]),
  ];
  const notes = result.notes.map((note) => `  ${note}`).join("\n");
  const parts = [
    result.title,
    aligned(times),
    ...(result.perSecond ? [aligned(rates)] : []),
    ...(ratios.length > 1 ? [aligned(ratios)] : []),
    notes,
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** Nanoseconds with the digits that mean something, or a dash where the table has no such case. */
export function nanoseconds(value: number | null): string {
  if (value === null) return "–";
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString("en");
}

/** How often something fits into a second that takes so many nanoseconds. */
function perSecond(value: number | null): string {
  return value === null ? "–" : Math.round(1e9 / value).toLocaleString("en");
}

/** A ratio with its 95 % interval. */
export function times95(ratio: Estimate | null): string {
  if (ratio === null) return "–";
  return `${short(ratio.median)} (${short(ratio.low)}–${short(ratio.high)})`;
}

function short(value: number): string {
  return value < 10 ? value.toFixed(2) : value.toFixed(1);
}

/** The first column to the left, the others to the right; in several blocks where a line would be too long. */
function aligned(lines: readonly (readonly string[])[]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const blocks: number[][] = [];
  let room = 0;
  for (let column = 1; column < widths.length; column++) {
    const width = GAP.length + widths[column]!;
    if (room < width) {
      blocks.push([]);
      room = LINE - GAP.length - widths[0]!;
    }
    blocks.at(-1)!.push(column);
    room -= width;
  }
  const block = (columns: readonly number[]): string =>
    lines
      .map((line) => [line[0]!.padEnd(widths[0]!), ...columns.map((column) => line[column]!.padStart(widths[column]!))])
      .map((cells) => `${GAP}${cells.join(GAP)}`)
      .join("\n");
  return blocks.map(block).join("\n\n");
}
