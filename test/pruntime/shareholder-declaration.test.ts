import { describe, expect, test } from "vitest";
import { rotate, order, running } from "../protocol/rotators.ts";
import { identity, publicOf } from "../protocol/network.ts";

describe("who owes a share of a MasterKey that is abandoned", () => {
  test("says that it is destroyed before it goes on with a key session: it has no more than a phase for that", () => {
    let both = 0;
    for (let refreshBlocks = 11; refreshBlocks < 14; refreshBlocks++) {
      const { network, all, rotators } = running({
        masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 3, refreshBlocks },
      });
      order(network, rotate);
      rotators.until("RotationAdvanced");
      for (let block = 0; block < 40; block++) {
        const { rotation, retired, keySession } = network.state;
        if (rotation === null) break;
        for (const [name, call] of all.due()) {
          const identityKey = publicOf(identity(name));
          const isOwed = rotation.phase === "abandonment";
          const owed = retired.find(
            (each) => isOwed && each.rotationId === rotation.from && each.owing.includes(identityKey),
          );
          if (owed === undefined) continue;
          expect(call).toEqual({ tag: "declareDestroyed", value: owed.epoch });
          const isAwaited = keySession?.members.some(
            (member) => member.identityKey === identityKey && member.dealingKey === null,
          );
          if (isAwaited === true) both++;
        }
        rotators.block();
      }
    }
    expect(both).toBeGreaterThan(0);
  });
});
