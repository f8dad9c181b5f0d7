/**
 * How a pRuntime comes by the keys of the contracts that it runs: it asks holders of the shares in force for partials,
 * checks them against the verification shares that its own ledger has, and combines those of t holders.
 *
 * Contracts are asked for in batches. A batch asks t holders first, whose partials are scaled for exactly these t: if all
 * answer, combining is a sum. In the place of those that don't, others are asked for partials that are not scaled, and what
 * is there is weighted anew (keys/combination.ts). There is no clock: who is late, the host says. What it says or keeps back
 * only delays, as a holder does that lies or is silent: of the others there are t.
 *
 * - Somebody who was asked is asked for the same again when there is nobody else to ask, under the same nonce: an answer to
 *   either counts, so one that always takes longer than the host waits is heard all the same.
 * - Whose partials are wrong is not asked again in a batch, and last in others until the shares change.
 * - Contracts that a command waits for come first, in a batch of their own: they may be few of very many.
 * - Batches and what they ask are limited, and so are contracts whose keys are held.
 */
import { randomBytes } from "node:crypto";
import { fromHex, toHex } from "../bytes.ts";
import { combinePartials } from "../keys/combination.ts";
import { PRF_BYTES, prfOutputs } from "../keys/contract-key.ts";
import { hashContracts } from "../keys/contract-points.ts";
import { KEY_SUITE, type KeySuite } from "../keys/group.ts";
import { type VerifiedPartials, ownPartials, sortReplies } from "../keys/partial.ts";
import type { PartialRequest } from "../keys/partial-request.ts";
import type { Share } from "../keys/shamir.ts";
import { type PublicKey, accountOf } from "../protocol/account.ts";
import type { Effect } from "../protocol/effect.ts";
import { mayServe } from "../protocol/registry.ts";
import type { Hex } from "../protocol/scale.ts";
import { type PartialsEvidence, REQUEST_CONTRACTS_MAX } from "../protocol/partials-evidence.ts";
import { sealedUnder } from "../protocol/rotation.ts";
import type { Sharing } from "../protocol/sharing.ts";
import { QUESTIONS_MAX } from "./boundary.ts";
import { chainElement, partialGroup } from "../protocol/partial-groups.ts";
import type { ProvisioningLedger } from "./partial-service.ts";
import type { PartialsRefused, PartialsReply, PartialsRequest } from "./peer-message.ts";
import { CONTRACTS_HELD_MAX, type ProvisionedKeys } from "./provisioned-keys.ts";

/**
 * Contracts of a batch, at most: what a gatekeeper computes within a tenth of a second, or half of one where noble does it
 * (keys/noble-group.ts).
 */
const BATCH_CONTRACTS_MAX: Readonly<Record<KeySuite, number>> = {
  [KEY_SUITE.secp256k1]: REQUEST_CONTRACTS_MAX,
  [KEY_SUITE.ristretto255]: 128,
};
/** Batches of a sharing that are under way at a time; and one more where somebody waits for contracts. */
const BATCHES_MAX = 8;
/** Contracts that are waited for, at most: of more, the others come when it is their turn. */
const URGENT_MAX = 64;
const NONCE_BYTES = 32;
/** Answers that may still come and are not needed, at most: of more, the oldest are taken for none. */
const DROPPED_MAX = 1_024;

/** What somebody is to be asked. */
export interface Question {
  readonly to: PublicKey;
  readonly request: PartialsRequest;
}

/** What came of a reply. */
export interface Taken {
  /** Contracts whose keys can be derived now, and could not before. */
  readonly contracts: number;
  /** What is wrong with it. */
  readonly blamed: string | null;
  /** What shows that to everybody, if the gatekeeper has signed it: which is to be verified. */
  readonly evidence: PartialsEvidence | null;
}

/** A holder of a share. */
interface Holder {
  readonly index: number;
  readonly identityKey: PublicKey;
}

/** Somebody who was asked. */
interface Asked extends Holder {
  readonly batch: Batch;
  readonly nonce: Hex;
  readonly request: PartialRequest;
  /** Which of all questions it was, when it was last given out. */
  turn: number;
  state: "waiting" | "late" | "refused" | "verified" | "blamed";
}

/** Contracts whose keys are asked for together. */
interface Batch {
  readonly supply: Supply;
  readonly contracts: PartialRequest["contracts"];
  /** Their ids, in that order. */
  readonly names: ReadonlySet<Hex>;
  /** Whom partials were scaled for that were asked first. */
  readonly quorum: readonly number[];
  /** By index. */
  readonly asked: Map<number, Asked>;
  readonly verified: VerifiedPartials[];
}

