import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { BoundsMachine, bitsOf, overBounds, power, Value, Word } from "./bounds.ts";
import type { SourceEdit } from "./compile.ts";

/** Limb i is a multiple of 2^GRAINS[i]. */
const GRAINS = [0, 52, 103, 154, 205];
/** The largest reduced limbs, but for the small part over a power of two. */
const REDUCED = [51, 102, 153, 204, 255];
/** The small part is 2^−SLACK of that. */
const SLACK = 14;

const largest = (limb: number): bigint => power(REDUCED[limb]!) + power(REDUCED[limb]! - SLACK);
const limbs = (magnitude: (limb: number) => bigint): Value[] =>
  GRAINS.map((grain, limb) => new Value(grain, magnitude(limb)));

/** Runs a function on elements that are as large as `magnitude` allows, and demands a reduced result. */
function prove(
  name: string,
  parameters: readonly string[],
  magnitude: (limb: number) => bigint = largest,
  edits: Readonly<Record<string, SourceEdit>> = {},
): BoundsMachine {
  const machine = new BoundsMachine();
  const field = overBounds(machine, "secp256k1-field", edits);
  const places = parameters.map((parameter) => {
    if (parameter === "mask") return new Word((1n << 64n) - 1n);
    return parameter === "n" ? 2 ** 51 : machine.put(limbs(magnitude));
  });
  field[name]!(...places);
  expectReduced(machine, places[0] as number);
  return machine;
}

function expectReduced(machine: BoundsMachine, at: number): void {
  for (const [limb, grain] of GRAINS.entries()) {
    const value = machine.get(at + 16 * limb);
    if (!(value instanceof Value)) throw new Error(`limb ${limb} is no number`);
    if (value.grain < grain) throw new Error(`limb ${limb} may be no multiple of 2^${grain}`);
    if (value.magnitude > largest(limb)) throw new Error(`limb ${limb} has up to ${bitsOf(value.magnitude)} bits`);
  }
}

/** Every function that assembly/secp256k1-field.ts exports, and the names of its parameters. */
const source = readFileSync(new URL("../../assembly/secp256k1-field.ts", import.meta.url), "utf8");
const FUNCTIONS = [...source.matchAll(/^export function (\w+)\(([^)]*)\)/gm)].map(
  ([, name, parameters]) => [name!, [...parameters!.matchAll(/(\w+):/g)].map(([, parameter]) => parameter!)] as const,
);
const PRODUCTS = FUNCTIONS.filter(([name]) => /^(multiply|square)/.test(name));

describe("the field", () => {
  it("has the functions that this test reads from its source", () => {
    expect(FUNCTIONS.map(([name]) => name)).toEqual(expect.arrayContaining(["multiply", "square", "add", "setSmall"]));
    expect(FUNCTIONS.length).toBeGreaterThan(14);
    expect(PRODUCTS.map(([name]) => name)).toEqual([
      "multiply",
      "multiplySubtract",
      "square",
      "squareSubtract",
      "squareSubtractTwice",
    ]);
  });

  it.each(FUNCTIONS)("%s is exact on reduced elements, and its result is reduced", (name, parameters) => {
    expect(() => prove(name, parameters)).not.toThrow();
  });

  it("comes as near to what a double holds as 7 of 8 units, in the columns of products", () => {
    const margins = PRODUCTS.map(([name, parameters]) => prove(name, parameters).margin);
    const narrowest = margins.reduce((a, b) => (b.bits < a.bits ? b : a));
    expect(narrowest.bits).toBeGreaterThan(0.192);
    expect(narrowest.bits).toBeLessThan(Math.log2(8 / 7));
    expect(narrowest.at).toMatch(/^secp256k1-field\.ts:\d+$/);
  });

  it("reduce takes limbs of 53 bits, and no more", () => {
    const wide = (bits: number) => (limb: number) => power(GRAINS[limb]! + bits);
    expect(() => prove("reduce", ["out", "a"], wide(53))).not.toThrow();
    expect(() => prove("reduce", ["out", "a"], wide(70))).toThrow();
  });
});

