/** Text on a terminal that the next one takes the place of, where it is, without what was on the screen before being lost. */

/** How large a terminal is; undefined where it does not say. */
export interface ScreenSize {
  readonly columns: number | undefined;
  readonly rows: number | undefined;
}

/** ECMA-48: to the beginning of a line so many above (CPL), and erase from there on (ED). */
const up = (lines: number): string => (lines === 0 ? "" : `\u001b[${lines}F\u001b[J`);

/** Knows what it has drawn last. Nothing else may be written meanwhile. */
export class Redrawn {
  /** Rows of the screen that the last text takes. */
  #rows = 0;

  /**
   * What is written to draw a text in the place of the last.
   * @param text - lines of printable characters, each a column wide. What goes beyond the screen can't be taken back: lines
   * that have no room are counted only.
   */
  frame(text: string, { columns, rows }: ScreenSize): string {
    const before = up(this.#rows);
    const width = columns || Number.POSITIVE_INFINITY;
    // The cursor stands below the last line.
    const room = (rows || Number.POSITIVE_INFINITY) - 1;
    const lines = text.split("\n");
    const heights = lines.map((line) => Math.max(1, Math.ceil(line.length / width)));
    const total = heights.reduce((sum, height) => sum + height, 0);
    const shown = total <= room ? lines.length : fitting(heights, room - 1);
    const drawn = lines.slice(0, shown);
    if (shown < lines.length) drawn.push(`… ${lines.length - shown} more lines`.slice(0, width));
    this.#rows = heights.slice(0, shown).reduce((sum, height) => sum + height, shown < lines.length ? 1 : 0);
    return `${before}${drawn.map((line) => `${line}\n`).join("")}`;
  }
}

/** How many of the first have room. */
function fitting(heights: readonly number[], room: number): number {
  let left = room;
  for (const [index, height] of heights.entries()) {
    left -= height;
    if (left < 0) return index;
  }
  return heights.length;
}
