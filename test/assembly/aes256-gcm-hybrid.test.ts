/** The check of all tags of a chunk at once, against the equation of assembly/batch-check.md and against an adversary. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesOf, DONE, type GcmRecord, nodeSeal, resealed, sealedRecord, SKIPPED } from "./aes256-gcm-batch.ts";
import { fieldBytes, fieldElement, hornerHash, power, product } from "./gf128.ts";
import { HybridChunk, OPERATION, type SealedRecord } from "./hybrid-chunk.ts";

const KEY = bytesOf("the old key", 32);
const NEW_KEY = bytesOf("the new key", 32);
/** AAD and text bytes of a chunk's records: empty, partial, whole and several blocks. */
const SIZES = [
  [0, 0],
  [20, 37],
  [16, 16],
  [51, 0],
  [0, 48],
  [33, 1],
] as const;

function plain(label: string | number, aadBytes: number, textBytes: number): GcmRecord {
  return {
    key: KEY,
    nonce: bytesOf(`nonce ${label}`, 12),
    aad: bytesOf(`aad ${label}`, aadBytes),
    text: bytesOf(`text ${label}`, textBytes),
    newKey: NEW_KEY,
    newNonce: bytesOf(`new nonce ${label}`, 12),
    newAad: bytesOf(`new aad ${label}`, aadBytes),
  };
}

function chunkOf(sizes: readonly (readonly [number, number])[] = SIZES): HybridChunk {
  return new HybridChunk(
    KEY,
    NEW_KEY,
    sizes.map(([aad, text], index) => sealedRecord(plain(index, aad, text))),
  );
}

/** The exponents of H with which the errors of a chunk's records enter the sum. */
function exponents(chunk: HybridChunk, count: number): number[] {
  const found: number[] = [];
  for (let index = count - 1, next = 1; index >= 0; index--) {
    found.unshift(next);
    next += chunk.blocks(index).length + 1;
  }
  return found;
}

/** Adds a number to 16 bytes where they lie. */
function add(bytes: Uint8Array, difference: bigint): void {
  bytes.set(fieldBytes(fieldElement(bytes.subarray(0, 16)) ^ difference));
}

describe("the equation", () => {
  it("holds for right tags, in all operations that have old tags", () => {
    for (const operation of [OPERATION.Open, OPERATION.Verify, OPERATION.Reencrypt]) {
      const checked = chunkOf().check(operation);
      expect(checked).toMatchObject({ matches: true, error: 0n });
      expect(checked.hashed).toBeGreaterThan(0);
    }
  });

  it("sums up the errors of all records, each with its power of H", () => {
    const size = fc.tuple(fc.nat(70), fc.nat(70));
    fc.assert(
      fc.property(fc.array(size, { minLength: 1, maxLength: 8 }), fc.infiniteStream(fc.nat(255)), (sizes, noise) => {
        const chunk = chunkOf(sizes);
        sizes.forEach((_, index) => {
          for (const part of Object.values(chunk.parts(index))) {
            for (let at = 0; at < part.length; at++) if (noise.next().value! < 8) part[at]! ^= noise.next().value!;
          }
        });
        const h = chunk.h;
        const powers = exponents(chunk, sizes.length);
        const terms = sizes.map((_, index) => {
          const error = chunk.sum(index) ^ hornerHash(h, chunk.blocks(index));
          return product(error, power(h, powers[index]! + 1));
        });
        const expected = terms.reduce((sum, term) => sum ^ term, 0n);
        expect(chunk.check(OPERATION.Verify)).toMatchObject({ error: expected, matches: expected === 0n });
      }),
      { numRuns: 60 },
    );
  });

  it("passes what was forged with the hash key, which shows that nothing else decides", () => {
    const chunk = chunkOf();
    const powers = exponents(chunk, SIZES.length);
    const forge = (first: number, second: number, h: bigint): void => {
      const difference = fieldElement(bytesOf(`${first} ${second}`, 16));
      add(chunk.parts(first).tag, difference);
      add(chunk.parts(second).tag, product(difference, power(h, powers[first]! - powers[second]!)));
    };
    const guessed = fieldElement(bytesOf("a guess", 16));
    for (let first = 0; first < SIZES.length; first++) {
      for (let second = first + 1; second < SIZES.length; second++) {
        forge(first, second, chunk.h);
        expect(chunk.check(OPERATION.Verify).matches, "forged with H").toBe(true);
        expect(chunk.finish(OPERATION.Verify, false), "one by one neither passes").toBe(2);
        chunk.makePending();
        forge(first, second, chunk.h);
        forge(first, second, guessed);
        expect(chunkIsRefused(chunk), "forged with a guess").toBe(true);
        forge(first, second, guessed);
      }
    }
  });

  it("passes a ciphertext that was forged with the hash key, in the last block of text", () => {
    const chunk = chunkOf();
    const difference = fieldElement(bytesOf("in the text", 16));
    // Before the sum come the block of lengths, times H, and the last block of text, times H^2.
    add(chunk.parts(2).text, difference);
    expect(chunkIsRefused(chunk)).toBe(true);
    const powers = exponents(chunk, SIZES.length);
    add(chunk.parts(4).tag, product(difference, power(chunk.h, 2 + powers[2]! - powers[4]!)));
    expect(chunk.check(OPERATION.Verify).matches).toBe(true);
  });
});

