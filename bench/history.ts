/** The history of measurements: bench/results.ndjson, one line of JSON a run, appended and never changed. */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import * as v from "valibot";
import { type TableResult, cellOf, pairsOf, ratioOf } from "./table.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const lineSchema = v.strictObject({
  /** ISO 8601, UTC. */
  date: v.pipe(v.string(), v.isoTimestamp()),
  /** The commit that was checked out, and whether anything but this history differed from it; null outside of git. */
  commit: v.nullable(v.pipe(v.string(), v.regex(/^[0-9a-f]{40}$/))),
  dirty: v.nullable(v.boolean()),
  cpu: v.string(),
  cores: v.pipe(v.number(), v.integer(), v.minValue(1)),
  node: v.string(),
  rounds: v.pipe(v.number(), v.integer(), v.minValue(1)),
  tables: v.array(
    v.strictObject({
      name: v.string(),
      item: v.string(),
      rows: v.array(
        v.strictObject({
          row: v.string(),
          /** Median nanoseconds per item, by column. */
          nanoseconds: v.record(v.string(), positive),
          /** "ours / theirs": how many times faster, the median, and the 95 % interval around it. */
          ratios: v.record(v.string(), v.tuple([positive, positive, positive])),
        }),
      ),
    }),
  ),
});

/** One run. */
export type HistoryLine = v.InferOutput<typeof lineSchema>;

/** What a run was made with. */
export type Surroundings = Omit<HistoryLine, "tables" | "rounds">;

/** The machine, the Node and the commit of this process. */
export function surroundings(date: Date): Surroundings {
  const [cpu] = cpus();
  return {
    date: date.toISOString(),
    ...commitOf(ROOT),
    cpu: cpu?.model.trim() ?? "unknown",
    cores: cpus().length,
    node: process.version,
  };
}

/** The line of a run. */
export function historyLine(from: Surroundings, rounds: number, results: readonly TableResult[]): HistoryLine {
  const tables = results.map((result) => ({
    name: result.name,
    item: result.item,
    rows: result.rows.map((row) => ({ row, nanoseconds: timesOf(result, row), ratios: ratiosOf(result, row) })),
  }));
  return { ...from, rounds, tables };
}

/** Appends a line to a history. */
export function appendHistory(file: string, line: HistoryLine): void {
  appendFileSync(file, `${JSON.stringify(line)}\n`);
}

/**
 * A whole history, oldest first; empty when there is none yet.
 * @throws Error naming the file and line that is not of this format.
 */
export function readHistory(file: string): HistoryLine[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line, index) => {
    try {
      return v.parse(lineSchema, JSON.parse(line));
    } catch (cause) {
      throw new Error(`${file}:${index + 1} is not a line of this history`, { cause });
    }
  });
}

function timesOf(result: TableResult, row: string): Record<string, number> {
  const times: Record<string, number> = {};
  for (const column of result.columns) {
    const time = cellOf(result, row, column);
    if (time !== null) times[column] = rounded(time);
  }
  return times;
}

function ratiosOf(result: TableResult, row: string): HistoryLine["tables"][number]["rows"][number]["ratios"] {
  const ratios: Record<string, [number, number, number]> = {};
  for (const [ours, theirs] of pairsOf(result)) {
    const ratio = ratioOf(result, row, ours, theirs);
    if (ratio === null) continue;
    ratios[`${ours} / ${theirs}`] = [rounded(ratio.median), rounded(ratio.low), rounded(ratio.high)];
  }
  return ratios;
}

/** Four significant digits: no run is more exact. */
function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

function commitOf(root: string): Pick<HistoryLine, "commit" | "dirty"> {
  try {
    const git = (...args: string[]): string =>
      execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    const changes = git("status", "--porcelain", "--", ".", ":!bench/results.ndjson");
    return { commit: git("rev-parse", "HEAD"), dirty: changes !== "" };
  } catch (error) {
    // No git, or a copy without its history: the figures are still worth keeping.
    if (error instanceof Error && ("status" in error || "code" in error)) return { commit: null, dirty: null };
    throw error;
  }
}
