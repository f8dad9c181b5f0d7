/** Recovers what shares were dealt of: only tests do that, so it is here, by another formula than lagrange.ts has. */
import { invert } from "@noble/curves/abstract/modular.js";
import type { Group } from "../../src/keys/group.ts";
import type { Share } from "../../src/keys/shamir.ts";
import { numberOf } from "./groups.ts";

/** f(x) by Neville's scheme, for the f of least degree through the shares. */
export function interpolated(group: Group, shares: readonly Share[], x: number): bigint {
  const n = group.scalars.order;
  const indices = shares.map(({ index }) => BigInt(index));
  const values = shares.map(({ secret }) => numberOf(group, secret));
  for (let width = 1; width < shares.length; width++) {
    for (let i = 0; i + width < shares.length; i++) {
      const left = (BigInt(x) - indices[i + width]!) * values[i]!;
      const right = (indices[i]! - BigInt(x)) * values[i + 1]!;
      values[i] = (((left + right) * invert(indices[i]! - indices[i + width]!, n)) % n) + n;
    }
  }
  return values[0]! % n;
}
