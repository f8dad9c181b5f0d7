/**
 * Runs of every kernel that handles secrets, over many shapes of input. What is public is the same whatever the bytes
 * are: how many records there are, how long, where, under which number of key, and which tags are right.
 */
import { createCipheriv } from "node:crypto";
import type { KernelInstance } from "./instance.ts";

/** The bytes of a run. */
export interface Contents {
  /** Fresh bytes for whatever is not public, and for nonces and associated data, which are. */
  bytes(length: number): Uint8Array;
  /** Which byte is wrong of a tag that is to be wrong. */
  readonly wrongByte: number;
}

/** A run that can be made with any contents. */
export interface TraceCase {
  readonly name: string;
  run(kernels: KernelInstance, contents: Contents): void;
}

type Suite = "aes256Gcm" | "chacha20Poly1305";
type Verb = "Seal" | "Open" | "Verify" | "Reencrypt";

/** What is public of a record: lengths, the numbers of its keys, whether its tag is wrong, and its row's status. */
interface Shape {
  readonly length: number;
  readonly aad: number;
  readonly newAad: number;
  readonly key: number;
  readonly newKey: number;
  readonly wrong: boolean;
  readonly status: number;
}

interface Key {
  readonly raw: Uint8Array;
  readonly context: number;
}

const CIPHERS = { aes256Gcm: "aes-256-gcm", chacha20Poly1305: "chacha20-poly1305" } as const;
const VERBS: readonly Verb[] = ["Seal", "Open", "Verify", "Reencrypt"];
const ROW_BYTES = 40;
const STATUS = 36;
const PENDING = 0;
const DONE = 1;
const TAG_MISMATCH = 2;
const SKIPPED = 3;
const NONCE_BYTES = 12;
const BLOCK_BYTES = 16;
/** No multiple of the eight that are expanded and encrypted together. */
const KEYS = 13;

const TEXTS = [0, 1, 7, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100, 127, 128, 129, 240, 496, 1000, 1984, 2100, 4097];
const AADS = [0, 5, 16, 33, 78, 300, 1100];

/** Every text with every AAD, under one key; some are moved to an AAD of another length. */
const ONE_KEY: readonly Shape[] = AADS.flatMap((aad, i) =>
  TEXTS.map((length, j) => {
    const newAad = (i + j) % 3 === 0 ? AADS[(i + 1) % AADS.length]! : aad;
    return { length, aad, newAad, key: 0, newKey: 1, wrong: false, status: PENDING };
  }),
);
/** One, two or four records of a key after each other, between them some that are not to be touched. */
const MIXED_KEYS = ONE_KEY.map((record, i) => ({
  ...record,
  key: (i >> ((i >> 5) % 3)) % KEYS,
  newKey: (7 * i) % KEYS,
  status: i % 11 === 5 ? SKIPPED : PENDING,
}));

/** The same with wrong tags. */
function wrong(shapes: readonly Shape[]): readonly Shape[] {
  return shapes.map((record, i) => ({ ...record, wrong: i % 3 !== 1 }));
}

/** Records of one key and these lengths. */
function alike(lengths: readonly number[]): readonly Shape[] {
  return lengths.map((length) => ({ ...ONE_KEY[0]!, length, aad: 78, newAad: 78 }));
}

/** Seals, opens, verifies or re-encrypts one batch. */
function aead(name: string, suite: Suite, verb: Verb, shapes: readonly Shape[]): TraceCase {
  return {
    name: `${suite}${verb}: ${name}`,
    run(kernels, contents) {
      const rows = layRows(kernels, contents, CIPHERS[suite], verb, shapes, expandKeys(kernels, contents, suite, KEYS));
      kernels.call(`${suite}${verb}`, rows, shapes.length);
      expectStatuses(kernels, rows, shapes);
      kernels.call(`${suite}Wipe`);
    },
  };
}

