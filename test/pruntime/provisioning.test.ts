/** A pRuntime comes by the keys of its contracts, whatever fewer than t gatekeepers and any host do to keep it from it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { KeySuite } from "../../src/keys/group.ts";
import { accountOf } from "../../src/protocol/account.ts";
import type { PartialsAnswer, ProvisioningLedger } from "../../src/pruntime/partial-service.ts";
import type { PartialsReply } from "../../src/pruntime/peer-message.ts";
import type { Question } from "../../src/pruntime/provisioning.ts";
import { identity, publicOf, runs } from "../protocol/network.ts";
import { order } from "../protocol/rotators.ts";
import { type Answers, OTHER_WORKER, Parties, contractOf } from "./provisioning-parties.ts";

const names = (count: number, prefix = "c"): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at}`);
function replyOf(answer: PartialsAnswer): PartialsReply {
  if (answer.tag !== "partialsReply") throw new Error(`it refused: ${answer.value.reason}`);
  return answer.value;
}
function only(questions: readonly Question[]): Question {
  expect(questions).toHaveLength(1);
  return questions[0]!;
}
/** What everybody in a list says is altered. */
const lying = (liars: readonly string[], alter: (reply: PartialsReply) => PartialsReply): Answers => {
  return (name, honest) =>
    liars.includes(name) ? { tag: "partialsReply", value: alter(replyOf(honest())) } : honest();
};
const withPartials = (change: (partials: Uint8Array) => Uint8Array) => (reply: PartialsReply) => ({
  ...reply,
  partials: change(Uint8Array.from(reply.partials)),
});
const withProof = (change: (proof: Uint8Array) => Uint8Array) => (reply: PartialsReply) => ({
  ...reply,
  proof: change(Uint8Array.from(reply.proof)),
});
const flipped = (bytes: Uint8Array): Uint8Array => bytes.with(0, bytes[0]! ^ 1);
/** The first of three partials twice, in the place of the second too. */
const repeated = (partials: Uint8Array): Uint8Array => partials.copyWithin(partials.length / 3, 0, partials.length / 3);

describe("a gatekeeper that runs contracts", () => {
  const setUp = () => {
    const parties = new Parties(1, 2, 1_000, identity("a"));
    const contracts = parties.give(names(3));
    const [own, other] = parties.ask() as [Question, Question];
    expect([own, other].map((question) => parties.nameOf(question))).toEqual(["a", expect.not.stringMatching("a")]);
    const shareOf = (name: string) => parties.gatekeepers.held.get(name)!.share(parties.sharing.epoch)!;
    return { parties, contracts, own, other, shareOf };
  };

  test("takes its own share, once, and asks one fewer", () => {
    const { parties, contracts, own, other, shareOf } = setUp();
    using all = parties;
    all.provisioning.takeOwn(own.request, shareOf("a"));
    all.provisioning.takeOwn(own.request, shareOf("a"));
    expect(all.provisioning.missing).toBe(3);
    expect(all.bring(other)).toMatchObject({ contracts: 3, blamed: null });
    expect(all.heldKeys(contracts)).toEqual(all.expectedKeys(contracts));
  });

  test.each(["no share", "another's share"])("asks others where it has %s", (what) => {
    const { parties, contracts, own, other, shareOf } = setUp();
    using all = parties;
    all.provisioning.takeOwn(own.request, what === "no share" ? null : shareOf("b"));
    const third = only(all.ask());
    expect([own.to, other.to]).not.toContain(third.to);
    for (const question of [other, third]) all.bring(question);
    expect(all.heldKeys(contracts)).toEqual(all.expectedKeys(contracts));
  });
});

