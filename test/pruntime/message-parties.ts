/** Two pRuntimes and what one sends to the other. */
import { fromHex } from "../../src/bytes.ts";
import { EcdhKeys } from "../../src/pruntime/ecdh-keys.ts";
import { IdentityKey } from "../../src/pruntime/identity-key.ts";
import { MessageSequences } from "../../src/pruntime/message-sequences.ts";
import { type MessageToOpen, type OpenedMessage, openMessage, sealMessage } from "../../src/pruntime/sealed-message.ts";
import type { PublicKey } from "../../src/protocol/account.ts";
import { CURVE, keyOf } from "../protocol/network.ts";

export const GENESIS = new Uint8Array(32).fill(7);
export const OVERLAP = 10;

/** The IdentityKey with the key of that name. */
const identityOf = (name: string): IdentityKey => new IdentityKey(keyOf(name).clone(), CURVE);
/** The secret of that name as bytes. */
export const secretBytes = (name: string): Uint8Array => keyOf(name).use((bytes) => Uint8Array.from(bytes));
export const pointBytes = (publicKey: PublicKey): Uint8Array => fromHex(publicKey, "a key");

export const ALICE = identityOf("alice");
export const BOB = identityOf("bob");

/** EcdhKeys whose first key is current since height 0. */
export function publishedKeys(): EcdhKeys {
  const keys = EcdhKeys.create(CURVE, OVERLAP);
  keys.published(keys.pending!, 0);
  return keys;
}

/** From Alice to Bob. */
export function sealed(ecdhKey: PublicKey, body: Uint8Array = Buffer.from("body"), sequence = 1n): Uint8Array {
  const recipient = { identityKey: BOB.publicKey, ecdhKey };
  return sealMessage({ curve: CURVE, genesisHash: GENESIS, sender: ALICE, recipient, sequence, body });
}

/** Opens as Bob, who knows Alice. */
export function open(bytes: Uint8Array, ecdhKeys: EcdhKeys, changes: Partial<MessageToOpen> = {}): OpenedMessage {
  return openMessage({
    curve: CURVE,
    genesisHash: GENESIS,
    recipient: BOB.publicKey,
    ecdhKeys,
    sequences: new MessageSequences(),
    isKnown: (sender) => sender === ALICE.publicKey,
    bytes,
    ...changes,
  });
}

/** The body, as text, of what opens. */
export function textOf(opened: OpenedMessage): string {
  using body = opened.body;
  return body.use((bytes) => Buffer.from(bytes).toString());
}
