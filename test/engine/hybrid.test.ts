/** The hybrid way as engines take it. test/assembly/aes256-gcm-hybrid.test.ts has the check of all tags by itself. */
import { describe, expect, it, vi } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { overwriteFreed } from "../../src/engine/native-key.ts";
import { PageEngine } from "../../src/engine/page-engine.ts";
import { type Paths, WASM_ONLY } from "../../src/engine/paths.ts";
import { RecordStatus } from "../../src/engine/rows.ts";
import { bytesOf } from "./deterministic-bytes.ts";
import { type GivenRecord, boxOf, runRecords } from "./given-nonces.ts";
import { nativeSeal } from "./native-aead.ts";
import { layOut, nativeBox, testRecord } from "./record-batch.ts";
import { pageBodies, plainRecords, testContract } from "./sealed-pages.ts";

vi.mock(import("../../src/engine/native-key.ts"), async (original) => {
  const actual = await original();
  return { ...actual, overwriteFreed: vi.fn(actual.overwriteFreed) };
});

const SUITE = "aes-256-gcm";
const HYBRID: Paths = { ...WASM_ONLY, hybridBlocks: 0, checkBytes: 0 };
const VERBS = ["Verify", "Open", "Reencrypt"] as const;
const KEYS = [bytesOf(1, 32), bytesOf(2, 32)] as const;

function sealed(seed: number, aadBytes: number, textBytes: number): GivenRecord {
  const aad = bytesOf(seed + 1_000, aadBytes);
  const box = nativeSeal(SUITE, KEYS[0], bytesOf(seed + 2_000, 12), aad, bytesOf(seed + 3_000, textBytes));
  const to = { key: KEYS[1], nonce: bytesOf(seed + 4_000, 12), aad: bytesOf(seed + 5_000, aadBytes) };
  return { key: KEYS[0], nonce: box.subarray(0, 12), aad, text: box.subarray(12, -16), tag: box.subarray(-16), to };
}

/** Asserts that of these records the bad ones alone are refused, as they were, and all others are done. */
function expectRefused(
  records: readonly GivenRecord[],
  bad: readonly number[],
  verbs: readonly (typeof VERBS)[number][],
) {
  for (const verb of verbs) {
    const outcomes = runRecords(HYBRID, SUITE, verb, records);
    const expected = runRecords(WASM_ONLY, SUITE, verb, records);
    outcomes.forEach(({ status, box }, index) => {
      const isBad = bad.includes(index);
      if (status !== (isBad ? RecordStatus.tagMismatch : RecordStatus.done)) expect.fail(`${verb} ${index}: ${status}`);
      if (!box.equals(isBad ? boxOf(records[index]!) : expected[index]!.box)) expect.fail(`${verb} ${index}: bytes`);
    });
  }
}

describe("the hybrid way", () => {
  it("refuses a record of which one bit is flipped, and no other of its chunk", () => {
    const good = [sealed(1, 20, 37), sealed(2, 16, 0), sealed(3, 9, 19), sealed(4, 0, 16), sealed(5, 33, 5)];
    expectRefused(good, [], VERBS);
    const parts = ["aad", "nonce", "text", "tag"] as const;
    for (const part of parts) {
      const bits = good[2]![part].length * 8;
      expect(bits).toBeGreaterThan(0);
      for (let bit = 0; bit < bits; bit++) {
        const changed = Buffer.from(good[2]![part]);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const records = good.with(2, { ...good[2]!, [part]: changed });
        expectRefused(records, [2], [VERBS[bit % 3]!]);
      }
    }
  });

  it("refuses the first, the last and any others of chunks, over several of them", () => {
    const good = Array.from({ length: 100 }, (_, index) => sealed(index, 30, 3000 + index));
    const damaged = (index: number): GivenRecord => {
      const tag = Buffer.from(good[index]!.tag);
      tag[index % 16]! ^= 1;
      return { ...good[index]!, tag };
    };
    // Chunks of 128 KiB of keystream end at 43 and 85; a verification takes all at once.
    for (const bad of [[0], [42], [43], [84], [85], [99], [0, 42, 43], [84, 85, 99]]) {
      expectRefused(
        good.map((record, index) => (bad.includes(index) ? damaged(index) : record)),
        bad,
        VERBS,
      );
    }
    const all = good.map((_, index) => damaged(index));
    expectRefused(all, [...all.keys()], VERBS);
  });

  it("checks records one by one whose AAD is longer than what is hashed at once, and their neighbours together", () => {
    const good = [sealed(1, 20, 40), sealed(2, 600_000, 40), sealed(3, 20, 0), sealed(4, 524_288, 1), sealed(5, 9, 9)];
    expectRefused(good, [], VERBS);
    good.forEach((record, index) => {
      const aad = Buffer.from(record.aad);
      aad[aad.length - 1]! ^= 0x80;
      expectRefused(good.with(index, { ...record, aad }), [index], VERBS);
    });
  });

  it("checks records whose AADs together are longer than what is hashed at once", () => {
    const good = Array.from({ length: 50 }, (_, index) => sealed(index, 20_000 + index, 20));
    expectRefused(good, [], VERBS);
    const aad = Buffer.from(good[26]!.aad);
    aad[5_000]! ^= 1;
    expectRefused(good.with(26, { ...good[26]!, aad }), [26], VERBS);
  });

  it("leaves rows alone that are not pending, wherever they stand", () => {
    const records = Array.from({ length: 30 }, (_, index) => {
      const skipped = index < 3 || index % 7 === 0 || index > 26;
      return { ...sealed(index, 40_000, 100), skipped, ...(skipped ? { tag: new Uint8Array(16) } : {}) };
    });
    for (const verb of VERBS) {
      const outcomes = runRecords(HYBRID, SUITE, verb, records);
      expect(outcomes).toEqual(runRecords(WASM_ONLY, SUITE, verb, records));
      records.forEach((record, index) => {
        if (record.skipped) expect(outcomes[index]).toEqual({ status: RecordStatus.skipped, box: boxOf(record) });
      });
    }
  });
});