describe.each<[string, KeySuite]>([
  ["secp256k1", 1],
  ["ristretto255", 2],
])("over %s", (_, keySuite) => {
  test.each([1, 2, 3])(
    "%i gatekeepers give the keys that the MasterKey would, and nobody else is asked",
    (threshold) => {
      using parties = new Parties(keySuite, threshold);
      const contracts = parties.give(names(5));
      expect(parties.provisioning.missing).toBe(5);
      const questions = parties.ask();
      expect(questions).toHaveLength(threshold);
      // Scaled for exactly these: combining is a sum.
      for (const { request } of questions) expect(request.quorum).toHaveLength(threshold);
      expect(parties.ask()).toEqual([]);
      const taken = questions.map((question) => parties.bring(question)!.contracts);
      expect(taken).toEqual([...Array<number>(threshold - 1).fill(0), 5]);
      expect(parties.provisioning.missing).toBe(0);
      expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
      expect(new Set(parties.heldKeys(contracts)).size).toBe(5);
      expect(parties.ask()).toEqual([]);
    },
  );

  test("in the place of who is late another is asked, and what is there is weighted anew", () => {
    using parties = new Parties(keySuite, 2);
    const contracts = parties.give(names(3));
    const [first, second] = parties.ask() as [Question, Question];
    parties.bring(first);
    const hedge = only(parties.ask(parties.nameOf(second)));
    expect(hedge.request.quorum).toBeNull();
    expect([first.to, second.to]).not.toContain(hedge.to);
    expect(parties.bring(hedge)).toMatchObject({ contracts: 3, blamed: null });
    expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
    // What comes too late changes nothing.
    expect(parties.bring(second)).toMatchObject({ contracts: 0, blamed: null });
  });

  test.each<[string, string, (reply: PartialsReply) => PartialsReply]>([
    ["another contract's partial", "PROOF", withPartials(repeated)],
    ["a proof with a bit flipped", "PROOF", withProof(flipped)],
    ["zeros as a proof", "PROOF", withProof((proof) => proof.fill(0))],
    ["no element", "ELEMENT", withPartials((partials) => partials.fill(0xff))],
    ["a byte less", "LENGTH", withPartials((partials) => partials.subarray(1))],
    ["nothing", "LENGTH", withPartials(() => new Uint8Array(0))],
  ])("who gives %s is blamed, and the keys are right all the same", (_lie, reason, alter) => {
    using parties = new Parties(keySuite, 2);
    const contracts = parties.give(names(3));
    const [first, second] = parties.ask() as [Question, Question];
    const liar = parties.nameOf(second);
    parties.bring(first);
    expect(parties.bring(second, lying([liar], alter))).toMatchObject({ contracts: 0, blamed: reason });
    expect(parties.provisioning.missing).toBe(3);
    const [hedge] = parties.ask();
    expect(parties.bring(hedge!)).toMatchObject({ contracts: 3, blamed: null });
    expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
    // It is asked last from now on, wherever a batch begins: not at all where others answer.
    for (let batch = 0; batch < 4; batch++) {
      parties.give([`d${batch}`]);
      const questions = parties.ask();
      expect(questions.map((question) => parties.nameOf(question))).not.toContain(liar);
      for (const question of questions) parties.bring(question);
    }
  });

  test("shares that were refreshed give the same keys, and what was asked of those before is asked anew", () => {
    using parties = new Parties(keySuite, 2, 12);
    const before = parties.give(names(2));
    expect(parties.provide()).toEqual([]);
    const held = parties.heldKeys(before);
    const after = parties.give(names(2, "d"));
    const [first, second] = parties.ask() as [Question, Question];
    const late = replyOf(parties.answer(parties.nameOf(second), second));
    parties.bring(first);
    const { epoch } = parties.sharing;
    parties.follow(parties.gatekeepers.until("SharingAdopted"));
    expect(parties.sharing.epoch).not.toBe(epoch);
    expect(parties.provisioning.missing).toBe(2);
    // It would have been the second of two, and is of a sharing that is over.
    expect(parties.provisioning.take(second.to, late)).toMatchObject({ contracts: 0, blamed: null });
    expect(parties.provide()).toEqual([]);
    expect(parties.heldKeys(before)).toEqual(held);
    expect(parties.heldKeys([...before, ...after])).toEqual(parties.expectedKeys([...before, ...after]));
  });
});

