/** Long random histories: nothing is made or lost on the way, and the same blocks make the same ledger by any way. */
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  type Block,
  type Header,
  decodeBlock,
  encodeBlock,
  hashHeader,
  hashMessages,
} from "../../src/protocol/block.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { sign } from "../../src/protocol/message.ts";
import { Replica } from "../../src/protocol/replica.ts";
import { type Step, histories, historyGenesis, messagesOf, noise, noiseOf } from "./history.ts";
import { CURVE, Network, checkInvariants, keyOf, outcomes, runs } from "./network.ts";

/** Tokens that effects tell of. */
function amounts(effects: readonly Effect[], kind: "Rewarded" | "Slashed" | "ReporterPaid"): bigint {
  return effects.reduce((sum, effect) => (effect.kind === kind ? sum + effect.amount : sum), 0n);
}

/** What an era's payout is to each who has it paid to his own account, by what the gatekeepers did: each share rounded down. */
function expectShares({ eras, duties, bonded }: Ledger["state"], effects: readonly Effect[], payout: bigint): void {
  const WHOLE = 1_000_000_000n;
  const exposures = [...eras.at(-1)!.exposures];
  const points = exposures.map(([stash]) => [...duties.values()].find((duty) => duty.stash === stash)!.points);
  const all = BigInt(points.reduce((sum, each) => sum + each, 0));
  const shares = new Map<string, bigint>();
  const add = (who: string, amount: bigint): unknown => shares.set(who, (shares.get(who) ?? 0n) + amount);
  for (const [at, [stash, { commission, own, others, total }]] of exposures.entries()) {
    if (all === 0n || total === 0n) continue;
    const part = (payout * BigInt(points[at]!)) / all;
    const kept = (part * BigInt(commission)) / WHOLE;
    add(stash, kept + ((part - kept) * own) / total);
    for (const { who, value } of others) add(who, ((part - kept) * value) / total);
  }
  const paid = new Map<string, bigint>();
  for (const effect of effects) {
    if (effect.kind === "Rewarded") paid.set(effect.stash, (paid.get(effect.stash) ?? 0n) + effect.amount);
  }
  for (const [who, share] of shares) {
    const tag = bonded.get(who)?.payee.tag ?? "none";
    if (tag !== "account") expect(paid.get(who) ?? 0n).toBe(tag === "none" ? 0n : share);
  }
}

/** What a message did that failed or was refused, in effects: nothing. */
function expectNothingBefore(effects: readonly Effect[]): void {
  for (const [at, effect] of effects.entries()) {
    if (effect.kind !== "MessageFailed" && effect.kind !== "MessageRefused") continue;
    if (effect.index! > 0) expect(effects[at - 1]).toMatchObject({ index: effect.index! - 1 });
  }
}

it("makes tokens for rewards alone, and destroys what is slashed but for the reporters' part", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(histories, fc.nat(2), (history, slashDeferDuration) => {
      const network = new Network(historyGenesis({ slashDeferDuration }), checkInvariants);
      for (const steps of history) {
        const before = network.state;
        const { totalIssuance, unapplied } = before;
        const messages = messagesOf(network, steps);
        const effects = network.block(messages);
        const [rewarded, slashed, paid] = (["Rewarded", "Slashed", "ReporterPaid"] as const).map((kind) =>
          amounts(effects, kind),
        ) as [bigint, bigint, bigint];
        expect(network.state.totalIssuance - totalIssuance).toBe(rewarded - slashed + paid);
        expect(paid).toBeLessThanOrEqual(slashed);
        for (const effect of effects) {
          seen.set(effect.kind, (seen.get(effect.kind) ?? 0) + 1);
          if (effect.kind !== "EraPaid") continue;
          expect(effect.paid).toBe(rewarded);
          expect(effect.paid).toBeLessThanOrEqual(effect.payout);
          expectShares(before, effects, effect.payout);
        }
        expectNothingBefore(effects);
        // What waits for its session takes nothing before.
        if (slashDeferDuration > 0 && slashed > 0n) {
          const { session, eras } = network.state;
          const free = eras.at(-1)!.index - network.ledger.genesis.staking.bondingDuration;
          const due = [...unapplied.values()].some((each) => each.dueSession <= session || each.slashEra <= free);
          expect(due).toBe(true);
        }
        expect(Object.keys(outcomes(effects)).length).toBe(messages.length);
      }
    }),
    runs(8),
  );
  // What histories must have met, for this to mean anything.
  expect(MET.filter((kind) => !seen.has(kind))).toEqual([]);
});

