/**
 * Commands to a contract, which a user encrypts to the EcdhKey that the contract has on chain: only the pRuntimes that run
 * the contract can read them.
 *
 *   version 1 (=1) | key suite 1 | rotation id 4 LE | contract id 32 | ephemeral key e·G | nonce 12 | ciphertext n | tag 16
 *
 *   Z = e·EcdhKey; its x-coordinate, or in ristretto255 its encoding, is what follows stands on
 *   key = HKDF-SHA256(ikm = Z, salt = "", info = label ‖ all before the nonce ‖ EcdhKey)
 *   AES-256-GCM, AAD = all before the ciphertext
 *
 * Elements are as the chain has them: secp256k1's compressed. A key has one command, as e is drawn for it and wiped; the
 * nonce is random nevertheless. Header and EcdhKey are in the key and the AAD: a command can't be passed off as one to
 * another contract, or of another generation.
 *
 * Limits: who seals a command stays unknown, and anybody can hand it in again. Who sends it and how often, the message says
 * in which it comes to the chain; a contract that cares has the sender's account in the command itself. Length, contract and
 * time show. It is no forward secrecy within a generation: who gets hold of the EcdhKey reads all of that generation.
 */
import { hkdfSync, randomFillSync } from "node:crypto";
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

/** Bytes of a command at most: with what sealing adds it fits into a message to the chain. */
export const COMMAND_BYTES_MAX = 60 * 1_024;

const VERSION = 1;
const SUITE = "aes-256-gcm";
const LABEL = Buffer.from(CONTEXT.sealedCommandKey, "ascii");
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

/**
 * Seals a command.
 * @param command - stays the caller's.
 * @throws GatekeeperError INVALID_ARGUMENT when something is out of its range, ELEMENT_INVALID when the EcdhKey is none.
 */
export function sealCommand(
  { group, contract, rotationId, ecdhKey }: CommandRecipient,
  command: Uint8Array,
): Uint8Array<ArrayBuffer> {
  checkContractId(contract);
  checkRotationId(rotationId);
  if (command.length > COMMAND_BYTES_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `a command has ${COMMAND_BYTES_MAX} bytes at most`);
  }
  if (ecdhKey.length !== group.elementBytes) {
    throw new GatekeeperError("INVALID_ARGUMENT", `an EcdhKey has ${group.elementBytes} bytes, not ${ecdhKey.length}`);
  }
  const bytes = new Uint8Array(overheadOf(group) + command.length);
  const { aad, bound, nonce, text, tag } = partsOf(group, bytes);
  aad.set([VERSION, group.keySuite]);
  new DataView(bytes.buffer).setUint32(2, rotationId, true);
  aad.set(contract, 6);
  using ephemeral = group.scalars.random();
  aad.set(group.multiplyBase([ephemeral]), HEADER_BYTES);
  randomFillSync(nonce);
  using key = commandKey(group, ephemeral, ecdhKey, bound, ecdhKey);
  key.use((keyBytes) => new NativeKey(SUITE, keyBytes).seal({ nonce, aad }, command, { text, tag }));
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
export function openCommand(group: Group, key: ContractEcdhKey, bytes: Uint8Array): Secret {
  const most = overheadOf(group) + COMMAND_BYTES_MAX;
  if (bytes.length < overheadOf(group) || bytes.length > most) throw invalid("Malformed");
  if (readCommandHeader(bytes)?.keySuite !== group.keySuite) throw invalid("Malformed");
  const { aad, bound, nonce, text, tag } = partsOf(group, bytes);
  const ephemeralKey = bound.subarray(HEADER_BYTES);
  if (group.invalid(ephemeralKey).length > 0) throw invalid("Malformed");
  using sealedUnder = commandKey(group, key.scalar, ephemeralKey, bound, key.publicKey);
  const opened = sealedUnder.use((keyBytes) => new NativeKey(SUITE, keyBytes).open({ nonce, aad }, { text, tag }));
  if (opened === null) throw invalid("BadTag");
  const command = new Secret(opened);
  freeBytes(opened);
  return command;
}

/** Bytes that sealing adds. */
function overheadOf(group: Group): number {
  return HEADER_BYTES + group.elementBytes + NONCE_BYTES + TAG_BYTES;
}

/** Where the parts of a command lie: `bound` is all before the nonce. */
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

/**
 * The key of a command; the caller owns it.
 * @param secret - of the ephemeral key or the EcdhKey; lent.
 * @param element - the other one of them.
 * @param bound - all before the nonce.
 */
function commandKey(group: Group, secret: Secret, element: Uint8Array, bound: Uint8Array, ecdhKey: Uint8Array): Secret {
  using shared = new Secret(group.multiplyAll(element, secret));
  using z = prfOutputs(group, shared);
  const info = Buffer.concat([LABEL, bound, ecdhKey]);
  return z.use((ikm) => new Secret(new Uint8Array(hkdfSync("sha256", ikm, EMPTY_SALT, info, KEY_BYTES))));
}

function invalid(reason: "Malformed" | "BadTag"): GatekeeperError {
  return new GatekeeperError("COMMAND_INVALID", `a command to a contract can't be opened: ${reason}`, { reason });
}