test("keys of a MasterKey that was called off are not taken for those of the next, which has its number", () => {
  using parties = new Parties(1, 2);
  const contracts = parties.give(names(3));
  const { network, gatekeepers } = parties;
  const stays = {
    measurement: null,
    envelopeVersion: 1,
    cipherSuite: "aes-256-gcm",
    keySuite: 1,
    store: null,
  } as const;
  order(network, { tag: "migrate", value: { ...stays, height: network.state.height + 4 } });
  gatekeepers.until("SharingAdopted");
  parties.follow();
  expect(parties.provide()).toEqual([]);
  const called = parties.heldKeys(contracts);
  expect(called).toEqual(parties.expectedKeys(contracts));
  // The host brings all of this at once.
  order(network, { tag: "cancelMigration", value: undefined });
  order(network, { tag: "migrate", value: { ...stays, keySuite: 2, height: network.state.height + 4 } });
  gatekeepers.until("SharingAdopted");
  expect(parties.sharing).toMatchObject({ rotationId: 1, keySuite: 2 });
  parties.follow();
  expect(parties.provisioning.missing).toBe(3);
  expect(parties.provide()).toEqual([]);
  expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
});

describe("an answer", () => {
  test("counts once, from who was asked, and to what it was asked", () => {
    using parties = new Parties(1, 2);
    parties.give(names(2));
    const [first, second] = parties.ask() as [Question, Question];
    const [one, two] = [first, second].map((question) => replyOf(parties.answer(parties.nameOf(question), question)));
    const nothing = { contracts: 0, blamed: null, evidence: null };
    const { provisioning } = parties;
    // The first is not to blame for what the second says.
    expect(provisioning.take(second.to, { ...one!, proof: two!.proof })).toEqual(nothing);
    // Nor does it count that somebody else brings what the first would.
    expect(provisioning.take(second.to, one!)).toEqual(nothing);
    expect(provisioning.take(publicOf(OTHER_WORKER), one!)).toEqual(nothing);
    expect(provisioning.take(first.to, { ...one!, nonce: `0x${"00".repeat(32)}` })).toEqual(nothing);
    expect(provisioning.take(first.to, one!)).toEqual(nothing);
    expect(provisioning.take(first.to, one!)).toEqual(nothing);
    expect(provisioning.take(first.to, { ...one!, proof: two!.proof })).toEqual(nothing);
    expect(provisioning.take(second.to, { ...two!, partials: one!.partials })).toMatchObject({
      contracts: 0,
      blamed: "PROOF",
    });
    // It was wrong once: nothing that it says later counts in this batch.
    expect(provisioning.take(second.to, two!)).toEqual(nothing);
    expect(provisioning.missing).toBe(2);
    expect(parties.provide()).toEqual([]);
  });

  test("to nothing that was asked is none to what was: others are asked for that, and it counts when it comes", () => {
    using parties = new Parties(1, 2);
    const contracts = parties.give(names(3));
    const [first, second] = parties.ask() as [Question, Question];
    expect(parties.ask()).toEqual([]);
    const answer = replyOf(parties.answer(parties.nameOf(second), second));
    const other = { ...answer, nonce: `0x${"5c".repeat(32)}` as const };
    expect(parties.provisioning.take(second.to, other)).toEqual({ contracts: 0, blamed: null, evidence: null });
    const third = only(parties.ask());
    expect([first.to, second.to]).not.toContain(third.to);
    parties.bring(third);
    expect(parties.bring(second)).toMatchObject({ contracts: 3, blamed: null });
    expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
    // What is not needed any more is none of that, once.
    parties.give(names(3, "d"));
    const asked = parties.ask();
    expect(asked).toHaveLength(2);
    parties.bring(first);
    expect(parties.ask()).toEqual([]);
  });

  test("of an earlier question does not pass for one of a later", () => {
    using parties = new Parties(1, 1);
    parties.give(names(1));
    const first = only(parties.ask());
    const old = replyOf(parties.answer(parties.nameOf(first), first));
    parties.give(names(1), OTHER_WORKER);
    parties.give(names(1));
    const again = only(parties.ask());
    expect(again.request.nonce).not.toBe(first.request.nonce);
    expect(parties.provisioning.take(first.to, old)).toMatchObject({ contracts: 0, blamed: null });
    const passedOn = { ...old, nonce: again.request.nonce };
    const fair = parties.nameOf(again) === parties.nameOf(first) ? "PROOF" : null;
    expect(parties.provisioning.take(again.to, passedOn).blamed).toBe(fair ?? "PROOF");
  });

  test("is waited for however long it takes: it is asked for again under the same nonce", () => {
    using parties = new Parties(1, 2);
    const contracts = parties.give(names(2));
    const everybody = ["a", "b", "c", "d"];
    const asked = new Map<string, Question>();
    for (let turn = 0; turn < 10; turn++) {
      for (const question of parties.ask(...everybody)) {
        const before = asked.get(question.to);
        if (before !== undefined) expect(question.request).toEqual(before.request);
        asked.set(question.to, question);
      }
    }
    expect(asked.size).toBe(4);
    const [one, two] = [...asked.values()].slice(2) as [Question, Question];
    parties.bring(one);
    expect(parties.bring(two)).toMatchObject({ contracts: 2, blamed: null });
    expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
  });

  test("that refuses has another asked, and the same again when nobody else is left", () => {
    using parties = new Parties(1, 2);
    const before = parties.network.ledger;
    const contracts = parties.give(names(2));
    // All of them are a block behind: it is not this pRuntime's contract there.
    for (let turn = 0; turn < 4; turn++) {
      for (const question of parties.ask()) {
        const answer = parties.answer(parties.nameOf(question), question, undefined, before);
        if (answer.tag !== "partialsRefused") throw new Error("it answered");
        expect(answer.value).toEqual({
          nonce: question.request.nonce,
          reason: "NotAssigned",
          height: before.state.height,
        });
        expect(parties.provisioning.refuse(question.to, answer.value)).toBe(true);
      }
    }
    expect(parties.provisioning.refuse(publicOf(identity("a")), { nonce: "0x00", reason: "NoShare", height: 0 })).toBe(
      false,
    );
    expect(parties.provide()).toEqual([]);
    expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
  });
});

