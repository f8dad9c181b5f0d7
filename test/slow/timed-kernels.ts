/**
 * The calls that timing.slow.ts times. An input of class 0 is zeros and one of class 1 is random, unless a call says
 * otherwise. They are the built product's, by what it exports; GHASH and Poly1305 are besides compiled alone, because
 * an AEAD can't be made to use H = 0 or r = 0.
 */
import { Kernels } from "../../src/engine/kernels.ts";
import { NativeKey } from "../../src/engine/native-key.ts";
import { ROW, ROW_BYTES, RecordStatus } from "../../src/engine/rows.ts";
import { KEY_BYTES, NONCE_BYTES, type Suite, TAG_BYTES, type Verb } from "../../src/engine/suite.ts";
import { compileEntry, compileKernel } from "../assembly/compile.ts";
import type { TimedCall } from "./timed-call.ts";

const REENCRYPT = 3;
/** What an area of keystream begins with (assembly/aes256-gcm-hybrid.ts). */
const KEY_BLOCKS_BYTES = 32;

function zerosOrRandom(kind: number, random: Uint8Array): void {
  if (kind === 0) random.fill(0);
}

function asBytes(words: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** How long texts and AADs are, and the number of rows that name the record: a call checks it as often. */
interface Shape {
  readonly textBytes: number;
  readonly aadBytes: number;
  readonly rows?: number;
}

/** One record with its keys: key | new key | AAD | nonce | text, which are the input, and after them the tag. */
class TimedRecord {
  readonly kernels: Kernels;
  readonly input: number;
  readonly inputBytes: number;
  readonly tag: number;
  readonly rows: number;
  readonly end: number;
  readonly #suite: Suite;
  readonly #contexts: number;

  constructor(suite: Suite, { textBytes, aadBytes, rows = 1 }: Shape, kernels = new Kernels()) {
    this.kernels = kernels;
    this.#suite = suite;
    const contextBytes = kernels.keyContextBytes(suite);
    this.#contexts = kernels.alloc(2 * contextBytes);
    this.inputBytes = 2 * KEY_BYTES + aadBytes + NONCE_BYTES + textBytes;
    this.input = kernels.alloc(this.inputBytes + TAG_BYTES);
    this.tag = this.input + this.inputBytes;
    const text = this.tag - textBytes;
    const aad = this.input + 2 * KEY_BYTES;
    const newContext = this.#contexts + contextBytes;
    const newNonce = kernels.put(new Uint8Array(NONCE_BYTES));
    const row = [text, textBytes, aad, aadBytes, this.#contexts, aad, aadBytes, newContext, newNonce, 0];
    this.rows = kernels.put(asBytes(Array<number[]>(rows).fill(row).flat()));
    this.end = this.rows + rows * ROW_BYTES;
  }

  /** Both keys of the input into their contexts. */
  expand(): void {
    this.kernels.expandKeys(this.#suite, this.input, 2, this.#contexts);
  }

  pend(): void {
    const { bytes } = this.kernels;
    for (let row = this.rows; row < this.end; row += ROW_BYTES) bytes[row + 4 * ROW.status] = RecordStatus.pending;
  }

  run(verb: Verb): void {
    this.kernels.run(this.#suite, verb, this.rows, (this.end - this.rows) / ROW_BYTES);
  }

  /** That the last row came to `expected`. */
  outcome(expected: number): { expected: number; read(): number } {
    return { expected, read: () => this.kernels.bytes[this.end - ROW_BYTES + 4 * ROW.status]! };
  }
}

/** Four keys. */
export function keyExpansion(): TimedCall {
  const kernels = new Kernels();
  const contexts = kernels.alloc(4 * kernels.keyContextBytes("aes-256-gcm"));
  const inputBytes = 4 * KEY_BYTES;
  const input = kernels.alloc(inputBytes);
  return {
    name: "AES-256-GCM key expansion",
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => undefined,
    run: () => kernels.expandKeys("aes-256-gcm", input, 4, contexts),
  };
}

/** Keys, AAD, nonce and text differ. */
export function sealing(name: string, suite: Suite, shape: Shape): TimedCall {
  const record = new TimedRecord(suite, shape);
  const { kernels, input, inputBytes } = record;
  return {
    name,
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => {
      record.expand();
      record.pend();
    },
    run: () => record.run("Seal"),
    outcome: record.outcome(RecordStatus.done),
  };
}

/** Verifying or re-encrypting a record that is right; keys, AAD, nonce and text differ. */
export function opening(name: string, suite: Suite, verb: "Verify" | "Reencrypt", shape: Shape): TimedCall {
  const record = new TimedRecord(suite, shape);
  const { kernels, input, inputBytes } = record;
  return {
    name,
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => {
      record.expand();
      record.pend();
      record.run("Seal");
      record.pend();
    },
    run: () => record.run(verb),
    outcome: record.outcome(RecordStatus.done),
  };
}

/**
 * What the hybrid way of a re-encryption does around the native calls: laying out the stream, then changing the record.
 * The keystreams are bytes of the input.
 */
export function hybridReencryption(): TimedCall {
  const textBytes = 240;
  const record = new TimedRecord("aes-256-gcm", { textBytes, aadBytes: 78 });
  const { kernels, input, inputBytes, rows, end } = record;
  const keystreams = ["aes256GcmKeystream", "aes256GcmNewKeystream"].map((name) => kernels.constant(name));
  return {
    name: "AES-256-GCM hybrid re-encryption",
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => {
      record.expand();
      record.pend();
      for (const keystream of keystreams)
        kernels.bytes.copyWithin(keystream + KEY_BLOCKS_BYTES, input, input + 16 + textBytes);
    },
    run: () => {
      kernels.call("aes256GcmHybridStream", REENCRYPT, rows, end);
      kernels.call("aes256GcmHybridFinish", REENCRYPT, rows, end, 1);
    },
    outcome: record.outcome(RecordStatus.done),
  };
}

/** Inputs that are a tag with one wrong byte: its first in class 0, its last in class 1. */
function wrongTag(right: Uint8Array): (kind: number, random: Uint8Array) => void {
  return (kind, random) => {
    const difference = random[0]! | 1;
    random.set(right);
    random[kind === 0 ? 0 : TAG_BYTES - 1]! ^= difference;
  };
}

/** Four checks of a record whose tag is wrong in one byte. */
export function tagCheck(name: string, suite: Suite, kernels = new Kernels()): TimedCall {
  const record = new TimedRecord(suite, { textBytes: 32, aadBytes: 0, rows: 4 }, kernels);
  const { tag } = record;
  record.expand();
  kernels.run(suite, "Seal", record.rows, 1);
  return {
    name,
    kernels,
    input: tag,
    inputBytes: TAG_BYTES,
    shape: wrongTag(kernels.bytes.slice(tag, tag + TAG_BYTES)),
    prepare: () => record.pend(),
    run: () => record.run("Verify"),
    outcome: record.outcome(RecordStatus.tagMismatch),
  };
}

/** The check of all tags of a chunk at once, by a native tag that is wrong in one byte. */
export function hybridTagCheck(): TimedCall {
  // The stream of a chunk without records is one block of zeros.
  const streamBytes = 16;
  const kernels = new Kernels();
  const native = new NativeKey("aes-256-gcm", new Uint8Array(KEY_BYTES).fill(7));
  const context = kernels.alloc(kernels.keyContextBytes("aes-256-gcm"));
  kernels.call("aes256GcmHybridChunk", REENCRYPT, 0, 0);
  const keyBlocks = kernels.constant("aes256GcmKeystream");
  native.encryptBlocks(kernels.bytes, { at: keyBlocks, length: KEY_BLOCKS_BYTES }, KEY_BLOCKS_BYTES);
  kernels.call("aes256GcmHashKey", keyBlocks, context);
  const tag = kernels.alloc(TAG_BYTES);
  native.gcmHash(new Uint8Array(NONCE_BYTES), [new Uint8Array(streamBytes)], kernels.bytes, tag);
  let matches = kernels.call("aes256GcmHybridMatches", context, tag);
  if (matches !== 1) throw new Error("the right tag is refused");
  return {
    name: "tag comparison, AES-256-GCM hybrid",
    kernels,
    input: tag,
    inputBytes: TAG_BYTES,
    shape: wrongTag(kernels.bytes.slice(tag, tag + TAG_BYTES)),
    prepare: () => undefined,
    run: () => {
      matches = kernels.call("aes256GcmHybridMatches", context, tag);
    },
    outcome: { expected: 0, read: () => matches },
  };
}

/** Four outputs of 32 bytes; keying materials, salts and infos differ. */
export function derivation(name: string, saltBytes: number, infoBytes: number): TimedCall {
  const kernels = new Kernels();
  const lane = KEY_BYTES + saltBytes + infoBytes;
  const inputBytes = 4 * lane;
  const input = kernels.alloc(inputBytes);
  const out = kernels.alloc(4 * KEY_BYTES);
  const rows = [0, 1, 2, 3].flatMap((i) => {
    const [ikm, salt, info] = [0, KEY_BYTES, KEY_BYTES + saltBytes].map((at) => input + i * lane + at);
    return [ikm!, KEY_BYTES, salt!, saltBytes, info!, infoBytes, out + i * KEY_BYTES, KEY_BYTES];
  });
  const table = kernels.put(asBytes(rows));
  return {
    name,
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => undefined,
    run: () => kernels.call("hkdfSha256Batch", table, 4),
  };
}

/** GHASH of 1 KiB; H and message differ. */
export async function ghashAlone(): Promise<TimedCall> {
  const module = await compileEntry(`
    import { ghash, ghashExpand, ghashTableBytes } from "./ghash";
    export { ghashExpand, ghashTableBytes };
    export function hash(out: usize, table: usize, text: usize, length: usize): void {
      v128.store(out, ghash(table, 0, 0, text, length));
    }`);
  const kernels = new Kernels(module);
  const textBytes = 1_024;
  const inputBytes = 16 + textBytes;
  const input = kernels.alloc(inputBytes);
  const table = kernels.alloc(kernels.constant("ghashTableBytes"));
  const out = kernels.alloc(16);
  return {
    name: "GHASH alone",
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => kernels.call("ghashExpand", input, table),
    run: () => kernels.call("hash", out, table, input + 16, textBytes),
  };
}

/** Poly1305 of 1 KiB; both halves of the key and the message differ. */
export async function poly1305Alone(): Promise<TimedCall> {
  const module = await compileEntry(`
    import { poly1305Absorb, poly1305Finish, poly1305Start } from "./poly1305";
    export function authenticate(tag: usize, key: usize, text: usize, length: usize): void {
      poly1305Start(key, length / 16 + 1);
      poly1305Absorb(text, length);
      poly1305Finish(tag, 0, length);
    }`);
  const kernels = new Kernels(module);
  const textBytes = 1_024;
  const inputBytes = KEY_BYTES + textBytes;
  const input = kernels.alloc(inputBytes);
  const tag = kernels.alloc(TAG_BYTES);
  return {
    name: "Poly1305 alone",
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => undefined,
    run: () => kernels.call("authenticate", tag, input, input + KEY_BYTES, textBytes),
  };
}

/** Must leak: this project's check of a tag, compiled with a comparison that ends at the first byte that differs. */
export async function leakyTagCheck(): Promise<TimedCall> {
  const suite: Suite = "chacha20-poly1305";
  const altered = await compileKernel(suite, {
    from: "  return !v128.any_true(v128.xor(v128.load(a), v128.load(b)));",
    to: "  for (let i: usize = 0; i < 16; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;\n  return true;",
  });
  return tagCheck("must leak: tag comparison that ends early", suite, new Kernels(altered));
}

/** Must leak: 64 lookups by a secret byte in a table of 4 KiB, which is what AES by tables takes. */
export async function leakyTable(): Promise<TimedCall> {
  const entryBytes = 16;
  const module = await compileEntry(`
    export function lookUp(table: usize, secret: usize, length: usize): u32 {
      let sum: u32 = 0;
      for (let i: usize = 0; i < length; i++) sum += load<u8>(table + <usize>load<u8>(secret + i) * ${entryBytes});
      return sum;
    }`);
  const kernels = new Kernels(module);
  const table = kernels.alloc(256 * entryBytes);
  const inputBytes = 64;
  const input = kernels.alloc(inputBytes);
  return {
    name: "must leak: lookups in a table",
    kernels,
    input,
    inputBytes,
    shape: zerosOrRandom,
    prepare: () => undefined,
    run: () => kernels.call("lookUp", table, input, inputBytes),
  };
}
