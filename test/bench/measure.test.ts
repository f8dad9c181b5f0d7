import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { contractKeyTable } from "../../bench/contract-keys.ts";
import { ADDON, ADDON_VARIABLE_TIME, NOBLE_CURVES, TINY } from "../../bench/curve-peers.ts";
import { OPERATIONS } from "../../bench/curve-workload.ts";
import { curveTable } from "../../bench/curve.ts";
import { dleqTable } from "../../bench/dleq.ts";
import { endToEndTable } from "../../bench/end-to-end.ts";
import { FLOORS, judge } from "../../bench/floors.ts";
import { measure } from "../../bench/measure.ts";
import { pageTable } from "../../bench/pages.ts";
import { ENGINE, KERNEL, LIBSODIUM, NOBLE, NODE, WASM_ALONE, reencryptTable } from "../../bench/reencrypt.ts";
import { loadSecp256k1Addon } from "../../bench/secp256k1-addon.ts";
import { type Case, type Table, type TableResult, cellOf, ratioOf } from "../../bench/table.ts";
import { curveThreadTable, kernelThreadTable, threadTable } from "../../bench/threads.ts";
import { thresholdKeyTable } from "../../bench/threshold-keys.ts";
import { uniform } from "../../bench/workload.ts";

const EFFORT = { rounds: 2, sampleSeconds: 0.001, caseSeconds: 0.001 };

function tableOf(cases: readonly Case[], closed = (): void => undefined): Table {
  return {
    name: "test",
    title: "A test",
    item: "call",
    ours: ["fast"],
    notes: [],
    prepare: async () => ({ cases, [Symbol.asyncDispose]: async () => closed() }),
  };
}

function spin(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

describe("measure", () => {
  const announced = vi.fn();

  beforeEach(() => {
    announced.mockReset();
    vi.spyOn(console, "log").mockImplementation(announced);
  });
  afterEach(() => void vi.restoreAllMocks());

  it("gives the time of an item, in the table's order, for every round", async () => {
    const closed = vi.fn();
    const cases = [
      { row: "a", column: "fast", items: 10, run: () => spin(0.2) },
      { row: "a", column: "slow", items: 1, run: () => spin(0.2) },
      { row: "b", column: "fast", items: 10, run: () => spin(0.2) },
    ];
    const [result] = await measure([tableOf(cases, closed)], EFFORT);
    expect(result).toMatchObject({ rows: ["a", "b"], columns: ["fast", "slow"] });
    expect(result!.cases.map(({ times }) => times.length)).toEqual([2, 2, 2]);
    expect(cellOf(result!, "a", "slow")).toBeGreaterThanOrEqual(200_000);
    expect(cellOf(result!, "a", "fast")).toBeGreaterThanOrEqual(20_000);
    expect(cellOf(result!, "b", "slow")).toBeNull();
    expect(ratioOf(result!, "a", "fast", "slow")!.median).toBeGreaterThan(2);
    expect(ratioOf(result!, "b", "fast", "slow")).toBeNull();
    expect(closed).toHaveBeenCalledTimes(2);
  });

  it("never runs two calls of asynchronous cases at once", async () => {
    let running = 0;
    let most = 0;
    const run = async (): Promise<void> => {
      running++;
      most = Math.max(most, running);
      await setImmediate();
      running--;
    };
    await measure([tableOf(["fast", "slow"].map((column) => ({ row: "a", column, items: 1, run })))], EFFORT);
    expect(most).toBe(1);
  });

  it("fails when a case fails", async () => {
    const run = (): void => {
      // benny announces a suite when it begins to time it: warming up still goes well.
      if (announced.mock.calls.length > 0) throw new Error("broken");
      spin(0.5);
    };
    await expect(measure([tableOf([{ row: "a", column: "fast", items: 1, run }])], EFFORT)).rejects.toThrow(
      new Error("A test, round 1 of 2: a fast failed while it was timed", { cause: new Error("broken") }),
    );
  });

  it("measures every table of the benchmark, where its floors look for it", async () => {
    const loads = [{ name: "2 × 3", contracts: 2, recordsEach: 3, size: uniform(1, 40) }];
    const tables = [
      reencryptTable("aes-256-gcm", "16 B", [32, 8_192]),
      reencryptTable("chacha20-poly1305", "16 B", [4_096]),
      reencryptTable("chacha20-poly1305", "78 B", [1_024]),
      endToEndTable("aes-256-gcm", ["16 B", "78 B"], loads),
      pageTable(["aes-256-gcm"]),
      contractKeyTable(),
      threadTable(["chacha20-poly1305"]),
      kernelThreadTable(["aes-256-gcm"]),
    ];
    const results = await measure(tables, { ...EFFORT, rounds: 1 });
    expect(results.map(({ name }) => name)).toEqual([
      "reencrypt/aes-256-gcm/aad-16",
      "reencrypt/chacha20-poly1305/aad-16",
      "reencrypt/chacha20-poly1305/aad-78",
      "end-to-end/aes-256-gcm",
      "pages",
      "contract-keys",
      "threads",
      "threads/kernel",
    ]);
    expect(results[0]!.rows).toEqual(["32 B", "8 KiB"]);
    expect(results[1]!.rows).toEqual(["4 KiB"]);
    expect(results[2]!.columns).toEqual([ENGINE, WASM_ALONE, KERNEL, NODE, NOBLE, LIBSODIUM]);
    expect(results[3]!.rows).toEqual(["2 × 3, AAD of 16 B", "2 × 3, AAD of 78 B"]);
    expect(expectedFloors(results)).toBeGreaterThan(8);
  });

  it("measures every table of secp256k1, where its floors look for it", async () => {
    const addon = await loadSecp256k1Addon();
    const tables = [curveTable(addon, 4), dleqTable(2), thresholdKeyTable(1), curveThreadTable()];
    const results = await measure(tables, { ...EFFORT, rounds: 1 });
    expect(results.map(({ name, rows }) => [name, rows])).toEqual([
      ["secp256k1", Object.values(OPERATIONS)],
      ["dleq", ["prove", "verify"]],
      ["threshold-keys", ["t = 3 of n = 5", "t = 3 of n = 5, one who is asked", "t = 3 of n = 5, who asks"]],
      ["threads/secp256k1", [OPERATIONS.multiplyAll]],
    ]);
    const addonColumns = addon === null ? [] : [ADDON, ADDON_VARIABLE_TIME];
    expect(results[0]!.columns).toEqual([ENGINE, NOBLE_CURVES, TINY, ...addonColumns]);
    expect(expectedFloors(results)).toBeGreaterThan(8);
  });
});

/** Checks that the floors of what was measured found their columns. @returns how many floors. */
function expectedFloors(results: readonly TableResult[]): number {
  for (const { cases } of results) {
    for (const { times } of cases) expect(times.every((time) => time > 0 && Number.isFinite(time))).toBe(true);
  }
  const measured = judge(FLOORS, results).filter(({ ratio }) => ratio !== null);
  const hasAddon = results.some(({ columns }) => columns.includes(ADDON));
  const expected = FLOORS.filter(
    ({ table, row, theirs }) =>
      results.some(({ name, rows }) => name === table && rows.includes(row)) &&
      (hasAddon || !theirs.some((column) => column === ADDON || column === ADDON_VARIABLE_TIME)),
  );
  expect(measured.map(({ floor }) => floor)).toEqual(expected);
  return expected.length;
}