describe("the bytes of the field", () => {
  it("fromBytes is exact on any 32 bytes, and its result is reduced", () => {
    const machine = new BoundsMachine();
    const out = machine.put(limbs(largest));
    overBounds(machine, "secp256k1-field-bytes")["fromBytes"]!(out, 0, 32);
    expectReduced(machine, out);
  });

  it("settle is exact on reduced elements, and leaves whole numbers in the ranges that it says", () => {
    const machine = new BoundsMachine();
    const a = machine.put(limbs(largest));
    const bytes = overBounds(machine, "secp256k1-field-bytes");
    bytes["settle"]!(a);
    const settled = GRAINS.map((_, limb) => machine.get(Number(bytes["LIMBS"]) + 16 * limb) as Word);
    expect(settled.map(({ signed }) => signed)).toEqual([true, true, true, true, true]);
    expect(settled.slice(0, 4).map(({ most }) => most)).toEqual([1n << 51n, 1n << 50n, 1n << 50n, 1n << 50n]);
    expect(settled[4]!.most).toBeLessThan((1n << 50n) + (1n << 37n));
  });
});

/** What must not pass, or the proof proves nothing. */
describe("the proof fails", () => {
  const threeLines = (limb: number): string =>
    `  m = high(l${limb}, cut(${limb}));\n  m${limb} = f64x2.sub(m${limb}, m);\n  l${limb} = f64x2.sub(l${limb}, m);\n`;
  /** The first half of the source is the product's, the second the square's. */
  const [beforeSquares, squares] = source.split("function squared(") as [string, string];
  const whole = (from: string, to: string): SourceEdit => ({ from, to });
  const without = (text: string, lines: string): string => {
    expect(text.split(lines).length, "what is left out is there once").toBe(2);
    return text.replace(lines, "");
  };
  const proveEdited = (names: readonly string[], edit: SourceEdit): void => {
    for (const [name, parameters] of PRODUCTS) {
      if (names.includes(name)) {
        expect(() => prove(name, parameters, largest, { "secp256k1-field": edit }), name).toThrow(/may be|up to/);
      }
    }
  };

  it.each(PRODUCTS)("for %s of elements that are twice as large", (name, parameters) => {
    expect(() => prove(name, parameters, (limb) => 2n * largest(limb))).toThrow(/may be/);
  });

  it.each([3, 4, 5])("for products that do not take apart column %d", (limb) => {
    const edit = whole(beforeSquares, without(beforeSquares, threeLines(limb)));
    proveEdited(["multiply", "multiplySubtract"], edit);
  });

  it.each([3, 4, 5])("for squares that do not take apart column %d", (limb) => {
    const edit = whole(squares, without(squares, threeLines(limb)));
    proveEdited(["square", "squareSubtract", "squareSubtractTwice"], edit);
  });

  it.each([0, 2])("for squares less two elements that do not take apart column %d", (limb) => {
    const indented = threeLines(limb).replaceAll("  m", "    m").replace("  l", "    l");
    proveEdited(["squareSubtractTwice"], whole(squares, without(squares, indented)));
  });

  it("for squares with cuts in the middle of their binades, which (0x8000000124f820000 … 07ffffffffffff)² needs higher", () => {
    const table = /memory\.data<f64>\(\[\n([^\]]*)\n\]/.exec(source)![1]!;
    const middle = table.replaceAll(/^ {2}(\S+), \1, \/\/ 25.*$/gm, (_, cut: string) => {
      const lower = String((Number(cut) * 24) / 25);
      return `  ${lower}, ${lower},`;
    });
    expect(middle).not.toBe(table);
    proveEdited(["square", "squareSubtract", "squareSubtractTwice"], whole(table, middle));
    expect(() =>
      prove("multiply", ["out", "a", "b"], largest, { "secp256k1-field": whole(table, middle) }),
    ).not.toThrow();
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])("for a cut of column %d that is half as large, or 16 times", (k) => {
    const cut = [...source.matchAll(/^ {2}(\S+), \1, \/\/ 25.*$/gm)][k]!;
    for (const factor of [0.5, 16]) {
      const wrong = String(Number(cut[1]) * factor);
      proveEdited(["multiply"], whole(cut[0], `  ${wrong}, ${wrong},`));
      proveEdited(["square"], whole(cut[0], `  ${wrong}, ${wrong},`));
    }
  });

  it("for a κ of which one bit too many is set", () => {
    const edit = whole(
      "  3.709206994441089e-68, 3.709206994441089e-68,\n]",
      `  ${(2 ** 33 + 1955) * 2 ** -257}, ${(2 ** 33 + 1955) * 2 ** -257},\n]`,
    );
    proveEdited(["multiply", "square"], edit);
  });
});
