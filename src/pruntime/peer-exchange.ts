/**
 * What a pRuntime says to others, and what it does when others say something to it: all of it sealed to EcdhKeys that the ledger
 * has, and heard once. Of whoever is not registered, or may not serve, nothing is heard.
 */
import { randomBytes } from "node:crypto";
import { toHex } from "../bytes.ts";
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import type { Share } from "../keys/shamir.ts";
import { type PublicKey, accountOf } from "../protocol/account.ts";
import type { Ledger } from "../protocol/ledger.ts";
import type { PartialsEvidence } from "../protocol/partials-evidence.ts";
import { mayServe } from "../protocol/registry.ts";
import type { Hex } from "../protocol/scale.ts";
import type { Worker } from "../protocol/state.ts";
import type { Delivered, Provisioned } from "./boundary.ts";
import type { EcdhKeys } from "./ecdh-keys.ts";
import type { IdentityKey } from "./identity-key.ts";
import type { MessageSequences } from "./message-sequences.ts";
import { type PartialsAnswer, answerPartials } from "./partial-service.ts";
import { type PartialsRequest, type PeerMessage, decodePeerMessage, encodePeerMessage } from "./peer-message.ts";
import type { Provisioning } from "./provisioning.ts";
import { openMessage, readMessageHeader, sealMessage } from "./sealed-message.ts";

const NONCE_BYTES = 32;
/** Questions that are remembered until they are answered. */
const PINGS_MAX = 64;

/** Who speaks; all of it is lent. */
export interface Speaker {
  /** Its IdentityKey. */
  readonly signer: IdentityKey;
  /** Of compressed points. */
  readonly curve: Secp256k1;
  readonly sequences: MessageSequences;
  /** Seals what `sequences` encodes: before a message leaves whose sequence was not reserved, or an answer to another's. */
  readonly remember: (encoded: Uint8Array) => void;
  /** The share of a sharing, by the number of its key session; null where there is none. */
  readonly share: (epoch: number) => Share | null;
  /** Of partials that are wrong. */
  readonly keepEvidence: (ledger: Ledger, evidence: PartialsEvidence) => void;
}

/** A message to another pRuntime. */
interface Outgoing {
  readonly to: PublicKey;
  readonly message: PeerMessage;
}

/** Owns nothing secret. */
export class PeerExchange {
  readonly #speaker: Speaker;
  readonly #pings = new Map<Hex, PublicKey>();

  constructor(speaker: Speaker) {
    this.#speaker = speaker;
  }