/** What is missing of one sharing. */
interface Supply {
  readonly sharing: Sharing;
  /** Contracts without keys that are in no batch; the first are asked for first. */
  wanted: Set<Hex>;
  readonly batches: Set<Batch>;
}

const NOTHING: Taken = { contracts: 0, blamed: null, evidence: null };

/** Owns what holders have answered until it is combined; dispose wipes it. The keys are lent. */
export class Provisioning implements Disposable {
  readonly #identityKey: PublicKey;
  readonly #keys: ProvisionedKeys;
  /** Contracts that this pRuntime runs, once it has looked. */
  readonly #assigned = new Set<Hex>();
  /** Contracts that it rotates, with how many partitions it does it for. */
  readonly #rotated = new Map<Hex, number>();
  /** Contracts that somebody waits for, and that are in no batch. */
  readonly #urgent = new Set<Hex>();
  #hasLooked = false;
  /** By rotation id. */
  readonly #supplies = new Map<number, Supply>();
  readonly #asked = new Map<Hex, Asked>();
  /** Nonces under which an answer may still come that is not needed any more; each once. */
  readonly #dropped = new Set<Hex>();
  /** Who was late, or wrong, and has not answered rightly since: they are asked last. */
  readonly #late = new Set<PublicKey>();
  readonly #blamed = new Set<PublicKey>();
  #turn = 0;
  #batchesFormed = 0;

  /** @param identityKey - its own. */
  constructor(identityKey: PublicKey, keys: ProvisionedKeys) {
    this.#identityKey = identityKey;
    this.#keys = keys;
  }

  /** Contracts that it works with and has no keys of, for each generation that is in force. */
  get missing(): number {
    let missing = 0;
    for (const { wanted, batches } of this.#supplies.values()) {
      missing += wanted.size;
      for (const { names } of batches) missing += names.size;
    }
    return missing;
  }

  /** Whether it runs contracts. */
  get runsContracts(): boolean {
    return this.#assigned.size > 0;
  }

