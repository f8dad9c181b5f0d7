/**
 * The sequences of messages between this pRuntime and others: one that rises for each sender and recipient, so that no message
 * is accepted twice (RFC 4303, section 3.4.3). Messages overtake each other, as a question to another and the answer to
 * what it asks go by two connections: besides the highest sequence that was accepted it is remembered which of the WINDOW up
 * to it were, and what is below them is not accepted any more.
 *
 * Both directions are sealed by the caller: sequences before the messages that have them leave, or a pRuntime that starts
 * again gives one twice and is not heard; those that were accepted before an answer leaves to what a message asks for,
 * or it is given twice. Sequences are reserved some at a time, so that not every message waits for a disk; a pRuntime that
 * starts again skips those that it had left.
 */
import { GatekeeperError } from "../errors.ts";
import { type PublicKey, publicKeyCodec } from "../protocol/account.ts";
import { boundedVector, decode, encode, struct, u64 } from "../protocol/scale.ts";

/** Others that are remembered: 228 KiB of them. */
export const PEERS_MAX = 4_096;

/** Sequences that are reserved at a time. */
const RESERVED = 64n;

/** Sequences from the highest that was accepted downwards, of which it is remembered whether they were. */
const WINDOW = 64n;

/** Of one other pRuntime: the sequences of the last message to it, and of the highest from it; 0 where there was none. */
interface Peer {
  readonly identityKey: PublicKey;
  readonly sent: bigint;
  readonly accepted: bigint;
  /** Bit i: whether `accepted` - i was accepted. */
  readonly window: bigint;
}

/** The last sequence to it that is reserved, besides. */
interface KnownPeer extends Peer {
  readonly reserved: bigint;
}

/** Why a sequence is not accepted. */
export type SequenceRefusal = "Replayed" | "TooManySenders";

const peersCodec = boundedVector(
  struct<Peer>({ identityKey: publicKeyCodec, sent: u64, accepted: u64, window: u64 }),
  PEERS_MAX,
);

/** Sequences by the IdentityKey of the other. */
export class MessageSequences {
  readonly #peers = new Map<PublicKey, KnownPeer>();
  #areReservedSealed = true;

  /**
   * What `encode` gave.
   * @throws GatekeeperError KEY_UNAVAILABLE when they are other bytes.
   */
  static decode(bytes: Uint8Array): MessageSequences {
    const peers = decode(peersCodec, bytes);
    const rises = peers?.every(({ identityKey }, at) => at === 0 || peers[at - 1]!.identityKey < identityKey);
    if (peers === null || rises !== true || !peers.every(hasWindow)) {
      throw new GatekeeperError("KEY_UNAVAILABLE", "sealed sequences of messages are malformed");
    }
    const sequences = new MessageSequences();
    for (const peer of peers) sequences.#peers.set(peer.identityKey, { ...peer, reserved: peer.sent });
    return sequences;
  }

  /** Whether what `encode` gives is sealed as far as messages may leave with what `next` gave. */
  get areReservedSealed(): boolean {
    return this.#areReservedSealed;
  }

  /** What `encode` gave just now is sealed. */
  noteSealed(): void {
    this.#areReservedSealed = true;
  }

  /**
   * The sequence of the next message to another: 1, and so on, but for those that were left when it began again.
   * @throws GatekeeperError INVALID_ARGUMENT when PEERS_MAX others are remembered.
   */
  next(recipient: PublicKey): bigint {
    if (!this.hasRoomFor(recipient)) {
      throw new GatekeeperError("INVALID_ARGUMENT", `messages go to ${PEERS_MAX} others at most: forget some`);
    }
    const peer = this.#of(recipient);
    const sent = peer.sent + 1n;
    const isReserved = sent <= peer.reserved;
    this.#peers.set(recipient, { ...peer, sent, reserved: isReserved ? peer.reserved : peer.sent + RESERVED });
    if (!isReserved) this.#areReservedSealed = false;
    return sent;
  }

  /** Why a message of this sender and sequence may not be accepted, or null. */
  refusal(sender: PublicKey, sequence: bigint): SequenceRefusal | null {
    const { accepted, window } = this.#of(sender);
    const below = accepted - sequence;
    // 0 is no sequence, and nothing has it.
    if (sequence < 1n || below >= WINDOW || (below >= 0n && ((window >> below) & 1n) === 1n)) return "Replayed";
    return this.hasRoomFor(sender) ? null : "TooManySenders";
  }

  /** Remembers that a message was accepted that is not refused. */
  accept(sender: PublicKey, sequence: bigint): void {
    const peer = this.#of(sender);
    const above = sequence - peer.accepted;
    const after =
      above > 0n
        ? {
            accepted: sequence,
            window: BigInt.asUintN(Number(WINDOW), above < WINDOW ? (peer.window << above) | 1n : 1n),
          }
        : { window: peer.window | (1n << -above) };
    this.#peers.set(sender, { ...peer, ...after });
  }

  /**
   * Forgets all others but these. One that comes back under the same IdentityKey begins anew, and what it sent before can
   * be replayed, until the EcdhKeys are destroyed that it was sealed to.
   */
  keepOnly(isKept: (identityKey: PublicKey) => boolean): void {
    for (const identityKey of this.#peers.keys()) if (!isKept(identityKey)) this.#peers.delete(identityKey);
  }

  /** All of them, to be sealed. */
  encode(): Uint8Array<ArrayBuffer> {
    const peers = [...this.#peers.values()]
      .sort((a, b) => (a.identityKey < b.identityKey ? -1 : 1))
      .map(({ identityKey, reserved, accepted, window }): Peer => ({ identityKey, sent: reserved, accepted, window }));
    return encode(peersCodec, peers);
  }

  #of(identityKey: PublicKey): KnownPeer {
    return this.#peers.get(identityKey) ?? { identityKey, sent: 0n, reserved: 0n, accepted: 0n, window: 0n };
  }

  /** Whether another is remembered, or can be. */
  hasRoomFor(identityKey: PublicKey): boolean {
    return this.#peers.size < PEERS_MAX || this.#peers.has(identityKey);
  }
}

/** Whether it is one that `accept` can have made: it has the highest sequence, and none below 1. */
function hasWindow({ accepted, window }: Peer): boolean {
  return accepted === 0n ? window === 0n : (window & 1n) === 1n && (accepted >= WINDOW || window >> accepted === 0n);
}