  /** A message that asks another whether it lives. @throws GatekeeperError NOT_FOUND when it is not registered. */
  ping(ledger: Ledger, to: PublicKey): Uint8Array {
    const nonce = toHex(randomBytes(NONCE_BYTES));
    const message = this.#sealTo(ledger, to, { tag: "ping", value: nonce });
    if (this.#pings.size >= PINGS_MAX) this.#pings.delete(this.#pings.keys().next().value!);
    this.#pings.set(nonce, to);
    return message;
  }

  /**
   * Opens a message of another, and does what it asks for.
   * @param ecdhKeys - that open it.
   * @param provisioning - that partials are for.
   * @throws GatekeeperError MESSAGE_INVALID, with the reason.
   */
  deliver(ledger: Ledger, ecdhKeys: EcdhKeys, provisioning: Provisioning, bytes: Uint8Array): Delivered {
    const { signer, curve, sequences, keepEvidence } = this.#speaker;
    const header = readMessageHeader(bytes);
    if (header !== null) this.#makeRoomFor(ledger, header.sender);
    const { sender, body } = openMessage({
      curve,
      genesisHash: ledger.genesisHash,
      recipient: signer.publicKey,
      ecdhKeys,
      sequences,
      isKnown: (identityKey) => peerOf(ledger, identityKey) !== undefined,
      bytes,
    });
    using opened = body;
    const message = decodePeerMessage(opened);
    // It is remembered before an answer leaves. What is an answer itself changes nothing when it comes again after a restart:
    // the question is not known any more.
    if (message === null) throw notUnderstood();
    switch (message.tag) {
      case "ping": {
        const pong: PeerMessage = { tag: "pong", value: { nonce: message.value, height: ledger.state.height } };
        return { tag: "answer", value: this.#sealAnswer(ledger, sender, pong) };
      }
      case "pong": {
        const { nonce, height } = message.value;
        if (this.#pings.get(nonce) !== sender) throw notUnderstood();
        this.#pings.delete(nonce);
        return { tag: "pong", value: { from: sender, height } };
      }
      case "partialsRequest": {
        const answer = this.#answerPartials(ledger, sender, message.value);
        try {
          return { tag: "answer", value: this.#sealAnswer(ledger, sender, answer) };
        } finally {
          wipe(answer);
        }
      }
      case "partialsReply": {
        const { contracts, blamed, evidence } = provisioning.take(sender, message.value);
        if (evidence !== null) keepEvidence(ledger, evidence);
        return { tag: "taken", value: { from: sender, contracts, blamed } };
      }
      case "partialsRefused": {
        const { reason, height } = message.value;
        provisioning.refuse(sender, message.value);
        return { tag: "refused", value: { from: sender, reason, height } };
      }
    }
  }

  /** What is to be asked of others for keys of contracts; itself it asks at once. */
  ask(ledger: Ledger, provisioning: Provisioning, late: readonly PublicKey[]): Provisioned["messages"] {
    const outgoing: Outgoing[] = [];
    for (const { to, request } of provisioning.ask(ledger, late)) {
      // A gatekeeper that runs or rotates contracts has a share itself.
      if (to === this.#speaker.signer.publicKey) provisioning.takeOwn(request, this.#speaker.share(request.epoch));
      else outgoing.push({ to, message: { tag: "partialsRequest", value: request } });
    }
    const sealed = this.#sealAll(ledger, outgoing);
    return outgoing.map(({ to }, at) => ({ to, endpoint: peerOf(ledger, to)!.endpoint, bytes: sealed[at]! }));
  }

  /** @returns partials, which are the caller's to wipe, or why there are none. */
  #answerPartials(ledger: Ledger, sender: PublicKey, request: PartialsRequest): PartialsAnswer {
    const { signer, share } = this.#speaker;
    return answerPartials({ ledger, signer, share }, sender, request);
  }

  #sealTo(ledger: Ledger, to: PublicKey, message: PeerMessage): Uint8Array {
    return this.#sealAll(ledger, [{ to, message }])[0]!;
  }

  /** Remembers that what it answers was opened. */
  #sealAnswer(ledger: Ledger, to: PublicKey, message: PeerMessage): Uint8Array {
    const sealed = this.#seal(ledger, [{ to, message }]);
    this.#remember();
    return sealed[0]!;
  }

  /** Remembers the sequences of all of them at once, before the first leaves. */
  #sealAll(ledger: Ledger, outgoing: readonly Outgoing[]): Uint8Array[] {
    const sealed = this.#seal(ledger, outgoing);
    if (!this.#speaker.sequences.areReservedSealed) this.#remember();
    return sealed;
  }

  #remember(): void {
    const { sequences, remember } = this.#speaker;
    remember(sequences.encode());
    sequences.noteSealed();
  }

  #seal(ledger: Ledger, outgoing: readonly Outgoing[]): Uint8Array[] {
    const { signer: sender, curve, sequences } = this.#speaker;
    const numbered = outgoing.map(({ to, message }) => {
      const peer = peerOf(ledger, to);
      if (peer === undefined) throw new GatekeeperError("NOT_FOUND", `${to} is no pRuntime that may serve`);
      this.#makeRoomFor(ledger, to);
      const sequence = sequences.next(to);
      return { recipient: { identityKey: to, ecdhKey: peer.ecdhKey }, message, sequence };
    });
    return numbered.map(({ recipient, message, sequence }) => {
      const body = encodePeerMessage(message);
      try {
        return sealMessage({ curve, genesisHash: ledger.genesisHash, sender, recipient, sequence, body });
      } finally {
        body.fill(0);
      }
    });
  }

  /**
   * Forgets those that are not registered any more, where no other can be remembered: else whoever registers and deregisters
   * would be remembered for ever. Of one that is registered anew, messages to EcdhKeys that still open are heard again.
   */
  #makeRoomFor(ledger: Ledger, peer: PublicKey): void {
    const { sequences } = this.#speaker;
    if (sequences.hasRoomFor(peer)) return;
    sequences.keepOnly((identityKey) => peerOf(ledger, identityKey) !== undefined);
  }
}

/** A pRuntime that is registered, and may serve. */
export function peerOf({ state }: Pick<Ledger, "state">, identityKey: PublicKey): Worker | undefined {
  const worker = state.workers.get(accountOf(identityKey));
  return worker !== undefined && mayServe(state, worker) ? worker : undefined;
}

/** Partials are key material. */
function wipe(answer: PartialsAnswer): void {
  if (answer.tag === "partialsReply") answer.value.partials.fill(0);
}

function notUnderstood(): GatekeeperError {
  return new GatekeeperError("MESSAGE_INVALID", "a message of a pRuntime asks for nothing that is known", {
    reason: "NotUnderstood",
  });
}
