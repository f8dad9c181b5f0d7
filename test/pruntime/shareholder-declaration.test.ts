import { describe, expect, test } from "vitest";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { Shareholder } from "../../src/pruntime/shareholder.ts";
import type { Secret } from "../../src/secret.ts";
import { honest, keyOf, order, reencrypting, rotate, running } from "../protocol/rotators.ts";
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
    const retired = [{ epoch, rotationId, fate: "standing", threshold, height: state.height, owing: [identityKey] }];
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
    const owed = { threshold: 2, height: state.height, owing: [identityKey] };
    const retired = [{ epoch: epoch + 2, rotationId: rotationId + 1, fate: "calledOff", ...owed }];
    const sharings = [{ epoch: epoch + 1, rotationId, members: [] }];
    const { genesisHash, genesis } = network.ledger;
    const calledOff = { genesisHash, genesis, state: { ...state, sharings, retired } } as unknown as Ledger;
    expect(shareholder.dueCall(calledOff)).toEqual({ tag: "declareDestroyed", value: epoch + 2 });
    const dueFor = (changes: object): string | undefined => {
      const ledger = { ...calledOff, state: { ...calledOff.state, retired: [{ ...retired[0]!, ...changes }] } };
      return shareholder.dueCall(ledger as unknown as Ledger)?.tag;
    };
    // Another MasterKey has its rotation id now.
    expect(dueFor({ rotationId })).toBe("declareDestroyed");
    // The shares of one that is in force were refreshed: nobody is punished for these.
    expect(dueFor({ rotationId, fate: "standing" })).toBe("registerDealingKey");
  });
});

describe("who was away while a MasterKey was abandoned", () => {
  /** What it had sealed before, and a process that goes on from that. */
  const back = (sealed: Secret): Shareholder => Shareholder.decode(keyOf("d"), sealed);

  test("destroys its share and declares it, where governance has closed the abandonment", () => {
    const { network, all, rotators } = reencrypting();
    using sealed = all.held.get("d")!.encode();
    const { epoch } = network.state.sharings[0]!;
    rotators.until("RotationLate", honest, (name, call) =>
      "cd".includes(name) && call?.tag === "declareDestroyed" ? { tag: "declareAbandoned", value: 1 } : call,
    );
    order(network, { tag: "closeAbandonment", value: 1 });
    expect(network.state.rotation).toBeNull();
    using first = back(sealed);
    expect(first.share(epoch)).not.toBeNull();
    expect(first.follow(network.ledger)).toBe(true);
    expect(first.share(epoch)).toBeNull();
    expect(first.remembersAbandoned(network.ledger)).toBe(true);
    expect(first.dueCall(network.ledger)).toBeNull();
    using left = first.encode();
    using second = back(left);
    second.follow(network.ledger);
    expect(second.remembersAbandoned(network.ledger)).toBe(false);
    expect(second.dueCall(network.ledger)).toEqual({ tag: "declareDestroyed", value: epoch });
  });

  test("destroys it, too, when the ledger asks for it no more, and is replaced by a process that never had it", () => {
    const { network, all, rotators } = reencrypting();
    using sealed = all.held.get("d")!.encode();
    const { epoch } = network.state.sharings[0]!;
    rotators.until("MasterKeyAbandoned");
    expect(network.state.retired).toEqual([]);
    using first = back(sealed);
    expect(first.follow(network.ledger)).toBe(true);
    expect(first.share(epoch)).toBeNull();
    expect(first.remembersAbandoned(network.ledger)).toBe(true);
    using left = first.encode();
    using second = back(left);
    expect(second.follow(network.ledger)).toBe(false);
    expect(second.remembersAbandoned(network.ledger)).toBe(false);
    expect(second.dueCall(network.ledger)).toBeNull();
  });

  test("is replaced as well where it had a dealing key alone, for shares that the ledger has forgotten", () => {
    const network = new Network(keyGenesis());
    launch(network);
    while (network.state.keySession === null) network.block();
    const identityKey = publicOf(identity("a"));
    using made = new Shareholder(identityKey);
    made.follow(network.ledger);
    using sealed = made.encode();
    const { rotationId, epoch } = network.state.keySession!;
    const sharings = [{ epoch: epoch + 2, rotationId: rotationId + 1, members: [] }];
    const state = { ...network.state, keySession: null, sharings, retired: [] };
    const forgotten = { state } as unknown as Ledger;
    using read = Shareholder.decode(identityKey, sealed);
    for (const first of [made, read]) {
      expect(first.follow(forgotten)).toBe(true);
      expect(first.remembersAbandoned(forgotten)).toBe(true);
      using left = first.encode();
      using second = Shareholder.decode(identityKey, left);
      expect(second.follow(forgotten)).toBe(false);
      expect(second.remembersAbandoned(forgotten)).toBe(false);
    }
  });
});
