import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchTable } from "../../src/engine/batch.ts";
import { Engine } from "../../src/engine/engine.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { type Paths, WASM_ONLY } from "../../src/engine/paths.ts";
import { RecordStatus } from "../../src/engine/rows.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";
import { Secret } from "../../src/secret.ts";
import { ALL_PATHS } from "./all-paths.ts";
import { bytesOf } from "./deterministic-bytes.ts";
import { type GivenRecord, runRecords } from "./given-nonces.ts";
import { foundIn, keystream } from "./leftovers.ts";
import { nativeSeal } from "./native-aead.ts";

function sealed(suite: Suite, seed: number, length: number, key: number, newKey: number): GivenRecord {
  const aad = bytesOf(seed + 1_000, seed % 90);
  const nonce = bytesOf(seed + 2_000, 12);
  const box = nativeSeal(suite, bytesOf(key, 32), nonce, aad, bytesOf(seed + 3_000, length));
  const to = { key: bytesOf(newKey, 32), nonce: bytesOf(seed + 4_000, 12), aad: bytesOf(seed + 5_000, seed % 77) };
  return { key: bytesOf(key, 32), nonce, aad, text: box.subarray(12, -16), tag: box.subarray(-16), to };
}

describe.each(ALL_SUITES)("running rows, %s", (suite) => {
  it("gives the same under any table of ways, with keys that several ways share", () => {
    const length = fc.oneof(fc.nat(200), fc.integer({ min: 0, max: 1_200 }));
    const rows = fc.array(
      fc.record({ length, key: fc.nat(2), newKey: fc.nat(3), skipped: fc.nat(5).map((n) => n === 0) }),
      { maxLength: 25 },
    );
    const threshold = fc.constantFrom(0, 1, 17, 300, 1_000, Number.POSITIVE_INFINITY);
    const both = fc.tuple(threshold, threshold).map(([a, b]) => ({ "aes-256-gcm": a, "chacha20-poly1305": b }));
    const tables: fc.Arbitrary<Paths> = fc.record({
      hybridBlocks: fc.constantFrom(0, 5, 40, Number.POSITIVE_INFINITY),
      checkBytes: fc.constantFrom(0, 300, Number.POSITIVE_INFINITY),
      longBytes: both,
      betweenBytes: threshold,
      plaintextBytes: both,
    });
    fc.assert(
      fc.property(rows, tables, fc.nat(1_000), (shapes, paths, seed) => {
        const records = shapes.map((shape, index) => ({
          ...sealed(suite, seed + index, shape.length, shape.key, shape.newKey),
          skipped: shape.skipped,
        }));
        for (const verb of ["Verify", "Open", "Reencrypt", "Seal"] as const) {
          expect(runRecords(paths, suite, verb, records)).toEqual(runRecords(WASM_ONLY, suite, verb, records));
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each(ALL_PATHS)("wipes what it lays down beside the contexts: $name", ({ paths }) => {
    const kernels = new Kernels();
    // Not without any AAD and text: then the tag is a keystream block.
    const records = [0, 1, 2, 3, 4, 5].map((index) => sealed(suite, 10 + index, 300 * index, index % 2, 2));
    runRecords(paths, suite, "Reencrypt", records, kernels);
    const end = kernels.alloc(0);
    expect(
      kernels.bytes.subarray(end).every((byte) => byte === 0),
      "above what the caller has",
    ).toBe(true);
    const streams = records.flatMap(({ key, nonce, text, to }) => [
      keystream(suite, key, nonce, text.length),
      keystream(suite, to!.key, to!.nonce, text.length),
    ]);
    expect(foundIn(kernels.bytes, streams)).toEqual([]);
  });
});

describe("a batch of rows under alternating keys", () => {
  it.each(ALL_PATHS)("takes seconds at most and is done in full: $name", { timeout: 20_000 }, ({ paths }) => {
    const count = 65_536;
    const table = new BatchTable();
    for (let index = 0; index < count; index++) {
      table.add({ offset: index * 60, length: 32, aadOffset: 0, aadLength: 0, key: index % 2, newKey: 2 });
    }
    const keys = [1, 2, 3].map((index) => new Secret(bytesOf(index, 32)));
    const batch = { arena: bytesOf(5, count * 60), table: table.rows(), keys };
    const engine = new Engine({ paths });
    for (const verb of ["seal", "verify", "reencrypt"] as const) {
      expect(new Set(engine[verb]("aes-256-gcm", batch))).toEqual(new Set([RecordStatus.done]));
    }
  });
});
