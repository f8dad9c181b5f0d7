/**
 * What can be said of messages without the ledger: whether they can be read, and whether their signatures are right. It
 * is done for many messages at once, ahead of the ledger, because the verification kernel shares work in a batch.
 */
import { fromHex, toHex } from "../bytes.ts";
import { Blake2b256 } from "../engine/blake2b.ts";
import { CURVE_BATCH_MAX, type Secp256k1 } from "../engine/secp256k1.ts";
import { type AccountId, HASH_BYTES, PUBLIC_KEY_BYTES, type PublicKey, SIGNATURE_BYTES, accountOf } from "./account.ts";
import { type Call, type Equivocation, MESSAGE_BYTES_MAX } from "./call.ts";
import { type Message, hasLowS, messageDomain, readMessage, registrationBytes, registrationDomain } from "./message.ts";
import { partialsDomain, statedDigest } from "./partials-evidence.ts";

/** Keys whose accounts are remembered, before they are forgotten; one call may add more. */
const ACCOUNTS_MAX = 65_536;

/** Why bytes are no message: nothing is known of who sent them. */
export type Unreadable = "Oversized" | "Malformed" | "BadSignature";

/** A message whose signature is right. */
export interface AuthenticMessage {
  readonly signer: PublicKey;
  readonly sender: AccountId;
  readonly sequence: number;
  readonly call: Call;
  /** Whether what the call brings along is right by itself: signatures of others, points. */
  readonly proven: boolean;
  /** The messages that the call brings along as evidence. */
  readonly evidence: readonly AuthenticMessage[];
}

/** What must be signed, and the signature; the hash is that of both pieces. */
interface Statement {
  readonly signed: readonly [domain: Uint8Array, about: Uint8Array];
  readonly signature: Uint8Array;
  readonly key: Uint8Array;
}

/** What must hold for a message. */
interface Reading {
  readonly message: Message;
  /** The first is the message's own. */
  readonly statements: readonly Statement[];
  readonly points: readonly PublicKey[];
  readonly evidence: readonly Reading[];
}

/** Reads and verifies the messages of one chain. */
export class Authenticator {
  readonly #curve: Secp256k1;
  readonly #blake2b = new Blake2b256();
  readonly #messages: Uint8Array;
  readonly #registrations: Uint8Array;
  readonly #partials: Uint8Array;
  readonly #accounts = new Map<PublicKey, AccountId>();

  /** @param curve - of compressed points. */
  constructor(curve: Secp256k1, genesisHash: Uint8Array) {
    this.#curve = curve;
    this.#messages = messageDomain(genesisHash);
    this.#registrations = registrationDomain(genesisHash);
    this.#partials = partialsDomain(genesisHash);
  }

