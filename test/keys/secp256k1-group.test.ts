import { expect, test } from "vitest";
import { BAD_SECP256K1, BAD_UNCOMPRESSED_SECP256K1 } from "./bad-elements.ts";
import { groupContract } from "./group-contract.ts";
import { COMPRESSED_SECP256K1_GROUP, GROUPS, SECP256K1_GROUP } from "./groups.ts";

const [uncompressed, compressed] = GROUPS;
groupContract("secp256k1", SECP256K1_GROUP, uncompressed!.oracle, BAD_UNCOMPRESSED_SECP256K1);
groupContract("secp256k1, compressed", COMPRESSED_SECP256K1_GROUP, compressed!.oracle, BAD_SECP256K1);

test("secp256k1 is key suite 1, with points of either form and big-endian scalars", () => {
  expect([SECP256K1_GROUP, COMPRESSED_SECP256K1_GROUP].map(({ keySuite }) => keySuite)).toEqual([1, 1]);
  expect([SECP256K1_GROUP, COMPRESSED_SECP256K1_GROUP].map(({ elementBytes }) => elementBytes)).toEqual([65, 33]);
  expect(SECP256K1_GROUP.scalars.encode(1n)[31]).toBe(1);
});
