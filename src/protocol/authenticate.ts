/**
 * What can be said of messages without the ledger: whether they can be read, and whether their signatures are right. It
 * is done for many messages at once, ahead of the ledger, because the verification kernel shares work in a batch.
 */
import { CURVE_BATCH_MAX, POINT_BYTES, type Secp256k1 } from "../engine/secp256k1.ts";
import { fromHex } from "../bytes.ts";
import { type AccountId, HASH_BYTES, PUBLIC_KEY_BYTES, type PublicKey, SIGNATURE_BYTES, accountOf } from "./account.ts";
import { type Call, MESSAGE_BYTES_MAX } from "./call.ts";
import { type Message, hasLowS, messageDomain, messageHash, readMessage, registrationHash } from "./message.ts";

/** Accounts whose ids are remembered. */
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

/** A signature, and the point that must be one. */
interface Statement {
  readonly hash: Uint8Array;
  readonly signature: Uint8Array;
  readonly key: Uint8Array;
}

/** What must hold for a message. */
interface Reading {
  readonly message: Message;
  readonly sender: AccountId;
  /** The first is the message's own. */
  readonly statements: readonly Statement[];
  readonly points: readonly PublicKey[];
  readonly evidence: readonly Reading[];
}

/** Reads and verifies the messages of one chain. */
export class Authenticator {
  readonly #curve: Secp256k1;
  readonly #genesisHash: Uint8Array;
  readonly #domain: Uint8Array;
  readonly #accounts = new Map<PublicKey, AccountId>();

  /** @param curve - of compressed points. */
  constructor(curve: Secp256k1, genesisHash: Uint8Array) {
    this.#curve = curve;
    this.#genesisHash = genesisHash;
    this.#domain = messageDomain(genesisHash);
  }

  /** What each of these messages is, in their order. */
  authenticate(messages: readonly Uint8Array[]): (AuthenticMessage | Unreadable)[] {
    const readings = messages.map((bytes) => this.#read(bytes));
    const read = readings.filter((reading) => typeof reading !== "string");
    const wrong = this.#wrongStatements(read.flatMap((reading) => reading.statements));
    const noPoints = this.#noPoints(read.flatMap((reading) => reading.points));
    const judged = (reading: Reading): AuthenticMessage => {
      const { message, sender, statements, points, evidence } = reading;
      const proven =
        !statements.slice(1).some((statement) => wrong.has(statement)) && !points.some((point) => noPoints.has(point));
      const { signer, sequence, call } = message;
      return { signer, sender, sequence, call, proven, evidence: evidence.map(judged) };
    };
    return readings.map((reading) => {
      if (typeof reading === "string") return reading;
      return wrong.has(reading.statements[0]!) ? "BadSignature" : judged(reading);
    });
  }

  #read(bytes: Uint8Array): Reading | Unreadable {
    if (bytes.length > MESSAGE_BYTES_MAX) return "Oversized";
    const message = readMessage(bytes);
    if (message === null) return "Malformed";
    const { signer, call, signature } = message;
    const sender = this.#accountOf(signer);
    const statements: Statement[] = [
      { hash: messageHash(this.#domain, bytes), signature, key: bytes.subarray(0, PUBLIC_KEY_BYTES) },
    ];
    const points: PublicKey[] = [];
    const evidence: Reading[] = [];
    if (call.tag === "registerWorker") {
      const hash = registrationHash(this.#genesisHash, sender, call.value);
      const { identityKey, ecdhKey, proof } = call.value;
      statements.push({ hash, signature: fromHex(proof, "a proof"), key: fromHex(identityKey, "an IdentityKey") });
      points.push(ecdhKey);
    } else if (call.tag === "setEcdhKey") {
      points.push(call.value);
    } else if (call.tag === "reportOffence") {
      for (const part of [call.value.value.first, call.value.value.second]) {
        const reading = this.#read(part);
        // Evidence of evidence is none: nothing nests.
        if (typeof reading === "string" || reading.message.call.tag !== "heartbeat") return "Malformed";
        evidence.push(reading);
        statements.push(...reading.statements);
      }
    }
    return { message, sender, statements, points, evidence };
  }

  #accountOf(key: PublicKey): AccountId {
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    if (this.#accounts.size >= ACCOUNTS_MAX) this.#accounts.clear();
    const account = accountOf(key);
    this.#accounts.set(key, account);
    return account;
  }

  #wrongStatements(statements: readonly Statement[]): ReadonlySet<Statement> {
    const wrong = new Set(statements.filter(({ signature }) => !hasLowS(signature)));
    for (let from = 0; from < statements.length; from += CURVE_BATCH_MAX) {
      const batch = statements.slice(from, from + CURVE_BATCH_MAX);
      const hashes = new Uint8Array(batch.length * HASH_BYTES);
      const signatures = new Uint8Array(batch.length * SIGNATURE_BYTES);
      const keys = new Uint8Array(batch.length * POINT_BYTES.compressed);
      batch.forEach(({ hash, signature, key }, index) => {
        hashes.set(hash, index * HASH_BYTES);
        signatures.set(signature, index * SIGNATURE_BYTES);
        keys.set(key, index * POINT_BYTES.compressed);
      });
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
