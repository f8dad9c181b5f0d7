import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { appendHistory, historyLine, readHistory, surroundings } from "../../bench/history.ts";
import { RESULT, SIZES } from "./result.ts";

const KEPT = fileURLToPath(new URL("../../bench/results.ndjson", import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gatekeeper-history-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("the history", () => {
  const line = historyLine(surroundings(new Date(0)), 3, [RESULT]);

  it("names date, commit, machine and Node, and holds medians and ratios", () => {
    expect(line).toMatchObject({ date: "1970-01-01T00:00:00.000Z", node: process.version, rounds: 3 });
    expect(line.cores).toBeGreaterThan(0);
    expect(line.tables).toEqual([
      {
        name: "test",
        item: "record",
        rows: [
          ...SIZES.slice(0, 2).map((row) => ({
            row,
            nanoseconds: { engine: 200, "node:crypto": 1_600 },
            ratios: { "engine / node:crypto": [10, 8, 11] },
          })),
          { row: "128 B", nanoseconds: { engine: 200 }, ratios: {} },
        ],
      },
    ]);
  });

  it("is one line of JSON a run, and reads back", () => {
    const file = join(folder, "results.ndjson");
    expect(readHistory(file)).toEqual([]);
    appendHistory(file, line);
    appendHistory(file, line);
    expect(readFileSync(file, "utf8").split("\n")).toHaveLength(3);
    expect(readHistory(file)).toEqual([line, line]);
  });

  it.each([
    ["no JSON", "{"],
    ["another format", '{"date":"yesterday"}'],
  ])("names the line that is %s", (_, bad) => {
    const file = join(folder, "results.ndjson");
    writeFileSync(file, `${JSON.stringify(line)}\n${bad}\n`);
    expect(() => readHistory(file)).toThrow(`${file}:2`);
  });

  it("as it is kept in the project can be read", () => {
    for (const { tables } of readHistory(KEPT)) expect(tables.length).toBeGreaterThan(0);
  });
});
