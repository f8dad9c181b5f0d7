import { expect, it } from "vitest";
import { replay, replayTable, storedChain } from "../../bench/replay.ts";
import { loadSecp256k1Addon } from "../../bench/secp256k1-addon.ts";
import { CURVE } from "../protocol/network.ts";

it("replays what was stored, and sees when it ends in another state", () => {
  using stored = storedChain(CURVE, 3);
  expect(stored.messages).toHaveLength(12);
  replay(CURVE, stored);
  expect(() => replay(CURVE, { ...stored, stateHash: "0x00" })).toThrow("another state");
});

it("verifies the same signatures by others", async () => {
  const table = replayTable(await loadSecp256k1Addon(), 20);
  await using prepared = await table.prepare(0);
  for (const { run, column } of prepared.cases) expect([column, await run()]).toEqual([column, undefined]);
});
