import { describe, expect, it } from "vitest";
import { Seeded } from "./seeded.ts";
import { strongestDifference } from "./welch.ts";

/** `count` measurements of a skewed time about 100, every tenth of them disturbed, and a coin's classes. */
function measured(count: number, seed: number, leak: number): [Float64Array, Uint8Array] {
  const random = new Seeded(seed);
  const classes = Uint8Array.from({ length: count }, () => random.below(2));
  const times = Float64Array.from(classes, (kind) => {
    const disturbed = random.below(10) === 0 ? 10_000 * random.fraction() : 0;
    return 100 - 3 * Math.log(1 - random.fraction()) + kind * leak + disturbed;
  });
  return [times, classes];
}

describe("the strongest difference of two classes of timings", () => {
  it("is Welch's t where cropping can add nothing", () => {
    // Means 2 and 5, variances 1 and 20/3: t = 3 / sqrt(1/3 + 5/3), over all, for any crop loses the larger values.
    const difference = strongestDifference(Float64Array.of(1, 2, 3, 2, 4, 6, 8), Uint8Array.of(0, 0, 0, 1, 1, 1, 1));
    expect(difference.t).toBeCloseTo(3 / Math.SQRT2, 12);
    expect(difference.means).toBeCloseTo(3, 12);
    expect(difference.error).toBeCloseTo(Math.SQRT2, 12);
    expect(difference.kept).toBe(1);
  });

  it("has the sign of the class that takes longer", () => {
    const [times, classes] = measured(2_000, 1, 3);
    const forth = strongestDifference(times, classes);
    const back = strongestDifference(
      times,
      classes.map((kind) => 1 - kind),
    );
    expect(forth.t).toBeGreaterThan(0);
    expect(back.t).toBeCloseTo(-forth.t, 9);
  });

  it("is found below the disturbed measurements, which bury it", () => {
    const difference = strongestDifference(...measured(20_000, 2, 0.5));
    expect(difference.kept).toBeLessThan(0.91);
    expect(difference.t).toBeGreaterThan(10);
  });

  it("stays below 4.5 in 200 samples without one", () => {
    for (let seed = 0; seed < 200; seed++) {
      expect(Math.abs(strongestDifference(...measured(2_000, seed, 0)).t)).toBeLessThan(4.5);
    }
  });

  it("is none among equal times, and beyond any limit where all of a class took longer", () => {
    const classes = Uint8Array.of(0, 1, 0, 1);
    expect(strongestDifference(Float64Array.of(7, 7, 7, 7), classes).t).toBe(0);
    expect(strongestDifference(Float64Array.of(7, 8, 7, 8), classes).t).toBe(Infinity);
  });
});
