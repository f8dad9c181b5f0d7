/** Text that is drawn in its own place, and `status --watch` on a terminal. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Redrawn, type ScreenSize } from "../../src/cli/redrawn.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { hasScript, onTerminal } from "./pseudo-terminal.ts";

const ESCAPE = "\u001b";

/** A terminal that knows what is used here: rows that it shows, and those that have gone out at its top. */
class Screen {
  readonly #columns: number;
  readonly #rows: number;
  readonly lines: string[];
  #row: number;

  constructor(columns: number, rows: number, before: readonly string[]) {
    this.#columns = columns;
    this.#rows = rows;
    this.lines = [...before, ""];
    this.#row = before.length;
  }

  write(text: string): void {
    for (const [token, lines] of text.replaceAll(ESCAPE, "␛").matchAll(/␛\[(\d+)F|␛\[J|\n|[^␛\n]+/g)) {
      // It does not go above the first row that is shown.
      const top = Math.max(0, this.lines.length - this.#rows);
      if (lines !== undefined) this.#row = Math.max(top, this.#row - Number(lines));
      else if (token === "␛[J") this.lines.splice(this.#row, this.lines.length, "");
      else if (token === "\n") this.#next();
      else this.#print(token);
    }
  }

  #print(text: string): void {
    for (let at = 0; at < text.length; at += this.#columns) {
      if (at > 0) this.#next();
      this.lines[this.#row] = text.slice(at, at + this.#columns);
    }
  }

  #next(): void {
    this.#row++;
    if (this.#row === this.lines.length) this.lines.push("");
  }
}

const shownBy = (text: string, size: ScreenSize): string => new Redrawn().frame(text, size);

describe("a text that is drawn anew", () => {
  test("takes the place of the last, whatever its length, and leaves what was above", () => {
    const text = fc.array(fc.stringMatching(/^[a-z ]{0,30}$/), { minLength: 1, maxLength: 12 });
    const sizes = fc.record({ columns: fc.integer({ min: 5, max: 20 }), rows: fc.integer({ min: 4, max: 40 }) });
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), sizes, (texts, size) => {
        const drawn = new Redrawn();
        const screen = new Screen(size.columns, size.rows, ["before 1", "before 2"]);
        for (const lines of texts) screen.write(drawn.frame(lines.join("\n"), size));
        const last = new Screen(size.columns, size.rows, ["before 1", "before 2"]);
        last.write(shownBy(texts.at(-1)!.join("\n"), size));
        expect(screen.lines).toEqual(last.lines);
      }),
    );
  });

  test("is cut where the screen ends, and says so", () => {
    const lines = "0123456789\nb\nc\nd";
    expect(shownBy(lines, { columns: 5, rows: 6 })).toBe(`${lines}\n`);
    expect(shownBy(lines, { columns: 5, rows: 5 })).toBe("0123456789\nb\n… 2 m\n");
    expect(shownBy(lines, { columns: undefined, rows: undefined })).toBe(`${lines}\n`);
  });
});

describe.skipIf(!hasScript())("status --watch on a terminal (where there is `script`)", () => {
  test("draws each block's status over the one before, until Ctrl-C", { timeout: 60_000 }, async () => {
    using at = new FolderChain();
    at.producer.produce(1, true);
    const watching = onTerminal(
      at.folder,
      ["status", "--watch", "--home", at.folder],
      [[`${ESCAPE}[J`, "\u0003"]],
      "stty cols 40 rows 30",
    );
    const ended = watching.then(() => true);
    for (let now = 2; !(await Promise.race([ended, sleep(200, false)])); now++) at.producer.produce(now, true);
    const { code, shown } = await watching;
    expect(code).toBe(0);
    const drawn = shown.replaceAll(ESCAPE, "␛");
    expect(drawn).toMatch(/^block \d+, 1970-[\s\S]*no rotation under way\r\n␛\[[1-9]F␛\[Jblock \d+, 1970-/);
    expect(shown).toContain("stopping; the network goes on");
  });
});
