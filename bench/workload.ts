/**
 * Records to re-encrypt, laid out as a caller of the engine does: one arena, every record as AADs | nonce | text | tag.
 *
 * A workload has two sides, each with a key and an AAD for every contract and record. Whoever is timed moves all the
 * records from one side to the other and, in the next call, back: so each call has real work, with tags that match.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes, randomInt } from "node:crypto";
import { boxBytes } from "../src/engine/batch.ts";
import { encodeHeader, sealedAad } from "../src/engine/sealed-state.ts";
import { KEY_BYTES, NONCE_BYTES, type Suite, TAG_BYTES } from "../src/engine/suite.ts";

export const AUTH_TAG = { authTagLength: TAG_BYTES } as const;

/** One of the two key sets of a workload. */
export type Side = 0 | 1;

/**
 * 16 bytes, the same on both sides; or those of a sealed state with a storage key of 32 bytes: 78, the rotation id
 * differs; or none, for whoever can't take any.
 */
export type AadKind = "none" | "16 B" | "78 B";

export const AAD_BYTES: Readonly<Record<AadKind, number>> = { none: 0, "16 B": 16, "78 B": 78 };
const STORAGE_KEY_BYTES = 32;
const CONTRACT_BYTES = 32;

/** What is to be moved, and how much of it. */
export interface WorkloadShape {
  readonly suite: Suite;
  readonly aad: AadKind;
  /** Bytes of the next record's text. */
  readonly size: () => number;
  readonly contracts: number;
  readonly recordsEach: number;
}

/** A record's place in the arena. */
export interface RecordPlace {
  readonly contract: number;
  /** Offset of the nonce; text and tag follow. */
  readonly offset: number;
  /** Bytes of the text. */
  readonly length: number;
  /** Offsets of the AAD of each side. */
  readonly aadOffsets: readonly [number, number];
}

/** Records sealed under side 0. */
export interface Workload {
  readonly shape: WorkloadShape;
  /** A new copy for each contender. */
  arena(): Uint8Array<ArrayBuffer>;
  readonly records: readonly RecordPlace[];
  /** Raw keys by side, then by contract. */
  readonly keys: readonly [readonly Uint8Array[], readonly Uint8Array[]];
  readonly plaintexts: readonly Uint8Array[];
}

/** Texts that are all of one size. */
export function always(size: number): () => number {
  return () => size;
}

/** Sizes from `low` to `high`, each as likely as the others. */
export function uniform(low: number, high: number): () => number {
  return () => randomInt(low, high + 1);
}

/** Sizes from `low` to `high`, whose logarithms are spread evenly: as many between 16 and 32 as between 2,048 and 4,096. */
export function logUniform(low: number, high: number): () => number {
  return () => Math.round(low * (high / low) ** (randomInt(2 ** 32) / 2 ** 32));
}

/** Makes random records and seals them with node:crypto. */
export function makeWorkload(shape: WorkloadShape): Workload {
  const { aad, contracts, recordsEach } = shape;
  const keysOf = (): Uint8Array[] => Array.from({ length: contracts }, () => randomBytes(KEY_BYTES));
  const keys = [keysOf(), keysOf()] as const;
  const records: RecordPlace[] = [];
  const aadBytes = AAD_BYTES[aad];
  let end = 0;
  for (let contract = 0; contract < contracts; contract++) {
    for (let n = 0; n < recordsEach; n++) {
      const length = shape.size();
      const aads = [end, hasOwnAad(aad) ? end + aadBytes : end] as const;
      const offset = aads[1] + aadBytes;
      records.push({ contract, offset, length, aadOffsets: aads });
      end = offset + boxBytes(length);
    }
  }
  const arena = new Uint8Array(end);
  writeAads(shape, records, arena);
  const plaintexts = piecesOf(records.map(({ length }) => length));
  const workload = { shape, arena: () => arena.slice(), records, keys, plaintexts };
  sealAll(workload, arena);
  return workload;
}

