/** What pRuntimes say to each other, inside messages that are sealed (sealed-message.ts). */
import { type Codec, Enum } from "scale-ts";
import { type Hex, decode, encode, hexBytes, struct, u32 } from "../protocol/scale.ts";

/** A list that only grows at its end. */
export type PeerMessage =
  /** Says that it opens what is sealed to it, and how far it has followed the chain: with the nonce of whoever asks. */
  | { readonly tag: "ping"; readonly value: Hex }
  | { readonly tag: "pong"; readonly value: { readonly nonce: Hex; readonly height: number } };

const nonce = hexBytes(32);

const codec = Enum({ ping: nonce, pong: struct({ nonce, height: u32 }) }) as unknown as Codec<PeerMessage>;

/** As bytes, to be sealed. */
export function encodePeerMessage(message: PeerMessage): Uint8Array {
  return encode(codec, message);
}

/** The message in these bytes, or null if they are none. */
export function decodePeerMessage(bytes: Uint8Array): PeerMessage | null {
  return decode(codec, bytes);
}
