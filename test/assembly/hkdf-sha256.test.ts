import { createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KernelInstance } from "./instance.ts";
import { bytesOf, HKDF_SHA256, runKdf } from "./kdf-batch.ts";

interface Derivation {
  readonly ikm: Uint8Array;
  readonly salt: Uint8Array;
  readonly info: Uint8Array;
  readonly length: number;
}

/** Node's HKDF; it refuses to derive nothing. */
const reference = ({ ikm, salt, info, length }: Derivation): string =>
  length === 0 ? "" : Buffer.from(hkdfSync("sha256", ikm, salt, info, length)).toString("hex");
const run = (derivations: readonly Derivation[]): string[] =>
  runKdf(
    HKDF_SHA256,
    derivations.map(({ ikm, salt, info, length }) => ({ inputs: [ikm, salt, info], outLength: length })),
  ).map((out) => out.toString("hex"));
const derivation = (seed: number, ikm: number, salt: number, info: number, length: number): Derivation => ({
  ikm: bytesOf(seed, ikm),
  salt: bytesOf(seed + 1, salt),
  info: bytesOf(seed + 2, info),
  length,
});

describe("RFC 5869 appendix A", () => {
  const counting = (from: number, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => from + i);
  const none = new Uint8Array(0);
  const ikm = new Uint8Array(22).fill(0x0b);
  const cases: [Derivation, string][] = [
    [
      { ikm, salt: counting(0, 13), info: counting(0xf0, 10), length: 42 },
      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ],
    [
      { ikm: counting(0, 80), salt: counting(0x60, 80), info: counting(0xb0, 80), length: 82 },
      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ],
    [
      { ikm, salt: none, info: none, length: 42 },
      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ],
  ];

  test("cases 1, 2 and 3, alone and beside each other", () => {
    for (const [input, okm] of cases) expect(run([input])).toEqual([okm]);
    expect(run(cases.map(([input]) => input))).toEqual(cases.map(([, okm]) => okm));
  });
});

describe("hkdfSha256Batch", () => {
  test("agrees with node:crypto on the shape of a contract key", () => {
    const batch = Array.from({ length: 10 }, (_, i) => derivation(3 * i, 32, 0, 64, 32));
    expect(run(batch)).toEqual(batch.map(reference));
  });

  test("agrees with node:crypto with different data and lengths in every lane", () => {
    const any = fc.record({
      ikm: fc.uint8Array({ maxLength: 150 }),
      salt: fc.uint8Array({ maxLength: 150 }),
      info: fc.uint8Array({ maxLength: 150 }),
      length: fc.integer({ min: 0, max: 200 }),
    });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 9 }), (batch) => {
        expect(run(batch)).toEqual(batch.map(reference));
      }),
    );
  });

  test("does nothing for an empty batch", () => {
    expect(run([])).toEqual([]);
  });

  test("agrees with node:crypto up to the longest output there is, beside short ones", () => {
    for (let long = 0; long < 4; long++) {
      const lengths = [0, 1, 33, 64].with(long, 255 * 32);
      const batch = lengths.map((length, lane) => derivation(10 * lane, 20, 7, 11, length));
      expect(run(batch)).toEqual(batch.map(reference));
    }
  });

  test("traps on an output that would repeat its counter, before anything is written", () => {
    const instance = new KernelInstance();
    const inputs = instance.put(bytesOf(1, 32));
    const out = instance.alloc(9000);
    const row = [inputs, 32, inputs, 0, inputs, 0];
    const rows = Uint32Array.of(...row, out, 32, ...row, out, 255 * 32 + 1);
    const table = instance.put(new Uint8Array(rows.buffer), 4);
    const before = instance.get(0, instance.bytes.length);
    expect(() => instance.call("hkdfSha256Batch", table, 2)).toThrow("unreachable");
    expect(Buffer.compare(instance.bytes, before)).toBe(0);
  });
});

