/** Partials that a gatekeeper signed: wrong ones convict it, right ones nobody. */
import { describe, expect, test } from "vitest";
import type { Call } from "../../src/protocol/call.ts";
import { type PartialsEvidence, statedHash } from "../../src/protocol/partials-evidence.ts";
import type { PartialsReply } from "../../src/pruntime/peer-message.ts";
import { Parties, WORKER } from "../pruntime/provisioning-parties.ts";
import { identity, outcomes, publicOf, signerOf } from "./network.ts";

/** What a gatekeeper has answered, altered before it was signed, with what it was asked. */
function answered(parties: Parties, alter: (reply: PartialsReply) => Partial<PartialsReply> = () => ({})) {
  parties.give(["one", "two"]);
  const question = parties.ask()[0]!;
  const name = parties.nameOf(question);
  const answer = parties.answer(name, question);
  if (answer.tag !== "partialsReply") throw new Error("it refused");
  const reply = { ...answer.value, ...alter(answer.value) };
  const { nonce, epoch, rotationId, quorum, contracts } = question.request;
  const index = parties.gatekeepers.held.get(name)!.share(epoch)!.index;
  const { partials, proof } = reply;
  const stated = { nonce, epoch, rotationId, index, quorum, contracts, partials, proof };
  const evidence = signed(parties, name, { ...stated, gatekeeper: question.to, signature: new Uint8Array(64) });
  return { name, question, evidence };
}

/** Evidence with the signature that the gatekeeper of this name gives it. */
function signed(parties: Parties, name: string, evidence: PartialsEvidence): PartialsEvidence {
  const hash = statedHash(parties.network.ledger.genesisHash, evidence);
  return { ...evidence, signature: signerOf(identity(name)).sign(hash) };
}

const flipped = ({ partials, proof }: PartialsReply, part: "partials" | "proof"): Partial<PartialsReply> => {
  const bytes = Uint8Array.from(part === "proof" ? proof : partials);
  bytes[bytes.length - 1]! ^= 1;
  return { [part]: bytes };
};
const report = (evidence: PartialsEvidence): Call => ({
  tag: "reportOffence",
  value: { tag: "wrongPartials", value: evidence },
});

describe.each([1, 2] as const)("signed partials of key suite %i", (keySuite) => {
  test.each(["partials", "proof"] as const)("with wrong %s convict the gatekeeper that signed them, once", (part) => {
    using parties = new Parties(keySuite);
    const { network } = parties;
    const { evidence } = answered(parties, (reply) => flipped(reply, part));
    expect(network.send(WORKER, report(evidence))).toBe("done");
    const convicted = network.effects.filter(({ kind }) => kind === "Convicted");
    expect(convicted).toMatchObject([{ offence: "wrongPartials", identityKey: evidence.gatekeeper }]);
    expect(network.state.excluded).toEqual([evidence.gatekeeper]);
    expect(network.send(WORKER, report(evidence))).toBe("AlreadySlashed");
  });

  test("that are right show nothing, whoever reports them", () => {
    using parties = new Parties(keySuite);
    const { evidence } = answered(parties);
    expect(parties.network.send(WORKER, report(evidence))).toBe("NoOffence");
    expect(parties.network.send("rich", report(evidence))).toBe("NotWorker");
    expect(parties.network.state.excluded).toEqual([]);
  });
});

describe("evidence", () => {
  test("counts for what was signed alone", () => {
    using parties = new Parties(1);
    const { network } = parties;
    const { evidence } = answered(parties, (reply) => flipped(reply, "proof"));
    const other = network.state.gatekeepers.find((key) => key !== evidence.gatekeeper)!;
    const altered: Partial<PartialsEvidence>[] = [
      { nonce: `0x${"00".repeat(32)}` },
      { epoch: evidence.epoch + 1 },
      { rotationId: 1 },
      { index: (evidence.index % 4) + 1 },
      { quorum: null },
      { contracts: evidence.contracts.toReversed() },
      { partials: evidence.partials.toReversed() },
      { proof: evidence.proof.toReversed() },
      { gatekeeper: other },
      { signature: evidence.signature.toReversed() },
    ];
    for (const change of altered) {
      const message = network.message(WORKER, report({ ...evidence, ...change }));
      expect(outcomes(network.block([message]))).toEqual(["BadProof"]);
    }
    expect(network.state.excluded).toEqual([]);
  });

  test("shows nothing of what can't have been asked for, or of a sharing that is not in force", () => {
    using parties = new Parties(1);
    const { network } = parties;
    const { name, evidence } = answered(parties, (reply) => flipped(reply, "proof"));
    const sent = (changes: Partial<PartialsEvidence>): string =>
      network.send(WORKER, report(signed(parties, name, { ...evidence, ...changes })));
    expect(sent({ index: (evidence.index % 4) + 1 })).toBe("NoOffence");
    expect(sent({ index: 0 })).toBe("NoOffence");
    expect(sent({ rotationId: 1 })).toBe("NoOffence");
    expect(sent({ quorum: [] })).toBe("NoOffence");
    expect(sent({ quorum: [(evidence.index % 4) + 1] })).toBe("NoOffence");
    expect(sent({ contracts: new Uint8Array(0) })).toBe("NoOffence");
    expect(sent({ contracts: new Uint8Array(31) })).toBe("NoOffence");
    expect(sent({ epoch: 9 })).toBe("NoExposure");
    expect(network.state.excluded).toEqual([]);
    expect(sent({})).toBe("done");
  });

  test("is what a pRuntime gives that was lied to", () => {
    using parties = new Parties(1);
    parties.give(["one"]);
    const question = parties.ask()[0]!;
    const answer = parties.answer(parties.nameOf(question), question);
    if (answer.tag !== "partialsReply") throw new Error("it refused");
    const partials = Uint8Array.from(answer.value.partials).toReversed();
    const taken = parties.provisioning.take(question.to, { ...answer.value, partials });
    expect(taken.blamed).toBe("ELEMENT");
    const evidence = signed(parties, parties.nameOf(question), taken.evidence!);
    expect(parties.network.send(WORKER, report(evidence))).toBe("done");
    expect(publicOf(identity(parties.nameOf(question)))).toBe(parties.network.state.excluded[0]);
  });
});
