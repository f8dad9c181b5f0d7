import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { compileBytes, compileEntry } from "./compile.ts";
import { KernelInstance } from "./instance.ts";
import {
  anyNumber,
  bigEndian,
  COMPLEMENT,
  EDGE_NUMBERS,
  fromBigEndian,
  fromLimbs,
  limbs,
  modulo,
  ORDER,
  SCALAR_BYTES,
  scalarOf,
} from "./secp256k1-numbers.ts";
import { traced, Tracer } from "./trace.ts";

/** Everything in the source, so that a test sees the constants and the reduction by itself. */
const everything = (_path: string, source: string): string => source.replaceAll(/^(const|function) /gm, "export $1 ");
const ENTRY = 'export * from "./secp256k1-scalar";';

let module: WebAssembly.Module;
let kernels: KernelInstance;
let [a, b, out] = [0, 0, 0];
beforeAll(async () => {
  module = await compileEntry(ENTRY, everything);
  kernels = new KernelInstance(module);
  [a, b, out] = [kernels.alloc(64), kernels.alloc(64), kernels.alloc(64)];
});

function putLimbs(at: number, x: bigint, length = SCALAR_BYTES): void {
  kernels.bytes.set(limbs(x, length), at);
}

function numberAt(at: number): bigint {
  return fromLimbs(kernels.get(at, SCALAR_BYTES));
}

/** What a function of two scalars makes of them, checked to be the same where it lies in place of either. */
function binary(name: string, x: bigint, y: bigint): bigint {
  putLimbs(a, x);
  putLimbs(b, y);
  kernels.call(name, out, a, b);
  const result = numberAt(out);
  kernels.call(name, a, a, b);
  expect(numberAt(a)).toBe(result);
  putLimbs(a, x);
  kernels.call(name, b, a, b);
  expect(numberAt(b)).toBe(result);
  return result;
}

test("the constants are n, 2^256 − n and n − 2", () => {
  expect(numberAt(kernels.constant("ORDER"))).toBe(ORDER);
  expect(numberAt(kernels.constant("COMPLEMENT"))).toBe(COMPLEMENT);
  const nibbles = kernels.get(kernels.constant("INVERTING_EXPONENT"), 64);
  expect(nibbles.reduce((sum, nibble) => 16n * sum + BigInt(nibble), 0n)).toBe(ORDER - 2n);
  expect(kernels.constant("SCALAR_BYTES")).toBe(SCALAR_BYTES);
});

describe("scalars as bytes", () => {
  test("those from 1 to n − 1 are read, and written again; of all others the reading tells, and gives 1", () => {
    const check = (x: bigint): void => {
      kernels.bytes.set(bigEndian(x), a + 1);
      const valid = x > 0n && x < ORDER;
      expect(kernels.call("scalarFromBytes", out, a + 1) >>> 0).toBe(valid ? 0xffffffff : 0);
      expect(numberAt(out)).toBe(valid ? x : 1n);
      kernels.call("scalarToBytes", b + 3, out);
      expect(fromBigEndian(kernels.get(b + 3, SCALAR_BYTES))).toBe(valid ? x : 1n);
      kernels.call("scalarToBytes", out, out);
      expect(fromBigEndian(kernels.get(out, SCALAR_BYTES))).toBe(valid ? x : 1n);
    };
    EDGE_NUMBERS.forEach(check);
    fc.assert(fc.property(anyNumber, check));
  });

  test("48 bytes are reduced", () => {
    const check = (x: bigint): void => {
      // A product leaves its limbs where the number goes.
      binary("scalarMultiply", ORDER - 1n, ORDER - 2n);
      kernels.bytes.set(bigEndian(x, 48), a);
      kernels.call("scalarFromWide48", out, a);
      expect(numberAt(out)).toBe(x % ORDER);
    };
    for (const low of EDGE_NUMBERS) {
      for (const high of [0n, 1n, 2n ** 127n, 2n ** 128n - 1n]) check((high << 256n) + low);
    }
    for (let i = 1n; i < 5n; i++) for (const off of [-1n, 0n, 1n]) check(i * ORDER * 2n ** 126n + off);
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 384n - 1n }), check));
  });
});