describe("a contract", () => {
  const refused = (code: string): unknown => expect.objectContaining({ code });

  test("that is given to another pRuntime has no keys any more, and the rest of its batch comes anew", () => {
    using parties = new Parties(1, 2);
    const held = parties.give(names(2));
    parties.provide();
    const asked = parties.give(names(3, "d"));
    const [first, second] = parties.ask() as [Question, Question];
    parties.bring(first);
    parties.give(["c0", "d1"], OTHER_WORKER);
    expect(() => parties.heldKeys([held[0]!])).toThrow(refused("KEY_NOT_PROVISIONED"));
    expect(parties.provisioning.missing).toBe(2);
    expect(parties.bring(second)).toBeNull();
    expect(parties.provide()).toEqual([]);
    const ours = [held[1]!, asked[0]!, asked[2]!];
    expect(parties.heldKeys(ours)).toEqual(parties.expectedKeys(ours));
    expect(() => parties.heldKeys([asked[1]!])).toThrow(refused("KEY_NOT_PROVISIONED"));
  });

  test("that is given back is asked for again", () => {
    using parties = new Parties(1, 2);
    const contracts = parties.give(names(1));
    parties.provide();
    parties.give(names(1), OTHER_WORKER);
    expect(parties.provisioning.missing).toBe(0);
    parties.give(names(1));
    expect(parties.provisioning.missing).toBe(1);
    parties.provide();
    expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
  });

  test("that somebody waits for comes before others, in a batch of its own", () => {
    using parties = new Parties(1, 2);
    const contracts = parties.give(names(9 * 512));
    const { provisioning } = parties;
    const last = contracts.slice(-2);
    const held = contracts.slice(0, 1);
    for (const contract of [...last, ...held, contractOf("nobody's")]) provisioning.hurry(contract);
    const sizes = (): number[] => parties.ask().map(({ request }) => request.contracts.length / 32);
    expect(sizes()).toEqual([3, 3, ...Array<number>(14).fill(512)]);
    expect(sizes()).toEqual([]);
    for (const contract of parties.give(names(2, "d"))) provisioning.hurry(contract);
    expect(sizes()).toEqual([2, 2]);
    // There is one more batch, and no more than that.
    for (const contract of parties.give(names(2, "e"))) provisioning.hurry(contract);
    expect(sizes()).toEqual([]);
    parties.provide();
    expect(provisioning.missing).toBe(0);
    expect(parties.heldKeys(contracts.slice(-2))).toEqual(parties.expectedKeys(contracts.slice(-2)));
  });

  test("is found by who did not see it come", () => {
    using parties = new Parties(1, 2);
    const [kept, lost] = parties.give(["kept", "lost"]) as [string, string];
    parties.provide();
    const { network, provisioning } = parties;
    network.send("rich", { tag: "assignContract", value: { contract: lost, worker: publicOf(OTHER_WORKER) } });
    network.send("rich", {
      tag: "deployContract",
      value: { name: Buffer.from("new"), worker: publicOf(identity("e")) },
    });
    provisioning.follow(network.ledger, null);
    expect(provisioning.missing).toBe(1);
    parties.provide();
    expect(parties.heldKeys([kept, contractOf("new")])).toEqual(parties.expectedKeys([kept, contractOf("new")]));
    expect(() => parties.heldKeys([lost])).toThrow(refused("KEY_NOT_PROVISIONED"));
  });

  test("has no keys of a generation that is not in force", () => {
    using parties = new Parties(1, 2);
    const contracts = parties.give(names(1));
    parties.provide();
    const { network, provisioning, keys } = parties;
    expect(() => keys.keys(1, [])).toThrow(refused("KEY_UNAVAILABLE"));
    const none = { genesisHash: network.ledger.genesisHash, state: { ...network.state, sharings: [] } };
    provisioning.follow(none, []);
    expect(provisioning.missing).toBe(0);
    expect(keys.newest).toBeNull();
    expect(() => parties.heldKeys(contracts)).toThrow(refused("KEY_UNAVAILABLE"));
  });
});