/** Whether the check of all tags refuses a chunk; nothing else has a part in that. */
function chunkIsRefused(chunk: HybridChunk, operation: number = OPERATION.Verify): boolean {
  const { hashed, matches } = chunk.check(operation);
  expect(hashed).toBeGreaterThan(0);
  return !matches;
}

describe("an adversary without the hash key", () => {
  it("is noticed at every single flipped bit, wherever the record lies in the chunk", () => {
    const chunk = chunkOf();
    SIZES.forEach((_, index) => {
      for (const [name, part] of Object.entries(chunk.parts(index))) {
        for (let bit = 0; bit < part.length * 8; bit++) {
          part[bit >> 3]! ^= 1 << (bit & 7);
          if (!chunkIsRefused(chunk)) expect.fail(`bit ${bit} of ${name} of record ${index} went unnoticed`);
          part[bit >> 3]! ^= 1 << (bit & 7);
        }
      }
    });
    expect(chunk.check(OPERATION.Verify).matches).toBe(true);
  });

  it("gains nothing by exchanging parts of records, or by moving and repeating them wrongly", () => {
    const all = Array.from({ length: 6 }, (_, index) => sealedRecord(plain(index, 20, 37)));
    for (const part of ["tag", "nonce", "aad", "text"] as const) {
      for (let first = 0; first < all.length; first++) {
        for (let second = first + 1; second < all.length; second++) {
          const chunk = new HybridChunk(KEY, NEW_KEY, all);
          const [one, other] = [chunk.parts(first)[part], chunk.parts(second)[part]];
          const kept = Buffer.from(one);
          one.set(other);
          other.set(kept);
          expect(chunkIsRefused(chunk), `${part} of ${first} and ${second}`).toBe(true);
          expect(chunk.finish(OPERATION.Verify, false)).toBe(2);
        }
      }
      // Each record has the part of the next: a cycle, so that the sum of all parts stays what it was.
      const rotated = all.map((record, index) => ({ ...record, [part]: all[(index + 1) % all.length]![part] }));
      expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, rotated)), part).toBe(true);
    }
    const repeated = (change: Partial<SealedRecord>): SealedRecord[] => [...all, { ...all[2]!, ...change }];
    expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, repeated({ nonce: all[1]!.nonce })))).toBe(true);
    expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, repeated({ aad: all[1]!.aad })))).toBe(true);
    // Whole records in another order and twice are what their tags say.
    expect(new HybridChunk(KEY, NEW_KEY, all.toReversed()).check(OPERATION.Open).matches).toBe(true);
    expect(new HybridChunk(KEY, NEW_KEY, repeated({})).check(OPERATION.Open).matches).toBe(true);
    expect(new HybridChunk(KEY, NEW_KEY, [...all, ...all]).check(OPERATION.Reencrypt).matches).toBe(true);
  });

  it("gains nothing from two records under one nonce", () => {
    const [one, other] = [plain(1, 20, 32), { ...plain(2, 20, 32), nonce: plain(1, 0, 0).nonce }].map(sealedRecord);
    expect(new HybridChunk(KEY, NEW_KEY, [one!, other!]).check(OPERATION.Open).matches).toBe(true);
    for (const change of [{ tag: other!.tag }, { aad: other!.aad }, { text: other!.text }]) {
      const records = [{ ...one!, ...change }, other!];
      expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, records))).toBe(true);
      expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [...records, one!]))).toBe(true);
    }
    // A wrong record twice: its error is the same in both places, and must not cancel with itself.
    const wrong = { ...one!, tag: other!.tag };
    expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [wrong, wrong]))).toBe(true);
  });

  it("gains nothing from one record's nonce that nothing was sealed under, alone or in pairs", () => {
    const unknown = { ...sealedRecord(plain(1, 20, 32)), nonce: bytesOf("nowhere", 12) };
    const zero = { ...unknown, nonce: Buffer.alloc(12) };
    for (const record of [unknown, zero]) {
      for (const count of [1, 2, 3, 4]) {
        const records = Array.from({ length: count }, () => record);
        expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, records))).toBe(true);
      }
    }
    // The nonce of the check itself is one like any other.
    const sealed = sealedRecord({ ...plain(1, 20, 32), nonce: Buffer.alloc(12) });
    expect(new HybridChunk(KEY, NEW_KEY, [sealed, sealed]).check(OPERATION.Verify).matches).toBe(true);
    expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [sealed, { ...sealed, tag: unknown.tag }]))).toBe(true);
  });

  it("can't have differences cancel between records", () => {
    const sizes = Array.from({ length: 6 }, () => [32, 32] as const);
    const difference = fieldElement(bytesOf("a difference", 16));
    type Parts = ReturnType<HybridChunk["parts"]>;
    const places: Record<string, (parts: Parts) => Uint8Array> = {
      "the tag": ({ tag }) => tag,
      "the first block of the AAD": ({ aad }) => aad,
      "the last block of the AAD": ({ aad }) => aad.subarray(16),
      "the first block of the text": ({ text }) => text,
      "the last block of the text": ({ text }) => text.subarray(16),
    };
    for (const [name, one] of Object.entries(places)) {
      for (const [otherName, other] of Object.entries(places)) {
        for (const [first, second] of [
          [0, 1],
          [1, 0],
          [2, 5],
          [4, 5],
        ] as const) {
          const chunk = chunkOf(sizes);
          add(one(chunk.parts(first)), difference);
          add(other(chunk.parts(second)), difference);
          expect(chunkIsRefused(chunk), `${name} of ${first}, ${otherName} of ${second}`).toBe(true);
        }
      }
    }
  });

  it("can't move bytes between AAD and text, or between text and padding", () => {
    const base = sealedRecord(plain("base", 32, 32));
    const all = Buffer.concat([base.aad, base.text]);
    for (const border of [0, 16, 31, 33, 48, 64]) {
      const moved = { ...base, aad: all.subarray(0, border), text: all.subarray(border) };
      expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [base, moved, base]))).toBe(true);
    }
    const zeros = sealedRecord({ ...base, text: Buffer.alloc(0), aad: Buffer.alloc(20) });
    for (const length of [0, 16, 17, 19, 21, 32]) {
      const padded = { ...zeros, aad: Buffer.alloc(length) };
      expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [base, padded]))).toBe(true);
    }
    const tail = sealedRecord({ ...base, text: base.text.subarray(0, 5) });
    for (const longer of [6, 15, 16]) {
      const text = Buffer.alloc(longer);
      text.set(tail.text);
      expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [{ ...tail, text }, base]))).toBe(true);
    }
  });
});

