import { PassThrough } from "node:stream";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ProgressMeter, counted, formatCount } from "../../src/cli/progress.ts";

const stream = (isTTY: boolean): NodeJS.WriteStream & PassThrough =>
  Object.assign(new PassThrough(), { isTTY, cursorTo: () => true, clearLine: () => true, columns: 80 }) as never;
const sealing = { name: "sealing", unit: "records", total: 4_000 };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

describe("ProgressMeter", () => {
  test("prints a line every few seconds where nobody watches, and none for what is over soon", () => {
    const output = stream(false);
    const meter = new ProgressMeter(output);
    for (let done = 0; done < 100; done++) {
      meter.report(sealing, done * 40);
      vi.advanceTimersByTime(70);
    }
    meter.report({ name: "checking", unit: "records", total: null }, 1);
    meter.clear();
    expect(String(output.read())).toBe("sealing: 1,720 of 4,000 records\nsealing: 3,440 of 4,000 records\n");
  });

  test("draws a bar on a terminal, and takes it away", () => {
    const output = stream(true);
    const meter = new ProgressMeter(output);
    meter.report(sealing, 1_000);
    vi.advanceTimersByTime(1_000);
    meter.report(sealing, 2_000);
    meter.report({ name: "checking", unit: "records", total: null }, 17);
    meter.clear();
    const shown = String(output.read());
    expect(shown).toContain("sealing [");
    expect(shown).toContain("50% 2000/4000 records");
    expect(shown).toContain("checking 17 records");
    expect(shown).toContain("\u001B[?25h");
  });

  test("says nothing where there is nowhere to say it", () => {
    expect(() => new ProgressMeter(null).report(sealing, 1)).not.toThrow();
  });
});

test("counts for people", () => {
  expect(formatCount(1_234_567.4)).toBe("1,234,567");
  expect([counted(0, "record"), counted(1, "record"), counted(2_000, "record")]).toEqual([
    "0 records",
    "1 record",
    "2,000 records",
  ]);
});
