/**
 * A pRuntime's part in the MasterKey: its dealing key while a key session is under way, its shares, and what it says to the
 * chain about them. All of it follows from the ledger: who is asked twice says the same, and who has begun again from what
 * was sealed goes on.
 *
 * `follow` comes first: it makes and destroys secrets as the ledger's word has it. If it says so, what `encode` gives is to
 * be sealed before anything of `dueCall` leaves: a dealing key before anybody deals to it, a share before it is proved, and
 * the destruction of a share before it is declared. Bytes of `encode`:
 *
 *   version 1 (=1) | dealing keys 1 (0 or 1) | shares 1 | dealing keys | shares
 *
 * where a dealing key is epoch 4 | key suite 1 | scalar 32, and a share epoch 4 | key suite 1 | index 2 | scalar 32; numbers
 * are little-endian.
 */
import { fromHex, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { deal } from "../keys/dealer.ts";
import type { Complaint } from "../keys/complaint.ts";
import { dealingKeyContext } from "../keys/dealing.ts";
import type { KeySuite } from "../keys/group.ts";
import { provePossession } from "../keys/possession.ts";
import { type DealtSubShare, combineSubShares, complain, openSubShare } from "../keys/receiver.ts";
import { SCALAR_BYTES } from "../keys/scalars.ts";
import { Share } from "../keys/shamir.ts";
import { proveTrial } from "../keys/trial-partial.ts";
import { type PublicKey, accountOf } from "../protocol/account.ts";
import type { Call } from "../protocol/call.ts";
import { type KeySession, dealersOf } from "../protocol/key-session.ts";
import { ledgerGroup, qualifiedDealings, termsOf } from "../protocol/key-terms.ts";
import type { Ledger } from "../protocol/ledger.ts";
import { mayServe } from "../protocol/registry.ts";
import { stands } from "../protocol/retirement.ts";
import type { Hex } from "../protocol/scale.ts";
import { KEY_SUITES } from "../protocol/sharing.ts";
import { numberKey } from "../protocol/state.ts";
import { Secret, secretCopy } from "../secret.ts";

const VERSION = 1;
const HEAD_BYTES = 3;
const DEALING_KEY_BYTES = 4 + 1 + SCALAR_BYTES;
const SHARE_BYTES = 4 + 1 + 2 + SCALAR_BYTES;
/** Shares that are held at a time, at most: of the sharings in force, and of the session under way. */
const SHARES_MAX = 4;

/** What is sealed to a receiver in one session. */
interface DealingKey {
  readonly epoch: number;
  readonly keySuite: KeySuite;
  readonly secret: Secret;
  /** Compressed. */
  readonly publicKey: Hex;
}

/** A share of the sharing that a session made, or is making. */
interface HeldShare {
  readonly epoch: number;
  readonly keySuite: KeySuite;
  readonly share: Share;
}

/** Owns its secrets: `using` or dispose it, and they are wiped. */
export class Shareholder implements Disposable {
  readonly #identityKey: PublicKey;
  #dealingKey: DealingKey | null = null;
  #shares: readonly HeldShare[] = [];
  /**
   * Sharings of which there was a share here since this process began, or a dealing key that opens what is dealt for one, by
   * epoch, and the generations of the MasterKey that they were of: its memory may remember. Null where the ledger has forgotten
   * that already.
   */
  readonly #met = new Map<number, number | null>();
  /** The session whose dealings to us are wrong although nobody complained in time: they are not tried again. */
  #unusable: number | null = null;

  /** Without a share. */
  constructor(identityKey: PublicKey) {
    this.#identityKey = identityKey;
  }

  /**
   * What `encode` gave.
   * @param encoded - stays the caller's.
   * @throws GatekeeperError KEY_UNAVAILABLE when they are other bytes.
   */
  static decode(identityKey: PublicKey, encoded: Secret): Shareholder {
    const shareholder = new Shareholder(identityKey);
    try {
      encoded.use((bytes) => shareholder.#read(bytes));
    } catch (error) {
      shareholder[Symbol.dispose]();
      throw error;
    }
    return shareholder;
  }

  /** The share of a sharing, lent; null where there is none. */
  share(epoch: number): Share | null {
    return this.#shares.find((held) => held.epoch === epoch)?.share ?? null;
  }

  /**
   * Makes the dealing key of a session that begins and the share of one whose dealings are qualified; destroys the dealing
   * key of a session that is over and the shares of sharings that are not in force.
   * @returns whether something was changed.
   */
  follow(ledger: Ledger): boolean {
    const { sharings, retired, keySession } = ledger.state;
    for (const { epoch, rotationId } of [...sharings, ...retired, ...(keySession === null ? [] : [keySession])]) {
      if (this.share(epoch) !== null || this.#dealingKey?.epoch === epoch) this.#met.set(epoch, rotationId);
    }
    const sessionEpoch = keySession?.epoch ?? null;
    let changed = false;
    const over = this.#shares.filter(
      ({ epoch }) => epoch !== sessionEpoch && sharings.every((sharing) => sharing.epoch !== epoch),
    );
    for (const { epoch, share } of over) {
      share[Symbol.dispose]();
      this.#meetForgotten(epoch);
    }
    if (over.length > 0) {
      this.#shares = this.#shares.filter((held) => !over.includes(held));
      changed = true;
    }
    if (this.#dealingKey !== null && this.#dealingKey.epoch !== sessionEpoch) {
      this.#meetForgotten(this.#dealingKey.epoch);
      this.#forgetDealingKey();
      changed = true;
    }
    if (keySession === null) return changed;
    if (keySession.phase === "registration") return this.#makeDealingKey(keySession) || changed;
    if (keySession.phase === "confirmation") return this.#receive(ledger, keySession) || changed;
    return changed;
  }

  /**
   * What comes before all that a key session asks for: who owes a share of a MasterKey that is in force no more, because it was abandoned
   * or called off, has as long as one phase. Null where there is nothing.
   */
  urgentCall(ledger: Ledger): Call | null {
    return this.#declaration(ledger, true);
  }

  /** What there is to say to the chain; null where there is nothing. */
  dueCall(ledger: Ledger): Call | null {
    const call = this.urgentCall(ledger) ?? this.#sessionCall(ledger);
    return call ?? this.#lateConfirmation(ledger) ?? this.#declaration(ledger, false);
  }

  /**
   * Whether there was a share here, since this process began, of a MasterKey that is abandoned, or a dealing key that opens what
   * was dealt of it. That it is destroyed is declared by another process, of which the memory never had it.
   */
  remembersAbandoned({ state }: Pick<Ledger, "state">): boolean {
    return [...this.#met.values()].some((rotationId) => rotationId === null || isAbandoned(state, rotationId));
  }

  /** All secrets, to be sealed; the caller owns it. */
  encode(): Secret {
    const keys = this.#dealingKey === null ? [] : [this.#dealingKey];
    const size = HEAD_BYTES + keys.length * DEALING_KEY_BYTES + this.#shares.length * SHARE_BYTES;
    const bytes = new Uint8Array(new ArrayBuffer(size));
    const view = new DataView(bytes.buffer);
    bytes.set([VERSION, keys.length, this.#shares.length]);
    let at = HEAD_BYTES;
    for (const { epoch, keySuite, secret } of keys) {
      view.setUint32(at, epoch, true);
      bytes[at + 4] = keySuite;
      secret.use((scalar) => bytes.set(scalar, at + 5));
      at += DEALING_KEY_BYTES;
    }
    for (const { epoch, keySuite, share } of this.#shares) {
      view.setUint32(at, epoch, true);
      bytes[at + 4] = keySuite;
      view.setUint16(at + 5, share.index, true);
      share.secret.use((scalar) => bytes.set(scalar, at + 7));
      at += SHARE_BYTES;
    }
    return new Secret(bytes);
  }

  [Symbol.dispose](): void {
    this.#forgetDealingKey();
    for (const { share } of this.#shares) share[Symbol.dispose]();
    this.#shares = [];
  }

  #makeDealingKey(session: KeySession): boolean {
    const at = this.#placeIn(session);
    if (at < 0 || this.#dealingKey !== null || session.members[at]!.dealingKey !== null) return false;
    const { epoch, rotationId, keySuite } = session;
    this.#dealingKey = dealingKeyOf(epoch, keySuite, ledgerGroup(keySuite).scalars.random());
    this.#met.set(epoch, rotationId);
    return true;
  }

  /** Computes the share that the qualified dealings give us, if it is the one that everybody expects. */
  #receive(ledger: Ledger, session: KeySession): boolean {
    const at = this.#placeIn(session);
    const { epoch, keySuite } = session;
    const expected = session.members[at]?.verificationShare ?? null;
    const held = this.#registeredKey(session);
    if (expected === null || held === null || this.#unusable === epoch) return false;
    const share = this.#combined(ledger, session, at + 1, held.secret);
    if (share === null || toHex(ledgerGroup(keySuite).multiplyBase([share.secret])) !== expected) {
      share?.[Symbol.dispose]();
      this.#unusable = epoch;
      return false;
    }
    this.#shares = [...this.#shares, { epoch, keySuite, share }];
    this.#met.set(epoch, session.rotationId);
    this.#forgetDealingKey();
    return true;
  }

  #combined({ state, genesisHash }: Ledger, session: KeySession, index: number, dealingKey: Secret): Share | null {
    const terms = termsOf(genesisHash, state, session);
    const opened: DealtSubShare[] = [];
    try {
      for (const { dealer, dealing } of qualifiedDealings(state, session)) {
        opened.push({ dealer, share: openSubShare(terms, dealer, dealing, index, dealingKey) });
      }
      if (terms.kind !== "refresh") return combineSubShares(terms, opened);
      const previous = this.#shareBefore(state, session);
      return previous === null ? null : combineSubShares(terms, opened, previous);
    } catch (error) {
      if (error instanceof GatekeeperError && error.code === "SHARE_INVALID") return null;
      throw error;
    } finally {
      for (const { share } of opened) share[Symbol.dispose]();
    }
  }

  /** Our share of the key that a session hands on. */
  #shareBefore({ sharings }: Ledger["state"], { rotationId }: KeySession): Share | null {
    const sharing = sharings.find((known) => known.rotationId === rotationId);
    return sharing === undefined ? null : this.share(sharing.epoch);
  }

  #sessionCall(ledger: Ledger): Call | null {
    const { keySession } = ledger.state;
    if (keySession === null) return null;
    switch (keySession.phase) {
      case "registration":
        return this.#registration(ledger, keySession);
      case "dealing":
        return this.#dealing(ledger, keySession);
      case "complaint":
        return this.#judgement(ledger, keySession);
      case "confirmation": {
        const at = this.#placeIn(keySession);
        if (at < 0 || keySession.members[at]!.confirmed) return null;
        return this.#confirmation(ledger, keySession.epoch, keySession.id, keySession.rotationId);
      }
    }
  }

  #registration({ state, genesisHash }: Ledger, session: KeySession): Call | null {
    const at = this.#placeIn(session);
    const held = this.#dealingKey;
    if (at < 0 || held?.epoch !== session.epoch || session.members[at]!.dealingKey !== null) return null;
    // The chain would not take it: it would be said in every block, and a heartbeat in none.
    const worker = state.workers.get(accountOf(this.#identityKey));
    if (worker === undefined || !mayServe(state, worker)) return null;
    const group = ledgerGroup(session.keySuite);
    const dealingKey = fromHex(held.publicKey, "a dealing key");
    const context = dealingKeyContext(genesisHash, fromHex(session.id, "a session"), at + 1);
    const proof = provePossession(group, context, held.secret, dealingKey);
    return { tag: "registerDealingKey", value: { epoch: session.epoch, dealingKey, proof } };
  }

  /** Dealt anew whenever it is asked for: whoever has signed one keeps the message. */
  #dealing({ state, genesisHash }: Ledger, session: KeySession): Call | null {
    const dealer = dealersOf(state, session).find(({ identityKey }) => identityKey === this.#identityKey)?.index;
    if (dealer === undefined || state.dealings.has(numberKey(dealer))) return null;
    const terms = termsOf(genesisHash, state, session);
    if (terms.kind !== "resharing")
      return { tag: "deal", value: { epoch: session.epoch, dealing: deal(terms, dealer) } };
    const share = this.#shareBefore(state, session);
    return share === null ? null : { tag: "deal", value: { epoch: session.epoch, dealing: deal(terms, share) } };
  }

  /** Complains about every dealing that gives us what its commitments do not say. */
  #judgement({ state, genesisHash }: Ledger, session: KeySession): Call | null {
    const at = this.#placeIn(session);
    const held = this.#registeredKey(session);
    if (held === null || session.members[at]!.judged) return null;
    const terms = termsOf(genesisHash, state, session);
    const complaints: { readonly dealer: number; readonly complaint: Complaint }[] = [];
    for (const dealing of state.dealings.values()) {
      const { dealer } = dealing;
      try {
        using _ = openSubShare(terms, dealer, dealing, at + 1, held.secret);
      } catch (error) {
        if (!(error instanceof GatekeeperError) || error.code !== "SHARE_INVALID") throw error;
        complaints.push({ dealer, complaint: complain(terms, dealer, dealing, at + 1, held.secret) });
      }
    }
    return { tag: "judgeDealings", value: { epoch: session.epoch, complaints } };
  }

  #confirmation({ genesisHash }: Ledger, epoch: number, session: string, rotationId: number): Call | null {
    const held = this.#shares.find((share) => share.epoch === epoch);
    if (held === undefined) return null;
    const group = ledgerGroup(held.keySuite);
    const trial = proveTrial(group, genesisHash, fromHex(session, "a session"), rotationId, held.share);
    return { tag: "confirmShare", value: { epoch, trial } };
  }

  /** Of a sharing that came into force before our confirmation did. */
  #lateConfirmation(ledger: Ledger): Call | null {
    for (const { epoch, session, rotationId, members } of ledger.state.sharings) {
      const own = members.find(({ identityKey }) => identityKey === this.#identityKey);
      const isOut = ledger.state.excluded.includes(this.#identityKey);
      if (own === undefined || own.confirmed || isOut) continue;
      const call = this.#confirmation(ledger, epoch, session, rotationId);
      if (call !== null) return call;
    }
    return null;
  }

  /** Of shares that are destroyed, and sealed no more. */
  #declaration({ state }: Ledger, isUrgent: boolean): Call | null {
    const met = [...this.#met.values()];
    const owed = state.retired.find(
      (retired) =>
        stands(state, retired) !== isUrgent &&
        retired.owing.includes(this.#identityKey) &&
        this.share(retired.epoch) === null &&
        !(isAbandoned(state, retired.rotationId) && met.includes(retired.rotationId)),
    );
    return owed === undefined ? null : { tag: "declareDestroyed", value: owed.epoch };
  }

  /** Our place among those who get a share; −1 where we get none. */
  #placeIn({ members }: KeySession): number {
    return members.findIndex(({ identityKey, excluded }) => identityKey === this.#identityKey && !excluded);
  }

  /** The dealing key, if it is the one that dealers have sealed to: old files may have brought another back, or none. */
  #registeredKey(session: KeySession): DealingKey | null {
    const registered = session.members[this.#placeIn(session)]?.dealingKey;
    return this.#dealingKey !== null && this.#dealingKey.publicKey === registered ? this.#dealingKey : null;
  }

  /** What was read from a file may be of a sharing that the ledger has not any more: this process was away for long. */
  #meetForgotten(epoch: number): void {
    if (!this.#met.has(epoch)) this.#met.set(epoch, null);
  }

  #forgetDealingKey(): void {
    this.#dealingKey?.secret[Symbol.dispose]();
    this.#dealingKey = null;
  }

  #read(bytes: Uint8Array<ArrayBuffer>): void {
    const [version, keys, shares] = bytes;
    if (bytes.length < HEAD_BYTES || version !== VERSION || keys! > 1 || shares! > SHARES_MAX) throw malformed();
    if (bytes.length !== HEAD_BYTES + keys! * DEALING_KEY_BYTES + shares! * SHARE_BYTES) throw malformed();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = HEAD_BYTES;
    if (keys === 1) {
      const keySuite = suiteIn(bytes[at + 4]!);
      this.#dealingKey = dealingKeyOf(view.getUint32(at, true), keySuite, scalarAt(bytes, at + 5, keySuite));
      at += DEALING_KEY_BYTES;
    }
    for (; at < bytes.length; at += SHARE_BYTES) {
      const keySuite = suiteIn(bytes[at + 4]!);
      const index = view.getUint16(at + 5, true);
      if (index === 0) throw malformed();
      const share = new Share(index, scalarAt(bytes, at + 7, keySuite));
      this.#shares = [...this.#shares, { epoch: view.getUint32(at, true), keySuite, share }];
    }
  }
}

/** Whether a MasterKey is not in force any more. One that no rotation brought into force yet is none of these. */
function isAbandoned({ sharings }: Ledger["state"], rotationId: number): boolean {
  const oldest = sharings[0];
  return oldest !== undefined && rotationId < oldest.rotationId;
}

/** @param secret - taken over. */
function dealingKeyOf(epoch: number, keySuite: KeySuite, secret: Secret): DealingKey {
  return { epoch, keySuite, secret, publicKey: toHex(ledgerGroup(keySuite).multiplyBase([secret])) };
}

function suiteIn(byte: number): KeySuite {
  const suite = KEY_SUITES.find((known) => known === byte);
  if (suite === undefined) throw malformed();
  return suite;
}

function scalarAt(bytes: Uint8Array, at: number, keySuite: KeySuite): Secret {
  const scalar = secretCopy(bytes.subarray(at, at + SCALAR_BYTES));
  if (ledgerGroup(keySuite).scalars.isKey(scalar)) return new Secret(scalar);
  scalar.fill(0);
  throw malformed();
}

function malformed(): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", "sealed shares are malformed, or of another version");
}
