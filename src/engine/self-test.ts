/**
 * The known-answer check that every engine runs before its first batch: a WebAssembly file that was altered, or a
 * machine that miscomputes, is refused instead of destroying records. secp256k1-self-test.ts is that of the curve.
 *
 * For each suite, records of every length class around the kernels' block and lane borders are sealed under two keys
 * alternately, moved to two other keys, opened and sealed again, damaged and verified, in WebAssembly alone and
 * natively; then moved to the other suite, where they must be what they are when they come from that suite. The digests of
 * what comes out are constants here; test/engine/self-test.test.ts computes them anew with node:crypto.
 */
import { GatekeeperError } from "../errors.ts";
import { type KeyPlaces, KeyTable } from "./key-table.ts";
import type { Kernels } from "./kernels.ts";
import { NATIVE_ALWAYS, type Paths, WASM_ONLY } from "./paths.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "./rows.ts";
import { RowRunner } from "./run.ts";
import { ALL_SUITES, KEY_BYTES, NONCE_BYTES, type Suite, TAG_BYTES, type Verb } from "./suite.ts";

/** Text lengths of the sample: around 16-byte blocks, 64-byte blocks and groups of eight AES blocks. */
export const SAMPLE_LENGTHS: readonly number[] = [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 200, 256, 1000, 3000];

const KEYS = 4;

/** SHA-256 of all boxes (nonce | text | tag), after sealing and after re-encryption. */
export const EXPECTED: Readonly<Record<Suite, { readonly sealed: string; readonly reencrypted: string }>> = {
  "aes-256-gcm": {
    sealed: "5001ac864dffc569e36c8710c9d71dd1e269f48c002e3ae92a49c016e77ee5dd",
    reencrypted: "58c2966dc6204acdc38ca7e16f76287332d7e7d1fddcf6d627304c8fdc871c39",
  },
  "chacha20-poly1305": {
    sealed: "edba1bf83a8dee3406fd0ad00be930db666c15d5b4fd9a7a893247d19bfc3953",
    reencrypted: "f5b1682d470009a51b5e01164985735aa4fe0d02c72e78fed51d6069533847ba",
  },
};

/** RFC 5869, test case 1: ikm 22 × 0b, salt 00…0c, info f0…f9; the first 32 bytes of the output key. */
const HKDF_EXPECTED = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";

/** Derivations of a contract key's shape, and SHA-256 of their keys. */
export const HKDF_SAMPLE_KEYS = 5;
export const HKDF_SAMPLE_INFO_BYTES = 64;
export const HKDF_SAMPLE_EXPECTED = "a3c18b949549cff9369675c32ce88be74179a248cfbf341879a515cdc58ca82d";

/**
 * Byte `i` of the sample's text, AAD, key or nonce number `n`: a pattern without the symmetries that would hide a
 * swap of lanes, blocks or records.
 */
export function sampleByte(n: number, i: number): number {
  return (n * 151 + i * 7 + ((i * i) >> 5) + 19) & 0xff;
}

/** The first bytes of the sample's number `n`. */
function sampleBytes(n: number, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => sampleByte(n, i));
}

/** Bytes of the AAD of record `n`. */
export function sampleAadBytes(n: number): number {
  return 14 + n * 11;
}

/** Bytes of its new AAD: as many for even records, as in a rotation, and other ones for odd records. */
export function sampleNewAadBytes(n: number): number {
  return sampleAadBytes(n + (n % 2));
}

/**
 * Runs the check on an instance and wipes what it used.
 * @throws GatekeeperError KERNEL_SELF_TEST_FAILED, naming the kernel.
 */
export function selfTest(kernels: Kernels): void {
  try {
    checkHkdf(kernels);
    for (const suite of ALL_SUITES) {
      for (const paths of [WASM_ONLY, NATIVE_ALWAYS]) {
        checkSuite(kernels, suite, paths);
        for (const other of ALL_SUITES) if (other !== suite) checkBetween(kernels, suite, other, paths);
      }
    }
  } finally {
    kernels.wipe();
  }
}

