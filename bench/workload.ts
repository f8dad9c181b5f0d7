/**
 * Records to re-encrypt, laid out as a caller of the engine does: one arena, every record as AADs | nonce | text | tag.
 *
 * A workload has two sides, each with a key and an AAD for every contract and record. Whoever is timed moves all the
 * records from one side to the other and, in the next call, back: so each call has real work, with tags that match.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";
import { boxBytes } from "../src/engine/batch.ts";
import { encodeHeader, sealedAad } from "../src/engine/sealed-state.ts";
import { NONCE_BYTES, type Suite, TAG_BYTES } from "../src/engine/suite.ts";

export const AUTH_TAG = { authTagLength: TAG_BYTES } as const;

/** One of the two key sets of a workload. */
export type Side = 0 | 1;

/** 16 bytes, the same on both sides; or those of a sealed state with a storage key of 32 bytes: 78, the rotation id differs. */
export type AadKind = "16 B" | "78 B";

export const AAD_BYTES: Readonly<Record<AadKind, number>> = { "16 B": 16, "78 B": 78 };
const STORAGE_KEY_BYTES = 32;
const CONTRACT_BYTES = 32;

/** What is to be moved, and how much of it. */
export interface WorkloadShape {
  readonly suite: Suite;
  readonly aad: AadKind;
  /** Bytes of each text. */
  readonly size: number;
  readonly contracts: number;
  readonly recordsEach: number;
}

/** A record's place in the arena. */
export interface RecordPlace {
  readonly contract: number;
  /** Offset of the nonce; text and tag follow. */
  readonly offset: number;
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

/** Makes random records and seals them with node:crypto. */
export function makeWorkload(shape: WorkloadShape): Workload {
  const { aad, size, contracts, recordsEach } = shape;
  const keysOf = (): Uint8Array[] => Array.from({ length: contracts }, () => randomBytes(32));
  const keys = [keysOf(), keysOf()] as const;
  const shared = aad === "16 B";
  const aadBytes = AAD_BYTES[aad];
  const stride = (shared ? 1 : 2) * aadBytes + boxBytes(size);
  const arena = new Uint8Array(contracts * recordsEach * stride);
  const records: RecordPlace[] = [];
  const plaintexts: Uint8Array[] = [];
  for (let contract = 0; contract < contracts; contract++) {
    const id = randomBytes(CONTRACT_BYTES);
    for (let n = 0; n < recordsEach; n++) {
      const at = records.length * stride;
      const storageKey = randomBytes(STORAGE_KEY_BYTES);
      if (shared) arena.set(storageKey.subarray(0, aadBytes), at);
      else {
        for (const side of [0, 1] as const) {
          const header = encodeHeader({ suite: shape.suite, rotationId: side, writeVersion: BigInt(n) });
          arena.set(sealedAad(header, id, storageKey), at + side * aadBytes);
        }
      }
      const offset = at + stride - boxBytes(size);
      records.push({ contract, offset, aadOffsets: [at, shared ? at : at + aadBytes] });
      plaintexts.push(randomBytes(size));
    }
  }
  const workload = { shape, arena: () => arena.slice(), records, keys, plaintexts };
  sealAll(workload, arena);
  return workload;
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

function sealAll(workload: Workload, arena: Uint8Array): void {
  const objects = keyObjects(workload, 0);
  workload.records.forEach((record, index) => {
    const aad = aadOf(workload, arena, record, 0);
    const key = objects[record.contract]!;
    const box = sealBox(workload.shape.suite, key, randomBytes(NONCE_BYTES), aad, workload.plaintexts[index]!);
    arena.set(box, record.offset);
  });
}
