import { hkdfSync, randomBytes } from "node:crypto";
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ContractKeyDeriver,
  CONTRACT_KEY_INFO_BYTES,
  contractKey,
  contractKeyInfo,
  contractPoint,
} from "../../src/keys/contract-key.ts";
import { generateMasterKey, MasterKey } from "../../src/keys/master-key.ts";
import { Secret } from "../../src/secret.ts";

const { Point } = secp256k1;
const N = Point.CURVE().n;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (value: bigint): Uint8Array => Buffer.from(value.toString(16).padStart(64, "0"), "hex");
const deriverOf = (scalar: bigint, rotationId = 0): ContractKeyDeriver => {
  using key = new MasterKey(rotationId, new Secret(bytesOf(scalar)));
  return new ContractKeyDeriver(key);
};
const ids = fc.uint8Array({ minLength: 32, maxLength: 32 });
const scalars = fc.bigInt({ min: 1n, max: N - 1n });

/** The definition in keys/contract-key.ts written once more, with noble for the curve and node's HKDF. */
function referenceKey(scalar: bigint, suite: number, rotationId: number, id: Uint8Array): string {
  const dst = "gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_";
  const x = secp256k1_hasher.hashToCurve(id, { DST: dst }).multiply(scalar).toBytes(true).slice(1);
  const rotation = Buffer.alloc(4);
  rotation.writeUInt32LE(rotationId);
  const info = Buffer.concat([Buffer.from("gatekeeper/v1 contract key"), Buffer.of(1, suite), rotation, id]);
  return hex(new Uint8Array(hkdfSync("sha256", x, new Uint8Array(0), info, 32)));
}

describe("a contract key", () => {
  test("is what its definition says, computed by other code", () => {
    const agrees = (scalar: bigint, suite: number, rotationId: number, id: Uint8Array): void => {
      using deriver = deriverOf(scalar, rotationId);
      using key = contractKey(deriver, suite, id);
      expect(key.use(hex)).toBe(referenceKey(scalar, suite, rotationId, id));
    };
    const rotationIds = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(fc.property(scalars, fc.constantFrom(1, 2), rotationIds, ids, agrees), { numRuns: 20 });
  });

  test("stays what it was: stores of earlier versions are sealed under it", () => {
    const scalar = 0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20n;
    const id = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
    const pinned = "4ce318cba43d46f807081973fa98e150e791348150a046e5b504ac112b5b2d4d";
    expect(referenceKey(scalar, 1, 0x01020304, id)).toBe(pinned);
    using deriver = deriverOf(scalar, 0x01020304);
    using key = contractKey(deriver, 1, id);
    expect(key.use(hex)).toBe(pinned);
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
    const derived = keys.map(([s, suite, r, i]) => contractKey(deriverOf(s, r), suite, i).use(hex));
    expect(new Set(derived).size).toBe(keys.length);
  });
});

describe("contractKeyInfo", () => {
  test("lays out label, key suite, cipher suite, rotation id and contract id", () => {
    const id = Uint8Array.from({ length: 32 }, (_, i) => i);
    const info = contractKeyInfo(2, 0xa1b2c3d4, id);
    expect(info.length).toBe(CONTRACT_KEY_INFO_BYTES);
    expect(hex(info)).toBe(`${hex(Buffer.from("gatekeeper/v1 contract key"))}0102d4c3b2a1${hex(id)}`);
  });

  test("refuses what does not fit", () => {
    const id = new Uint8Array(32);
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    for (const suite of [0, -1, 256, 1.5, Number.NaN]) expect(() => contractKeyInfo(suite, 0, id)).toThrow(refused);
    for (const rotation of [-1, 2 ** 32, 0.1]) expect(() => contractKeyInfo(1, rotation, id)).toThrow(refused);
    for (const length of [0, 20, 31, 33]) expect(() => contractKeyInfo(1, 0, new Uint8Array(length))).toThrow(refused);
  });
});

