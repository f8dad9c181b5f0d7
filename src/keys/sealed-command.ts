/**
 * Commands to a contract, which a user encrypts to the EcdhKey that the contract has on chain: only the pRuntimes that run
 * the contract can read them. And their answers, which a pRuntime encrypts to a reply key that is in the command.
 *
 *   version 1 (=1) | key suite 1 | rotation id 4 LE | contract id 32 | ephemeral key e·G | nonce 12 | ciphertext n | tag 16
 *
 *   Z = e·R of a recipient's key R; its x-coordinate, or in ristretto255 its encoding, is what follows stands on
 *   key = HKDF-SHA256(ikm = Z, salt = "", info = label ‖ all before the nonce ‖ R)
 *   AES-256-GCM, AAD = all before the ciphertext
 *
 * R is the EcdhKey of a command's contract. An answer has its command's header, R is the reply key, the label is another, and
 * SHA-256 of the whole sealed command follows R in the info.
 *
 * Elements are as the chain has them: secp256k1's compressed. A key has one plaintext, as e is drawn for it and wiped; the
 * nonce is random nevertheless. Header and R are in the key and the AAD: a command can't be passed off as one to another
 * contract, or of another generation, nor an answer as one to another command. Answers are not signed: a reply key is drawn
 * for one command and stands nowhere but in it, so who has sealed an answer to it has opened the command.
 *
 * Limits: who seals a command stays unknown, and anybody can hand it in again. Who sends it and how often, the message says
 * in which it comes to the chain; a contract that cares has the sender's account in the command itself. Length, contract and
 * time show. It is no forward secrecy within a generation: who gets hold of the EcdhKey reads all of that generation, and
 * with it the reply keys, which by themselves open nothing: answers are opened by their secrets.
 */
