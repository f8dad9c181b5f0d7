/** What every Group must do: run over each instance, against an oracle that computes one element at a time. */
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { elementCount, type Group, reduceWide, WEIGHT_BYTES, WIDE_BYTES } from "../../src/keys/group.ts";
import { SCALAR_BYTES } from "../../src/keys/scalars.ts";
import { Secret } from "../../src/secret.ts";
import { type GroupOracle, hex, numberOf, secretOf, split } from "./groups.ts";

const DST = Buffer.from("gatekeeper test");
const refused = (code: string, detail = {}): unknown =>
  expect.objectContaining({ code, detail: expect.objectContaining(detail) });

/**
 * @param bad - encodings that are no elements, elementBytes each, by what is wrong with them.
 */
export function groupContract(
  name: string,
  group: Group,
  oracle: GroupOracle,
  bad: Readonly<Record<string, Uint8Array>>,
): void {
  const n = group.scalars.order;
  const identity = new Uint8Array(group.elementBytes);
  const times = (k: bigint): Uint8Array => oracle.multiply(group.generator, k);
  const random = (): Uint8Array => times(numberOf(group, group.scalars.random()));
  const edges = [1n, 2n, 3n, n - 1n, n - 2n, n >> 1n, (n >> 1n) + 1n, 2n ** 128n, 2n ** 251n];
  const randomNumbers = (count: number): bigint[] =>
    Array.from({ length: count }, () => numberOf(group, group.scalars.random()));
  const weightsOf = (weights: readonly bigint[]): Uint8Array =>
    Buffer.concat(weights.map((w) => Buffer.from(w.toString(16).padStart(2 * WEIGHT_BYTES, "0"), "hex")));

  describe(`${name} as a group`, () => {
    test("has a generator of its order", () => {
      expect(group.generator.length).toBe(group.elementBytes);
      expect(group.invalid(group.generator)).toEqual([]);
      const rows = [group.generator, group.generator];
      expect(group.linearCombinations(rows, [n - 1n, 1n])).toEqual({ elements: identity, identities: [0] });
      expect(hex(group.linearCombinations([group.generator], [n - 1n]).elements)).toBe(
        hex(oracle.negate(group.generator)),
      );
    });

    test("hashes each message of a batch as the oracle does, to elements", () => {
      for (const messageBytes of [1, 32, 100]) {
        const messages = randomBytes(5 * messageBytes);
        const points = split(group, group.hashToGroup(messages, messageBytes, DST));
        expect(points.length).toBe(5);
        points.forEach((point, i) => {
          const message = messages.subarray(i * messageBytes, (i + 1) * messageBytes);
          expect(hex(point)).toBe(hex(oracle.hashToGroup(message, DST)));
        });
        expect(group.invalid(Buffer.concat(points))).toEqual([]);
      }
      const other = group.hashToGroup(new Uint8Array(32), 32, Buffer.from("another tag"));
      expect(hex(other)).not.toBe(hex(group.hashToGroup(new Uint8Array(32), 32, DST)));
      expect(group.hashToGroup(new Uint8Array(0), 32, DST).length).toBe(0);
    });

    test("hashes messages of any length to scalars as the oracle does", () => {
      const agrees = (message: Uint8Array, dst: Uint8Array): void => {
        expect(group.hashToScalar(message, dst)).toBe(oracle.hashToScalar(message, dst));
      };
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 1, maxLength: 255 }), agrees),
      );
    });

    test("refuses messages and tags of impossible lengths", () => {
      for (const [messages, messageBytes, tag] of [
        [33, 32, 9],
        [32, 0, 9],
        [32, -1, 9],
        [32, 0.5, 9],
        [32, 32, 0],
        [32, 32, 256],
      ] as const) {
        expect(() => group.hashToGroup(new Uint8Array(messages), messageBytes, new Uint8Array(tag))).toThrow(
          refused("INVALID_ARGUMENT"),
        );
      }
      for (const tag of [0, 256]) {
        expect(() => group.hashToScalar(DST, new Uint8Array(tag))).toThrow(refused("INVALID_ARGUMENT"));
      }
    });

    test("multiplies every element of a batch by one secret", () => {
      const elements = [group.generator, times(2n), times(n - 1n), random(), group.generator, random()];
      for (const k of [...edges, ...randomNumbers(3)]) {
        using secret = secretOf(group, k);
        const products = split(group, group.multiplyAll(Buffer.concat(elements), secret));
        expect(products.map(hex)).toEqual(elements.map((element) => hex(oracle.multiply(element, k))));
      }
      using secret = secretOf(group, 5n);
      expect(group.multiplyAll(new Uint8Array(0), secret).length).toBe(0);
    });

    test("multiplies the generator by many secrets, equal and opposite ones among them", () => {
      const numbers = [...edges, 1n, n - 1n, ...randomNumbers(4)];
      const secrets = numbers.map((k) => secretOf(group, k));
      expect(split(group, group.multiplyBase(secrets)).map(hex)).toEqual(numbers.map((k) => hex(times(k))));
      expect(group.multiplyBase([]).length).toBe(0);
    });

    test("combines rows: identity, equal and opposite elements in one batch", () => {
      const p = random();
      const q = random();
      const minusP = oracle.negate(p);
      const rows = [Buffer.concat([p, p, p, q]), Buffer.concat([q, p, minusP, p])];
      const check = (a: bigint, b: bigint): void => {
        const { elements, identities } = group.linearCombinations(rows, [a, b]);
        const expected = split(group, rows[0]!).map((left, i) =>
          oracle.add(oracle.multiply(left, a), oracle.multiply(split(group, rows[1]!)[i]!, b)),
        );
        expect(split(group, elements).map(hex)).toEqual(expected.map(hex));
        expect(identities).toEqual(expected.flatMap((sum, i) => (sum.every((byte) => byte === 0) ? [i] : [])));
      };
      const [a, b] = randomNumbers(2) as [bigint, bigint];
      check(1n, 1n);
      check(a, b);
      check(a, a);
      check(a, n - a);
      check(0n, b);
      check(0n, 0n);
      check(n - 1n, 1n);
      expect(group.linearCombinations(rows, [1n, 1n]).identities).toEqual([2]);
      expect(group.linearCombinations(rows, [1n, n - 1n]).identities).toEqual([1]);
      expect(group.linearCombinations(rows, [0n, 0n]).identities).toEqual([0, 1, 2, 3]);
      expect(group.linearCombinations([new Uint8Array(0)], [1n])).toEqual({
        elements: new Uint8Array(0),
        identities: [],
      });
    });

    test("combines any number of rows", () => {
      const elements = Array.from({ length: 6 }, random);
      for (const count of [1, 2, 3, 6]) {
        const rows = elements.slice(0, count);
        const numbers = randomNumbers(count);
        const sum = rows.reduce((so, row, i) => oracle.add(so, oracle.multiply(row, numbers[i]!)), identity);
        expect(hex(group.linearCombinations(rows, numbers).elements)).toBe(hex(sum));
      }
    });

    test("sums elements times short weights, zero weights and cancelling elements among them", () => {
      const check = (elements: readonly Uint8Array[], weights: readonly bigint[]): void => {
        const sum = elements.reduce(
          (so, element, i) => oracle.add(so, oracle.multiply(element, weights[i]!)),
          identity,
        );
        const got = group.multiScalar(Buffer.concat(elements), weightsOf(weights));
        if (sum.every((byte) => byte === 0)) expect(got).toBeNull();
        else expect(hex(got!)).toBe(hex(sum));
      };
      const short = (): bigint => BigInt(`0x${randomBytes(WEIGHT_BYTES).toString("hex")}`);
      const p = random();
      const minusP = oracle.negate(p);
      const top = 2n ** 128n - 1n;
      check([p], [1n]);
      check([p], [0n]);
      check([p, p, minusP], [1n, 1n, 2n]);
      check([p, minusP, group.generator], [top, top, 1n]);
      check([p, p, p, minusP], [top, 0n, 2n ** 127n, 5n]);
      check([], []);
      for (const count of [2, 7, 20])
        check(Array.from({ length: count }, random), Array.from({ length: count }, short));
    });

    test("computes a·b + c modulo its order, b secret or public", () => {
      const numbers = fc.oneof(fc.bigInt({ min: 0n, max: n - 1n }), fc.constantFrom(0n, ...edges));
      const agrees = (a: bigint, b: bigint, c: bigint): void => {
        const [sa, sb, sc] = [a, b, c].map((value) => secretOf(group, value)) as [Secret, Secret, Secret];
        expect(numberOf(group, group.multiplyAdd(sa, sb, sc))).toBe((a * b + c) % n);
        expect(numberOf(group, group.multiplyAdd(sa, b, sc))).toBe((a * b + c) % n);
        expect([sa, sb, sc].map((secret) => numberOf(group, secret))).toEqual([a, b, c]);
      };
      fc.assert(fc.property(numbers, numbers, numbers, agrees));
    });

    test("reduces 48 bytes modulo its order", () => {
      const agrees = (bytes: Uint8Array): void => {
        const before = hex(bytes);
        expect(numberOf(group, reduceWide(group, bytes))).toBe(BigInt(`0x${hex(bytes)}`) % n);
        expect(hex(bytes)).toBe(before);
      };
      agrees(new Uint8Array(WIDE_BYTES));
      agrees(new Uint8Array(WIDE_BYTES).fill(255));
      fc.assert(fc.property(fc.uint8Array({ minLength: WIDE_BYTES, maxLength: WIDE_BYTES }), agrees));
    });

    test("makes secrets that print nothing and belong to the caller", () => {
      using secret = group.multiplyAdd(secretOf(group, 3n), 4n, secretOf(group, 5n));
      expect(inspect(secret)).toBe("[secret]");
      expect(secret.length).toBe(SCALAR_BYTES);
    });
  });

  describe(`${name}: hostile and impossible arguments`, () => {
    const good = random();
    const one = secretOf(group, 1n);

    test.each(Object.entries(bad))("%s is no element, wherever it stands", (_, encoding) => {
      expect(encoding.length).toBe(group.elementBytes);
      const batch = Buffer.concat([good, group.generator, encoding, good, encoding]);
      expect(group.invalid(batch)).toEqual([2, 4]);
      expect(group.invalid(encoding)).toEqual([0]);
      expect(() => group.multiplyAll(batch, one)).toThrow(refused("ELEMENT_INVALID", { index: 2 }));
      expect(() => group.multiScalar(batch, new Uint8Array(5 * WEIGHT_BYTES))).toThrow(
        refused("ELEMENT_INVALID", { index: 2 }),
      );
      const clean = Buffer.concat([good, good, good, good, good]);
      expect(() => group.linearCombinations([clean, batch], [1n, 0n])).toThrow(
        refused("ELEMENT_INVALID", { row: 1, index: 2 }),
      );
    });

    test("elements are valid in a batch of any size", () => {
      expect(group.invalid(new Uint8Array(0))).toEqual([]);
      expect(group.invalid(Buffer.concat([good, oracle.negate(good), group.generator]))).toEqual([]);
    });

    test("a batch that is no whole number of elements is refused by every operation", () => {
      const odd = new Uint8Array(group.elementBytes + 1);
      const refusedBatch = refused("INVALID_ARGUMENT");
      expect(() => elementCount(group, odd)).toThrow(refusedBatch);
      expect(() => group.invalid(odd)).toThrow(refusedBatch);
      expect(() => group.multiplyAll(odd, one)).toThrow(refusedBatch);
      expect(() => group.multiScalar(odd, new Uint8Array(WEIGHT_BYTES))).toThrow(refusedBatch);
      expect(() => group.linearCombinations([odd], [1n])).toThrow(refusedBatch);
    });

    test("rows, coefficients and weights that do not fit each other are refused", () => {
      const refusedArguments = refused("INVALID_ARGUMENT");
      const pair = Buffer.concat([good, good]);
      expect(() => group.linearCombinations([], [])).toThrow(refusedArguments);
      expect(() => group.linearCombinations([pair, good], [1n, 1n])).toThrow(refusedArguments);
      expect(() => group.linearCombinations([pair], [1n, 1n])).toThrow(refusedArguments);
      for (const c of [-1n, n, n + 1n, 2n ** 256n]) {
        expect(() => group.linearCombinations([pair], [c])).toThrow(refusedArguments);
      }
      for (const length of [0, WEIGHT_BYTES, 2 * WEIGHT_BYTES - 1, 4 * WEIGHT_BYTES]) {
        expect(() => group.multiScalar(pair, new Uint8Array(length))).toThrow(refusedArguments);
      }
    });

    test("secrets that are zero, or no scalars, multiply nothing", () => {
      const unreduced = [n, n + 1n, 2n ** 256n - 1n].map((value) => rawScalar(group, value));
      for (const secret of [secretOf(group, 0n), ...unreduced, new Secret(new Uint8Array(31).fill(1))]) {
        expect(() => group.multiplyAll(good, secret)).toThrow(refused("INVALID_ARGUMENT"));
        expect(() => group.multiplyBase([one, secret])).toThrow(refused("INVALID_ARGUMENT"));
      }
      for (const secret of [...unreduced, new Secret(new Uint8Array(33))]) {
        expect(() => group.multiplyAdd(secret, 1n, one)).toThrow(refused("INVALID_ARGUMENT"));
        expect(() => group.multiplyAdd(one, secret, one)).toThrow(refused("INVALID_ARGUMENT"));
        expect(() => group.multiplyAdd(one, 1n, secret)).toThrow(refused("INVALID_ARGUMENT"));
      }
      for (const b of [-1n, n]) expect(() => group.multiplyAdd(one, b, one)).toThrow(refused("INVALID_ARGUMENT"));
    });

    test("a wiped secret multiplies nothing", () => {
      const wiped = secretOf(group, 7n);
      wiped[Symbol.dispose]();
      expect(() => group.multiplyAll(good, wiped)).toThrow(refused("KEY_UNAVAILABLE"));
      expect(() => group.multiplyAdd(wiped, 1n, one)).toThrow(refused("KEY_UNAVAILABLE"));
    });
  });
}

/** 32 bytes of a number, reduced or not. */
function rawScalar(group: Group, value: bigint): Secret {
  const bytes = Buffer.from(value.toString(16).padStart(2 * SCALAR_BYTES, "0"), "hex");
  return new Secret(group.scalars.byteOrder === "big" ? bytes : bytes.reverse());
}