describe("why the layout is what it is", () => {
  interface Layout {
    readonly lengths: boolean;
    readonly ownPlace: boolean;
  }
  /** A record of a layout: its blocks, and what its tag gives without the mask. */
  interface Row {
    readonly blocks: readonly bigint[];
    readonly sum: bigint;
  }
  const h = fieldElement(bytesOf("a hash key", 16));

  /** What is hashed in a layout, and whether it ends at zero. */
  function passes(rows: readonly Row[], { ownPlace }: Layout): boolean {
    const stream: bigint[] = [];
    let before = 0n;
    for (const { blocks, sum } of rows) {
      if (ownPlace) stream.push(before, ...blocks);
      else stream.push(before ^ blocks[0]!, ...blocks.slice(1));
      before = sum;
    }
    return hornerHash(h, [...stream, before]) === 0n;
  }

  function rows(layout: Layout): Row[] {
    return [0, 1, 2, 3].map((row) => {
      const text = [0, 1, 2].map((block) => fieldElement(bytesOf(`${row} ${block}`, 16)));
      const blocks = layout.lengths ? [...text, BigInt(text.length * 128)] : text;
      return { blocks, sum: hornerHash(h, blocks) };
    });
  }

  const WHOLE: Layout = { lengths: true, ownPlace: true };

  it("without a place for each sum, a difference in a tag and in the next record's first block would cancel", () => {
    const forged = (layout: Layout): boolean => {
      const [first, second, ...others] = rows(layout) as [Row, Row, ...Row[]];
      const blocks = [second.blocks[0]! ^ 5n, ...second.blocks.slice(1)];
      return passes([{ ...first, sum: first.sum ^ 5n }, { ...second, blocks }, ...others], layout);
    };
    for (const lengths of [true, false]) {
      const layout = { lengths, ownPlace: false };
      expect(passes(rows(layout), layout)).toBe(true);
      expect(forged(layout)).toBe(true);
    }
    expect(passes(rows(WHOLE), WHOLE)).toBe(true);
    expect(forged(WHOLE)).toBe(false);
  });

  it("without lengths, a first block that is cut off and added to the tag before would cancel", () => {
    const forged = (layout: Layout): boolean => {
      const [first, second, ...others] = rows(layout) as [Row, Row, ...Row[]];
      const cut = second.blocks[0]!;
      const blocks = second.blocks.slice(1);
      if (layout.lengths) blocks[blocks.length - 1] = BigInt(2 * 128);
      return passes([{ ...first, sum: first.sum ^ cut }, { ...second, blocks }, ...others], layout);
    };
    const layout = { lengths: false, ownPlace: true };
    expect(passes(rows(layout), layout)).toBe(true);
    expect(forged(layout)).toBe(true);
    expect(forged(WHOLE)).toBe(false);
  });

  it("the kernels refuse both", () => {
    const all = [0, 1, 2].map((index) => sealedRecord(plain(index, 48, 16)));
    const [first, second, third] = all as [SealedRecord, SealedRecord, SealedRecord];
    const cut = second.aad.subarray(0, 16);
    const tag = Buffer.from(first.tag);
    add(tag, fieldElement(cut));
    const shorter = { ...second, aad: second.aad.subarray(16) };
    expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [{ ...first, tag }, shorter, third]))).toBe(true);
    const changed = Buffer.from(second.aad);
    add(changed, fieldElement(cut));
    expect(chunkIsRefused(new HybridChunk(KEY, NEW_KEY, [{ ...first, tag }, { ...second, aad: changed }, third]))).toBe(
      true,
    );
  });
});