function checkSuite(kernels: Kernels, suite: Suite, paths: Paths): void {
  const sample = layOut(kernels, suite, suite);
  const { run, expectAll } = runOf(kernels, sample, suite, suite, paths);
  run("Seal");
  if (sample.digest() !== EXPECTED[suite].sealed) throw failed(`${suite} seal`);
  run("Reencrypt");
  expectAll(RecordStatus.done, "re-encrypt");
  if (sample.digest() !== EXPECTED[suite].reencrypted) throw failed(`${suite} re-encrypt`);
  sample.useNewKeys();
  run("Open");
  expectAll(RecordStatus.done, "open");
  run("Seal");
  if (sample.digest() !== EXPECTED[suite].reencrypted) throw failed(`${suite} open`);
  sample.damageTags();
  run("Verify");
  expectAll(RecordStatus.tagMismatch, "refusal of a damaged tag");
}

function checkBetween(kernels: Kernels, from: Suite, to: Suite, paths: Paths): void {
  const sample = layOut(kernels, from, to);
  const { run, expectAll } = runOf(kernels, sample, from, to, paths);
  run("Seal");
  sample.damageTags();
  run("Reencrypt");
  expectAll(RecordStatus.tagMismatch, `refusal of a damaged tag on the way to ${to}`);
  sample.damageTags();
  if (sample.digest() !== EXPECTED[from].sealed) throw failed(`${from} refusal on the way to ${to}`);
  run("Reencrypt");
  expectAll(RecordStatus.done, `re-encrypt to ${to}`);
  if (sample.digest() !== EXPECTED[to].reencrypted) throw failed(`${from} re-encrypt to ${to}`);
}

/** Runs verbs over the sample, and tells what became of it. */
function runOf(
  kernels: Kernels,
  sample: Sample,
  from: Suite,
  to: Suite,
  paths: Paths,
): { run(verb: Verb): void; expectAll(status: number, what: string): void } {
  const runner = new RowRunner(kernels, paths);
  const keys = new KeyTable(kernels, from, sample.keys);
  const newKeys = from === to ? keys : new KeyTable(kernels, to, sample.newKeys);
  return {
    run: (verb) => {
      for (let row = 0; row < sample.count; row++) sample.words()[row * ROW_WORDS + ROW.status] = RecordStatus.pending;
      runner.run(verb, sample.rows, sample.count, keys, verb === "Reencrypt" ? newKeys : keys);
    },
    expectAll: (status, what) => {
      for (let row = 0; row < sample.count; row++) {
        if (sample.words()[row * ROW_WORDS + ROW.status] !== status) throw failed(`${from} ${what}`);
      }
    },
  };
}

/** The sample in the kernels' memory. */
interface Sample {
  readonly rows: number;
  readonly count: number;
  readonly keys: KeyPlaces;
  /** The same keys in contexts of the suite that records are moved to; those of `keys` where it is the same. */
  readonly newKeys: KeyPlaces;
  words(): Uint32Array;
  digest(): string;
  useNewKeys(): void;
  damageTags(): void;
}

