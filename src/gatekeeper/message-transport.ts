/**
 * What brings a pRuntime's sealed messages to the hosts of others, and their answers back. It is not believed: messages are
 * encrypted and signed from one end to the other (pruntime/sealed-message.ts), so it can lose them, delay them and repeat
 * them, and that is all.
 */
import { type ErrorDetail, GatekeeperError } from "../errors.ts";
import type { PublicKey } from "../protocol/account.ts";

/** Below a host's endpoint: where messages are posted, and where it says what it is. */
export const MESSAGES_PATH = "/v1/messages";
export const STATUS_PATH = "/v1/status";
/** And where users' commands to contracts are posted. */
export const COMMANDS_PATH = "/v1/commands";

/** A pRuntime that a message is for. */
export interface Destination {
  /** Its IdentityKey. */
  readonly to: PublicKey;
  /** The URL of its host, in ASCII, as its operator has said on the chain; null where he has not. */
  readonly endpoint: Uint8Array | null;
}

/**
 * Brings one message to a pRuntime.
 * @param bytes - lent until the answer is there.
 * @returns the message that answers it, which is the caller's; null where its host took it and has none.
 * @throws GatekeeperError PEER_FAILED, with a `PeerFailure` as detail.reason; ABORTED when the signal fires.
 */
export type Transport = (
  destination: Destination,
  bytes: Uint8Array,
  signal: AbortSignal,
) => Promise<Uint8Array | null>;

/**
 * Takes one message for the pRuntime that is here.
 * @returns the message that answers it, or null.
 * @throws GatekeeperError MESSAGE_INVALID, with the reason; others where it can't be taken now.
 */
export type MessageHandler = (bytes: Uint8Array) => Promise<Uint8Array | null>;

/**
 * Takes one command to a contract for the pRuntime that is here.
 * @returns its answer.
 * @throws GatekeeperError COMMAND_INVALID, with the reason; others where it can't be taken now.
 */
export type CommandHandler = (bytes: Uint8Array) => Promise<Uint8Array>;

/** Why a message was not taken, or not answered. */
export type PeerFailure =
  /** Nobody has said where its host is found. */
  | "NoEndpoint"
  /** What was said of where it is found is nothing that can be connected to. */
  | "BadEndpoint"
  /** It can't be connected to, or the connection broke off. */
  | "Unreachable"
  | "TimedOut"
  /** It answered with a status that says why it did not take it; or with one that means nothing here. */
  | "Refused"
  /** Its answer is longer than a message. */
  | "TooLong";

/** @param why - what happened, for people. */
export function peerFailed(reason: PeerFailure, why: string, detail: ErrorDetail = {}): GatekeeperError {
  return new GatekeeperError("PEER_FAILED", `another pRuntime's host did not answer: ${why}`, { ...detail, reason });
}

/** @returns the error where a caller's signal fired. */
export function transportAborted(): GatekeeperError {
  return new GatekeeperError("ABORTED", "a message to another pRuntime is not waited for any more");
}
