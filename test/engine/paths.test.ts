import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { PageEngine } from "../../src/engine/page-engine.ts";
import {
  choosePath,
  choosePathBetween,
  HYBRID_BYTES_MAX,
  longRecordBytes,
  longRecordBytesBetween,
  MEASURED,
  MEASURED_WITH_PLAINTEXT,
  NATIVE_ALWAYS,
  type Paths,
  WASM_ONLY,
} from "../../src/engine/paths.ts";
import { RecordStatus } from "../../src/engine/rows.ts";
import { ALL_SUITES, type Suite, type Verb } from "../../src/engine/suite.ts";
import { ALL_PATHS } from "./all-paths.ts";
import { bytesOf } from "./deterministic-bytes.ts";
import { type GivenRecord, runRecords } from "./given-nonces.ts";
import { nativeSeal } from "./native-aead.ts";

const VERBS: readonly Verb[] = ["Seal", "Open", "Verify", "Reencrypt"];
const LONGEST = 16 * 1024 * 1024;
const THRESHOLDS: Paths = {
  hybridBlocks: 100,
  checkBytes: 0,
  longBytes: { "aes-256-gcm": 20_000, "chacha20-poly1305": 10_000 },
  betweenBytes: 5_000,
  plaintextBytes: { "aes-256-gcm": 30_000, "chacha20-poly1305": 40_000 },
};

describe("a table of ways", () => {
  it.each([-1, Number.NaN])("with a threshold of %s is refused", (threshold) => {
    const both = { "aes-256-gcm": 0, "chacha20-poly1305": threshold };
    const tables: Paths[] = [
      { ...THRESHOLDS, hybridBlocks: threshold },
      { ...THRESHOLDS, checkBytes: threshold },
      { ...THRESHOLDS, longBytes: both },
      { ...THRESHOLDS, betweenBytes: threshold },
      { ...THRESHOLDS, plaintextBytes: both },
    ];
    const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    for (const paths of tables) {
      expect(() => new Engine({ paths })).toThrow(invalid);
      expect(() => new PageEngine({ paths })).toThrow(invalid);
    }
  });
});

describe("which way a record goes", () => {
  it("is WebAssembly below all thresholds and the documented way from each on", () => {
    const chosen = (suite: Suite, blocks: number, longest: number): string[] =>
      VERBS.map((verb) => choosePath(THRESHOLDS, suite, verb, blocks, longest));
    const aes = "aes-256-gcm";
    expect(chosen(aes, 99, 1_000)).toEqual(["wasm", "wasm", "wasm", "wasm"]);
    expect(chosen(aes, 100, 1_000)).toEqual(["hybrid", "hybrid", "hybrid", "hybrid"]);
    expect(chosen(aes, 1_000, 19_999)).toEqual(["hybrid", "hybrid", "hybrid", "hybrid"]);
    expect(chosen(aes, 1_251, 20_000)).toEqual(["plaintext", "plaintext", "passes", "passes"]);
    expect(chosen(aes, 2_000, 29_999)).toEqual(["plaintext", "plaintext", "passes", "passes"]);
    expect(chosen(aes, 2_000, 30_000)).toEqual(["plaintext", "plaintext", "passes", "plaintext"]);
    const chacha = "chacha20-poly1305";
    expect(chosen(chacha, 2_000, 9_999)).toEqual(["wasm", "wasm", "wasm", "wasm"]);
    expect(chosen(chacha, 2_000, 10_000)).toEqual(["plaintext", "plaintext", "wasm", "passes"]);
    expect(chosen(chacha, 2_000, 39_999)).toEqual(["plaintext", "plaintext", "wasm", "passes"]);
    expect(chosen(chacha, 2_000, 40_000)).toEqual(["plaintext", "plaintext", "wasm", "plaintext"]);
  });

  it("is never with a plaintext in a re-encryption or a verification, unless the table allows it", () => {
    for (const paths of [WASM_ONLY, MEASURED, NATIVE_ALWAYS]) {
      for (const suite of ALL_SUITES) {
        for (const verb of ["Reencrypt", "Verify"] as const) {
          for (const longest of [0, 1_000, 8_192, 12_288, 20_480, HYBRID_BYTES_MAX, HYBRID_BYTES_MAX + 1, LONGEST]) {
            expect(choosePath(paths, suite, verb, 2 + Math.ceil(longest / 16), longest)).not.toBe("plaintext");
          }
        }
      }
    }
    for (const suite of ALL_SUITES) {
      expect(choosePath(MEASURED_WITH_PLAINTEXT, suite, "Reencrypt", 513, 12_288)).toBe("plaintext");
      expect(choosePath(MEASURED_WITH_PLAINTEXT, suite, "Reencrypt", 512, 8_191)).not.toBe("plaintext");
      expect(choosePath(MEASURED_WITH_PLAINTEXT, suite, "Verify", 2_000_000, LONGEST)).not.toBe("plaintext");
    }
  });

  it("from one suite to the other is WebAssembly, and by two keystreams from the threshold on", () => {
    expect(longRecordBytesBetween(THRESHOLDS)).toBe(5_000);
    expect([0, 4_999, 5_000, 40_000, LONGEST].map((longest) => choosePathBetween(THRESHOLDS, longest))).toEqual([
      "wasm",
      "wasm",
      "passes",
      "passes",
      "passes",
    ]);
    for (const paths of [WASM_ONLY, { ...THRESHOLDS, betweenBytes: Number.POSITIVE_INFINITY }]) {
      expect(choosePathBetween(paths, LONGEST)).toBe("wasm");
      // It is handed to a kernel as a u32.
      expect(longRecordBytesBetween(paths)).toBe(LONGEST + 1);
    }
  });

  it("is WebAssembly alone where that is asked for, whatever the length", () => {
    for (const suite of ALL_SUITES) {
      for (const verb of VERBS) expect(choosePath(WASM_ONLY, suite, verb, 2 ** 31, LONGEST)).toBe("wasm");
    }
  });

  it("is the hybrid one only for what fits its memory, whatever the table says", () => {
    const kernels = new Kernels();
    const area = kernels.constant("aes256GcmNewKeystream") - kernels.constant("aes256GcmKeystream");
    expect(HYBRID_BYTES_MAX, "the area less the two blocks of the key and J0").toBe(area - 48);
    for (const never of [LONGEST + 1, 2 ** 32, Number.POSITIVE_INFINITY]) {
      const longBytes = { "aes-256-gcm": never, "chacha20-poly1305": never };
      const paths = { ...NATIVE_ALWAYS, longBytes, plaintextBytes: longBytes };
      for (const verb of VERBS) {
        expect(longRecordBytes(paths, "aes-256-gcm", verb)).toBe(HYBRID_BYTES_MAX + 1);
        expect(choosePath(paths, "aes-256-gcm", verb, 4_096, HYBRID_BYTES_MAX)).toBe("hybrid");
        expect(choosePath(paths, "aes-256-gcm", verb, 4_097, HYBRID_BYTES_MAX + 1)).not.toBe("hybrid");
        expect(longRecordBytes(paths, "chacha20-poly1305", verb)).toBe(LONGEST + 1);
        const records = [HYBRID_BYTES_MAX, HYBRID_BYTES_MAX + 1, 200_000].map((length, index) => sealed(index, length));
        for (const { status } of runRecords(paths, "aes-256-gcm", "Reencrypt", records)) {
          expect(status).toBe(RecordStatus.done);
        }
      }
    }
  });
});