/** Moves one batch from one suite to the other. */
function between(name: string, from: Suite, to: Suite, shapes: readonly Shape[]): TraceCase {
  const kernel = `${from}To${to.charAt(0).toUpperCase()}${to.slice(1)}`;
  return {
    name: `${kernel}: ${name}`,
    run(kernels, contents) {
      const keys = expandKeys(kernels, contents, from, KEYS);
      const newKeys = expandKeys(kernels, contents, to, KEYS);
      const rows = layRows(kernels, contents, CIPHERS[from], "Reencrypt", shapes, keys, newKeys);
      kernels.call(kernel, rows, shapes.length);
      expectStatuses(kernels, rows, shapes);
      kernels.call("betweenSuitesWipe");
    },
  };
}

function expandKeys(kernels: KernelInstance, contents: Contents, suite: Suite, count: number): Key[] {
  const size = kernels.constant(`${suite}KeyBytes`);
  const raw = contents.bytes(32 * count);
  const contexts = kernels.alloc(size * count);
  kernels.call(`${suite}ExpandKeys`, kernels.put(raw), count, contexts);
  return Array.from({ length: count }, (_, i) => ({
    raw: raw.subarray(32 * i, 32 * i + 32),
    context: contexts + size * i,
  }));
}

/** Lays records out; returns where their rows are. */
function layRows(
  kernels: KernelInstance,
  contents: Contents,
  cipher: "aes-256-gcm" | "chacha20-poly1305",
  verb: Verb,
  shapes: readonly Shape[],
  keys: readonly Key[],
  newKeys = keys,
): number {
  const words = shapes.map((record) => {
    const [key, newKey] = [keys[record.key]!, newKeys[record.newKey]!];
    const [nonce, aad, text] = [contents.bytes(NONCE_BYTES), contents.bytes(record.aad), contents.bytes(record.length)];
    const sealed = verb === "Seal" ? [text, contents.bytes(BLOCK_BYTES)] : seal(cipher, key.raw, nonce, aad, text);
    if (record.wrong) sealed[1]![contents.wrongByte]! ^= 0x80;
    const at = kernels.put(Buffer.concat([nonce, ...sealed])) + NONCE_BYTES;
    const [aadAt, newAadAt] = [kernels.put(aad), kernels.put(contents.bytes(record.newAad))];
    const newNonce = kernels.put(contents.bytes(NONCE_BYTES));
    const old = [at, record.length, aadAt, record.aad, key.context];
    return [...old, newAadAt, record.newAad, newKey.context, newNonce, record.status];
  });
  return putWords(kernels, words);
}

/** Ciphertext and tag. */
function seal(
  cipher: "aes-256-gcm" | "chacha20-poly1305",
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  text: Uint8Array,
): Uint8Array[] {
  // Both ciphers' typings take the tag's length for granted, which one of them does not.
  const sealing = createCipheriv(cipher as "chacha20-poly1305", key, nonce, { authTagLength: BLOCK_BYTES });
  sealing.setAAD(aad, { plaintextLength: text.length });
  const ciphertext = Buffer.concat([sealing.update(text), sealing.final()]);
  return [ciphertext, sealing.getAuthTag()];
}

function putWords(kernels: KernelInstance, words: readonly (readonly number[])[]): number {
  return kernels.put(new Uint8Array(Uint32Array.from(words.flat()).buffer), 4);
}

/** A run that goes another way than its shapes say traces something else than it is meant to. */
function expectStatuses(kernels: KernelInstance, rows: number, shapes: readonly Shape[]): void {
  const view = new DataView(kernels.memory.buffer);
  for (const [i, record] of shapes.entries()) {
    const expected = record.status !== PENDING ? record.status : record.wrong ? TAG_MISMATCH : DONE;
    const status = view.getUint32(rows + ROW_BYTES * i + STATUS, true);
    if (status !== expected) throw new Error(`record ${i} has status ${status}, not ${expected}`);
  }
}