  /** What each of these messages is, in their order. */
  authenticate(messages: readonly Uint8Array[]): (AuthenticMessage | Unreadable)[] {
    const known = messages.map((bytes) => messageIn(bytes));
    this.#learnAccounts(known);
    const readings = known.map((message, index) =>
      typeof message === "string" ? message : this.#read(message, messages[index]!),
    );
    const read = readings.filter((reading) => typeof reading !== "string");
    const wrong = this.#wrongStatements(read.flatMap((reading) => reading.statements));
    const noPoints = this.#noPoints(read.flatMap((reading) => reading.points));
    const judged = ({ message, statements, points, evidence }: Reading): AuthenticMessage => {
      const { signer, sequence, call } = message;
      const proven =
        !statements.slice(1).some((statement) => wrong.has(statement)) && !points.some((point) => noPoints.has(point));
      return { signer, sender: this.#accountOf(signer), sequence, call, proven, evidence: evidence.map(judged) };
    };
    return readings.map((reading) => {
      if (typeof reading === "string") return reading;
      return wrong.has(reading.statements[0]!) ? "BadSignature" : judged(reading);
    });
  }

  #read(message: Message, bytes: Uint8Array): Reading | Unreadable {
    const { signer, call, signature } = message;
    const signed = [this.#messages, bytes.subarray(0, bytes.length - SIGNATURE_BYTES)] as const;
    const statements: Statement[] = [{ signed, signature, key: bytes.subarray(0, PUBLIC_KEY_BYTES) }];
    if (call.tag === "registerWorker") {
      const { identityKey, ecdhKey, proof } = call.value;
      const about = registrationBytes(this.#accountOf(signer), call.value);
      const key = fromHex(identityKey, "an IdentityKey");
      statements.push({ signed: [this.#registrations, about], signature: fromHex(proof, "a proof"), key });
      return { message, statements, points: [ecdhKey], evidence: [] };
    }
    if (call.tag === "reportOffence") {
      if (call.value.tag === "equivocation") return this.#readEquivocation(message, statements, call.value.value);
      const { gatekeeper, signature: given } = call.value.value;
      const about = statedDigest(call.value.value);
      statements.push({
        signed: [this.#partials, about],
        signature: given,
        key: fromHex(gatekeeper, "an IdentityKey"),
      });
      return { message, statements, points: [], evidence: [] };
    }
    return { message, statements, points: call.tag === "setEcdhKey" ? [call.value] : [], evidence: [] };
  }

  #readEquivocation(message: Message, own: readonly Statement[], pair: Equivocation): Reading | Unreadable {
    const evidence: Reading[] = [];
    for (const bytes of [pair.first, pair.second]) {
      const part = messageIn(bytes);
      // Evidence of evidence is none: nothing nests.
      if (typeof part === "string" || part.call.tag !== "heartbeat") return "Malformed";
      evidence.push(this.#read(part, bytes) as Reading);
    }
    const statements = [...own, ...evidence.flatMap((reading) => reading.statements)];
    return { message, statements, points: [], evidence };
  }

  /** Hashes the keys at once whose accounts are not remembered. */
  #learnAccounts(messages: readonly (Message | Unreadable)[]): void {
    if (this.#accounts.size >= ACCOUNTS_MAX) this.#accounts.clear();
    const signers = messages.flatMap((message) => (typeof message === "string" ? [] : [message.signer]));
    const unknown = [...new Set(signers)].filter((signer) => !this.#accounts.has(signer));
    const ids = this.#blake2b.hashAll(unknown.map((key) => [fromHex(key, "a public key")]));
    for (const [at, key] of unknown.entries()) {
      this.#accounts.set(key, toHex(ids.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)));
    }
  }

  #accountOf(key: PublicKey): AccountId {
    return this.#accounts.get(key) ?? accountOf(key);
  }

  #wrongStatements(statements: readonly Statement[]): ReadonlySet<Statement> {
    const wrong = new Set(statements.filter(({ signature }) => !hasLowS(signature)));
    for (let from = 0; from < statements.length; from += CURVE_BATCH_MAX) {
      const batch = statements.slice(from, from + CURVE_BATCH_MAX);
      const hashes = this.#blake2b.hashAll(batch.map(({ signed }) => signed));
      const signatures = Buffer.concat(batch.map(({ signature }) => signature));
      const keys = Buffer.concat(batch.map(({ key }) => key));
      for (const index of this.#curve.invalidSignatures(hashes, signatures, keys)) wrong.add(batch[index]!);
    }
    return wrong;
  }

  #noPoints(points: readonly PublicKey[]): ReadonlySet<PublicKey> {
    const none = new Set<PublicKey>();
    for (let from = 0; from < points.length; from += CURVE_BATCH_MAX) {
      const batch = points.slice(from, from + CURVE_BATCH_MAX);
      const bytes = Buffer.concat(batch.map((point) => fromHex(point, "a public key")));
      for (const index of this.#curve.invalid(bytes)) none.add(batch[index]!);
    }
    return none;
  }
}

function messageIn(bytes: Uint8Array): Message | Unreadable {
  if (bytes.length > MESSAGE_BYTES_MAX) return "Oversized";
  return readMessage(bytes) ?? "Malformed";
}
