import { hkdfSync, randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import {
  CONTRACT_KEY_INFO_BYTES,
  contractKeyInfo,
  contractPrfs,
  expandContractKey,
  PRF_BYTES,
  prfOutputs,
} from "../../src/keys/contract-key.ts";
import { hashContracts } from "../../src/keys/contract-points.ts";
import { generateMasterKey, MasterKey } from "../../src/keys/master-key.ts";
import { Secret } from "../../src/secret.ts";
import { GROUPS, split } from "./groups.ts";
import { referenceKey, referencePrf } from "./reference-key.ts";

const { Point } = secp256k1;
const N = Point.CURVE().n;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
const masterKeyOf = (scalar: bigint, rotationId = 0): MasterKey =>
  new MasterKey(rotationId, new Secret(bytesOf(scalar)));
const ids = fc.uint8Array({ minLength: 32, maxLength: 32 });
const scalars = fc.bigInt({ min: 1n, max: N - 1n });
const curve = new Secp256k1();

/** x(P) of contracts, in hex. */
function prfs(masterKey: MasterKey, contracts: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  contractPrfs(curve, masterKey, Buffer.concat(contracts), (i, prf) => {
    expect(i).toBe(found.length);
    found.push(hex(prf));
  });
  return found;
}

function keyOf(masterKey: MasterKey, suite: number, id: Uint8Array): string {
  const info = contractKeyInfo(1, suite, masterKey.rotationId, id);
  using key = expandContractKey(Buffer.from(prfs(masterKey, [id])[0]!, "hex"), info);
  return key.use(hex);
}

describe("a contract key", () => {
  test("is what its definition says, computed by other code", () => {
    const agrees = (scalar: bigint, suite: number, rotationId: number, id: Uint8Array): void => {
      using masterKey = masterKeyOf(scalar, rotationId);
      expect(keyOf(masterKey, suite, id)).toBe(referenceKey(masterKey, suite, id));
    };
    const rotationIds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(fc.property(scalars, fc.constantFrom(1, 2), rotationIds, ids, agrees), { numRuns: 20 });
  });

  test("stays what it was: stores of earlier versions are sealed under it", () => {
    using masterKey = masterKeyOf(0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20n, 0x01020304);
    const id = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
    const pinned = "4ce318cba43d46f807081973fa98e150e791348150a046e5b504ac112b5b2d4d";
    expect(referenceKey(masterKey, 1, id)).toBe(pinned);
    expect(keyOf(masterKey, 1, id)).toBe(pinned);
  });

  test("changes with the MasterKey, the cipher suite, the rotation id and the contract id", () => {
    const id = randomBytes(32);
    const other = Uint8Array.from(id);
    other[31]! ^= 1;
    const keys = [
      [5n, 1, 0, id],
      [6n, 1, 0, id],
      [5n, 2, 0, id],
      [5n, 1, 1, id],
      [5n, 1, 0, other],
    ] as const;
    const derived = keys.map(([s, suite, r, i]) => keyOf(masterKeyOf(s, r), suite, i));
    expect(new Set(derived).size).toBe(keys.length);
  });
});

describe("contractKeyInfo", () => {
  test("lays out label, key suite, cipher suite, rotation id and contract id", () => {
    const id = Uint8Array.from({ length: 32 }, (_, i) => i);
    const info = contractKeyInfo(1, 2, 0xa1b2c3d4, id);
    expect(info.length).toBe(CONTRACT_KEY_INFO_BYTES);
    expect(hex(info)).toBe(`${hex(Buffer.from("gatekeeper/v1 contract key"))}0102d4c3b2a1${hex(id)}`);
  });

  test("refuses what does not fit", () => {
    const id = new Uint8Array(32);
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    for (const suite of [0, -1, 256, 1.5, Number.NaN]) expect(() => contractKeyInfo(1, suite, 0, id)).toThrow(refused);
    for (const rotation of [-1, 2 ** 32, 0.1]) expect(() => contractKeyInfo(1, 1, rotation, id)).toThrow(refused);
    for (const length of [0, 20, 31, 33])
      expect(() => contractKeyInfo(1, 1, 0, new Uint8Array(length))).toThrow(refused);
  });
});

describe("the PRF", () => {
  test("is the x-coordinate of scalar times point, as noble and OpenSSL compute it, for each contract of a batch", () => {
    const agrees = (scalar: bigint, contracts: readonly Uint8Array[]): void => {
      using masterKey = masterKeyOf(scalar);
      expect(prfs(masterKey, contracts)).toEqual(contracts.map((id) => hex(referencePrf(masterKey, id))));
    };
    const edges = fc.constantFrom(1n, 2n, 3n, N - 1n, N - 2n, (N - 1n) / 2n, (N + 1n) / 2n, 2n ** 128n, 2n ** 255n);
    fc.assert(fc.property(fc.oneof(scalars, edges), fc.array(ids, { maxLength: 4 }), agrees), { numRuns: 40 });
  });

  test("keeps the leading zeros of x", () => {
    // 1·P = P: a point whose x begins with a zero byte is among the first thousand.
    using one = masterKeyOf(1n);
    const contracts = Array.from({ length: 2_000 }, (_, i) => Buffer.from(i.toString(16).padStart(64, "0"), "hex"));
    const found = prfs(one, contracts).findIndex((x) => x.startsWith("00"));
    expect(found).toBeGreaterThanOrEqual(0);
    expect(prfs(one, [contracts[found]!])).toEqual([hex(referencePrf(one, contracts[found]!))]);
  });

  test("is wiped behind the last contract", () => {
    using masterKey = generateMasterKey(9);
    const lent: Uint8Array[] = [];
    contractPrfs(curve, masterKey, randomBytes(96), (_, prf) => {
      expect(prf.some((byte) => byte !== 0)).toBe(true);
      lent.push(prf);
    });
    expect(lent.length).toBe(3);
    expect(lent.every((prf) => prf.every((byte) => byte === 0))).toBe(true);
  });

  test("hashes only contract ids to the curve, and takes no MasterKey that was disposed", () => {
    const masterKey = generateMasterKey(9);
    for (const length of [1, 31, 33]) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => contractPrfs(curve, masterKey, new Uint8Array(length), () => undefined)).toThrow(refused);
    }
    masterKey[Symbol.dispose]();
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
    expect(() => contractPrfs(curve, masterKey, new Uint8Array(32), () => undefined)).toThrow(unavailable);
  });
});