/** The first records of a workload, at most `count`, with the keys of their contracts. */
export function firstRecords(workload: Workload, count: number): Workload {
  const records = workload.records.slice(0, count);
  const last = records.at(-1);
  if (last === undefined) throw new Error("a workload has one record or more");
  const arena = workload.arena().slice(0, last.offset + boxBytes(last.length));
  const [old, next] = workload.keys;
  return {
    shape: { ...workload.shape, contracts: last.contract + 1 },
    arena: () => arena.slice(),
    records,
    keys: [old.slice(0, last.contract + 1), next.slice(0, last.contract + 1)],
    plaintexts: workload.plaintexts.slice(0, count),
  };
}

/** The AAD that a record has on a side. */
export function aadOf(workload: Workload, arena: Uint8Array, record: RecordPlace, side: Side): Uint8Array {
  const at = record.aadOffsets[side];
  return arena.subarray(at, at + AAD_BYTES[workload.shape.aad]);
}

/** KeyObjects of a side, by contract. */
export function keyObjects(workload: Workload, side: Side): KeyObject[] {
  return workload.keys[side].map((key) => createSecretKey(key));
}

/** Seals one record with node:crypto: nonce | ciphertext | tag. */
export function sealBox(
  suite: Suite,
  key: KeyObject,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array,
): Buffer {
  const cipher = createCipheriv(suite as "aes-256-gcm", key, nonce, AUTH_TAG);
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens one record with node:crypto.
 * @throws Error when the tag does not match.
 */
export function openBox(suite: Suite, key: KeyObject, aad: Uint8Array, box: Uint8Array): Buffer {
  const text = box.subarray(NONCE_BYTES, box.length - TAG_BYTES);
  const decipher = createDecipheriv(suite as "aes-256-gcm", key, box.subarray(0, NONCE_BYTES), AUTH_TAG);
  decipher.setAAD(aad, { plaintextLength: text.length });
  decipher.setAuthTag(box.subarray(box.length - TAG_BYTES));
  return Buffer.concat([decipher.update(text), decipher.final()]);
}

/** Whether the AAD of a record is another on each side. */
function hasOwnAad(aad: AadKind): boolean {
  return aad === "78 B";
}

function writeAads({ suite, aad }: WorkloadShape, records: readonly RecordPlace[], arena: Uint8Array): void {
  const storageKeys = piecesOf(records.map(() => STORAGE_KEY_BYTES));
  let id = randomBytes(CONTRACT_BYTES);
  for (const [index, { contract, aadOffsets }] of records.entries()) {
    if (records[index - 1]?.contract !== contract) id = randomBytes(CONTRACT_BYTES);
    const storageKey = storageKeys[index]!;
    if (!hasOwnAad(aad)) arena.set(storageKey.subarray(0, AAD_BYTES[aad]), aadOffsets[0]);
    else {
      for (const side of [0, 1] as const) {
        const header = encodeHeader({ suite, rotationId: side, writeVersion: BigInt(index) });
        arena.set(sealedAad(header, id, storageKey), aadOffsets[side]);
      }
    }
  }
}

/** Random bytes, drawn all at once, in pieces of these lengths. */
function piecesOf(lengths: readonly number[]): Uint8Array[] {
  const bytes = randomBytes(lengths.reduce((sum, length) => sum + length, 0));
  let from = 0;
  return lengths.map((length) => {
    const piece = bytes.subarray(from, from + length);
    from += length;
    return piece;
  });
}

function sealAll(workload: Workload, arena: Uint8Array): void {
  const nonces = piecesOf(workload.records.map(() => NONCE_BYTES));
  const objects = keyObjects(workload, 0);
  workload.records.forEach((record, index) => {
    const aad = aadOf(workload, arena, record, 0);
    const key = objects[record.contract]!;
    const box = sealBox(workload.shape.suite, key, nonces[index]!, aad, workload.plaintexts[index]!);
    arena.set(box, record.offset);
  });
}