/** Rows that go the hybrid way as src/engine/hybrid.ts has them go, with node:crypto as the host. */
function hybrid(name: string, verb: Verb, shapes: readonly Shape[]): TraceCase {
  return {
    name: `aes256GcmHybrid ${verb}: ${name}`,
    run(kernels, contents) {
      const operation = VERBS.indexOf(verb);
      const keys = keysWithoutSchedule(kernels, contents, 2);
      const rows = layRows(kernels, contents, "aes-256-gcm", verb, shapes, keys);
      const tag = kernels.alloc(BLOCK_BYTES);
      const end = rows + ROW_BYTES * shapes.length;
      for (let row = rows; row < end;) {
        const from = row;
        row = kernels.call("aes256GcmHybridChunk", operation, from, end);
        makeKeystream(kernels, keys[0]!, "aes256GcmKeystream");
        if (verb === "Reencrypt") makeKeystream(kernels, keys[1]!, "aes256GcmNewKeystream");
        let checked = 0;
        if (verb !== "Seal" && kernels.call("aes256GcmHybridStream", operation, from, row) !== 0) {
          const stream = kernels.get(kernels.constant("aes256GcmStream"), kernels.constant("hybridStreamBytes"));
          kernels.bytes.set(gcmHash(keys[0]!.raw, new Uint8Array(NONCE_BYTES), stream), tag);
          checked = kernels.call("aes256GcmHybridMatches", keys[0]!.context, tag);
        }
        kernels.call("aes256GcmHybridFinish", operation, from, row, checked);
      }
      expectStatuses(kernels, rows, shapes);
      kernels.call("aes256GcmHybridWipe");
    },
  };
}

/** Keys whose contexts have room for the hash key's table. */
function keysWithoutSchedule(kernels: KernelInstance, contents: Contents, count: number): Key[] {
  return Array.from({ length: count }, () => ({
    raw: contents.bytes(32),
    context: kernels.alloc(kernels.constant("aes256GcmKeyBytes")),
  }));
}

function makeKeystream(kernels: KernelInstance, key: Key, area: "aes256GcmKeystream" | "aes256GcmNewKeystream"): void {
  const at = kernels.constant(area);
  kernels.bytes.set(encryptBlocks(key.raw, kernels.get(at, kernels.constant("hybridKeystreamBytes"))), at);
  kernels.call("aes256GcmHashKey", at, key.context);
}

function encryptBlocks(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  return createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(blocks);
}

/** The tag of associated data alone. */
function gcmHash(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array): Uint8Array {
  return seal("aes-256-gcm", key, nonce, aad, new Uint8Array())[1]!;
}

/** Long records by themselves, as src/engine/long-record.ts has them checked and given new tags. */
function retag(name: string, suite: Suite, shapes: readonly Shape[]): TraceCase {
  return {
    name: `${suite} retag: ${name}`,
    run(kernels, contents) {
      const gcm = suite === "aes256Gcm";
      const keys = gcm ? keysWithoutSchedule(kernels, contents, 2) : expandKeys(kernels, contents, suite, 2);
      if (gcm) {
        for (const { raw, context } of keys) {
          kernels.call("aes256GcmHashKey", kernels.put(encryptBlocks(raw, new Uint8Array(BLOCK_BYTES))), context);
        }
      }
      const rows = layRows(kernels, contents, CIPHERS[suite], "Reencrypt", shapes, keys);
      const tag = kernels.alloc(BLOCK_BYTES);
      for (const [i, record] of shapes.entries()) {
        const row = rows + ROW_BYTES * i;
        if (!gcm) {
          kernels.call("chacha20Poly1305Retag", row);
          continue;
        }
        const words = new Uint32Array(kernels.memory.buffer, row, ROW_BYTES / 4);
        const hashed = (key: Key, nonce: number, aad: number, aadLength: number): Uint8Array => {
          const padding = new Uint8Array(-aadLength & (BLOCK_BYTES - 1));
          const parts = [kernels.get(aad, aadLength), padding, kernels.get(words[0]!, record.length)];
          return gcmHash(key.raw, kernels.get(nonce, NONCE_BYTES), Buffer.concat(parts));
        };
        kernels.bytes.set(hashed(keys[0]!, words[0]! - NONCE_BYTES, words[2]!, record.aad), tag);
        if (kernels.call("aes256GcmHybridCheck", row, tag) === 0) continue;
        kernels.bytes.set(hashed(keys[1]!, words[8]!, words[5]!, record.newAad), tag);
        kernels.call("aes256GcmHybridRetag", row, tag);
      }
      expectStatuses(kernels, rows, shapes);
    },
  };
}