describe("arithmetic modulo n agrees with bigints", () => {
  const sum = (x: bigint, y: bigint): void => expect(binary("scalarAdd", x, y)).toBe(modulo(x + y));
  const difference = (x: bigint, y: bigint): void => expect(binary("scalarSubtract", x, y)).toBe(modulo(x - y));
  const product = (x: bigint, y: bigint): void => expect(binary("scalarMultiply", x, y)).toBe(modulo(x * y));
  const EDGE_SCALARS = EDGE_NUMBERS.filter((x) => x < ORDER);

  test.each([
    ["sums", sum],
    ["differences", difference],
    ["products", product],
  ])("in %s", (_, check) => {
    for (const [i, x] of EDGE_SCALARS.entries()) {
      for (let j = 0; j < 24; j++) check(x, EDGE_SCALARS[(i + 11 * j) % EDGE_SCALARS.length]!);
      check(x, x);
      check(x, modulo(-x));
      check(x, scalarOf(`edge ${i}`));
    }
    fc.assert(
      fc.property(anyNumber, anyNumber, (x, y) => {
        check(x % ORDER, y % ORDER);
      }),
    );
  });

  test("in products of numbers that are not below n, and in their own squares in place", () => {
    for (const [i, x] of EDGE_NUMBERS.entries()) {
      product(x, EDGE_NUMBERS.at(-1 - i)!);
      product(x, 2n ** 256n - 1n);
      putLimbs(a, x);
      kernels.call("scalarMultiply", a, a, a);
      expect(numberAt(a)).toBe(modulo(x * x));
    }
  });

  test("in negatives", () => {
    for (const x of EDGE_SCALARS) {
      putLimbs(a, x);
      kernels.call("scalarNegate", out, a);
      expect(numberAt(out)).toBe(modulo(-x));
      kernels.call("scalarNegate", a, a);
      expect(numberAt(a)).toBe(modulo(-x));
    }
  });

  test("in reductions that are anything around a multiple of n or of 2^256 after the second fold", () => {
    const max = 2n ** 256n - 1n;
    /** The largest upper half that a fold can leave, and what is to be folded for it to leave x. */
    const unfold = (x: bigint, largest: bigint): bigint => {
      const high = x / COMPLEMENT < largest ? x / COMPLEMENT : largest;
      return (high << 256n) + x - high * COMPLEMENT;
    };
    const tops: bigint[] = [];
    for (const multiple of [ORDER, 2n * ORDER, 2n ** 256n, 2n ** 257n, max + COMPLEMENT * COMPLEMENT - COMPLEMENT]) {
      for (const off of [-COMPLEMENT, -2n, -1n, 0n, 1n, 2n, COMPLEMENT - 1n, COMPLEMENT, 2n * COMPLEMENT]) {
        const folded = multiple + off;
        const product = unfold(unfold(folded, COMPLEMENT), max);
        if (product >= 2n ** 512n) continue;
        putLimbs(kernels.constant("PRODUCT"), product, 64);
        kernels.call("reduceProduct", out);
        expect(numberAt(out)).toBe(product % ORDER);
        tops.push(folded >> 256n);
      }
    }
    expect(new Set(tops)).toEqual(new Set([0n, 1n, 2n]));
  });
});

