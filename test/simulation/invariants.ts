/**
 * What holds after every block, whatever happens; each check throws with what it found. sharing-invariants.ts has those about
 * shares.
 */
import { toHex } from "../../src/bytes.ts";
import { subShareOf } from "../../src/keys/sub-share.ts";
import type { Complaint } from "../../src/keys/complaint.ts";
import type { AuthenticMessage } from "../../src/protocol/authenticate.ts";
import { type Call, callCodec } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import type { KeySession } from "../../src/protocol/key-session.ts";
import { ledgerGroup, termsOf } from "../../src/protocol/key-terms.ts";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { encode } from "../../src/protocol/scale.ts";
import type { State } from "../../src/protocol/state.ts";
import { type Network, identity, outcomes, publicOf } from "../protocol/network.ts";
import type { Spoken } from "./adversary.ts";
import { qualifiedIn } from "./qualified.ts";
import type { Setting } from "./setting.ts";

/** What an honest pRuntime's message comes to, if it is not done: it was late, or there twice. */
const STALE = new Set(["SequenceTooLow", "SequenceTooHigh", "WrongEpoch", "WrongPhase", "AlreadySent", "NothingToDo"]);
/** Bytes of a draw that are looked for: all but the last, of which ristretto255 masks bits. */
const LOOKED_FOR = 31;

/** A block, as it was made. */
export interface Made {
  /** Before it. */
  readonly before: Ledger;
  readonly messages: readonly AuthenticMessage[];
  readonly effects: readonly Effect[];
  readonly spoken: readonly Spoken[];
}

/** A dealing on chain that gave these receivers something bad. */
interface Spoiled {
  readonly epoch: number;
  readonly dealer: string;
  readonly victims: readonly number[];
}

export class Invariants {
  readonly #network: Network;
  readonly #threshold: number;
  readonly #honest: ReadonlySet<string>;
  /** By rotation id. */
  readonly #publicKeys = new Map<number, string>();
  /** Ids by epoch. */
  readonly #sessions = new Map<number, string>();
  readonly #convicted = new Map<number, Set<string>>();
  readonly #spoiled: Spoiled[] = [];
  readonly #secrets = new Map<string, Buffer>();
  /** Messages by the elements that were drawn for them. */
  readonly #fresh = new Map<string, Buffer>();

  constructor(network: Network, { honest, threshold }: Setting) {
    this.#network = network;
    this.#threshold = threshold;
    this.#honest = new Set(honest.map((name) => publicOf(identity(name))));
  }

  /** Something that must never be in a message. */
  keepSecret(secret: Uint8Array): void {
    const bytes = Buffer.from(secret.slice(0, LOOKED_FOR));
    this.#secrets.set(bytes.toString("hex"), bytes);
  }

