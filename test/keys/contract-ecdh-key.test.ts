import { hkdfSync, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contractEcdhKey } from "../../src/keys/contract-ecdh-key.ts";
import { GROUPS, hex, numberOf } from "./groups.ts";

describe.each(GROUPS)("a contract's EcdhKey in $name", ({ group, oracle }) => {
  /** The definition in keys/contract-ecdh-key.ts written once more. */
  const reference = (prf: Uint8Array, suite: number, rotationId: number, id: Uint8Array): bigint => {
    const rotation = Buffer.alloc(4);
    rotation.writeUInt32LE(rotationId);
    const info = Buffer.concat([
      Buffer.from("gatekeeper/v1 contract EcdhKey"),
      Buffer.of(group.keySuite, suite),
      rotation,
      id,
    ]);
    const okm = new Uint8Array(hkdfSync("sha256", prf, new Uint8Array(0), info, 48));
    return BigInt(`0x${hex(okm)}`) % group.scalars.order;
  };
  const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });

  test("is what its definition says, with the public key of its scalar", () => {
    const agrees = (prf: Uint8Array, suite: number, rotationId: number, id: Uint8Array): void => {
      const before = hex(prf);
      const { scalar, publicKey } = contractEcdhKey(group, prf, suite, rotationId, id);
      const expected = reference(prf, suite, rotationId, id);
      expect(numberOf(group, scalar)).toBe(expected);
      expect(hex(publicKey)).toBe(hex(oracle.multiply(group.generator, expected)));
      expect(hex(prf)).toBe(before);
    };
    const rotationIds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(fc.property(bytes32, fc.constantFrom(1, 2), rotationIds, bytes32, agrees), { numRuns: 10 });
  });

  test("changes with the PRF, the cipher suite, the rotation id and the contract id", () => {
    const [prf, other, id, otherId] = [0, 1, 2, 3].map(() => randomBytes(32)) as [Buffer, Buffer, Buffer, Buffer];
    const keys = [
      [prf, 1, 0, id],
      [other, 1, 0, id],
      [prf, 2, 0, id],
      [prf, 1, 1, id],
      [prf, 1, 0, otherId],
    ] as const;
    const derived = keys.map(([x, suite, rotationId, contract]) =>
      hex(contractEcdhKey(group, x, suite, rotationId, contract).publicKey),
    );
    expect(new Set(derived).size).toBe(keys.length);
  });

  test("has no info that does not fit", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    const prf = randomBytes(32);
    expect(() => contractEcdhKey(group, prf, 0, 0, randomBytes(32))).toThrow(refused);
    expect(() => contractEcdhKey(group, prf, 1, -1, randomBytes(32))).toThrow(refused);
    expect(() => contractEcdhKey(group, prf, 1, 0, randomBytes(31))).toThrow(refused);
  });
});
