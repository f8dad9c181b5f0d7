import { describe, expect, it } from "vitest";
import { estimate, median, timesFaster } from "../../bench/statistics.ts";

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => (i * 7) % n);

describe("median", () => {
  it("is the middle value, or the mean of the two middle ones", () => {
    expect(median([5])).toBe(5);
    expect(median([9, 1, 2])).toBe(2);
    expect(median([9, 1, 2, 4])).toBe(3);
  });

  it("leaves its input as it was", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });
});

describe("estimate", () => {
  // Tables of the sign test give the order statistics: none is dropped up to n = 8, one from 9, two from 12.
  it.each([
    [1, 0, 0],
    [5, 0, 4],
    [6, 0, 5],
    [8, 0, 7],
    [9, 1, 7],
    [11, 1, 9],
    [12, 2, 9],
    [15, 3, 11],
    [20, 5, 14],
  ])("of %i values takes the %ith to the %ith as its interval", (n, low, high) => {
    expect(estimate(upTo(n))).toMatchObject({ low, high });
  });
});

describe("timesFaster", () => {
  it("compares what was measured in the same round", () => {
    expect(timesFaster([1, 2, 4], [10, 20, 40])).toEqual({ median: 10, low: 10, high: 10 });
    expect(timesFaster([1, 2, 4], [40, 20, 10])).toEqual({ median: 10, low: 2.5, high: 40 });
  });
});