describe("chunks", () => {
  const record = (index: number, aad: number, text: number): SealedRecord => sealedRecord(plain(index, aad, text));

  it("end where the keystream is full, and the first and last record of each are checked", () => {
    const all = Array.from({ length: 100 }, (_, index) => record(index, 30, 3000 + index));
    const chunk = new HybridChunk(KEY, NEW_KEY, all);
    const ends = chunk.ends(OPERATION.Reencrypt);
    expect(ends).toEqual([43, 85, 100]);
    const begins = [0, ...ends.slice(0, -1)];
    begins.forEach((begin, index) => {
      const end = ends[index]!;
      expect(chunk.check(OPERATION.Reencrypt, begin, end).matches).toBe(true);
      for (const bad of [begin, end - 1]) {
        for (const part of ["aad", "text", "tag", "nonce"] as const) {
          chunk.parts(bad)[part][0]! ^= 1;
          expect(chunk.check(OPERATION.Reencrypt, begin, end).matches).toBe(false);
          chunk.parts(bad)[part][0]! ^= 1;
        }
      }
      expect(chunk.check(OPERATION.Reencrypt, begin, end).matches).toBe(true);
      expect(chunk.finish(OPERATION.Reencrypt, true, begin, end)).toBe(0);
    });
    for (const index of all.keys()) {
      expect(chunk.box(index).equals(resealed(plain(index, 30, 3000 + index)))).toBe(true);
    }
  });

  it("end exactly where the 128 KiB of keystream do", () => {
    // Before all come two blocks. J0 and 15 blocks of text are 16 blocks; J0 and 13 blocks the rest.
    const sizes = [...Array.from({ length: 511 }, () => [5, 240] as const), [5, 208] as const, [5, 0] as const];
    const chunk = chunkOf(sizes);
    expect(chunk.ends(OPERATION.Open)).toEqual([512, 513]);
    expect(chunk.check(OPERATION.Open, 0, 512)).toMatchObject({ matches: true });
    expect(chunk.finish(OPERATION.Open, true, 0, 512)).toBe(0);
    expect(chunk.parts(511).text).toEqual(plain(511, 5, 208).text);
    const longest = new HybridChunk(KEY, NEW_KEY, [record(0, 5, 131_024), record(1, 5, 0)]);
    expect(longest.ends(OPERATION.Open)).toEqual([1, 2]);
    expect(longest.check(OPERATION.Open, 0, 1).matches).toBe(true);
    expect(longest.finish(OPERATION.Open, true, 0, 1)).toBe(0);
    expect(longest.parts(0).text.equals(plain(0, 5, 131_024).text)).toBe(true);
    const isZero = (area: string): boolean => {
      const at = longest.kernels.constant(area);
      return longest.kernels.get(at, 131_072).every((byte) => byte === 0);
    };
    expect(isZero("aes256GcmNewKeystream"), "nothing was written past the area").toBe(true);
    expect(isZero("aes256GcmKeystream")).toBe(false);
    expect(isZero("aes256GcmStream")).toBe(false);
    longest.kernels.call("aes256GcmHybridWipe");
    expect(isZero("aes256GcmKeystream")).toBe(true);
    expect(isZero("aes256GcmStream")).toBe(true);
  });

  it("end exactly where the 512 KiB of what is hashed do", () => {
    // 1024 blocks a record with lengths and sum, and one more at the beginning.
    const sizes = Array.from({ length: 33 }, () => [1022 * 16, 0] as const);
    const chunk = chunkOf(sizes);
    expect(chunk.ends(OPERATION.Verify)).toEqual([31, 33]);
    const full = chunkOf([...sizes.slice(0, 31), [1021 * 16, 0], [0, 0]]);
    expect(full.ends(OPERATION.Verify)).toEqual([32, 33]);
    expect(full.check(OPERATION.Verify, 0, 32)).toMatchObject({ matches: true, hashed: 512 * 1024 });
    for (const bad of [0, 31]) {
      full.parts(bad).aad[777]! ^= 2;
      expect(full.check(OPERATION.Verify, 0, 32).matches).toBe(false);
      full.parts(bad).aad[777]! ^= 2;
    }
  });

  it("consist of a single record where its AAD alone is more than is hashed at once", () => {
    const chunk = chunkOf([
      [10, 10],
      [600_000, 10],
      [10, 10],
      [524_240, 0],
      [524_241, 0],
      [10, 10],
    ]);
    expect(chunk.ends(OPERATION.Reencrypt)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(chunk.check(OPERATION.Reencrypt, 1, 2).hashed).toBe(0);
    expect(chunk.finish(OPERATION.Reencrypt, false, 1, 2)).toBe(0);
    expect(chunk.check(OPERATION.Verify, 3, 4).hashed).toBe(512 * 1024);
    expect(chunk.check(OPERATION.Verify, 4, 5).hashed).toBe(0);
  });

  it("stay in bounds where the lengths of shared AADs add up to more than 32 bits", () => {
    const kernels = chunkOf([]).kernels;
    const aadBytes = 2 ** 24;
    const rows = Array.from({ length: 256 }, () => [4096, 0, 4096, aadBytes, 0, 0, 0, 0, 0, 0]).flat();
    const at = kernels.put(new Uint8Array(Uint32Array.from(rows).buffer), 4);
    const end = at + 40 * 256;
    for (const operation of [OPERATION.Open, OPERATION.Verify, OPERATION.Reencrypt]) {
      expect(kernels.call("aes256GcmHybridChunk", operation, at, end)).toBe(at + 40);
    }
  });

  it("take rows that are not pending along without touching them", () => {
    const all = Array.from({ length: 9 }, (_, index) => ({
      ...record(index, 20, 50),
      status: index % 3 === 1 ? SKIPPED : 0,
      ...(index % 3 === 1 ? { tag: Buffer.alloc(16) } : {}),
    }));
    const chunk = new HybridChunk(KEY, NEW_KEY, all);
    expect(chunk.ends(OPERATION.Reencrypt)).toEqual([9]);
    expect(chunk.check(OPERATION.Reencrypt).matches).toBe(true);
    expect(chunk.finish(OPERATION.Reencrypt, true)).toBe(0);
    expect(chunk.statuses()).toEqual(all.map(({ status }) => (status === SKIPPED ? SKIPPED : DONE)));
    all.forEach(({ status, nonce, text, tag }, index) => {
      const untouched = Buffer.concat([nonce, text, tag]);
      const expected = status === SKIPPED ? untouched : resealed(plain(index, 20, 50));
      expect(chunk.box(index).equals(expected)).toBe(true);
    });
  });

  it("of which a tag is wrong are done one by one", () => {
    const all = SIZES.map(([aad, text], index) => plain(index, aad, text));
    for (let bad = 0; bad < all.length; bad++) {
      const chunk = chunkOf();
      chunk.parts(bad).tag[3]! ^= 4;
      const before = chunk.box(bad);
      expect(chunk.check(OPERATION.Reencrypt).matches).toBe(false);
      expect(chunk.finish(OPERATION.Reencrypt, false)).toBe(1);
      all.forEach((one, index) => {
        expect(chunk.box(index).equals(index === bad ? before : resealed(one)), `record ${index}`).toBe(true);
      });
    }
  });

  it("are sealed without a check", () => {
    const all = SIZES.map(([aad, text], index) => plain(index, aad, text));
    const chunk = new HybridChunk(
      KEY,
      NEW_KEY,
      all.map((one) => ({ ...one, tag: Buffer.alloc(16) })),
    );
    chunk.check(OPERATION.Seal);
    expect(chunk.finish(OPERATION.Seal, false)).toBe(0);
    for (const [index, one] of all.entries()) expect(chunk.box(index).equals(nodeSeal(one))).toBe(true);
  });
});
