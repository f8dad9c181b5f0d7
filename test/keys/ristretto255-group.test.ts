import { expect, test } from "vitest";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { BAD_RISTRETTO255 } from "./bad-elements.ts";
import { groupContract } from "./group-contract.ts";
import { RISTRETTO255_ORACLE } from "./groups.ts";

groupContract("ristretto255", RISTRETTO255_GROUP, RISTRETTO255_ORACLE, BAD_RISTRETTO255);

test("ristretto255 is key suite 2, with elements of 32 bytes and little-endian scalars", () => {
  expect(RISTRETTO255_GROUP.keySuite).toBe(2);
  expect(RISTRETTO255_GROUP.elementBytes).toBe(32);
  expect(RISTRETTO255_GROUP.scalars.encode(1n)[0]).toBe(1);
});