/**
 * Sealed states of every length compared with those that are there now: the same ones and some that are wrong at one
 * byte; then some that are not to be compared.
 */
function compared(): TraceCase {
  return {
    name: "pageCompare: every length, wrong states and right ones",
    run(kernels, contents) {
      const [changed, later, moved] = [2, 3, 6];
      const rows: number[][] = [];
      const entries: [fate: number, now: number][] = [];
      for (const length of TEXTS) {
        for (const [i, status] of [DONE, DONE, DONE, TAG_MISMATCH].entries()) {
          const state = contents.bytes(42 + length);
          const now = Uint8Array.from(state);
          if (i === 1) now[Math.floor((contents.wrongByte * (now.length - 1)) / (BLOCK_BYTES - 1))]! ^= 0x80;
          const row = [kernels.put(state) + 26, length, 0, 0, 0, 0, 0, 0, 0, status];
          const nowLength = i === 2 && length % 2 === 0 ? length + 1 : length;
          const there = putWords(kernels, [[kernels.put(now) + 26, nowLength, 0, 0, 0, 0, 0, 0, 0, 0]]);
          rows.push(row);
          entries.push([i === 2 && length % 2 === 1 ? later : changed, there]);
        }
      }
      const at = putWords(kernels, entries);
      kernels.call("pageCompare", putWords(kernels, rows), rows.length, at);
      const fates = new Uint32Array(kernels.memory.buffer, at, 2 * rows.length);
      for (const [i, [fate]] of entries.entries()) {
        if (fates[2 * i] !== (i % 4 === 0 ? moved : fate)) throw new Error(`${i} came out as ${fates[2 * i]}`);
      }
    },
  };
}

/** Every number of keys from one to twice eight and one. */
function keyCounts(suite: Suite): TraceCase {
  return {
    name: `${suite}ExpandKeys: 1 to 17 keys`,
    run(kernels, contents) {
      for (let count = 1; count <= 17; count++) expandKeys(kernels, contents, suite, count);
    },
  };
}

/**
 * A batch of SHA-256, HMAC or HKDF.
 * @param rows - the lengths of each row's inputs; then, where the row says how long it is, of its output.
 */
function kdf(name: string, kernel: string, rows: readonly (readonly number[])[]): TraceCase {
  return {
    name: `${kernel}: ${name}`,
    run(kernels, contents) {
      const hkdf = kernel === "hkdfSha256Batch";
      const words = rows.map((lengths) => {
        const inputs = hkdf ? lengths.slice(0, -1) : lengths;
        const placed = inputs.flatMap((length) => [kernels.put(contents.bytes(length)), length]);
        const outLength = hkdf ? lengths.at(-1)! : 32;
        return [...placed, kernels.alloc(outLength, 1), ...(hkdf ? [outLength] : [])];
      });
      kernels.call(kernel, putWords(kernels, words), rows.length);
      kernels.call("kdfWipe");
    },
  };
}

/** A batch of messages of one length, hashed to the curve under a DST of `dstLength` bytes. */
function points(size: 33 | 65, count: number, length: number, dstLength: number): TraceCase {
  return {
    name: `secp256k1HashToCurve: ${count} messages of ${length} bytes, a DST of ${dstLength}, points of ${size}`,
    run(kernels, contents) {
      const messages = kernels.put(contents.bytes(count * length));
      const dst = kernels.put(contents.bytes(dstLength));
      const work = kernels.alloc(kernels.constant("secp256k1HashToCurveWorkBytes"));
      const out = kernels.alloc(size * count, 1);
      kernels.call("secp256k1HashToCurve", messages, length, dst, dstLength, out, size, count, work);
    },
  };
}

