/**
 * The encryption of a sub-share f(j) from a dealer to receiver j, over the chain:
 *
 *   Z = e·D_j = d_j·E          e, E: the dealing's ephemeral key; d_j, D_j: the receiver's dealing key of this session
 *   key = HKDF-SHA256(ikm = Z encoded, salt = "", info = label ‖ digest 32 ‖ receiver 2 LE ‖ E ‖ D_j)
 *   AES-256-GCM, nonce 0, AAD = digest
 *
 * The digest is that of key suite, genesis, session, kind, dealer, threshold, receivers and commitments (dealing.ts).
 *
 * - The nonce may be fixed because a key encrypts one text: e is drawn for one dealing, which has one sub-share a receiver,
 *   and the key is bound to all that tells dealings and receivers apart. So there is nothing that its judge must be told.
 * - GCM does not commit to its key: a ciphertext may open under two. But nobody chooses the key: it follows from Z, and Z
 *   from E and D_j.
 *
 * Limits: whoever has d_j of a session opens what that receiver was sent, for ever; so a receiver destroys it when the
 * session has ended.
 */
import { hkdfSync } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { discard, NativeKey } from "../engine/native-key.ts";
import { Secret } from "../secret.ts";
import {
  type Dealing,
  type DealingTerms,
  dealingDigest,
  placeOf,
  type Receiver,
  SUB_SHARE_CIPHERTEXT_BYTES,
  u16,
} from "./dealing.ts";
import { SCALAR_BYTES } from "./scalars.ts";
import { evaluateCommitments, Share } from "./shamir.ts";

const SUITE = "aes-256-gcm";
const KEY_BYTES = 32;
const NONCE = new Uint8Array(12);
const EMPTY_SALT = new Uint8Array(0);
const LABEL = Buffer.from(CONTEXT.subShareKey, "ascii");

/** Which sub-share: what its key is bound to. */
interface SubShareContext {
  /** Of `dealingDigest`. */
  readonly digest: Uint8Array;
  readonly ephemeralKey: Uint8Array;
  readonly receiver: Receiver;
}

/**
 * Encrypts a sub-share.
 * @param share - f(j); stays the caller's.
 * @param point - Z, one element, secret; stays the caller's.
 * @returns SUB_SHARE_CIPHERTEXT_BYTES.
 */
export function sealSubShare(context: SubShareContext, share: Share, point: Uint8Array): Uint8Array<ArrayBuffer> {
  const sealed = new Uint8Array(SUB_SHARE_CIPHERTEXT_BYTES);
  const key = subShareKey(context, point);
  share.secret.use((bytes) => key.seal({ nonce: NONCE, aad: context.digest }, bytes, partsOf(sealed)));
  return sealed;
}

/**
 * The sub-share that a dealing has for a receiver; the caller owns it. Null when it can't be decrypted, or is not what the
 * commitments say, or zero, which an honest dealer's is once in 2^252 times.
 * @param dealing - one in which `dealingFault` found nothing.
 * @param point - Z, right: the receiver has computed it, or it was proved to the judge. Stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when it is no receiver's index.
 */
export function subShareOf(
  terms: DealingTerms,
  dealer: number,
  dealing: Dealing,
  receiver: number,
  point: Uint8Array,
): Share | null {
  const place = placeOf(terms, receiver);
  const { commitments, ephemeralKey, ciphertexts } = dealing;
  const digest = dealingDigest(terms, dealer, commitments);
  const sealed = ciphertexts.subarray(place * SUB_SHARE_CIPHERTEXT_BYTES, (place + 1) * SUB_SHARE_CIPHERTEXT_BYTES);
  const key = subShareKey({ digest, ephemeralKey, receiver: terms.receivers[place]! }, point);
  const opened = key.open({ nonce: NONCE, aad: digest }, partsOf(sealed));
  if (opened === null) return null;
  const share = new Share(receiver, new Secret(opened));
  discard(opened);
  if (isCommittedTo(terms, commitments, share)) return share;
  share[Symbol.dispose]();
  return null;
}

/** Whether it is f(j) of the commitments, and no zero. */
function isCommittedTo({ group, kind }: DealingTerms, commitments: Uint8Array, { index, secret }: Share): boolean {
  if (!secret.use((bytes) => group.scalars.isKey(bytes))) return false;
  const expected = evaluateCommitments(group, commitments, index, kind === "refresh" ? 1 : 0);
  return expected !== null && Buffer.compare(group.multiplyBase([secret]), expected) === 0;
}

function subShareKey({ digest, ephemeralKey, receiver }: SubShareContext, point: Uint8Array): NativeKey {
  const info = Buffer.concat([LABEL, digest, u16(receiver.index), ephemeralKey, receiver.dealingKey]);
  const bytes = new Uint8Array(hkdfSync("sha256", point, EMPTY_SALT, info, KEY_BYTES));
  const key = new NativeKey(SUITE, bytes);
  bytes.fill(0);
  return key;
}

/** Where text and tag of a sealed sub-share lie. */
function partsOf(sealed: Uint8Array): Readonly<Record<"text" | "tag", Uint8Array>> {
  return { text: sealed.subarray(0, SCALAR_BYTES), tag: sealed.subarray(SCALAR_BYTES) };
}