describe("scalarInvertAll", () => {
  /** The inverses, after a check that nothing beside the scalars and the scratch was written. */
  function inverses(scalars: readonly bigint[]): bigint[] {
    const size = scalars.length * SCALAR_BYTES;
    const instance = new KernelInstance(module);
    const at = instance.put(Buffer.concat(scalars.map((x) => limbs(x))), 16);
    const scratch = instance.alloc(size);
    instance.alloc(64);
    const before = instance.get(0, instance.bytes.length);
    instance.call("scalarInvertAll", at, scalars.length, scratch);
    const results = scalars.map((_, i) => fromLimbs(instance.get(at + i * SCALAR_BYTES, SCALAR_BYTES)));
    instance.bytes.set(before.subarray(at, at + size), at);
    instance.bytes.fill(0, scratch, scratch + size);
    instance.call("secp256k1ScalarWipe");
    expect(Buffer.compare(instance.bytes, before)).toBe(0);
    return results;
  }

  test("inverts every one of a batch of any size", () => {
    const edges = EDGE_NUMBERS.filter((x) => x > 0n && x < ORDER);
    for (const count of [0, 1, 2, 3, 16, edges.length]) {
      const scalars = edges.slice(0, count);
      expect(inverses(scalars).map((inverse, i) => modulo(inverse * scalars[i]!))).toEqual(scalars.map(() => 1n));
    }
    const scalars = Array.from({ length: 100 }, (_, i) => scalarOf(`inverted ${i}`));
    expect(inverses(scalars).map((inverse, i) => modulo(inverse * scalars[i]!))).toEqual(scalars.map(() => 1n));
  });

  test("makes all of them zero of a single zero, as it says", () => {
    expect(inverses([5n, 0n, 7n])).toEqual([0n, 0n, 0n]);
  });
});

/**
 * Runs a batch of the built kernels and returns the outputs, after a check that the call wrote nothing but them: the
 * rest of the memory, the scratch included, is byte for byte what it was before.
 * @param inputs - a list for each of the kernel's inputs, which all have a number for every row.
 */
function runBatch(name: string, inputs: readonly (readonly bigint[])[], inputBytes: number): bigint[] {
  const instance = new KernelInstance();
  const count = inputs[0]!.length;
  const placed = inputs.map((column) => instance.put(Buffer.concat(column.map((x) => bigEndian(x, inputBytes)))));
  const size = count * SCALAR_BYTES;
  const at = instance.alloc(size, 1);
  const before = instance.get(0, instance.bytes.length);
  instance.call(name, ...placed, at, count);
  const results = Array.from({ length: count }, (_, i) =>
    fromBigEndian(instance.get(at + i * SCALAR_BYTES, SCALAR_BYTES)),
  );
  instance.bytes.fill(0, at, at + size);
  expect(Buffer.compare(instance.bytes, before), "the memory outside the outputs is as it was").toBe(0);
  return results;
}

describe("secp256k1ScalarMultiplyAdd", () => {
  const run = (rows: readonly (readonly [bigint, bigint, bigint])[]): bigint[] =>
    runBatch(
      "secp256k1ScalarMultiplyAdd",
      [0, 1, 2].map((column) => rows.map((row) => row[column]!)),
      SCALAR_BYTES,
    );
  const expected = (rows: readonly (readonly [bigint, bigint, bigint])[]): bigint[] =>
    rows.map(([x, y, z]) => modulo(x * y + z));

  test("agrees with bigints on inputs of any size, different in each row", () => {
    const edges = EDGE_NUMBERS.flatMap((x, i) =>
      [1, 7, 60].map((step) => {
        const other = (times: number): bigint => EDGE_NUMBERS[(i + times * step) % EDGE_NUMBERS.length]!;
        return [x, other(1), other(2)] as [bigint, bigint, bigint];
      }),
    );
    // Sums of a product just below n and a term of n or more.
    for (const term of [ORDER, ORDER + 1n, 2n ** 256n - 2n, 2n ** 256n - 1n]) {
      for (const product of [ORDER - 1n, ORDER - 2n, ORDER - COMPLEMENT]) edges.push([product, 1n, term]);
    }
    expect(run(edges)).toEqual(expected(edges));
    fc.assert(
      fc.property(fc.array(fc.tuple(anyNumber, anyNumber, anyNumber), { maxLength: 9 }), (rows) => {
        expect(run(rows)).toEqual(expected(rows));
      }),
    );
  });

  test.each([0, 1, 2])("may write over input %i", (column) => {
    const rows = Array.from({ length: 5 }, (_, i) => ["a", "b", "c"].map((name) => scalarOf(`${name} ${i}`)));
    const instance = new KernelInstance();
    const placed = [0, 1, 2].map((input) => instance.put(Buffer.concat(rows.map((row) => bigEndian(row[input]!)))));
    instance.call("secp256k1ScalarMultiplyAdd", ...placed, placed[column]!, rows.length);
    for (const [i, [x, y, z]] of rows.entries()) {
      const written = instance.get(placed[column]! + i * SCALAR_BYTES, SCALAR_BYTES);
      expect(fromBigEndian(written)).toBe(modulo(x! * y! + z!));
    }
  });

  test("traps on inputs outside memory, and secp256k1ScalarWipe clears what is left", () => {
    const instance = new KernelInstance();
    const input = instance.put(bigEndian(scalarOf("left behind")));
    const before = instance.get(0, instance.bytes.length);
    const outside = instance.bytes.length;
    expect(() => instance.call("secp256k1ScalarMultiplyAdd", input, input, outside, input, 1)).toThrow("bounds");
    expect(Buffer.compare(instance.bytes, before)).not.toBe(0);
    instance.call("secp256k1ScalarWipe");
    expect(Buffer.compare(instance.bytes, before)).toBe(0);
  });
});

