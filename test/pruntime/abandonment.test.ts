import { describe, expect, test } from "vitest";
import { owesDestruction } from "../../src/protocol/rotation-abandonment.ts";
import { Abandonment } from "../../src/pruntime/abandonment.ts";
import type { Network } from "../protocol/network.ts";
import { NAMES, type Rotators, honest, keyOf, reencrypting } from "../protocol/rotators.ts";

/** Those who hold shares, in the order in which their turns come. */
const holders = ({ state }: Network): string[] =>
  state.sharings.at(-1)!.members.map(({ identityKey }) => NAMES.find((name) => keyOf(name) === identityKey)!);
/** Those of them whose turn it is to be replaced. */
const turns = (network: Network): string[] =>
  holders(network).filter((name) => new Abandonment(keyOf(name)).isTurn(network.ledger));
const owes = ({ state }: Network, name: string): boolean => owesDestruction(state, state.rotation!.from, keyOf(name));

/** A network in which a phase of either kind takes 20 blocks at the least. */
function begun(): ReturnType<typeof reencrypting> {
  return reencrypting({
    masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 20, refreshBlocks: 1_000 },
    rotation: { intervalBlocks: 0, leadBlocks: 2, leaseBlocks: 4, phaseBlocks: 30, leasesPerBlock: 64 },
  });
}

function untilAbandonment(network: Network, rotators: Rotators): void {
  while (network.state.rotation?.phase !== "abandonment") rotators.block(honest, (_, call) => call);
}

/** A block in which nobody but these declares anything. */
function declaring(rotators: Rotators, names: readonly string[]): void {
  rotators.block(honest, (name, call) => (names.includes(name) ? call : null));
}

describe("turns to be replaced after a rotation", () => {
  test("leave t holders of shares where they are, and the next comes when one has declared", () => {
    // Two of four stand for the key: two are away at a time.
    const { network, rotators } = begun();
    expect(turns(network)).toHaveLength(4);
    untilAbandonment(network, rotators);
    const order = holders(network);
    expect(order.map((name) => owes(network, name))).toEqual([true, true, true, true]);
    for (const [done, name] of order.slice(0, 2).entries()) {
      expect(turns(network)).toEqual(order.slice(0, done + 2));
      for (let blocks = 0; owes(network, name); blocks++) {
        expect(blocks).toBeLessThan(5);
        declaring(rotators, [name]);
      }
    }
    expect(turns(network)).toEqual(order);
  });

  test("come at any time to whoever holds no share", () => {
    const { network, rotators } = begun();
    untilAbandonment(network, rotators);
    expect(new Abandonment(keyOf("e")).isTurn(network.ledger)).toBe(true);
  });

  test("wait for those who say nothing for a part of a phase", () => {
    const { network, rotators } = begun();
    untilAbandonment(network, rotators);
    const { since } = network.state.rotation!;
    for (; network.state.height - since < 5; declaring(rotators, [])) expect(turns(network)).toHaveLength(2);
    expect(turns(network)).toHaveLength(4);
  });
});