describe("x(P) of a batch", () => {
  test.each(GROUPS)("is x in the encodings of $name, one after the other", ({ group }) => {
    const elements = group.multiplyBase([1, 2, 3].map(() => group.scalars.random()));
    const secret = new Secret(Uint8Array.from(elements));
    using outputs = prfOutputs(group, secret);
    const from = group.elementBytes === PRF_BYTES ? 0 : 1;
    const xs = split(group, elements).map((element) => hex(element.slice(from, from + PRF_BYTES)));
    expect(outputs.use(hex)).toBe(xs.join(""));
    expect(secret.use(hex)).toBe(hex(elements));
    using none = prfOutputs(group, new Secret(new Uint8Array(0)));
    expect(none.length).toBe(0);
    const piece = new Secret(new Uint8Array(group.elementBytes + 1));
    expect(() => prfOutputs(group, piece)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("is on secp256k1 what a MasterKey gives by itself", () => {
    const { group } = GROUPS[0]!;
    using key = generateMasterKey(1);
    using scalar = key.use((bytes) => new Secret(Uint8Array.from(bytes)));
    const contracts = [randomBytes(32), randomBytes(32)];
    using elements = new Secret(group.multiplyAll(hashContracts(group, Buffer.concat(contracts)).points, scalar));
    using outputs = prfOutputs(group, elements);
    expect(outputs.use(hex)).toBe(prfs(key, contracts).join(""));
  });
});

describe("expandContractKey", () => {
  test("is HKDF of x(P), in either key suite", () => {
    const prf = randomBytes(32);
    const id = randomBytes(32);
    const keys = ([1, 2] as const).map((suite) => {
      const info = contractKeyInfo(suite, 1, 5, id);
      using key = expandContractKey(prf, info);
      expect(key.use(hex)).toBe(hex(new Uint8Array(hkdfSync("sha256", prf, new Uint8Array(0), info, 32))));
      return key.use(hex);
    });
    expect(keys[0]).not.toBe(keys[1]);
  });
});