import { createHash, hkdfSync, randomFillSync } from "node:crypto";
import { freeBytes } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { CONTRACT_ID_BYTES, checkContractId } from "../contract-id.ts";
import { NativeKey } from "../engine/native-key.ts";
import { KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";
import type { ContractEcdhKey } from "./contract-ecdh-key.ts";
import { prfOutputs } from "./contract-key.ts";
import { type Group, KEY_SUITE, type KeySuite } from "./group.ts";
import { checkRotationId } from "./rotation-id.ts";

/** Bytes of a command or answer at most: with what sealing adds it fits into a message to the chain. */
export const COMMAND_BYTES_MAX = 60 * 1_024;

const VERSION = 1;
const SUITE = "aes-256-gcm";
const LABEL = {
  command: Buffer.from(CONTEXT.sealedCommandKey, "ascii"),
  answer: Buffer.from(CONTEXT.sealedAnswerKey, "ascii"),
};
const EMPTY_SALT = new Uint8Array(0);
/** Before the ephemeral key. */
const HEADER_BYTES = 1 + 1 + 4 + CONTRACT_ID_BYTES;

/** What a command says of itself, read but not yet believed. */
export interface CommandHeader {
  readonly keySuite: KeySuite;
  readonly rotationId: number;
  /** Its id. */
  readonly contract: Uint8Array;
}

/** Whom a command is for: as the chain has it. */
export interface CommandRecipient {
  /** Of the contract's EcdhKey, with compressed elements. */
  readonly group: Group;
  readonly contract: Uint8Array;
  readonly rotationId: number;
  /** The contract's EcdhKey, one element. */
  readonly ecdhKey: Uint8Array;
}

/** A key pair that commands or answers are opened with. The caller owns the scalar. */
export type OpeningKey = ContractEcdhKey;

/** What sealing and opening have in common. */
interface Purpose {
  readonly kind: keyof typeof LABEL;
  /** What of the circumstances is in the key besides header and recipient. */
  readonly bound: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);
const COMMAND: Purpose = { kind: "command", bound: NO_BYTES };

/**
 * Seals a command.
 * @param command - stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when something is out of its range, ELEMENT_INVALID when the EcdhKey is none.
 */
export function sealCommand(recipient: CommandRecipient, command: Uint8Array): Uint8Array<ArrayBuffer> {
  return seal(COMMAND, recipient, command);
}

/**
 * A key pair for the answer to one command, whose public half goes into the command. The caller owns the scalar.
 * @param group - the command's.
 */
export function newReplyKey(group: Group): OpeningKey {
  const scalar = group.scalars.random();
  return { scalar, publicKey: group.multiplyBase([scalar]) };
}

/**
 * Seals the answer to a command that was opened.
 * @param group - the command's.
 * @param command - as it came.
 * @param replyKey - the element that was in it.
 * @param answer - stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when something is out of its range, ELEMENT_INVALID when the reply key is none.
 */
export function sealAnswer(
  group: Group,
  command: Uint8Array,
  replyKey: Uint8Array,
  answer: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const header = readCommandHeader(command);
  if (header === null) throw new GatekeeperError("INVALID_ARGUMENT", "what is to be answered is no command");
  return seal(answerTo(command), { ...header, group, ecdhKey: replyKey }, answer);
}

function seal(
  purpose: Purpose,
  { group, contract, rotationId, ecdhKey }: CommandRecipient,
  plaintext: Uint8Array,
): Uint8Array<ArrayBuffer> {
  checkContractId(contract);
  checkRotationId(rotationId);
  if (plaintext.length > COMMAND_BYTES_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a command or answer has ${COMMAND_BYTES_MAX} bytes at most`);
  }
  if (ecdhKey.length !== group.elementBytes) {
    throw new GatekeeperError("INVALID_ARGUMENT", `an EcdhKey has ${group.elementBytes} bytes, not ${ecdhKey.length}`);
  }
  const bytes = new Uint8Array(overheadOf(group) + plaintext.length);
  const { aad, bound, nonce, text, tag } = partsOf(group, bytes);
  aad.set([VERSION, group.keySuite]);
  new DataView(bytes.buffer).setUint32(2, rotationId, true);
  aad.set(contract, 6);
  using ephemeral = group.scalars.random();
  aad.set(group.multiplyBase([ephemeral]), HEADER_BYTES);
  randomFillSync(nonce);
  using key = symmetricKey(purpose, { group, secret: ephemeral, element: ecdhKey, bound, recipient: ecdhKey });
  key.use((keyBytes) => new NativeKey(SUITE, keyBytes).seal({ nonce, aad }, plaintext, { text, tag }));
  return bytes;
}

/** The header of a command, or null where the bytes are none: what is not said is whether the rest is right. */
export function readCommandHeader(bytes: Uint8Array): CommandHeader | null {
  const keySuite = Object.values(KEY_SUITE).find((suite) => suite === bytes[1]);
  if (bytes.length < HEADER_BYTES || bytes[0] !== VERSION || keySuite === undefined) return null;
  const rotationId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(2, true);
  return { keySuite, rotationId, contract: bytes.slice(6, HEADER_BYTES) };
}

/**
 * Opens a command.
 * @param group - as it was sealed with.
 * @param key - the contract's in the header's generation; lent.
 * @param bytes - outside bytes.
 * @returns the command; the caller owns it.
 * @throws GatekeeperError COMMAND_INVALID, whose detail.reason is "Malformed", or "BadTag" where it was altered or sealed to
 * another key.
 */
export function openCommand(group: Group, key: OpeningKey, bytes: Uint8Array): Secret {
  return open(COMMAND, group, key, bytes);
}

/**
 * Opens the answer to a command.
 * @param group - the command's.
 * @param replyKey - of which the public half was in the command; lent.
 * @param command - as it was sent.
 * @param bytes - outside bytes.
 * @returns the answer; the caller owns it.
 * @throws GatekeeperError COMMAND_INVALID, as openCommand does, also where it answers another command.
 */
export function openAnswer(group: Group, replyKey: OpeningKey, command: Uint8Array, bytes: Uint8Array): Secret {
  const header = (sealed: Uint8Array): Uint8Array => sealed.subarray(0, HEADER_BYTES);
  if (Buffer.compare(header(bytes), header(command)) !== 0) throw invalid("answer", "Malformed");
  return open(answerTo(command), group, replyKey, bytes);
}

function open(purpose: Purpose, group: Group, key: OpeningKey, bytes: Uint8Array): Secret {
  const { kind } = purpose;
  const most = overheadOf(group) + COMMAND_BYTES_MAX;
  if (bytes.length < overheadOf(group) || bytes.length > most) throw invalid(kind, "Malformed");
  if (readCommandHeader(bytes)?.keySuite !== group.keySuite) throw invalid(kind, "Malformed");
  const { aad, bound, nonce, text, tag } = partsOf(group, bytes);
  const element = bound.subarray(HEADER_BYTES);
  if (group.invalid(element).length > 0) throw invalid(kind, "Malformed");
  using sealedUnder = symmetricKey(purpose, { group, secret: key.scalar, element, bound, recipient: key.publicKey });
  const opened = sealedUnder.use((keyBytes) => new NativeKey(SUITE, keyBytes).open({ nonce, aad }, { text, tag }));
  if (opened === null) throw invalid(kind, "BadTag");
  const plaintext = new Secret(opened);
  freeBytes(opened);
  return plaintext;
}

function answerTo(command: Uint8Array): Purpose {
  return { kind: "answer", bound: createHash("sha256").update(command).digest() };
}

/** Bytes that sealing adds. */
function overheadOf(group: Group): number {
  return HEADER_BYTES + group.elementBytes + NONCE_BYTES + TAG_BYTES;
}

/** Where the parts of a sealed one lie: `bound` is all before the nonce. */
function partsOf(
  group: Group,
  bytes: Uint8Array,
): Readonly<Record<"aad" | "bound" | "nonce" | "text" | "tag", Uint8Array>> {
  const nonceAt = HEADER_BYTES + group.elementBytes;
  const textAt = nonceAt + NONCE_BYTES;
  const tagAt = bytes.length - TAG_BYTES;
  return {
    aad: bytes.subarray(0, textAt),
    bound: bytes.subarray(0, nonceAt),
    nonce: bytes.subarray(nonceAt, textAt),
    text: bytes.subarray(textAt, tagAt),
    tag: bytes.subarray(tagAt),
  };
}

/** What a key is derived from. */
interface Agreement {
  readonly group: Group;
  /** Of the ephemeral key or the recipient's; lent. */
  readonly secret: Secret;
  /** The other one of them. */
  readonly element: Uint8Array;
  /** All before the nonce. */
  readonly bound: Uint8Array;
  readonly recipient: Uint8Array;
}

/** The key of a command or answer; the caller owns it. */
function symmetricKey(purpose: Purpose, { group, secret, element, bound, recipient }: Agreement): Secret {
  using shared = new Secret(group.multiplyAll(element, secret));
  using z = prfOutputs(group, shared);
  const info = Buffer.concat([LABEL[purpose.kind], bound, recipient, purpose.bound]);
  return z.use((ikm) => new Secret(new Uint8Array(hkdfSync("sha256", ikm, EMPTY_SALT, info, KEY_BYTES))));
}

function invalid(kind: Purpose["kind"], reason: "Malformed" | "BadTag"): GatekeeperError {
  const what = kind === "command" ? "a command to a contract" : "the answer to a command";
  return new GatekeeperError("COMMAND_INVALID", `${what} can't be opened: ${reason}`, { reason });
}