describe("the PRF", () => {
  test("is the x-coordinate of scalar times point, as noble computes it", () => {
    const agrees = (scalar: bigint, id: Uint8Array): void => {
      const point = contractPoint(id);
      using deriver = deriverOf(scalar);
      using x = deriver.prf(point);
      expect(x.use(hex)).toBe(Point.fromBytes(point).multiply(scalar).toHex(true).slice(2));
    };
    const edges = fc.constantFrom(1n, 2n, 3n, N - 1n, N - 2n, (N - 1n) / 2n, (N + 1n) / 2n, 2n ** 128n, 2n ** 255n);
    fc.assert(fc.property(fc.oneof(scalars, edges), ids, agrees), { numRuns: 40 });
  });

  test("keeps the leading zeros of x", () => {
    // 1·P = P: a point whose x begins with a zero byte. Found by trying ids 0, 1, 2, ….
    using deriver = deriverOf(1n);
    const id = new Uint8Array(32);
    let point = contractPoint(id);
    for (let i = 0; point[1] !== 0; i++) {
      new DataView(id.buffer).setUint32(0, i, true);
      point = contractPoint(id);
    }
    using x = deriver.prf(point);
    expect(x.length).toBe(32);
    expect(x.use(hex)).toBe(hex(point.slice(1, 33)));
  });

  test("serves two generations from one contract point", () => {
    const id = randomBytes(32);
    const point = contractPoint(id);
    using old = deriverOf(7n, 0);
    using next = deriverOf(8n, 1);
    expect(old.prf(point).use(hex)).not.toBe(next.prf(point).use(hex));
  });

  test("refuses everything that is not an uncompressed point of the curve", () => {
    using deriver = deriverOf(12345n);
    const good = contractPoint(new Uint8Array(32));
    const changed = (at: number, to: number): Uint8Array => {
      const copy = Uint8Array.from(good);
      copy[at] = to;
      return copy;
    };
    const hostile: [string, Uint8Array][] = [
      ["nothing", new Uint8Array(0)],
      ["infinity", new Uint8Array(1)],
      ["infinity, padded", new Uint8Array(65)],
      ["the origin", changed(0, 4).fill(0, 1)],
      ["a compressed point", Point.fromBytes(good).toBytes(true)],
      ["the hybrid form", changed(0, 6 + (good[64]! & 1))],
      ["a point off the curve", changed(64, good[64]! ^ 1)],
      ["x beyond the field", changed(0, 4).fill(0xff, 1, 33)],
      ["a byte too many", Uint8Array.from([...good, 0])],
      ["a byte too few", good.slice(0, 64)],
      // (−1, 1) lies on y² = x³ + 2; a multiplication there would leak the scalar through small subgroups.
      ["a point of another curve", Buffer.concat([Buffer.of(4), bytesOf(Point.CURVE().p - 1n), bytesOf(1n)])],
    ];
    for (const [name, point] of hostile) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => deriver.prf(point), name).toThrow(refused);
    }
    expect(() => deriver.prf(good)).not.toThrow();
  });

  test("leaves the MasterKey to its owner and forgets the scalar on dispose", () => {
    using key = generateMasterKey(9);
    const deriver = new ContractKeyDeriver(key);
    const point = contractPoint(new Uint8Array(32));
    key[Symbol.dispose]();
    expect(deriver.prf(point).length).toBe(32);
    expect(deriver.rotationId).toBe(9);
    deriver[Symbol.dispose]();
    deriver[Symbol.dispose]();
    expect(() => deriver.prf(point)).toThrow(expect.objectContaining({ code: "KEY_UNAVAILABLE" }));
  });

  test("hashes only contract ids to the curve", () => {
    for (const length of [0, 31, 33]) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => contractPoint(new Uint8Array(length))).toThrow(refused);
    }
    expect(contractPoint(randomBytes(32))[0]).toBe(4);
  });
});