/** A record that node:crypto sealed, on its way to another key. */
function sealed(seed: number, length: number, suite: Suite = "aes-256-gcm", keys: readonly [number, number] = [1, 2]) {
  const [key, newKey] = keys.map((index) => bytesOf(index, 32)) as [Uint8Array, Uint8Array];
  const aad = bytesOf(seed + 10_000, 40);
  const nonce = bytesOf(seed + 20_000, 12);
  const box = nativeSeal(suite, key, nonce, aad, bytesOf(seed + 30_000, length));
  const to = { key: newKey, nonce: bytesOf(seed + 40_000, 12), aad: bytesOf(seed + 50_000, 44) };
  return { key, nonce, aad, text: box.subarray(12, -16), tag: box.subarray(-16), to } satisfies GivenRecord;
}

describe.each(ALL_SUITES)("on all pairs of ways, %s", (suite) => {
  const shape = fc.record({
    length: fc.oneof(fc.nat(70), fc.nat(400), fc.constantFrom(999, 1000, 1001, 8_191, 8_192, 12_288, 20_480)),
    key: fc.nat(2),
    newKey: fc.nat(2),
    bad: fc.nat(9).map((number) => number === 0),
  });

  it("the same records come out, and each way opens what the others sealed", () => {
    fc.assert(
      fc.property(fc.array(shape, { maxLength: 12 }), fc.nat(1_000), (shapes, seed) => {
        const records = shapes.map(({ length, key, newKey, bad }, index) => {
          const record = sealed(seed + index, length, suite, [key, newKey]);
          if (bad) record.tag[index % 16]! ^= 1 << (index % 8);
          return record;
        });
        const opened = ALL_PATHS.map(({ paths }) => runRecords(paths, suite, "Open", records));
        const moved = ALL_PATHS.map(({ paths }) => runRecords(paths, suite, "Reencrypt", records));
        const verified = ALL_PATHS.map(({ paths }) => runRecords(paths, suite, "Verify", records));
        for (const outcomes of [opened, moved, verified]) {
          for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
        }
        expect(opened[0]!.map(({ status }) => status)).toEqual(shapes.map(({ bad }) => (bad ? 2 : 1)));
        // What re-encryption gave is what sealing the plaintext gives, on every way.
        const good = records.flatMap((record, index) => (shapes[index]!.bad ? [] : [{ ...record, index }]));
        const plain = good.map(({ to, index }) => ({
          ...to,
          text: opened[0]![index]!.box.subarray(12, -16),
          tag: Buffer.alloc(16),
        }));
        for (const { paths } of ALL_PATHS) {
          const again = runRecords(paths, suite, "Seal", plain);
          expect(again).toEqual(good.map(({ index }) => moved[0]![index]));
        }
      }),
      { numRuns: 15 },
    );
  });
});
