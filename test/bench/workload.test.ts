import { describe, expect, it } from "vitest";
import { checkContender } from "../../bench/contender.ts";
import { LOADS } from "../../bench/end-to-end.ts";
import { nodeContender } from "../../bench/peers.ts";
import { firstRecords, logUniform, makeWorkload, uniform } from "../../bench/workload.ts";

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value) / values.length;

describe("sizes of records", () => {
  it.each([
    ["uniform", uniform(40, 134), 40, 134, 87],
    ["logUniform", logUniform(16, 4_096), 16, 4_096, 736],
  ])("by %s lie within their bounds, and in the mean where they should", (_, size, low, high, expected) => {
    const sizes = Array.from({ length: 20_000 }, size);
    expect(sizes.every((each) => Number.isInteger(each) && each >= low && each <= high)).toBe(true);
    expect(mean(sizes) / expected).toBeGreaterThan(0.95);
    expect(mean(sizes) / expected).toBeLessThan(1.05);
  });
});

describe("the loads of the end-to-end table", () => {
  it("are 20,000 records each", () => {
    expect(LOADS.map(({ contracts, recordsEach }) => contracts * recordsEach)).toEqual([20_000, 20_000, 20_000]);
  });
});

describe("the first records of a workload", () => {
  const workload = makeWorkload({
    suite: "aes-256-gcm",
    aad: "78 B",
    size: uniform(0, 50),
    contracts: 3,
    recordsEach: 4,
  });

  it.each([
    [1, 1],
    [4, 1],
    [5, 2],
    [12, 3],
    [99, 3],
  ])("%i come with the keys of their contracts, and nothing behind them", (count, contracts) => {
    const first = firstRecords(workload, count);
    expect(first.records).toEqual(workload.records.slice(0, count));
    expect(first.keys.map((keys) => keys.length)).toEqual([contracts, contracts]);
    const bytes = first.arena().length;
    expect(Buffer.compare(first.arena(), workload.arena().subarray(0, bytes))).toBe(0);
    expect(bytes).toBe(workload.records[count]?.aadOffsets[0] ?? workload.arena().length);
    checkContender("node:crypto", first, nodeContender(first));
  });

  it("are one or more", () => {
    expect(() => firstRecords(workload, 0)).toThrow("one record or more");
  });
});