  /** No secret leaves, and whatever should be drawn anew was. @param message - of an honest pRuntime, as it leaves. */
  checkLeaving({ call }: AuthenticMessage): void {
    const bytes = Buffer.from(encode(callCodec, call));
    for (const secret of this.#secrets.values()) ensure(!bytes.includes(secret), `${call.tag} has a secret in it`);
    for (const element of freshElements(call, this.#network.state)) {
      const first = this.#fresh.get(element) ?? bytes;
      // It may be handed in again as it is.
      ensure(first.equals(bytes), `${call.tag} has an element of another message`);
      this.#fresh.set(element, first);
    }
  }

  check(made: Made): void {
    this.#checkOutcomes(made);
    this.#checkConvictions(made);
    this.#checkComplaints(made);
    this.#checkKeys();
    this.#checkSession();
    this.#checkQualified(made);
    this.#checkEra(made);
  }

  /** Every message comes to what it must. */
  #checkOutcomes({ messages, effects, spoken, before }: Made): void {
    const { excluded } = this.#network.state;
    const found = outcomes(effects);
    const attacks = new Map(spoken.map((each) => [each.message, each]));
    for (const [at, message] of messages.entries()) {
      const outcome = found[at]!;
      const { signer, call } = message;
      const attack = attacks.get(message);
      if (attack?.fate === "refused") ensure(outcome !== "done", `an attack came through: ${call.tag} was done`);
      if (attack?.fate === "done" && !excluded.includes(signer)) {
        ensure(outcome === "done", `${call.tag} in the last block of its phase: ${outcome}`);
      }
      if (attack?.fate === "convicted" && outcome === "done") {
        ensure(excluded.includes(signer), "a false complaint, and nobody is convicted");
      }
      if (outcome === "done" && attack?.spoils !== undefined) {
        const session = before.state.keySession!;
        this.#spoiled.push({ epoch: session.epoch, dealer: signer, victims: attack.spoils });
      }
      const isFine = !this.#honest.has(signer) || outcome === "done" || STALE.has(outcome);
      ensure(isFine, `${call.tag} of an honest pRuntime: ${outcome}`);
    }
  }

  /** Nobody honest is ever blamed. */
  #checkConvictions({ effects }: Made): void {
    for (const effect of effects) {
      if (effect.kind !== "Convicted") continue;
      const { epoch, identityKey, offence } = effect;
      ensure(!this.#honest.has(identityKey), `an honest one was convicted of ${offence}`);
      const convicted = this.#convicted.get(epoch) ?? new Set();
      this.#convicted.set(epoch, convicted.add(identityKey));
    }
    const { excluded } = this.#network.state;
    const blamed = excluded.find((identityKey) => this.#honest.has(identityKey));
    ensure(blamed === undefined, "an honest one is excluded");
    ensure(new Set(excluded).size === excluded.length, "somebody is convicted twice");
  }

  /** What an honest one's complaint reveals opens no sub-share but the one that it is about. */
  #checkComplaints({ messages, effects, before }: Made): void {
    const session = before.state.keySession;
    const found = outcomes(effects);
    if (session === null) return;
    for (const [at, { signer, call }] of messages.entries()) {
      if (call.tag !== "judgeDealings" || found[at] !== "done" || !this.#honest.has(signer)) continue;
      const receiver = session.members.findIndex(({ identityKey }) => identityKey === signer) + 1;
      for (const { dealer, complaint } of call.value.complaints) {
        checkRevealed(before, session, dealer, receiver, complaint);
      }
    }
  }

  /** There is one MasterKey of a rotation id, for ever, and one sharing of it. */
  #checkKeys(): void {
    const { sharings } = this.#network.state;
    ensure(new Set(sharings.map(({ rotationId }) => rotationId)).size === sharings.length, "a key is shared twice");
    for (const { rotationId, publicKey } of sharings) {
      const known = this.#publicKeys.get(rotationId) ?? publicKey;
      ensure(known === publicKey, `the MasterKey of rotation ${rotationId} is another than it was`);
      this.#publicKeys.set(rotationId, publicKey);
    }
    for (const rotationId of this.#publicKeys.keys()) {
      ensure(
        sharings.some((sharing) => sharing.rotationId === rotationId),
        "a MasterKey is gone",
      );
    }
  }

  /** No two sessions have one number, or one id. */
  #checkSession(): void {
    const { keySession: session } = this.#network.state;
    if (session === null) return;
    const known = this.#sessions.get(session.epoch) ?? session.id;
    ensure(known === session.id, "two sessions have one number");
    this.#sessions.set(session.epoch, session.id);
    ensure(new Set(this.#sessions.values()).size === this.#sessions.size, "two sessions have one id");
  }

  /** When complaints are over: as many dealings qualify as must, one of them honest, and none that was bad. */
  #checkQualified({ before }: Made): void {
    const { keySession: session } = this.#network.state;
    const was = before.state.keySession;
    if (session?.phase !== "confirmation" || (was?.epoch === session.epoch && was.phase === "confirmation")) return;
    const convicted = this.#convicted.get(session.epoch) ?? new Set();
    const qualified = qualifiedIn(this.#network.ledger, convicted);
    for (const { identityKey, verificationShare } of session.members) {
      const isOut = convicted.has(identityKey) || this.#network.state.excluded.includes(identityKey);
      ensure(verificationShare === null || !isOut, "somebody convicted gets a share");
    }
    const { kind, keySuite, publicKey } = session;
    if (kind === "generation") {
      const group = ledgerGroup(keySuite);
      const constants = qualified.map(({ dealing }) => dealing.commitments.subarray(0, group.elementBytes));
      const sum = group.linearCombinations(
        constants,
        constants.map(() => 1n),
      );
      ensure(toHex(sum.elements) === publicKey, "the MasterKey is another than the sum of what qualified");
    }
    const isEnough = kind === "resharing" ? qualified.length === this.#threshold : qualified.length >= this.#threshold;
    ensure(isEnough, `${qualified.length} dealings qualified for a ${kind}`);
    ensure(
      qualified.some(({ identityKey }) => this.#honest.has(identityKey)),
      "no honest dealing qualified",
    );
    for (const { epoch, dealer, victims } of this.#spoiled) {
      if (epoch !== session.epoch || convicted.has(dealer)) continue;
      const complainer = victims.find((index) => {
        const member = session.members[index - 1]!;
        return member.judged && this.#honest.has(member.identityKey);
      });
      ensure(complainer === undefined, `receiver ${complainer} complained about a bad sub-share, and it counts`);
    }
  }

  /** Who was elected acts once they have the key, and not before. */
  #checkEra({ effects }: Made): void {
    if (!effects.some(({ kind }) => kind === "EraStarted")) return;
    const { gatekeepers, sharings } = this.#network.state;
    for (const { members } of sharings) {
      const committee = members.map(({ identityKey }) => identityKey).join();
      ensure(committee === gatekeepers.join(), "an era began without the MasterKey");
    }
  }
}

/** Elements whose secrets are drawn for this message alone. */
function freshElements(call: Call, { keySession }: State): string[] {
  if (call.tag === "registerDealingKey") return [toHex(call.value.dealingKey)];
  if (call.tag !== "deal" || call.value.epoch !== keySession?.epoch) return [];
  const { commitments, ephemeralKey } = call.value.dealing;
  const size = ephemeralKey.length;
  const elements = Array.from({ length: commitments.length / size }, (_, at) =>
    toHex(commitments.subarray(at * size, (at + 1) * size)),
  );
  // The first of a resharing is the dealer's verification share.
  return [toHex(ephemeralKey), ...(keySession.kind === "resharing" ? elements.slice(1) : elements)];
}

function checkRevealed(
  { genesisHash, state }: Ledger,
  session: KeySession,
  accused: number,
  receiver: number,
  { point }: Complaint,
): void {
  const terms = termsOf(genesisHash, state, session);
  for (const dealing of state.dealings.values()) {
    if (dealing.dealer === accused) continue;
    using share = subShareOf(terms, dealing.dealer, dealing, receiver, point);
    ensure(share === null, `a complaint about dealer ${accused} opens a sub-share of dealer ${dealing.dealer}`);
  }
}

/** @throws Error which says what does not hold. */
export function ensure(holds: boolean, broken: string): void {
  if (!holds) throw new Error(broken);
}
