import { describe, expect, test } from "vitest";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { Shareholder } from "../../src/pruntime/shareholder.ts";
import { rotate, order, running } from "../protocol/rotators.ts";
import { Network, identity, publicOf } from "../protocol/network.ts";
import { keyGenesis, launch } from "../protocol/shareholders.ts";

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

  test("has another process declare it where it had a dealing key alone: that opens what was dealt of it", () => {
    const network = new Network(keyGenesis());
    launch(network);
    while (network.state.keySession === null) network.block();
    const [identityKey, { state }] = [publicOf(identity("a")), network];
    using shareholder = new Shareholder(identityKey);
    expect(shareholder.follow(network.ledger)).toBe(true);
    const { epoch, rotationId, threshold } = state.keySession!;
    const retired = [{ epoch, rotationId, threshold, height: state.height, owing: [identityKey] }];
    const sharings = [{ epoch: epoch + 1, rotationId: rotationId + 1, members: [] }];
    const abandoned = { state: { ...state, keySession: null, sharings, retired } } as unknown as Ledger;
    expect(shareholder.follow(abandoned)).toBe(true);
    expect(shareholder.remembersAbandoned(abandoned)).toBe(true);
    expect(shareholder.dueCall(abandoned)).toBeNull();
    using sealed = shareholder.encode();
    using other = Shareholder.decode(identityKey, sealed);
    expect(other.follow(abandoned)).toBe(false);
    expect(other.remembersAbandoned(abandoned)).toBe(false);
    expect(other.dueCall(abandoned)).toEqual({ tag: "declareDestroyed", value: epoch });
  });

  test("says so as soon of one that was called off: the chain punishes who does not, whatever session is under way", () => {
    const network = new Network(keyGenesis());
    launch(network);
    while (network.state.keySession === null) network.block();
    const [identityKey, { state }] = [publicOf(identity("a")), network];
    using shareholder = new Shareholder(identityKey);
    shareholder.follow(network.ledger);
    const { rotationId, epoch } = state.keySession!;
    expect(shareholder.dueCall(network.ledger)?.tag).toBe("registerDealingKey");
    const retired = [
      { epoch: epoch + 2, rotationId: rotationId + 1, threshold: 2, height: state.height, owing: [identityKey] },
    ];
    const sharings = [{ epoch: epoch + 1, rotationId, members: [] }];
    const { genesisHash, genesis } = network.ledger;
    const calledOff = { genesisHash, genesis, state: { ...state, sharings, retired } } as unknown as Ledger;
    expect(shareholder.dueCall(calledOff)).toEqual({ tag: "declareDestroyed", value: epoch + 2 });
    const refreshed = { ...calledOff, state: { ...calledOff.state, retired: [{ ...retired[0]!, rotationId }] } };
    expect(shareholder.dueCall(refreshed as unknown as Ledger)?.tag).toBe("registerDealingKey");
  });
});
