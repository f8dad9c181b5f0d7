/** The one error class of the project, its closed list of codes, and how it crosses threads. */

/** Why something may fail. Closed: a new code is added here, with its meaning, or not used. */
export const ERROR_CODES = Object.freeze([
  /** The WebAssembly file is missing, unreadable, or not a module of this program. */
  "KERNEL_UNAVAILABLE",
  /** The kernels gave an answer that is known to be wrong: the file was altered or the machine miscomputes. */
  "KERNEL_SELF_TEST_FAILED",
  /** A batch, descriptor or option is out of its documented range. */
  "INVALID_ARGUMENT",
  /** An authentication tag did not match: wrong key, wrong place, or altered bytes. */
  "TAG_MISMATCH",
  /** A sealed state is malformed: too short, unknown version or suite. */
  "SEALED_STATE_INVALID",
  /** A record, key or name is larger than the format allows; detail names it. */
  "RECORD_TOO_LARGE",
  /** The pool already holds as many batches as its limit; wait for one to finish. */
  "POOL_FULL",
  /** The pool was closed while or before the work was handed in. */
  "POOL_CLOSED",
  /** The caller's AbortSignal fired. */
  "ABORTED",
  /** The store's file can't be opened, or isn't a store of this program. */
  "STORE_UNAVAILABLE",
  /** The store's bytes contradict themselves; detail names the page. */
  "STORE_CORRUPT",
  /** Another process kept the store locked for longer than the wait allowed. */
  "STORE_BUSY",
  /** The store is closed or a mirror: its states were moved to another one, or are being moved; detail.other is the one to use. */
  "STORE_NOT_SERVING",
  /** No space left for a write; nothing of the refused write was kept. */
  "STORE_FULL",
  /** A write was sealed under a rotation id below the store's minimum; seal it again under the current one. */
  "ROTATION_ID_RETIRED",
  /** A rotation is in a phase that does not allow what was asked. */
  "ROTATION_STATE",
  /** No such home, contract or record. */
  "NOT_FOUND",
  /** The home, file or record exists already and is not overwritten. */
  "ALREADY_EXISTS",
  /** The key file or a sealed file is missing, malformed, or does not belong to this home. */
  "KEY_UNAVAILABLE",
  /** The passphrase does not open the exported key, or the key file that is under one. */
  "PASSPHRASE_WRONG",
  /** The dstack guest agent can't be reached, or answered something else than its protocol says; detail names it. */
  "DSTACK_FAILED",
  /** An import file is malformed; detail names file and byte offset. */
  "IMPORT_INVALID",
  /** Bytes are no element of the group, or the identity; detail.index is the first such element of its batch. */
  "ELEMENT_INVALID",
  /** A share is no scalar, or not the one that its dealer committed to; detail.receiver is its index, detail.dealer who dealt it where many did. */
  "SHARE_INVALID",
  /** A gatekeeper's partials are not proved to be right; detail has its index as gatekeeper, and the reason. */
  "PROOF_INVALID",
  /** Too few gatekeepers gave partials that are proved to be right; detail.failed lists those that gave others. */
  "QUORUM_TOO_SMALL",
  /** An election's input is malformed or contradicts itself; detail names the place, or the voter or candidate. */
  "ELECTION_INVALID",
  /** A genesis, or its file, can't begin a chain; the message says what in it. */
  "GENESIS_INVALID",
  /** A quote or its collateral, in files, can't be read; the message says what. */
  "ATTESTATION_INVALID",
  /** Bytes are not the state of a ledger. */
  "LEDGER_INVALID",
  /** A block does not follow the one before it, or was altered; detail has its height, and the reason. */
  "BLOCK_INVALID",
  /** As many messages wait for the chain's next block as it takes. */
  "INBOX_FULL",
  /** A message was not taken by the chain, or could not be done; detail.reason says why. */
  "MESSAGE_REFUSED",
  /** A message of another pRuntime can't be opened; detail.reason says why. */
  "MESSAGE_INVALID",
  /** What a pRuntime has sealed is older than what the chain has seen of it: it does not act on it. */
  "SEALED_STATE_OLD",
  /** A home of a network was asked for what only a local home does: its keys belong to no owner. */
  "NOT_LOCAL",
  /** A contract has no keys here: gatekeepers have not given them yet, or another pRuntime runs it; detail.contract is it. */
  "KEY_NOT_PROVISIONED",
  /** What is to be a command to a contract, or the answer to one, can't be opened; detail.reason says why. */
  "COMMAND_INVALID",
  /** A contract could not do what a command asks for; detail.reason is the code of what went wrong in its pRuntime. */
  "COMMAND_FAILED",
  /** The pRuntime did not take a request: it breaks the rules of the boundary; detail.reason says which. */
  "BOUNDARY_REFUSED",
  /** The pRuntime can't be started or reached, ended, or says what breaks the rules of the boundary. */
  "PRUNTIME_UNAVAILABLE",
  /** The host of another pRuntime can't be reached, or does not take a message or answer it; detail.reason says which. */
  "PEER_FAILED",
  /** A command line argument is malformed. */
  "USAGE",
  /** A file can't be read or written; detail names it and the system's error code. */
  "IO_FAILED",
  /** A fault of this program or its runtime that nothing foresaw; only the command line and a pRuntime say it. */
  "INTERNAL",
] as const);

export type ErrorCode = (typeof ERROR_CODES)[number];

/** What an error's detail may hold: never bytes, so never a secret or a state. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean | null>>;

/** An error as it crosses a thread or is printed as JSON. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail: ErrorDetail;
}

/** Everything this project throws on purpose. `message` says what, where, and what to do. */
export class GatekeeperError extends Error {
  override readonly name = "GatekeeperError";
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.detail = detail;
  }

  /** The plain form that survives structured cloning, which drops an Error's class and fields. */
  toWire(): WireError {
    return { code: this.code, message: this.message, detail: this.detail };
  }

  /** The error that `toWire` described, on the other side. */
  static fromWire(wire: WireError): GatekeeperError {
    return new GatekeeperError(wire.code, wire.message, wire.detail);
  }
}