describe("a bound", () => {
  /** The ledger with a sharing of so many, all of whom may serve. */
  function crowded({ network }: Parties, threshold: number, count: number): ProvisioningLedger {
    const { state, genesisHash } = network.ledger;
    let { workers } = state;
    const [, worker] = [...workers][0]!;
    const members = names(count, "member").map((name) => {
      const identityKey = publicOf(name);
      workers = workers.set(accountOf(identityKey), { ...worker, identityKey });
      return { identityKey, verificationShare: identityKey, confirmed: true };
    });
    const sharing = { ...state.sharings[0]!, epoch: 77, threshold, members };
    return { genesisHash, state: { ...state, workers, sharings: [sharing] } };
  }

  test("is eight batches of 1,024 contracts each, until one is done", () => {
    using parties = new Parties(1, 2);
    const contracts = parties.give(names(9 * 512));
    const questions = parties.ask();
    expect(questions).toHaveLength(16);
    expect(parties.ask()).toEqual([]);
    for (const { request } of questions) expect(request.contracts.length).toBe(512 * 32);
    // Batches begin with different gatekeepers.
    expect(new Set(questions.map(({ to }) => to)).size).toBe(4);
    for (const question of questions.slice(0, 2)) parties.bring(question);
    expect(parties.provisioning.missing).toBe(8 * 512);
    expect(parties.ask()).toHaveLength(2);
    expect(parties.provide()).toEqual([]);
    const some = [0, 511, 512, 4_607].map((at) => contracts[at]!);
    expect(parties.heldKeys(some)).toEqual(parties.expectedKeys(some));
  });

  test("is 128 contracts a batch where elements take longer", () => {
    using parties = new Parties(2, 1);
    parties.give(names(130));
    expect(parties.ask().map(({ request }) => request.contracts.length / 32)).toEqual([128, 2]);
  });

  test("is 256 questions at a time; what is left is asked the next time", () => {
    using parties = new Parties(1, 2);
    parties.give(names(8 * 512));
    const ledger = crowded(parties, 40, 79);
    parties.provisioning.follow(ledger, []);
    const first = parties.provisioning.ask(ledger, []);
    expect(first).toHaveLength(256);
    expect(parties.provisioning.ask(ledger, [])).toHaveLength(8 * 40 - 256);
    expect(parties.provisioning.ask(ledger, [])).toEqual([]);
    // Everybody is late: in their place all others, and then they again.
    const everybody = ledger.state.sharings[0]!.members.map(({ identityKey }) => identityKey);
    expect(parties.provisioning.ask(ledger, everybody)).toHaveLength(256);
  });

  test("is 100,000 contracts with keys", () => {
    using parties = new Parties(1, 2);
    for (let at = 0; at < 99_999; at++) parties.keys.add(0, `0x${at.toString(16)}`, new Uint8Array(32));
    parties.give(names(3));
    expect(parties.ask().map(({ request }) => request.contracts.length)).toEqual([32, 32]);
    parties.keys.forget("0x0");
    expect(parties.ask().map(({ request }) => request.contracts.length)).toEqual([32, 32]);
    expect(parties.ask()).toEqual([]);
  });

  test("is the number of those who may serve: fewer than t are not asked at all", () => {
    using parties = new Parties(1, 2);
    parties.give(names(1));
    const { genesisHash, state } = parties.network.ledger;
    const without = (...gone: readonly string[]): ProvisioningLedger => ({
      genesisHash,
      state: {
        ...state,
        workers: gone.reduce((workers, name) => workers.delete(accountOf(publicOf(identity(name)))), state.workers),
      },
    });
    expect(parties.provisioning.ask(without("a", "b", "c"), [])).toEqual([]);
    // Nor does one ask that may not serve itself.
    expect(parties.provisioning.ask(without("e"), [])).toEqual([]);
    const asked = parties.provisioning.ask(without("a", "b"), []).map((question) => parties.nameOf(question));
    expect(asked.sort()).toEqual(["c", "d"]);
  });
});