const MESSAGES = [0, 1, 24, 31, 32, 55, 56, 63, 64, 65, 119, 120, 128, 300];
/** Contract keys: 1 to 4 in a group, with infos around the ends of blocks. */
const CONTRACT_KEYS = [64, 64, 0, 1, 54, 55, 63, 65, 128, 200].flatMap((info) =>
  Array.from({ length: 4 }, () => [32, 0, info, 32]),
);

export const CHACHA_CASES: readonly TraceCase[] = suiteCases("chacha20Poly1305");
export const AES_CASES: readonly TraceCase[] = suiteCases("aes256Gcm");

/** From each suite to the other. */
export const BETWEEN_CASES: readonly TraceCase[] = (
  [
    ["aes256Gcm", "chacha20Poly1305"],
    ["chacha20Poly1305", "aes256Gcm"],
  ] as const
).flatMap(([from, to]) => [
  between("one key", from, to, ONE_KEY),
  between("mixed keys", from, to, MIXED_KEYS),
  between("long", from, to, alike([140_003, 33])),
  between("wrong tags", from, to, wrong(MIXED_KEYS)),
]);

function suiteCases(suite: Suite): readonly TraceCase[] {
  return [
    keyCounts(suite),
    ...VERBS.flatMap((verb) => [
      aead("one key", suite, verb, ONE_KEY),
      aead("mixed keys", suite, verb, MIXED_KEYS),
      aead("long", suite, verb, alike([140_003, 33])),
      ...(verb === "Seal" ? [] : [aead("wrong tags", suite, verb, wrong(MIXED_KEYS))]),
    ]),
    retag("right tags", suite, ONE_KEY),
  ];
}

export const COMPARE_CASE: TraceCase = compared();

/** All of them. */
export const TRACE_CASES: readonly TraceCase[] = [
  ...AES_CASES,
  ...CHACHA_CASES,
  ...BETWEEN_CASES,
  retag("wrong tags", "aes256Gcm", wrong(ONE_KEY)),
  COMPARE_CASE,
  ...VERBS.flatMap((verb) => [
    hybrid("one chunk", verb, ONE_KEY),
    hybrid("chunks", verb, alike([60_000, 60_000, 60_000, 100])),
    ...(verb === "Seal" ? [] : [hybrid("wrong tags", verb, wrong(ONE_KEY))]),
  ]),
  hybrid("longer than its stream", "Verify", alike([600_000])),
  kdf(
    "messages",
    "sha256Batch",
    MESSAGES.map((length) => [length]),
  ),
  kdf(
    "short keys",
    "hmacSha256Batch",
    MESSAGES.map((length, i) => [[0, 1, 32, 64][i % 4]!, length]),
  ),
  kdf(
    "long keys",
    "hmacSha256Batch",
    MESSAGES.map((length, i) => [[0, 65, 64, 200][i % 4]!, length]),
  ),
  kdf("contract keys", "hkdfSha256Batch", CONTRACT_KEYS),
  ...[1, 2, 3].map((lanes) => kdf(`${lanes} contract keys`, "hkdfSha256Batch", CONTRACT_KEYS.slice(0, lanes))),
  kdf(
    "any shape",
    "hkdfSha256Batch",
    MESSAGES.map((info, i) => [MESSAGES[(3 * i) % MESSAGES.length]!, [0, 32, 100, 40][i % 4]!, info, 20 * i]),
  ),
  kdf(
    "no salt",
    "hkdfSha256Batch",
    MESSAGES.map((info) => [32, 0, info, 100]),
  ),
  points(33, 5, 32, 64),
  points(65, 2, 0, 1),
  points(65, 3, 203, 255),
];
