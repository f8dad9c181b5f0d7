import crypto, { hkdfSync } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { afterEach, describe, expect, test, vi } from "vitest";
import { hedgedNonce } from "../../src/keys/hedged-nonce.ts";
import { named } from "./committee.ts";
import { GROUPS, hex, numberOf } from "./groups.ts";

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** Makes the system's randomness this one byte. */
function randomnessOf(byte: number): void {
  vi.spyOn(crypto, "randomFillSync").mockImplementation(((bytes: Uint8Array, offset = 0) =>
    bytes.fill(byte, offset)) as typeof crypto.randomFillSync);
  syncBuiltinESMExports();
}

describe.each(GROUPS)("nonces of $name", ({ group }) => {
  const k = group.scalars.random();
  const label = Buffer.from("label");

  test("are what is documented", () => {
    randomnessOf(7);
    const nonce = hedgedNonce(group, k, named("statement"), label);
    const ikm = Buffer.concat([k.use((bytes) => Uint8Array.from(bytes)), Buffer.alloc(32, 7)]);
    const wide = Buffer.from(hkdfSync("sha256", ikm, named("statement"), label, 48));
    expect(numberOf(group, nonce)).toBe(BigInt(`0x${hex(wide)}`) % group.scalars.order);
  });

  test("are new each time", () => {
    const nonces = Array.from({ length: 20 }, () => numberOf(group, hedgedNonce(group, k, named("a"), label)));
    expect(new Set(nonces).size).toBe(20);
  });

  test("differ between statements, secrets and labels even if randomness repeats itself", () => {
    const others = group.scalars.random();
    randomnessOf(0);
    const nonces = [
      hedgedNonce(group, k, named("a"), label),
      hedgedNonce(group, k, named("b"), label),
      hedgedNonce(group, others, named("a"), label),
      hedgedNonce(group, k, named("a"), Buffer.from("other")),
      hedgedNonce(group, k, named("a"), label),
    ].map((nonce) => numberOf(group, nonce));
    expect(new Set(nonces).size).toBe(4);
    expect(nonces[4]).toBe(nonces[0]);
  });
});
