/** Rows of one key that go the hybrid way in a memory of their own: the kernels' steps, with node:crypto as their host. */
import { createCipheriv } from "node:crypto";
import { expect } from "vitest";
import type { GcmRecord } from "./aes256-gcm-batch.ts";
import { gcmBlocks, fieldElement, product } from "./gf128.ts";
import { KernelInstance } from "./instance.ts";

export const OPERATION = { Seal: 0, Open: 1, Verify: 2, Reencrypt: 3 } as const;

const ROW_BYTES = 40;
const STATUS = 36;
const CHECK_NONCE = Buffer.alloc(12);

/** A sealed record, and what is to become of it. Its own keys don't count. */
export type SealedRecord = GcmRecord & { readonly tag: Uint8Array };

/** What the check of a chunk found. */
export interface Checked {
  /** Bytes of the stream; 0: it was not made. */
  readonly hashed: number;
  readonly matches: boolean;
  /** The host's tag without what the chunk's length and the check's nonce add to it: the sum of all errors, times H. */
  readonly error: bigint;
}

/** Where the parts of a record lie. */
interface Place {
  readonly aad: number;
  readonly text: number;
  readonly record: SealedRecord;
}

export class HybridChunk {
  readonly kernels: KernelInstance;
  readonly #key: Uint8Array;
  readonly #newKey: Uint8Array;
  readonly #context: number;
  readonly #places: readonly Place[];
  readonly #rows: number;
  readonly #tag: number;

  constructor(key: Uint8Array, newKey: Uint8Array, records: readonly SealedRecord[]) {
    const kernels = new KernelInstance();
    this.kernels = kernels;
    this.#key = key;
    this.#newKey = newKey;
    this.#context = this.#makeContext(key);
    const newContext = this.#makeContext(newKey);
    this.#places = records.map((record) => {
      kernels.put(Buffer.alloc(1 + (record.text.length % 5), 0xa5));
      const nonce = kernels.put(Buffer.concat([record.nonce, record.text, record.tag]));
      return { aad: kernels.put(record.aad), text: nonce + 12, record };
    });
    const words = this.#places.flatMap(({ aad, text, record }) => [
      text,
      record.text.length,
      aad,
      record.aad.length,
      this.#context,
      kernels.put(record.newAad ?? record.aad),
      (record.newAad ?? record.aad).length,
      newContext,
      kernels.put(record.newNonce ?? record.nonce),
      record.status ?? 0,
    ]);
    this.#tag = kernels.alloc(16);
    this.#rows = kernels.put(new Uint8Array(Uint32Array.from(words).buffer), 4);
  }

  /** The hash key, which no adversary has. */
  get h(): bigint {
    return fieldElement(encryptBlocks(this.#key, Buffer.alloc(16)));
  }

  /** The numbers of the rows at which the chunks end. */
  ends(operation: number): number[] {
    const ends: number[] = [];
    for (let row = 0; row < this.#places.length;) {
      row = this.#number(this.kernels.call("aes256GcmHybridChunk", operation, this.#row(row), this.#end));
      ends.push(row);
    }
    return ends;
  }

  /** Makes the keystreams of rows, which must be one chunk, and checks all their tags at once. */
  check(operation: number, from = 0, end = this.#places.length): Checked {
    const { kernels } = this;
    const [first, last] = [this.#row(from), this.#row(end)];
    expect(kernels.call("aes256GcmHybridChunk", operation, first, last)).toBe(last);
    const length = kernels.constant("hybridKeystreamBytes");
    this.#encrypt(this.#key, kernels.constant("aes256GcmKeystream"), length);
    if (operation === OPERATION.Reencrypt) {
      this.#encrypt(this.#newKey, kernels.constant("aes256GcmNewKeystream"), length);
    }
    const made = kernels.call("aes256GcmHybridStream", operation, first, last) === 1;
    const hashed = made ? kernels.constant("hybridStreamBytes") : 0;
    const cipher = createCipheriv("aes-256-gcm", this.#key, CHECK_NONCE);
    cipher.setAAD(kernels.get(kernels.constant("aes256GcmStream"), hashed));
    cipher.final();
    const tag = cipher.getAuthTag();
    kernels.bytes.set(tag, this.#tag);
    const matches = kernels.call("aes256GcmHybridMatches", this.#context, this.#tag);
    const lengths = product(BigInt(hashed * 8) << 64n, this.h);
    const mask = encryptBlocks(this.#key, Buffer.concat([CHECK_NONCE, Buffer.of(0, 0, 0, 1)]));
    return { hashed, matches: matches === 1, error: fieldElement(tag) ^ fieldElement(mask) ^ lengths };
  }

  /** Does the records of rows that were checked just before; returns how many were refused. */
  finish(operation: number, checked: boolean, from = 0, end = this.#places.length): number {
    return this.kernels.call("aes256GcmHybridFinish", operation, this.#row(from), this.#row(end), Number(checked));
  }

  /** Marks all rows as yet to be done. */
  makePending(): void {
    const view = new DataView(this.kernels.memory.buffer);
    for (const index of this.#places.keys()) view.setUint32(this.#row(index) + STATUS, 0, true);
  }

  /** Views of a record as it lies in the kernels' memory. */
  parts(index: number): { aad: Buffer; nonce: Buffer; text: Buffer; tag: Buffer } {
    const { aad, text, record } = this.#places[index]!;
    const view = (at: number, length: number): Buffer => Buffer.from(this.kernels.memory.buffer, at, length);
    return {
      aad: view(aad, record.aad.length),
      nonce: view(text - 12, 12),
      text: view(text, record.text.length),
      tag: view(text + record.text.length, 16),
    };
  }

  /** nonce | text | tag of a record, as a copy. */
  box(index: number): Buffer {
    const { nonce, text, tag } = this.parts(index);
    return Buffer.concat([nonce, text, tag]);
  }

  statuses(): number[] {
    const view = new DataView(this.kernels.memory.buffer);
    return this.#places.map((_, index) => view.getUint32(this.#row(index) + STATUS, true));
  }

  /** Blocks that are hashed of a record, without its sum. */
  blocks(index: number): bigint[] {
    const { aad, text } = this.parts(index);
    return gcmBlocks(aad, text);
  }

  /** What its tag gives without the mask: what the hash of its blocks has to be. */
  sum(index: number): bigint {
    const { nonce, tag } = this.parts(index);
    return fieldElement(tag) ^ fieldElement(encryptBlocks(this.#key, Buffer.concat([nonce, Buffer.of(0, 0, 0, 1)])));
  }

  get #end(): number {
    return this.#row(this.#places.length);
  }

  #row(number: number): number {
    return this.#rows + number * ROW_BYTES;
  }

  #number(row: number): number {
    return (row - this.#rows) / ROW_BYTES;
  }

  #makeContext(key: Uint8Array): number {
    const context = this.kernels.alloc(this.kernels.constant("aes256GcmKeyBytes"));
    this.kernels.call("aes256GcmHashKey", this.kernels.put(encryptBlocks(key, Buffer.alloc(16))), context);
    return context;
  }

  #encrypt(key: Uint8Array, at: number, length: number): void {
    this.kernels.bytes.set(encryptBlocks(key, this.kernels.get(at, length)), at);
  }
}

/** AES-256 of whole blocks. */
function encryptBlocks(key: Uint8Array, blocks: Uint8Array): Buffer {
  return createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(blocks);
}