function layOut(kernels: Kernels, suite: Suite, newSuite: Suite): Sample {
  kernels.reset();
  const count = SAMPLE_LENGTHS.length;
  const fill = (n: number, bytes: number): number => kernels.put(sampleBytes(n, bytes));
  const contextBytes = kernels.keyContextBytes(suite);
  const newContextBytes = kernels.keyContextBytes(newSuite);
  const keys = { raw: kernels.alloc(KEYS * KEY_BYTES), contexts: kernels.alloc(KEYS * contextBytes), count: KEYS };
  const newKeys = suite === newSuite ? keys : { ...keys, contexts: kernels.alloc(KEYS * newContextBytes) };
  for (let key = 0; key < KEYS; key++) {
    const bytes = fill(200 + key, KEY_BYTES);
    kernels.bytes.copyWithin(keys.raw + key * KEY_BYTES, bytes, bytes + KEY_BYTES);
  }
  const boxes = SAMPLE_LENGTHS.map((length, n) => fill(n, NONCE_BYTES + length + TAG_BYTES));
  const nonces = fill(100, count * NONCE_BYTES);
  const aads = SAMPLE_LENGTHS.map((_, n) => fill(50 + n, sampleAadBytes(n)));
  const newAads = SAMPLE_LENGTHS.map((_, n) => fill(150 + n, sampleNewAadBytes(n)));
  const rows = kernels.alloc(count * ROW_BYTES);
  const words = (): Uint32Array => new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
  SAMPLE_LENGTHS.forEach((length, n) => {
    words().set(
      [
        boxes[n]! + NONCE_BYTES,
        length,
        aads[n]!,
        sampleAadBytes(n),
        keys.contexts + (n % 2) * contextBytes,
        newAads[n]!,
        sampleNewAadBytes(n),
        newKeys.contexts + (2 + (n % 2)) * newContextBytes,
        nonces + n * NONCE_BYTES,
      ],
      n * ROW_WORDS,
    );
  });
  return {
    rows,
    count,
    keys,
    newKeys,
    words,
    digest: () =>
      digest(
        kernels,
        boxes.map((box, n) => kernels.bytes.slice(box, box + NONCE_BYTES + SAMPLE_LENGTHS[n]! + TAG_BYTES)),
      ),
    useNewKeys: () => {
      for (let n = 0; n < count; n++) {
        const row = words().subarray(n * ROW_WORDS, (n + 1) * ROW_WORDS);
        row[ROW.key] = row[ROW.newKey]!;
        row[ROW.aad] = row[ROW.newAad]!;
        row[ROW.aadLength] = row[ROW.newAadLength]!;
      }
    },
    damageTags: () => {
      boxes.forEach((box, n) => {
        const at = box + NONCE_BYTES + SAMPLE_LENGTHS[n]! + (n % TAG_BYTES);
        kernels.bytes[at] = kernels.bytes[at]! ^ (1 << (n % 8));
      });
    },
  };
}

function digest(kernels: Kernels, parts: readonly Uint8Array[]): string {
  const message = Buffer.concat(parts);
  const out = kernels.alloc(32);
  const row = kernels.put(new Uint8Array(new Uint32Array([kernels.put(message), message.length, out]).buffer));
  kernels.call("sha256Batch", row, 1);
  return Buffer.from(kernels.bytes.subarray(out, out + 32)).toString("hex");
}

/** RFC 5869's case, and derivations of a contract key's shape: a group of four lanes and one more. */
function checkHkdf(kernels: Kernels): void {
  const ikm = new Uint8Array(22).fill(0x0b);
  const salt = Uint8Array.from({ length: 13 }, (_, i) => i);
  const info = Uint8Array.from({ length: 10 }, (_, i) => 0xf0 + i);
  if (derive(kernels, [{ ikm, salt, info }]).toString("hex") !== HKDF_EXPECTED) throw failed("HKDF-SHA256");
  const contractKeys = Array.from({ length: HKDF_SAMPLE_KEYS }, (_, n) => ({
    ikm: sampleBytes(n, KEY_BYTES),
    salt: new Uint8Array(0),
    info: sampleBytes(100 + n, HKDF_SAMPLE_INFO_BYTES),
  }));
  if (digest(kernels, [derive(kernels, contractKeys)]) !== HKDF_SAMPLE_EXPECTED) throw failed("HKDF-SHA256");
}

/** Keys of 32 bytes, one after the other. */
function derive(
  kernels: Kernels,
  inputs: readonly { readonly ikm: Uint8Array; readonly salt: Uint8Array; readonly info: Uint8Array }[],
): Buffer {
  const out = kernels.alloc(inputs.length * KEY_BYTES);
  const words = inputs.flatMap(({ ikm, salt, info }, n) => [
    ...[ikm, salt, info].flatMap((bytes) => [kernels.put(bytes), bytes.length]),
    out + n * KEY_BYTES,
    KEY_BYTES,
  ]);
  kernels.call("hkdfSha256Batch", kernels.put(new Uint8Array(Uint32Array.from(words).buffer)), inputs.length);
  return Buffer.from(kernels.bytes.slice(out, out + inputs.length * KEY_BYTES));
}

/** What is thrown when the kernel named gave a wrong answer. */
export function failed(what: string): GatekeeperError {
  return new GatekeeperError(
    "KERNEL_SELF_TEST_FAILED",
    `the WebAssembly kernels gave a wrong answer (${what}): the file was altered or this machine miscomputes; reinstall the package and do not use this installation`,
    { kernel: what },
  );
}