/** Kernels in which the check of all tags can be made to say no. */
function refusingKernels(): { kernels: Kernels; refuse: () => void } {
  const kernels = new Kernels();
  const call = kernels.call.bind(kernels);
  let refuses = false;
  kernels.call = (name, ...args) => (refuses && name === "aes256GcmHybridMatches" ? 0 : call(name, ...args));
  return {
    kernels,
    refuse: () => {
      refuses = true;
    },
  };
}

describe("a machine on which right tags are refused together and pass one by one", () => {
  const miscomputes = expect.objectContaining({ code: "KERNEL_SELF_TEST_FAILED" });

  it("is refused; a batch is left as it was, and nothing stays behind", () => {
    const { kernels, refuse } = refusingKernels();
    const engine = new Engine({ kernels, paths: HYBRID });
    refuse();
    const all = Array.from({ length: 20 }, (_, index) => testRecord(index, 100 + index, 2));
    const boxes = all.map((record, index) => nativeBox(SUITE, record, index));
    for (const verb of ["verify", "open", "reencrypt"] as const) {
      const batch = layOut(all, 2, boxes);
      const before = batch.arena.slice();
      vi.mocked(overwriteFreed).mockClear();
      expect(() => engine[verb](SUITE, batch)).toThrow(miscomputes);
      expect(overwriteFreed).toHaveBeenCalledOnce();
      expect(Buffer.compare(batch.arena, before)).toBe(0);
      expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
      for (const area of ["aes256GcmKeystream", "aes256GcmNewKeystream"]) {
        const at = kernels.constant(area);
        expect(
          kernels.bytes.subarray(at, at + 131_072).every((byte) => byte === 0),
          area,
        ).toBe(true);
      }
      const stream = kernels.constant("aes256GcmStream");
      expect(kernels.bytes.subarray(stream, stream + 524_288).every((byte) => byte === 0)).toBe(true);
    }
    // Sealing checks nothing, and a chunk in which a tag really is wrong is no contradiction.
    expect(new Set(engine.seal(SUITE, layOut(all, 2)))).toEqual(new Set([RecordStatus.done]));
    const one = { ...testRecord(1, 50, 1), newKey: 0 };
    const batch = layOut([one, one], 1, [nativeBox(SUITE, one, 1), nativeBox(SUITE, one, 2)]);
    batch.box(0)[20]! ^= 1;
    expect([...engine.verify(SUITE, batch)]).toEqual([RecordStatus.tagMismatch, RecordStatus.done]);
  });

  it("is refused by a page engine, whose pages are left as they were", () => {
    const { kernels, refuse } = refusingKernels();
    const engine = new PageEngine({ kernels, paths: HYBRID });
    refuse();
    const contract = testContract(1);
    const [body] = pageBodies(SUITE, contract, plainRecords(1, 10, [3])) as [Uint8Array];
    const before = Buffer.from(body);
    const job = { contract: contract.id, body, key: contract.material(3), newKey: contract.material(4) };
    expect(() => engine.reencrypt({ suite: SUITE, rotationId: 3 }, { suite: SUITE, rotationId: 4 }, [job])).toThrow(
      miscomputes,
    );
    expect(() => engine.verify(SUITE, 3, 4, [job])).toThrow(miscomputes);
    expect(before.equals(body)).toBe(true);
    expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
  });
});