  /** Asks for the keys of contracts that are rotated here, until `release`. */
  want(contracts: readonly Hex[]): void {
    for (const contract of contracts) {
      const before = this.#rotated.get(contract) ?? 0;
      this.#rotated.set(contract, before + 1);
      if (before === 0 && !this.#assigned.has(contract)) this.#need(contract);
    }
  }

  /** Somebody waits for a contract: if it has no keys, they are asked for before others. */
  hurry(contract: Hex): void {
    if (this.#urgent.size < URGENT_MAX && this.#isWanted(contract)) this.#urgent.add(contract);
  }

  /** They are not rotated any more; each as often as it was asked for. Keys of those that are not run here either are wiped. */
  release(contracts: readonly Hex[]): void {
    for (const contract of contracts) {
      const left = (this.#rotated.get(contract) ?? 1) - 1;
      if (left > 0) this.#rotated.set(contract, left);
      else if (this.#rotated.delete(contract) && !this.#assigned.has(contract)) this.#lose(contract);
    }
  }

  /**
   * Takes note of what blocks have changed: contracts that it runs, and shares in force. Keys of others are wiped.
   * @param ledger - behind those blocks.
   * @param effects - of all blocks since it was last told; null where they are not known: then it looks at all contracts.
   */
  follow(ledger: ProvisioningLedger, effects: readonly Effect[] | null): void {
    const { contracts } = ledger.state;
    this.#followSharings(ledger);
    const changed =
      effects === null || !this.#hasLooked ? [...contracts.keys(), ...this.#assigned] : changedIn(effects);
    this.#hasLooked = true;
    for (const contract of changed) {
      const isOurs = contracts.get(contract)?.worker === this.#identityKey;
      if (isOurs !== this.#assigned.has(contract)) this.#assign(contract, isOurs);
    }
  }

  /**
   * What is to be asked now, and is asked then.
   * @param late - who is not waited for any more.
   */
  ask(ledger: ProvisioningLedger, late: readonly PublicKey[]): Question[] {
    const slow = new Set(late);
    for (const asked of this.#asked.values()) {
      if (asked.state !== "waiting" || !slow.has(asked.identityKey)) continue;
      asked.state = "late";
      this.#late.add(asked.identityKey);
    }
    const questions: Question[] = [];
    // It is called for each block and answer, mostly with nothing missing.
    if (this.missing === 0) return questions;
    const own = ledger.state.workers.get(accountOf(this.#identityKey));
    // Nobody would answer.
    if (own === undefined || !mayServe(ledger.state, own)) return questions;
    for (const supply of this.#supplies.values()) {
      const holders = this.#holders(ledger, supply.sharing);
      // Fewer than are needed: nothing could come of it.
      if (holders.length < supply.sharing.threshold) continue;
      this.#formBatches(supply, holders);
      for (const batch of supply.batches) this.#askFor(ledger, batch, holders, questions);
    }
    for (const contract of this.#urgent) if (!this.#isWanted(contract)) this.#urgent.delete(contract);
    return questions;
  }

  /** Nobody waits for answers to what was asked: it is asked again, of the same, and answers count that come all the same. */
  askAgain(): void {
    for (const asked of this.#asked.values()) if (asked.state === "waiting") asked.state = "refused";
  }

  /**
   * Takes a reply: partials are copied from it. One that nothing was asked for any more changes nothing; one that nothing was asked
   * for at all is no answer to what was, and others are asked for that.
   */
  take(from: PublicKey, reply: PartialsReply): Taken {
    const { nonce, proof, partials } = reply;
    const asked = this.#waitingFor(from, nonce);
    if (asked === undefined) {
      if (!this.#dropped.delete(nonce)) this.#waitNoMore(from);
      return NOTHING;
    }
    const { batch, index, request } = asked;
    const { sharing } = batch.supply;
    const verificationShare = chainElement(sharing.keySuite, sharing.members[index - 1]!.verificationShare!);
    const { verified, blamed } = sortReplies(request, new Map([[index, verificationShare]]), [
      { index, partials, proof },
    ]);
    if (blamed.length > 0) {
      asked.state = "blamed";
      this.#blamed.add(from);
      return { contracts: 0, blamed: blamed[0]!.reason, evidence: evidenceOf(asked, reply) };
    }
    return { ...NOTHING, contracts: this.#add(asked, verified) };
  }

  /**
   * Takes its own partials, which it has no need to prove to itself.
   * @param share - of the sharing that was asked for, lent; null: there is none here, so that others are asked.
   */
  takeOwn({ nonce }: PartialsRequest, share: Share | null): void {
    const asked = this.#waitingFor(this.#identityKey, nonce);
    if (asked === undefined) return;
    if (share?.index === asked.index) this.#add(asked, [ownPartials(asked.request, share)]);
    else asked.state = "refused";
  }

  /** Takes a refusal: others are asked in its place. @returns whether something was asked that this answers. */
  refuse(from: PublicKey, { nonce }: PartialsRefused): boolean {
    const asked = this.#waitingFor(from, nonce);
    if (asked === undefined) return false;
    asked.state = "refused";
    return true;
  }

  [Symbol.dispose](): void {
    for (const { batches } of this.#supplies.values()) for (const batch of batches) this.#drop(batch);
    this.#supplies.clear();
  }

  /** @returns how many keys came of it. */
  #add(asked: Asked, verified: readonly VerifiedPartials[]): number {
    const { batch, identityKey } = asked;
    asked.state = "verified";
    this.#late.delete(identityKey);
    batch.verified.push(...verified);
    return batch.verified.length < batch.supply.sharing.threshold ? 0 : this.#finish(batch);
  }

  #waitingFor(from: PublicKey, nonce: Hex): Asked | undefined {
    const asked = this.#asked.get(nonce);
    if (asked?.identityKey !== from || asked.state === "verified" || asked.state === "blamed") return undefined;
    return asked;
  }

  /** The host has an answer of this one, which is none: it waits for no other. */
  #waitNoMore(identityKey: PublicKey): void {
    for (const asked of this.#asked.values()) {
      if (asked.identityKey === identityKey && asked.state === "waiting") asked.state = "refused";
    }
  }

  #followSharings({ state }: ProvisioningLedger): void {
    const { sharings } = state;
    for (const [rotationId, supply] of this.#supplies) {
      const current = sharings.find((sharing) => sharing.rotationId === rotationId);
      if (current?.epoch === supply.sharing.epoch) continue;
      for (const batch of supply.batches) this.#drop(batch);
      this.#supplies.delete(rotationId);
      this.#blamed.clear();
      this.#late.clear();
      // One that was called off may have had this number: its keys are not those of the MasterKey that has it now.
      if (current?.publicKey !== supply.sharing.publicKey) this.#keys.end(rotationId);
    }
    for (const sharing of sharings) {
      const { rotationId } = sharing;
      if (this.#supplies.has(rotationId)) continue;
      this.#keys.begin(sharing);
      const needed = new Set([...this.#assigned, ...this.#rotated.keys()]);
      const wanted = [...needed].filter((contract) => !this.#keys.has(rotationId, contract));
      this.#supplies.set(rotationId, { sharing, wanted: new Set(wanted), batches: new Set() });
    }
    this.#keys.sealUnder(sealedUnder(state));
  }

  /** It runs a contract from here on, or does not any more. */
  #assign(contract: Hex, isOurs: boolean): void {
    if (isOurs) this.#assigned.add(contract);
    else this.#assigned.delete(contract);
    if (this.#rotated.has(contract)) return;
    if (isOurs) this.#need(contract);
    else this.#lose(contract);
  }

  #need(contract: Hex): void {
    for (const { wanted } of this.#supplies.values()) wanted.add(contract);
  }

  /** The rest of a batch that has it is asked for anew, before others: holders refuse the whole batch from now on. */
  #lose(contract: Hex): void {
    this.#keys.forget(contract);
    for (const supply of this.#supplies.values()) {
      for (const batch of supply.batches) {
        if (!batch.names.has(contract)) continue;
        this.#drop(batch);
        supply.wanted = new Set([...batch.names, ...supply.wanted]);
      }
      supply.wanted.delete(contract);
    }
  }

  /** Who has a share of a sharing, and may serve. */
  #holders({ state }: ProvisioningLedger, { members }: Sharing): Holder[] {
    return members.flatMap(({ identityKey, verificationShare, confirmed }, at) => {
      if (verificationShare === null || !confirmed) return [];
      const worker = state.workers.get(accountOf(identityKey));
      return worker !== undefined && mayServe(state, worker) ? [{ index: at + 1, identityKey }] : [];
    });
  }

  /**
   * Holders in the order in which they are asked: itself, which takes no message; who was neither late nor wrong. Beyond
   * that, every batch of every pRuntime begins with another one.
   */
  #ranked(holders: readonly Holder[]): Holder[] {
    const first = this.#batchesFormed + Number.parseInt(this.#identityKey.slice(-8), 16);
    const rank = ({ identityKey }: Holder): number =>
      (identityKey === this.#identityKey ? 0 : 4) +
      (this.#blamed.has(identityKey) ? 2 : 0) +
      (this.#late.has(identityKey) ? 1 : 0);
    const turned = holders.map((_, at) => holders[(at + first) % holders.length]!);
    return turned.sort((a, b) => rank(a) - rank(b));
  }

  #isWanted(contract: Hex): boolean {
    return [...this.#supplies.values()].some(({ wanted }) => wanted.has(contract));
  }

  #formBatches(supply: Supply, holders: readonly Holder[]): void {
    const { sharing, wanted, batches } = supply;
    const { rotationId, keySuite } = sharing;
    let held = this.#keys.count(rotationId);
    for (const { names } of batches) held += names.size;
    const form = (from: readonly Hex[]): void => {
      const room = Math.min(BATCH_CONTRACTS_MAX[keySuite], CONTRACTS_HELD_MAX - held);
      const names = new Set(from.slice(0, room));
      if (names.size === 0) return;
      held += names.size;
      this.#formBatch(supply, holders, names);
    };
    if (batches.size <= BATCHES_MAX) form([...this.#urgent].filter((contract) => wanted.has(contract)));
    while (batches.size < BATCHES_MAX && wanted.size > 0 && held < CONTRACTS_HELD_MAX) form([...wanted]);
  }

  #formBatch(supply: Supply, holders: readonly Holder[], names: ReadonlySet<Hex>): void {
    const { sharing, wanted, batches } = supply;
    const { keySuite, threshold } = sharing;
    for (const name of names) wanted.delete(name);
    const chosen = this.#ranked(holders).slice(0, threshold);
    batches.add({
      supply,
      contracts: hashContracts(partialGroup(keySuite), idsOf(names)),
      names,
      quorum: chosen.map(({ index }) => index).sort((a, b) => a - b),
      asked: new Map(),
      verified: [],
    });
    this.#batchesFormed++;
  }

  /** Adds questions until as many are waited for as are needed, or nobody is left. */
  #askFor(ledger: ProvisioningLedger, batch: Batch, holders: readonly Holder[], questions: Question[]): void {
    const { supply, quorum, verified } = batch;
    const asked = [...batch.asked.values()];
    let needed = supply.sharing.threshold - verified.length;
    needed -= asked.filter(({ state }) => state === "waiting").length;
    const others = this.#ranked(holders).filter(({ index }) => !batch.asked.has(index));
    const [first, rest] = [true, false].map((isFirst) =>
      others.filter(({ index }) => quorum.includes(index) === isFirst),
    );
    const again = asked
      .filter(({ state, index }) => isOpen(state) && holders.some((holder) => holder.index === index))
      .sort((a, b) => a.turn - b.turn);
    const next = [...first!, ...rest!].map((holder) => () => this.#newQuestion(ledger, batch, holder));
    for (const make of [...next, ...again.map((each) => () => each)]) {
      if (needed <= 0 || questions.length >= QUESTIONS_MAX) return;
      const question = make();
      question.state = "waiting";
      question.turn = this.#turn++;
      questions.push(questionOf(question));
      needed--;
    }
  }

  #newQuestion({ genesisHash }: ProvisioningLedger, batch: Batch, holder: Holder): Asked {
    const { supply, contracts, quorum } = batch;
    const { rotationId, session } = supply.sharing;
    const nonce = randomBytes(NONCE_BYTES);
    const request: PartialRequest = {
      genesis: genesisHash,
      nonce,
      rotationId,
      session: fromHex(session, "a session"),
      quorum: quorum.includes(holder.index) ? quorum : null,
      contracts,
    };
    const asked: Asked = { ...holder, batch, nonce: toHex(nonce), request, turn: 0, state: "waiting" };
    batch.asked.set(holder.index, asked);
    this.#asked.set(asked.nonce, asked);
    return asked;
  }

  /** @returns how many keys came of it. */
  #finish(batch: Batch): number {
    const { supply, contracts, names, verified } = batch;
    const { rotationId, threshold } = supply.sharing;
    using elements = combinePartials(threshold, { verified, blamed: [] });
    using prfs = prfOutputs(contracts.group, elements);
    prfs.use((bytes) => {
      for (const [at, name] of [...names].entries()) {
        this.#keys.add(rotationId, name, bytes.subarray(at * PRF_BYTES, (at + 1) * PRF_BYTES));
      }
    });
    this.#drop(batch);
    return names.size;
  }

  /** Wipes what was answered, and waits for nothing more. */
  #drop(batch: Batch): void {
    for (const { nonce, state } of batch.asked.values()) {
      this.#asked.delete(nonce);
      if (state !== "verified" && state !== "blamed") this.#dropped.add(nonce);
    }
    for (const nonce of this.#dropped) if (this.#dropped.size > DROPPED_MAX) this.#dropped.delete(nonce);
    for (const partials of batch.verified) partials[Symbol.dispose]();
    batch.supply.batches.delete(batch);
  }
}

/** Contracts that are another pRuntime's to run, perhaps, than before. */
function changedIn(effects: readonly Effect[]): Hex[] {
  return effects.flatMap((effect) =>
    effect.kind === "ContractDeployed" || effect.kind === "ContractAssigned" ? [effect.contract] : [],
  );
}

/** Whether an answer would still count that is not waited for. */
function isOpen(state: Asked["state"]): boolean {
  return state === "late" || state === "refused";
}

/** A reply that is wrong, with what it was asked for. */
function evidenceOf({ identityKey, index, request, batch }: Asked, reply: PartialsReply): PartialsEvidence {
  const { nonce, partials, proof, signature } = reply;
  const { epoch, rotationId } = batch.supply.sharing;
  const contracts = request.contracts.ids;
  // They lie in memory that is wiped.
  const copied = partials.slice();
  return {
    gatekeeper: identityKey,
    nonce,
    epoch,
    rotationId,
    index,
    quorum: request.quorum,
    contracts,
    partials: copied,
    proof: proof.slice(),
    signature: signature.slice(),
  };
}

function questionOf({ identityKey, nonce, request, batch }: Asked): Question {
  const { epoch, rotationId } = batch.supply.sharing;
  const { quorum, contracts } = request;
  return { to: identityKey, request: { nonce, epoch, rotationId, quorum, contracts: contracts.ids } };
}

function idsOf(names: ReadonlySet<Hex>): Uint8Array {
  return Buffer.concat([...names].map((name) => fromHex(name, "a contract id")));
}
