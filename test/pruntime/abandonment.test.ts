import { expect, test } from "vitest";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { Abandonment } from "../../src/pruntime/abandonment.ts";
import { keyOf } from "../protocol/rotators.ts";

const DEADLINE = 40;

test.each([
  ["has time four blocks before its deadline", DEADLINE - 4, 0, false],
  ["comes first in the last three, of which a message may miss one", DEADLINE - 3, 0, true],
  ["comes first in the very last", DEADLINE - 1, 0, true],
  ["comes first where the rotation is late already, and may end at any time", DEADLINE - 30, 1, true],
])("a declaration %s", (_, height, late, isPressing) => {
  const ledger = { state: { height, rotation: { deadline: DEADLINE, late } } } as unknown as Ledger;
  expect(new Abandonment(keyOf("a")).isPressing(ledger)).toBe(isPressing);
});