describe("groups of the shape of contract keys", () => {
  const contractKey = (seed: number, info = 64): Derivation => derivation(3 * seed, 32, 0, info, 32);
  const group = (seed: number, info = 64): Derivation[] => [0, 1, 2, 3].map((lane) => contractKey(seed + lane, info));

  test("agree with node:crypto at every info length around the blocks' edges, different data in every lane", () => {
    for (let info = 0; info <= 200; info++) {
      const batch = group(info, info);
      expect(run(batch)).toEqual(batch.map(reference));
    }
  });

  test("agree with node:crypto when the last group is not full", () => {
    for (const info of [64, 75]) {
      for (let count = 1; count <= 9; count++) {
        const batch = Array.from({ length: count }, (_, i) => contractKey(i, info));
        expect(run(batch)).toEqual(batch.map(reference));
      }
    }
  });

  test("agree with node:crypto beside groups of other info lengths and of other shapes", () => {
    const batch = [
      ...group(10),
      ...group(20, 0),
      ...group(30),
      ...group(40),
      ...group(50, 128),
      ...group(60, 65),
      ...group(70, 128),
      ...group(80).with(2, derivation(1, 40, 9, 64, 32)),
      ...group(90),
      ...group(100, 127),
      ...group(110, 0),
    ];
    expect(run(batch)).toEqual(batch.map(reference));
  });

  test("agree with node:crypto when one lane departs from the shape by a byte", () => {
    const departures: Derivation[] = [
      derivation(1, 31, 0, 64, 32),
      derivation(1, 33, 0, 64, 32),
      derivation(1, 32, 1, 64, 32),
      derivation(1, 32, 0, 63, 32),
      derivation(1, 32, 0, 65, 32),
      derivation(1, 32, 0, 64, 31),
      derivation(1, 32, 0, 64, 33),
    ];
    for (const departure of departures) {
      for (let lane = 0; lane < 4; lane++) {
        const batch = group(5).with(lane, departure);
        expect(run(batch)).toEqual(batch.map(reference));
      }
      const all = [0, 1, 2, 3].map((lane) =>
        derivation(7 * lane, departure.ikm.length, departure.salt.length, departure.info.length, departure.length),
      );
      expect(run(all)).toEqual(all.map(reference));
    }
  });

  test("agree with node:crypto in random batches on either side of the shape's border", () => {
    // Biased, so that groups of one shape are as likely as mixed ones.
    const shape = fc.record({
      ikm: fc.constantFrom(32, 32, 32, 32, 32, 31),
      salt: fc.constantFrom(0, 0, 0, 0, 0, 1),
      info: fc.constantFrom(64, 64, 64, 63, 65, 75, 0),
      length: fc.constantFrom(32, 32, 32, 32, 32, 33),
    });
    const groups = fc.array(
      fc.oneof(
        fc.tuple(shape).map(([each]) => [each, each, each, each]),
        fc.array(shape, { minLength: 4, maxLength: 4 }),
      ),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(groups, fc.array(shape, { maxLength: 3 }), fc.nat(1_000_000), (whole, rest, seed) => {
        const batch = [...whole.flat(), ...rest].map(({ ikm, salt, info, length }, i) =>
          derivation(seed + 3 * i, ikm, salt, info, length),
        );
        expect(run(batch)).toEqual(batch.map(reference));
      }),
    );
  });

  test("agree with two HMACs of node:crypto when infos are nearly or quite too long for a way of their own", () => {
    // Node's own HKDF refuses infos of more than 1,024 bytes.
    const hmac = (key: Uint8Array, message: Uint8Array): Buffer => createHmac("sha256", key).update(message).digest();
    for (const info of [0xffc0, 0xffff, 0x10000]) {
      const batch = group(3, info);
      const expected = batch.map((each) =>
        hmac(hmac(each.salt, each.ikm), Buffer.concat([each.info, Uint8Array.of(1)])).toString("hex"),
      );
      expect(run(batch)).toEqual(expected);
    }
  });

  test("read nothing behind their inputs: they may end where the memory ends", () => {
    for (const input of ["ikm", "info"] as const) {
      for (const length of [64, 70]) {
        const instance = new KernelInstance();
        const key = contractKey(1, length);
        const out = instance.alloc(32);
        const table = instance.alloc(32);
        const elsewhere = instance.put(input === "ikm" ? key.info : key.ikm);
        const at = instance.bytes.length - key[input].length;
        instance.bytes.set(key[input], at);
        const [ikm, info] = input === "ikm" ? [at, elsewhere] : [elsewhere, at];
        instance.bytes.set(new Uint8Array(Uint32Array.of(ikm, 32, 0, 0, info, length, out, 32).buffer), table);
        instance.call("hkdfSha256Batch", table, 1);
        expect(Buffer.from(instance.get(out, 32)).toString("hex")).toBe(reference(key));
      }
    }
  });

  test("trap on inputs outside memory, and kdfWipe clears what is left", () => {
    const instance = new KernelInstance();
    const inputs = instance.put(bytesOf(1, 64));
    const out = instance.alloc(32);
    const beyond = instance.bytes.length - 63;
    const table = instance.put(new Uint8Array(Uint32Array.of(inputs, 32, 0, 0, beyond, 64, out, 32).buffer), 4);
    const before = instance.get(0, instance.bytes.length);
    expect(() => instance.call("hkdfSha256Batch", table, 1)).toThrow("out of bounds");
    expect(Buffer.compare(instance.bytes, before), "the control: something was left").not.toBe(0);
    instance.call("kdfWipe");
    expect(Buffer.compare(instance.bytes, before)).toBe(0);
  });
});

describe("kdfWipe", () => {
  test("clears what a call that trapped half way left behind", () => {
    const instance = new KernelInstance();
    const beyond = 0xffff_0000;
    const salt = instance.put(bytesOf(1, 64));
    const info = instance.put(bytesOf(2, 20));
    const table = instance.put(new Uint8Array(Uint32Array.of(salt, 32, salt, 64, info, 20, beyond, 32).buffer), 4);
    const before = instance.get(0, instance.bytes.length);
    expect(() => instance.call("hkdfSha256Batch", table, 1)).toThrow("out of bounds");
    expect(Buffer.compare(instance.bytes, before), "the control: something was left").not.toBe(0);
    instance.call("kdfWipe");
    expect(Buffer.compare(instance.bytes, before)).toBe(0);
  });
});
