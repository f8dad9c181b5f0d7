import { expect, it } from "vitest";
import { LEDGER, PRUNTIME, keySessionResult } from "../../bench/key-sessions.ts";

it("holds key sessions of every committee, and says what they send", () => {
  const { rows, columns, cases } = keySessionResult([{ gatekeepers: 3, threshold: 2 }], 2);
  expect(rows).toEqual(["generation, 2 of 3: 12 messages, 2,997 bytes", "refresh, 2 of 3: 12 messages, 2,700 bytes"]);
  expect(columns).toEqual([PRUNTIME, LEDGER]);
  for (const { times } of cases) expect(times).toHaveLength(2);
});
