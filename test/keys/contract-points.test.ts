import { randomBytes } from "node:crypto";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { describe, expect, test, vi } from "vitest";
import { hashContracts } from "../../src/keys/contract-points.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { GROUPS, hex, RISTRETTO255_ORACLE, SECP256K1_GROUP, split } from "./groups.ts";

const ids = randomBytes(3 * 32);
const each = [0, 1, 2].map((i) => ids.subarray(32 * i, 32 * (i + 1)));

describe("hashed contracts", () => {
  test("on secp256k1 are hashed under the tag that contract keys have", () => {
    const dst = Buffer.from("gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_");
    const { points } = hashContracts(SECP256K1_GROUP, ids);
    const expected = each.map((id) => secp256k1_hasher.hashToCurve(id, { DST: dst }).toHex(false));
    expect(split(SECP256K1_GROUP, points).map(hex)).toEqual(expected);
  });

  test("on ristretto255 are hashed under a tag of their own", () => {
    const dst = Buffer.from("gatekeeper/v1 contract point with ristretto255_XMD:SHA-512_R255MAP_RO_");
    const { points } = hashContracts(RISTRETTO255_GROUP, ids);
    const expected = each.map((id) => hex(RISTRETTO255_ORACLE.hashToGroup(id, dst)));
    expect(split(RISTRETTO255_GROUP, points).map(hex)).toEqual(expected);
  });

  test.each(GROUPS)("come with ids, count and group of $name", ({ group }) => {
    expect(hashContracts(group, ids)).toMatchObject({ group, ids, count: 3 });
    expect(hashContracts(group, new Uint8Array(0)).count).toBe(0);
    expect(hashContracts(group, new Uint8Array(0)).points).toHaveLength(0);
    for (const length of [1, 31, 33, 65]) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => hashContracts(group, new Uint8Array(length))).toThrow(refused);
    }
  });

  test.each(GROUPS)("of $name are hashed when their points are first looked at, and once", ({ group }) => {
    const hashToGroup = vi.spyOn(group, "hashToGroup");
    const contracts = hashContracts(group, randomBytes(64));
    expect(contracts.count).toBe(2);
    expect(hashToGroup).not.toHaveBeenCalled();
    expect(contracts.points).toBe(contracts.points);
    expect(hashToGroup).toHaveBeenCalledOnce();
    hashToGroup.mockRestore();
  });

  test.each(GROUPS)("of $name are those of each by itself, whichever were hashed before", ({ group }) => {
    const some = Array.from({ length: 6 }, () => randomBytes(32));
    const alone = some.map((id) => hex(hashContracts(group, id).points));
    const more = [randomBytes(32), ...some, randomBytes(32)];
    const together = split(group, hashContracts(group, Buffer.concat(more)).points).map(hex);
    expect(together.slice(1, -1)).toEqual(alone);
    const turned = [...more].reverse();
    expect(split(group, hashContracts(group, Buffer.concat(turned)).points).map(hex)).toEqual([...together].reverse());
    expect(new Set(together).size).toBe(8);
    const twice = Buffer.concat([some[0]!, some[0]!]);
    expect(split(group, hashContracts(group, twice).points).map(hex)).toEqual([alone[0], alone[0]]);
  });

  test.each(GROUPS)("of $name that are many are the same when they come again", { timeout: 120_000 }, ({ group }) => {
    const count = group === SECP256K1_GROUP ? 20_000 : 500;
    const many = randomBytes(count * 32);
    const first = hashContracts(group, many).points;
    expect(Buffer.compare(hashContracts(group, many).points, first)).toBe(0);
    // A caller who writes over what it was given changes nothing that comes later.
    const copy = first.slice();
    first.fill(0);
    expect(Buffer.compare(hashContracts(group, many).points, copy)).toBe(0);
  });
});
