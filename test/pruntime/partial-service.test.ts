/** What a gatekeeper's pRuntime gives, and to whom not. */
import { describe, expect, test } from "vitest";
import { fromHex } from "../../src/bytes.ts";
import { accountOf } from "../../src/protocol/account.ts";
import { type PartialHolder, answerPartials } from "../../src/pruntime/partial-service.ts";
import type { PartialsRequest } from "../../src/pruntime/peer-message.ts";
import { identity, measurementOf, publicOf, signerOf } from "../protocol/network.ts";
import { OTHER_WORKER, Parties, WORKER, contractOf } from "./provisioning-parties.ts";

/** The parties, with two contracts of the worker and one of another, and what the worker asks. */
function asked() {
  const parties = new Parties(1, 2);
  parties.give(["one", "two"]);
  parties.give(["other"], OTHER_WORKER);
  const question = parties.ask()[0]!;
  const name = parties.nameOf(question);
  const shareholder = parties.gatekeepers.held.get(name)!;
  const holder: PartialHolder = {
    ledger: parties.network.ledger,
    signer: signerOf(identity(name)),
    share: (epoch) => shareholder.share(epoch),
  };
  const said = (changes: Partial<PartialsRequest>, sender = WORKER, by: Partial<PartialHolder> = {}): string => {
    const answer = answerPartials({ ...holder, ...by }, publicOf(sender), { ...question.request, ...changes });
    if (answer.tag === "partialsReply") return "partials";
    expect(answer.value).toMatchObject({ nonce: question.request.nonce, height: parties.network.state.height });
    return answer.value.reason;
  };
  return { parties, question, name, holder, said };
}
const ids = (...names: readonly string[]): Uint8Array =>
  Buffer.concat(names.map((name) => fromHex(contractOf(name), "an id")));

describe("partials", () => {
  test("are given to the pRuntime that runs the contracts", () => {
    const { parties, said } = asked();
    using _ = parties;
    expect(said({})).toBe("partials");
    expect(said({ contracts: ids("two") })).toBe("partials");
    expect(said({ contracts: ids("two", "two") })).toBe("partials");
    expect(said({ contracts: ids("other") }, OTHER_WORKER)).toBe("partials");
  });

  test("of another's contract are given to nobody else, nor of one among others, nor of none that there is", () => {
    const { parties, name, said } = asked();
    using _ = parties;
    expect(said({ contracts: ids("other") })).toBe("NotAssigned");
    expect(said({ contracts: ids("one", "other", "two") })).toBe("NotAssigned");
    expect(said({ contracts: ids("one", "two", "other") })).toBe("NotAssigned");
    expect(said({ contracts: ids("nothing") })).toBe("NotAssigned");
    expect(said({}, OTHER_WORKER)).toBe("NotAssigned");
    // Not even to another gatekeeper.
    expect(said({}, identity(name === "a" ? "b" : "a"))).toBe("NotAssigned");
    expect(said({}, "nobody")).toBe("NotAssigned");
  });

  test("are not given to a pRuntime that was deregistered, or whose measurement was withdrawn", () => {
    const { parties, said } = asked();
    using _ = parties;
    const { genesisHash, state } = parties.network.ledger;
    const id = accountOf(publicOf(WORKER));
    const worker = state.workers.get(id)!;
    const by = (workers: typeof state.workers) => ({ ledger: { genesisHash, state: { ...state, workers } } });
    expect(said({}, WORKER, by(state.workers.delete(id)))).toBe("NotAssigned");
    const withdrawn = state.workers.set(id, { ...worker, measurement: measurementOf("pRuntime") });
    expect(said({}, WORKER, by(withdrawn))).toBe("NotAssigned");
  });

  test("are given of the sharing in force, by who has a share of it", () => {
    const { parties, question, holder, said } = asked();
    using _ = parties;
    expect(said({ epoch: question.request.epoch + 1 })).toBe("UnknownSharing");
    expect(said({ rotationId: 1 })).toBe("UnknownSharing");
    expect(said({}, WORKER, { share: () => null })).toBe("NoShare");
    expect(said({}, WORKER, { signer: signerOf(WORKER) })).toBe("NoShare");
    const { genesisHash, state } = parties.network.ledger;
    expect(said({}, WORKER, { ledger: { genesisHash, state: { ...state, sharings: [] } } })).toBe("UnknownSharing");
    expect(holder.share(question.request.epoch)).not.toBeNull();
  });

  test("are scaled for a quorum that the gatekeeper is in, or for none", () => {
    const { parties, holder, question, said } = asked();
    using _ = parties;
    const { index } = holder.share(question.request.epoch)!;
    const others = [1, 2, 3, 4].filter((other) => other !== index);
    expect(said({ quorum: null })).toBe("partials");
    expect(said({ quorum: [index] })).toBe("partials");
    expect(said({ quorum: [1, 2, 3, 4] })).toBe("partials");
    expect(said({ quorum: others })).toBe("BadRequest");
    expect(said({ quorum: [] })).toBe("BadRequest");
    expect(said({ quorum: [index, index] })).toBe("BadRequest");
    expect(said({ quorum: [4, 3, 2, 1] })).toBe("BadRequest");
    expect(said({ quorum: [0, 1, 2, 3, 4] })).toBe("BadRequest");
    expect(said({ quorum: [1, 2, 3, 4, 5] })).toBe("BadRequest");
    expect(said({ quorum: [1, 2, 3, 4, 2 ** 32 - 1] })).toBe("BadRequest");
  });

  test("are asked for of 1 to 512 whole ids", () => {
    const { parties, said } = asked();
    using _ = parties;
    const one = ids("one");
    for (const contracts of [new Uint8Array(0), one.subarray(1), Buffer.concat([one, Buffer.of(1)])]) {
      expect(said({ contracts })).toBe("BadRequest");
    }
    const many = Buffer.concat(Array.from({ length: 513 }, () => one));
    expect(said({ contracts: many })).toBe("BadRequest");
    expect(said({ contracts: many.subarray(32) })).toBe("partials");
  });
});