// prettier-ignore
const MET: readonly Effect["kind"][] = [
  "MessageRefused", "MessageFailed", "MessageDone", "Transferred", "Bonded", "Withdrawn", "Chilled", "EcdhKeyChanged",
  "StakersElected", "EraPaid", "GatekeeperChange", "Rewarded", "OffenceReported", "SlashDeferred", "Slashed",
  "ReporterPaid", "Voted", "ContractDeployed", "ContractAssigned", "EndpointSet",
];

/** The next block of a chain, signed, as its bytes say it. */
function signed(network: Network, parentHash: Uint8Array, messages: readonly Uint8Array[]): Block {
  const { height, timestamp } = network.state;
  const stateHash = network.ledger.stateHash();
  const header: Header = { height, parentHash, timestamp, messagesHash: hashMessages(messages), stateHash };
  const block = { header, signature: sign(keyOf("authority"), hashHeader(header)), messages };
  return decodeBlock(encodeBlock(block))!;
}

/** Cuts a list in pieces of these sizes, over and over. */
function* batches<T>(list: readonly T[], sizes: readonly number[]): Generator<readonly T[]> {
  for (let at = 0, turn = 0; at < list.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    yield list.slice(at, at + size);
    at += size;
  }
}

it("comes to the same state by single blocks, over its bytes, and by a replica in batches", () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(histories, sizes, (history, cuts) => {
      const genesis = historyGenesis();
      const [whole, stored] = [new Network(genesis), new Network(genesis)];
      const blocks: Block[] = [];
      const told: (readonly Effect[])[] = [];
      let parent = whole.ledger.genesisHash;
      for (const [index, steps] of history.entries()) {
        const messages = messagesOf(whole, steps);
        told.push(whole.block(messages));
        if (cuts.includes(1 + (index % 9))) stored.ledger = Ledger.decode(genesis, stored.ledger.encode());
        expect(stored.block(messages)).toEqual(told.at(-1));
        blocks.push(signed(whole, parent, messages));
        parent = hashHeader(blocks.at(-1)!.header);
      }
      expect(stored.ledger.stateHash()).toEqual(whole.ledger.stateHash());
      expect(stored.ledger.encode()).toEqual(whole.ledger.encode());
      let replica = new Replica(CURVE, Ledger.atGenesis(genesis));
      const followed: (readonly Effect[])[] = [];
      for (const batch of batches(blocks, cuts)) {
        for (const { effects } of replica.follow(batch)) followed.push(effects);
        // It may stop and go on from what it wrote down.
        if (batch.length > 5)
          replica = new Replica(CURVE, Ledger.decode(genesis, replica.ledger.encode()), replica.headHash);
      }
      expect(followed).toEqual(told);
      expect(replica.ledger.stateHash()).toEqual(whole.ledger.stateHash());
    }),
    runs(4),
  );
});

/** Puts each thing at some place of a list. */
function scattered<T>(list: readonly T[], things: readonly T[], places: readonly number[]): T[] {
  const result = [...list];
  for (const [at, thing] of things.entries()) result.splice((places[at] ?? 0) % (result.length + 1), 0, thing);
  return result;
}

it("comes to the same state with any refused messages at any place, and without those that it had", () => {
  const more = fc.array(fc.record({ steps: noise, places: fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }) }), {
    minLength: 50,
    maxLength: 50,
  });
  fc.assert(
    fc.property(histories, more, (history, noises) => {
      const [plain, noisy, clean] = [0, 1, 2].map(() => new Network(historyGenesis())) as [Network, Network, Network];
      for (const [index, steps] of history.entries()) {
        const messages = messagesOf(plain, steps);
        const { steps: added, places } = noises[index]!;
        const refused = added.map((step: Step) => noiseOf(plain, step));
        const effects = plain.block(messages);
        const outcome = outcomes(noisy.block(scattered(messages, refused, places)));
        expect(outcome.length).toBe(messages.length + refused.length);
        const counted = new Set(effects.map((effect) => (effect.kind === "MessageRefused" ? effect.index : -1)));
        clean.block(messages.filter((_, at) => !counted.has(at)));
        expect(noisy.ledger.stateHash()).toEqual(plain.ledger.stateHash());
        expect(clean.ledger.stateHash()).toEqual(plain.ledger.stateHash());
      }
    }),
    runs(4),
  );
});
