import { describe, expect, test } from "vitest";
import type { Share } from "../../src/keys/shamir.ts";
import { GROUPS, hex, numberOf, secretOf } from "./groups.ts";
import { interpolated } from "./interpolation.ts";
import { generated, type Held, refreshed, reshared } from "./session.ts";

describe.each(GROUPS)("sharings of $name", ({ group }) => {
  const keyOf = (shares: readonly Share[]): string =>
    hex(group.multiplyBase([secretOf(group, interpolated(group, shares, 0))]));
  const check = (held: Held): void => {
    expect(keyOf(held.shares.slice(0, held.minShares))).toBe(hex(held.publicKey));
    expect(keyOf(held.shares.slice(-held.minShares))).toBe(hex(held.publicKey));
    for (const { index, secret } of held.shares) {
      expect(numberOf(group, secret)).toBeGreaterThan(0n);
      expect(hex(group.multiplyBase([secret]))).toBe(hex(held.verificationShares.get(index)!));
    }
  };

  test("honest path", () => {
    const first = generated(group, 2, 3);
    check(first);
    const second = reshared(first, group, 3, 5, [3, 1]);
    check(second);
    const third = refreshed(second, group);
    check(third);
    expect(hex(third.publicKey)).toBe(hex(first.publicKey));
  });
});
