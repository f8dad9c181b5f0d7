/** Lays records out for the AES-256-GCM kernels, runs them, and checks that nothing but the records was written. */
import { createCipheriv, createHash } from "node:crypto";
import { expect } from "vitest";
import { KernelInstance } from "./instance.ts";

/** One record and what is to be done to it; the new values are for a re-encryption. */
export interface GcmRecord {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly text: Uint8Array;
  /** Absent where the kernel is to write it. */
  readonly tag?: Uint8Array;
  readonly aad: Uint8Array;
  readonly newKey?: Uint8Array;
  readonly newNonce?: Uint8Array;
  readonly newAad?: Uint8Array;
  /** PENDING unless told. */
  readonly status?: number;
}

export type Operation = "Seal" | "Open" | "Verify" | "Reencrypt";

export const PENDING = 0;
export const DONE = 1;
export const TAG_MISMATCH = 2;
export const SKIPPED = 3;

const ROW_BYTES = 40;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const GUARD = 0xa5;

/** Reproducible bytes that differ for every label. */
export function bytesOf(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

/** A record sealed by node:crypto: nonce | ciphertext | tag. */
export function nodeSeal(record: GcmRecord): Buffer {
  const cipher = createCipheriv("aes-256-gcm", record.key, record.nonce).setAAD(record.aad);
  return Buffer.concat([record.nonce, cipher.update(record.text), cipher.final(), cipher.getAuthTag()]);
}

/** A record with the text and tag that node:crypto seals it to. */
export function sealedRecord(record: GcmRecord): GcmRecord & { readonly tag: Uint8Array } {
  const sealed = nodeSeal(record);
  const end = sealed.length - TAG_BYTES;
  return { ...record, text: sealed.subarray(NONCE_BYTES, end), tag: sealed.subarray(end) };
}

/** What re-encryption makes of a record whose plaintext is known: nonce | ciphertext | tag. */
export function resealed(plain: GcmRecord): Buffer {
  return nodeSeal({ key: plain.newKey!, nonce: plain.newNonce!, text: plain.text, aad: plain.newAad! });
}

/** One batch in a memory of its own. */
export class GcmBatch {
  readonly kernels: KernelInstance;
  readonly #contexts = new Map<string, number>();
  readonly #secrets: (readonly [at: number, length: number])[] = [];
  readonly #records: (readonly [nonce: number, end: number])[] = [];
  readonly #rows: number;

  constructor(records: readonly GcmRecord[], kernels = new KernelInstance()) {
    this.kernels = kernels;
    const rows: number[][] = records.map((record) => [
      this.#record(record) + NONCE_BYTES,
      record.text.length,
      this.#guarded(record.aad),
      record.aad.length,
      this.context(record.key),
      this.#guarded(record.newAad ?? new Uint8Array()),
      record.newAad?.length ?? 0,
      record.newKey === undefined ? 0 : this.context(record.newKey),
      this.#guarded(record.newNonce ?? new Uint8Array()),
      record.status ?? PENDING,
    ]);
    this.#rows = this.kernels.put(new Uint8Array(Uint32Array.from(rows.flat()).buffer), 4);
    // The last page's remainder too.
    const used = this.#rows + rows.length * ROW_BYTES;
    this.kernels.bytes.fill(GUARD, used);
  }

  /** Address of a key's context, expanded once. */
  context(key: Uint8Array): number {
    const name = Buffer.from(key).toString("hex");
    const known = this.#contexts.get(name);
    if (known !== undefined) return known;
    const size = this.kernels.constant("aes256GcmKeyBytes");
    const context = this.kernels.alloc(size);
    const raw = this.kernels.put(key);
    this.kernels.call("aes256GcmExpandKeys", raw, 1, context);
    this.kernels.bytes.fill(0, raw, raw + key.length);
    this.#contexts.set(name, context);
    this.#secrets.push([context, size]);
    return context;
  }

  /** Runs the kernel over all rows; returns their statuses. Fails if it wrote anything that it may not write. */
  run(operation: Operation): number[] {
    const before = this.kernels.get(0, this.kernels.bytes.length);
    this.kernels.call(`aes256Gcm${operation}`, this.#rows, this.#records.length);
    this.#expectNothingElseWritten(before);
    return this.statuses();
  }

  /** Writes one word of a row. */
  setWord(index: number, word: number, value: number): void {
    new DataView(this.kernels.memory.buffer).setUint32(this.#rows + index * ROW_BYTES + word * 4, value, true);
  }

  statuses(): number[] {
    const view = new DataView(this.kernels.memory.buffer);
    return this.#records.map((_, i) => view.getUint32(this.#rows + i * ROW_BYTES + ROW_BYTES - 4, true));
  }

  /** nonce | text | tag of one record, as it now lies. */
  sealed(index: number): Buffer {
    const [nonce, end] = this.#records[index]!;
    return Buffer.from(this.kernels.get(nonce, end - nonce));
  }

  /** What each of the keys' contexts holds, in pieces of one vector. */
  contextVectors(): Uint8Array[] {
    return this.#secrets.flatMap(([at, length]) =>
      Array.from({ length: length / 16 }, (_, i) => this.kernels.get(at + i * 16, 16)),
    );
  }

  /** What the caller does with contexts after use. */
  wipeContexts(): void {
    for (const [at, length] of this.#secrets) this.kernels.bytes.fill(0, at, at + length);
  }

  holds(bytes: Uint8Array): boolean {
    return Buffer.from(this.kernels.memory.buffer).includes(Buffer.from(bytes));
  }

  /** Copies bytes to an odd place, between guard bytes. */
  #guarded(bytes: Uint8Array): number {
    this.#guard();
    return this.kernels.put(bytes);
  }

  #guard(): void {
    const length = 1 + (this.kernels.alloc(0, 1) % 7);
    this.kernels.put(new Uint8Array(length).fill(GUARD));
  }

  #record(record: GcmRecord): number {
    const sealed = Buffer.concat([record.nonce, record.text, record.tag ?? Buffer.alloc(TAG_BYTES, GUARD)]);
    const at = this.#guarded(sealed);
    this.#guard();
    this.#records.push([at, at + sealed.length]);
    return at;
  }

  #expectNothingElseWritten(before: Uint8Array): void {
    const after = this.kernels.get(0, this.kernels.bytes.length);
    const heap = this.kernels.constant("HEAP_BASE");
    for (const [nonce, end] of this.#records) after.set(before.subarray(nonce, end), nonce);
    this.#records.forEach((_, i) => {
      const status = this.#rows + i * ROW_BYTES + ROW_BYTES - 4;
      after.set(before.subarray(status, status + 4), status);
    });
    const same = Buffer.compare(after.subarray(heap), before.subarray(heap)) === 0;
    expect(same, "bytes outside the records are as they were").toBe(true);
  }
}
