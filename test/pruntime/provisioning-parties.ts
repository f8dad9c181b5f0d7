/** A network whose gatekeepers hold shares of a MasterKey, and a pRuntime that runs contracts: without hosts and messages. */
import { fromHex, toHex } from "../../src/bytes.ts";
import { CONTRACT_KIND, contractId, deployedName } from "../../src/contract-id.ts";
import { contractKeyInfo, expandContractKey, prfOutputs } from "../../src/keys/contract-key.ts";
import { hashContracts } from "../../src/keys/contract-points.ts";
import type { KeySuite } from "../../src/keys/group.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { currentSharing } from "../../src/protocol/key-session.ts";
import type { Sharing } from "../../src/protocol/sharing.ts";
import { partialGroup } from "../../src/protocol/partial-groups.ts";
import { type PartialsAnswer, answerPartials } from "../../src/pruntime/partial-service.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";
import { type Question, type Taken, Provisioning } from "../../src/pruntime/provisioning.ts";
import { Secret } from "../../src/secret.ts";
import { interpolated } from "../keys/interpolation.ts";
import { GATEKEEPERS, Network, idOf, identity, publicOf, signerOf } from "../protocol/network.ts";
import { Shareholders, keyGenesis, launch } from "../protocol/shareholders.ts";

export const WORKER = identity("e");
export const OTHER_WORKER = identity("f");
const CIPHER_SUITE = 1;

export const keysOf = (...names: readonly string[]): string[] => names.map((name) => publicOf(identity(name)));

/** What a gatekeeper of this name answers instead of what an honest one would: null says nothing. */
export type Answers = (name: string, honest: () => PartialsAnswer) => PartialsAnswer | null;

/** The id of a contract of "rich". */
export function contractOf(name: string): string {
  const native = deployedName(fromHex(idOf("rich"), "an account"), Buffer.from(name));
  return toHex(contractId(CONTRACT_KIND.deployed, native));
}

/** All of them. Dispose wipes the worker's keys. */
export class Parties implements Disposable {
  readonly network: Network;
  readonly gatekeepers: Shareholders;
  readonly keys = new ProvisionedKeys();
  readonly provisioning: Provisioning;
  readonly #worker: string;

  /** @param worker - whose part is played here, by its identity. */
  constructor(keySuite: KeySuite = 1, threshold = 2, refreshBlocks = 1_000, worker = WORKER) {
    this.#worker = worker;
    this.provisioning = new Provisioning(publicOf(worker), this.keys);
    const masterKey = { keySuite, threshold, phaseBlocks: 3, refreshBlocks };
    const names = threshold === 3 ? [...GATEKEEPERS, "f"] : GATEKEEPERS;
    const gatekeepers = { tag: "listed", value: keysOf(...names) } as const;
    this.network = new Network(
      keyGenesis({ masterKey, gatekeepers, stakers: [], sessionBlocks: 1_000 }),
      () => undefined,
    );
    this.gatekeepers = new Shareholders(this.network, names);
    launch(this.network);
    this.gatekeepers.until("SharingAdopted");
    this.provisioning.follow(this.network.ledger, null);
  }

  get sharing(): Sharing {
    return currentSharing(this.network.state)!;
  }

  /** A block in which the owner deploys contracts for a pRuntime, or gives them to it. @returns their ids. */
  give(names: readonly string[], worker = this.#worker): string[] {
    const { network } = this;
    const sequence = network.sequenceOf("rich");
    const contracts = names.map(contractOf);
    const calls = contracts.map((contract, at) =>
      network.unsigned(
        "rich",
        network.state.contracts.has(contract)
          ? { tag: "assignContract", value: { contract, worker: publicOf(worker) } }
          : { tag: "deployContract", value: { name: Buffer.from(names[at]!), worker: publicOf(worker) } },
        sequence + at,
      ),
    );
    this.follow(network.blockOf(calls));
    return contracts;
  }

  /** Tells the worker what blocks have changed. */
  follow(effects: readonly Effect[] = this.network.effects): void {
    this.provisioning.follow(this.network.ledger, effects);
  }

  /** What gatekeepers with these names are asked now. */
  ask(...late: readonly string[]): Question[] {
    return this.provisioning.ask(this.network.ledger, keysOf(...late));
  }

  /** Who is asked. */
  nameOf({ to }: Question): string {
    const name = [...this.gatekeepers.held.keys()].find((each) => publicOf(identity(each)) === to);
    if (name === undefined) throw new Error("somebody is asked who is no gatekeeper");
    return name;
  }

  /** What an honest gatekeeper answers, with the ledger that it has. */
  answer(name: string, { request }: Question, sender = this.#worker, ledger = this.network.ledger): PartialsAnswer {
    const shareholder = this.gatekeepers.held.get(name)!;
    return answerPartials(
      { ledger, signer: signerOf(identity(name)), share: (epoch) => shareholder.share(epoch) },
      publicOf(sender),
      request,
    );
  }

  /** Brings one question to whom it is for, and the answer back. */
  bring(question: Question, answers: Answers = (_, honest) => honest()): Taken | null {
    const name = this.nameOf(question);
    const answer = answers(name, () => this.answer(name, question));
    if (answer === null) return null;
    if (answer.tag === "partialsReply") return this.provisioning.take(question.to, answer.value);
    this.provisioning.refuse(question.to, answer.value);
    return null;
  }

  /**
   * Asks until nothing is missing: who does not answer is late the next time, and who was asked before is.
   * @returns who was blamed, and for what, in their order.
   */
  provide(answers?: Answers, rounds = 20): string[] {
    const blamed: string[] = [];
    let late = [...this.gatekeepers.held.keys()];
    for (let round = 0; this.provisioning.missing > 0; round++) {
      if (round === rounds) throw new Error(`${this.provisioning.missing} are missing after ${rounds} rounds`);
      const questions = this.ask(...late);
      late = [];
      for (const question of questions) {
        const taken = this.bring(question, answers);
        if (taken === null) late.push(this.nameOf(question));
        else if (taken.blamed !== null) blamed.push(`${this.nameOf(question)} ${taken.blamed}`);
      }
    }
    return blamed;
  }

  /** Contract keys as whoever had the MasterKey would derive them: of shares that nobody has together. */
  expectedKeys(contracts: readonly string[]): string[] {
    const { rotationId, keySuite, epoch, threshold } = this.sharing;
    const group = partialGroup(keySuite);
    const shares = [...this.gatekeepers.held.values()].flatMap((holder) => holder.share(epoch) ?? []);
    using masterKey = new Secret(group.scalars.encode(interpolated(group, shares.slice(0, threshold), 0)));
    const ids = contracts.map((contract) => fromHex(contract, "an id"));
    using elements = new Secret(group.multiplyAll(hashContracts(group, Buffer.concat(ids)).points, masterKey));
    using outputs = prfOutputs(group, elements);
    return ids.map((id, at) => {
      const info = contractKeyInfo(keySuite, CIPHER_SUITE, rotationId, id);
      using key = outputs.use((prfs) => expandContractKey(prfs.subarray(32 * at, 32 * (at + 1)), info));
      return key.use(toHex);
    });
  }

  /** Contract keys that the worker has. */
  heldKeys(contracts: readonly string[]): string[] {
    const ids = contracts.map((contract) => fromHex(contract, "an id"));
    return this.keys.keys(this.sharing.rotationId, ids).map((secret) => {
      using key = secret;
      return key.use(toHex);
    });
  }

  [Symbol.dispose](): void {
    this.provisioning[Symbol.dispose]();
    this.keys[Symbol.dispose]();
  }
}