test("whatever a host does, and one of four that lies, keys come or don't, and are right", () => {
  const step = fc.record({
    late: fc.subarray(["a", "b", "c", "d"]),
    brought: fc.array(fc.record({ which: fc.nat(20), honest: fc.boolean(), as: fc.nat(3) }), { maxLength: 6 }),
    given: fc.constantFrom("none", "none", "more", "away", "back"),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), fc.constantFrom("a", "b", "c", "d"), (steps, liar) => {
      using parties = new Parties(1, 2);
      const contracts = parties.give(names(3));
      const questions: Question[] = [];
      for (const { late, brought, given } of steps) {
        questions.push(...parties.ask(...late));
        for (const { which, honest, as } of brought) {
          const question = questions[which % Math.max(questions.length, 1)];
          if (question === undefined) continue;
          const name = parties.nameOf(question);
          const answer = parties.answer(name, question);
          if (answer.tag === "partialsRefused") {
            parties.provisioning.refuse(question.to, answer.value);
            continue;
          }
          const reply = name !== liar || honest ? answer.value : withPartials(flipped)(answer.value);
          // Seldom another's, as the host has no way to do it: a message has its sender's signature.
          const taken = parties.provisioning.take(
            as === 3 && name === liar ? publicOf(identity("e")) : question.to,
            reply,
          );
          if (taken.blamed !== null) expect(name).toBe(liar);
        }
        if (given === "more") parties.give(names(4));
        else if (given !== "none") parties.give(["c0"], given === "away" ? OTHER_WORKER : undefined);
      }
      parties.give(["c0"]);
      const lies = lying([liar], withPartials(flipped));
      expect(parties.provide(lies).filter((blame) => !blame.startsWith(liar))).toEqual([]);
      expect(parties.heldKeys(contracts)).toEqual(parties.expectedKeys(contracts));
    }),
    runs(12),
  );
});
