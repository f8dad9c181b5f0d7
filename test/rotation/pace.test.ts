import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pace } from "../../src/rotation/pace.ts";

function clockAt(start: number): {
  now: () => number;
  sleep: (milliseconds: number) => Promise<void>;
  slept: number[];
} {
  let time = start;
  const slept: number[] = [];
  const sleep = async (milliseconds: number): Promise<void> => {
    slept.push(milliseconds);
    time += milliseconds;
  };
  return { now: () => time, sleep, slept };
}

describe("a pace", () => {
  it("holds over any work, but for one second's bytes and what the last piece is too many", async () => {
    const pieces = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 50 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 3_000 }), pieces, async (bytesPerSecond, sizes) => {
        const clock = clockAt(12_345);
        const pace = new Pace(bytesPerSecond, clock);
        let done = 0;
        for (const size of sizes) {
          await pace.wait(() => false);
          const allowed = bytesPerSecond * (1 + (clock.now() - 12_345) / 1_000);
          expect(done).toBeLessThanOrEqual(allowed + 1e-6);
          pace.spend(size);
          done += size;
        }
        // It does not wait longer than it must.
        const least = ((done - sizes.at(-1)! - bytesPerSecond) / bytesPerSecond) * 1_000;
        expect(clock.now() - 12_345).toBeLessThanOrEqual(Math.max(0, least) + clock.slept.length + 1);
      }),
    );
  });

  it("saves no more than a second's bytes while nothing is done", async () => {
    const clock = clockAt(0);
    const pace = new Pace(1_000, clock);
    await clock.sleep(60_000);
    await pace.wait(() => false);
    pace.spend(2_000);
    await pace.wait(() => false);
    expect(clock.now()).toBe(61_000);
  });

  it("is not waited for by who is told to stop", async () => {
    const clock = clockAt(0);
    const pace = new Pace(1, clock);
    pace.spend(1_000_000);
    await pace.wait(() => clock.slept.length === 3);
    expect(clock.slept).toEqual([200, 200, 200]);
    expect(() => new Pace(0)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