describe("secp256k1ScalarReduce", () => {
  const run = (numbers: readonly bigint[]): bigint[] => runBatch("secp256k1ScalarReduce", [numbers], 48);

  test("agrees with bigints, different in each row", () => {
    const edges = EDGE_NUMBERS.flatMap((x) => [x, x << 128n, (x << 128n) + 2n ** 128n - 1n]);
    expect(run(edges)).toEqual(edges.map(modulo));
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 384n - 1n }), { maxLength: 9 }), (numbers) => {
        expect(run(numbers)).toEqual(numbers.map(modulo));
      }),
    );
  });
});

describe("the functions behind the kernels", () => {
  let tracer: Tracer;
  beforeAll(async () => {
    tracer = new Tracer(traced(await compileBytes(ENTRY, everything)));
  }, 60_000);
  const SCALARS = [1n, ORDER - 1n, 2n ** 255n - 1n, scalarOf("traced")];

  test.each(["scalarAdd", "scalarSubtract", "scalarMultiply", "multiplyWide"])("%s takes the same way", (name) => {
    const pairs = SCALARS.flatMap((x) => SCALARS.map((y) => [x, y] as const));
    const difference = tracer.firstDifference([[0n, 0n] as const, ...pairs], (instance, [x, y]) => {
      const [left, right] = [instance.put(limbs(x), 16), instance.put(limbs(y), 16)];
      instance.call(name, instance.alloc(64), left, right);
    });
    expect(difference).toBe(null);
  });

  test.each([
    ["valid", SCALARS],
    ["invalid", [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n]],
  ])("scalarFromBytes takes the same way for all that are %s", (_, numbers) => {
    const difference = tracer.firstDifference(numbers, (instance, x) => {
      instance.call("scalarFromBytes", instance.alloc(SCALAR_BYTES), instance.put(bigEndian(x)));
    });
    expect(difference).toBe(null);
  });

  test("scalarFromBytes takes no other way for an invalid scalar", () => {
    const difference = tracer.firstDifference([...SCALARS, 0n, ORDER], (instance, x) => {
      instance.call("scalarFromBytes", instance.alloc(SCALAR_BYTES), instance.put(bigEndian(x)));
    });
    expect(difference).toBe("scalarFromBytes,-1; scalarFromBytes,0");
  });

  test("scalarInvertAll takes the same way", () => {
    const batches = [SCALARS, SCALARS.toReversed(), SCALARS.map((x) => modulo(7n * x)), SCALARS.map(() => 0n)];
    const difference = tracer.firstDifference(batches, (instance, batch) => {
      const at = instance.put(Buffer.concat(batch.map((x) => limbs(x))), 16);
      instance.call("scalarInvertAll", at, batch.length, instance.alloc(batch.length * SCALAR_BYTES));
    });
    expect(difference).toBe(null);
  });
});
