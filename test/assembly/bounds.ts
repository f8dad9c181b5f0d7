/**
 * Runs AssemblyScript sources of the field over bounds instead of numbers, to prove that they never round where they
 * must not. The types are stripped and the rest, which is JavaScript, runs with stand-ins for v128, f64x2, i64x2 and memory.
 *
 * A value is known by two things: a power of two that divides it, 2^grain, and how large it can be. A double holds every
 * multiple of 2^grain up to 2^53·2^grain, so a sum, a difference or a multiply-add whose exact result keeps within that
 * does not round; every operation is checked for it. One kind of operation is meant to round: adding a constant that is
 * larger than all else, the cut. Its result is a multiple of the unit in the last place at the lower end of its range,
 * and is wrong by at most half of that at the upper end. The only use of it that is allowed is to take the cut away
 * again; what is then left is remembered to be x (or a·b), rounded, so that x minus it, or a·b minus it, is known to be
 * as small as that error.
 *
 * A multiply-add is also checked to be one that secp256k1-fma.ts can emulate with the same result: the errors of the
 * product and of the sum, added up, must be a double.
 *
 * A step that is not exact, an unknown address, or any use of a value that is not modelled, throws.
 */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";
import type { SourceEdit } from "./compile.ts";

/** Magnitudes are whole numbers of 2^−SCALE. */
const SCALE = 400;
/** Bits of a double. */
const PRECISION = 53;

/** Multiples of 2^this that are not 0 are not subnormal, of which the processor may need longer to add and multiply. */
const GRAIN_MIN = -1022;

/** 2^exponent as a magnitude. */
export function power(exponent: number): bigint {
  return 1n << BigInt(exponent + SCALE);
}

/** The whole number of 2^−SCALE that a double is. */
function exactly(value: number): bigint {
  const bits = new BigUint64Array(Float64Array.of(value).buffer)[0]!;
  const exponent = Number((bits >> 52n) & 0x7ffn) - 1075;
  const fraction = (bits & ((1n << 52n) - 1n)) | (1n << 52n);
  if (value === 0) return 0n;
  const scaled = (fraction << BigInt(SCALE + 200 + exponent)) >> 200n;
  return value < 0 ? -scaled : scaled;
}

/** The exponent of the largest power of two that divides a number; of 0, that of any. */
function grainOf(scaled: bigint): number {
  if (scaled === 0n) return 1023;
  return (scaled & -scaled).toString(2).length - 1 - SCALE;
}

/** The exponent of the unit in the last place of a positive number. */
function lastPlace(scaled: bigint): number {
  return scaled.toString(2).length - SCALE - PRECISION;
}

/** Half of that, of the largest number: how wrong a rounded number of that magnitude may be. */
const halfPlace = (magnitude: bigint): bigint => power(lastPlace(magnitude) - 1);
const magnitudeOf = (scaled: bigint): bigint => (scaled < 0n ? -scaled : scaled);
const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);

/** A product, or a value as the product of itself and nothing. */
type Term = readonly [Value, Value?];
const sameTerm = (a: Term, b: Term): boolean => (a[0] === b[0] && a[1] === b[1]) || (a[0] === b[1] && a[1] === b[0]);

/** What a value is: a term, rounded with an error of no more than that; `sign` −1 if it is minus that. */
interface Rounded {
  readonly term: Term;
  readonly error: bigint;
  readonly sign: 1 | -1;
}

/** All that a pair of doubles may be: multiples of 2^grain of up to `magnitude`. */
export class Value {
  readonly grain: number;
  readonly magnitude: bigint;
  readonly rounded: Rounded | undefined;

  constructor(grain: number, magnitude: bigint, rounded?: Rounded) {
    this.grain = grain;
    this.magnitude = magnitude;
    this.rounded = rounded;
  }
}

class Constant extends Value {
  readonly scaled: bigint;

  constructor(value: number) {
    const scaled = exactly(value);
    super(grainOf(scaled), magnitudeOf(scaled));
    this.scaled = scaled;
  }
}

/** A term and a cut, added up and rounded to a multiple of 2^grain. */
class Sum {
  readonly term: Term;
  readonly cut: Constant;
  /** Of the term. */
  readonly magnitude: bigint;
  readonly grain: number;
  readonly error: bigint;

  constructor(term: Term, cut: Constant, magnitude: bigint, grain: number, error: bigint) {
    this.term = term;
    this.cut = cut;
    this.magnitude = magnitude;
    this.grain = grain;
    this.error = error;
  }
}

/** A whole number of 64 bits, 0 … most; or a signed one, |x| ≤ most. */
export class Word {
  readonly most: bigint;
  readonly signed: boolean;

  constructor(most: bigint, signed = false) {
    this.most = most;
    this.signed = signed;
  }
}

const WORD_MAX = (1n << 64n) - 1n;

/** What a machine works with. */
type Operand = Value | Sum | Word;

/** The narrowest step so far. */
export interface Margin {
  /** How many bits more than it needs the result of an exact step has, a fraction included. */
  readonly bits: number;
  /** File and line. */
  readonly at: string;
}

/** A memory of such values and the instructions over them. */
export class BoundsMachine {
  readonly #cells = new Map<number, Operand>();
  #next = 1024;
  #margin: Margin = { bits: Number.POSITIVE_INFINITY, at: "" };

  get margin(): Margin {
    return this.#margin;
  }

  /** Address of new memory that holds `values` as vectors. */
  put(values: readonly Operand[]): number {
    const at = this.#allocate(16 * values.length);
    for (const [i, value] of values.entries()) this.#cells.set(at + 16 * i, value);
    return at;
  }

  get(at: number): Operand {
    const value = this.#cells.get(at);
    if (value === undefined) throw new Error(`nothing is known of what lies at ${at}`);
    return value;
  }

  /** What the sources take for built in. */
  builtins(): Record<string, unknown> {
    return {
      f64x2: {
        splat: (value: number) => new Constant(value),
        add: (a: Operand, b: Operand) => this.#add(known(a), known(b)),
        sub: (a: Operand, b: Operand) => this.#subtract(a, b),
        relaxed_madd: (a: Operand, b: Operand, c: Operand) => this.#multiplyAdd(known(a), known(b), known(c)),
      },
      v128: {
        load: (at: number, offset = 0) => this.get(at + offset),
        load64_splat: (at: number) => this.get(at),
        store: (at: number, value: Operand, offset = 0) => void this.#cells.set(at + offset, value),
        and: (a: Word, b: Word) => new Word(a.most < b.most ? a.most : b.most),
        or,
        xor: (a: Operand, b: Operand) => changeSign(known(a), b),
        bitselect: (a: Operand, b: Operand) => either(known(a), known(b)),
      },
      i64x2: {
        splat: (value: bigint | Word) => (value instanceof Word ? value : new Word(BigInt.asUintN(64, value))),
        replace_lane: (a: Word, _lane: number, b: Word) => new Word(max(a.most, b.most)),
        shr_u: (a: Word, bits: number) => new Word(a.most >> BigInt(bits)),
        shl: () => new Word(WORD_MAX),
        sub: bitsAbove,
      },
      i64: { MIN_VALUE: -(1n << 63n) },
      u64: { MAX_VALUE: WORD_MAX },
      load: () => new Word(WORD_MAX),
      bswap: (word: Word) => word,
      FUSED: 1,
      memory: {
        /** Scratch. */
        data: (bytes: number) => this.#allocate(bytes),
        /** A table of doubles in pairs: lanes are alike. */
        f64: (values: readonly number[]) => {
          for (let i = 0; i < values.length; i += 2) if (values[i] !== values[i + 1]) throw new Error("unlike lanes");
          return this.put(values.filter((_, i) => i % 2 === 0).map((value) => new Constant(value)));
        },
        /** A table of doubles, given as their bits. */
        u64: (values: readonly number[]) => {
          const at = this.#allocate(8 * values.length);
          const doubles = new Float64Array(BigUint64Array.from(values, BigInt).buffer);
          for (const [i, value] of doubles.entries()) this.#cells.set(at + 8 * i, new Constant(value));
          return at;
        },
      },
    };
  }

  #allocate(bytes: number): number {
    const at = this.#next;
    this.#next += 16 * Math.ceil(bytes / 16);
    return at;
  }

  /** A result that is not meant to round. */
  #exact(grain: number, magnitude: bigint, rounded?: Rounded): Value {
    if (grain < GRAIN_MIN) throw new Error("a number may be subnormal");
    const limit = power(grain + PRECISION);
    if (magnitude > limit)
      throw new Error(`a multiple of 2^${grain} of up to ${bitsOf(magnitude)} bits may be rounded`);
    const bits = bitsOf(limit) - bitsOf(magnitude);
    if (bits < this.#margin.bits) this.#margin = { bits, at: callerInSource() };
    return new Value(grain, magnitude, rounded);
  }

  #add(a: Value, b: Value): Value | Sum {
    if (b instanceof Constant && b.magnitude > a.magnitude) return rounded([a], a.grain, a.magnitude, b);
    return this.#exact(Math.min(a.grain, b.grain), a.magnitude + b.magnitude);
  }

  #multiplyAdd(a: Value, b: Value, c: Value): Value | Sum {
    const grain = a.grain + b.grain;
    const magnitude = (a.magnitude * b.magnitude) >> BigInt(SCALE);
    const limit = power(Math.min(grain, c.grain) + PRECISION);
    /** Of the product, rounded. */
    const error = magnitude > power(grain + PRECISION) ? halfPlace(magnitude) : 0n;
    if (c instanceof Constant && c.magnitude > magnitude) {
      const ofSum = halfPlace(c.magnitude + magnitude + error);
      if (error + ofSum > limit) throw new Error("an emulated multiply-add may be rounded twice");
      return rounded([a, b], grain, magnitude, c);
    }
    const left = c.rounded?.sign === -1 && sameTerm(c.rounded.term, [a, b]) ? c.rounded.error : undefined;
    const result = this.#exact(Math.min(grain, c.grain), left ?? magnitude + c.magnitude);
    if (result.magnitude + error > limit) throw new Error("an emulated multiply-add may be rounded twice");
    return result;
  }

  #subtract(a: Operand, b: Operand): Value {
    if (a instanceof Sum) return this.#withoutCut(a, b, 1);
    if (b instanceof Sum) return this.#withoutCut(b, a, -1);
    const from = known(a);
    const what = known(b);
    const left = what.rounded?.sign === 1 && sameTerm(what.rounded.term, [from]) ? what.rounded.error : undefined;
    return this.#exact(Math.min(from.grain, what.grain), left ?? from.magnitude + what.magnitude);
  }

  #withoutCut(sum: Sum, cut: Operand, sign: 1 | -1): Value {
    if (!(cut instanceof Constant) || cut.scaled !== sum.cut.scaled) throw new Error("a rounded sum is used as it is");
    return this.#exact(sum.grain, sum.magnitude + sum.error, { term: sum.term, error: sum.error, sign });
  }
}

function known(value: Operand): Value {
  if (!(value instanceof Value)) throw new Error("a number whose bounds are known is needed here");
  return value;
}

/** A term plus a cut that is larger. */
function rounded(term: Term, grain: number, magnitude: bigint, cut: Constant): Sum {
  if (cut.scaled < 0n) throw new Error("a cut is positive");
  const exact = Math.min(grain, cut.grain);
  const highest = lastPlace(cut.scaled + magnitude - 1n);
  if (exact >= highest) return new Sum(term, cut, magnitude, exact, 0n);
  return new Sum(term, cut, magnitude, Math.max(exact, lastPlace(cut.scaled - magnitude)), power(highest - 1));
}

/** A whole number below 2^52 put into the bits of 2^(E + 52) is the sum of that and it times 2^E. */
function or(a: Word, b: Word | Constant): Word | Sum {
  if (b instanceof Word) return new Word((1n << BigInt(max(a.most, b.most).toString(2).length)) - 1n);
  const grain = b.grain - 52;
  if (b.scaled !== power(b.grain) || a.most >= 1n << 52n) throw new Error("more bits than there is room for");
  const value = new Value(grain, a.most * power(grain));
  return new Sum([value], b, value.magnitude, grain, 0n);
}

function changeSign(a: Value, sign: Operand): Value {
  if (!(sign instanceof Word) || sign.most !== 1n << 63n) throw new Error("more than the sign would change");
  return new Value(a.grain, a.magnitude);
}

function either(a: Value, b: Value): Value {
  return new Value(Math.min(a.grain, b.grain), max(a.magnitude, b.magnitude));
}

/**
 * The bits of a sum minus those of its cut: what was added, in units of the last place, where all lies in one binade, of
 * which the upper end is the next number after the last.
 */
function bitsAbove(sum: Operand, cut: Operand): Word {
  if (!(sum instanceof Sum) || !(cut instanceof Constant) || sum.cut.scaled !== cut.scaled) {
    throw new Error("bits are taken of numbers that are not next to each other");
  }
  const unit = lastPlace(cut.scaled);
  if (sum.error !== 0n || sum.grain < unit) throw new Error("what was added is not whole");
  for (const end of [cut.scaled - sum.magnitude, cut.scaled + sum.magnitude - 1n]) {
    if (lastPlace(end) !== unit) throw new Error("a sum leaves the binade of its cut");
  }
  return new Word(sum.magnitude / power(unit), true);
}

/** log2 of a magnitude, in bits. */
export function bitsOf(magnitude: bigint): number {
  if (magnitude === 0n) return Number.NEGATIVE_INFINITY;
  const length = magnitude.toString(2).length;
  return Math.log2(Number((magnitude << 1024n) >> BigInt(length + 1024 - 60))) - 60 + length - SCALE;
}

/** The first line on the stack that belongs to a source of assembly/. */
function callerInSource(): string {
  return /(?<!test\/)assembly\/([\w-]+\.ts:\d+)/.exec(new Error("here").stack ?? "")?.[1] ?? "";
}

type Functions = Record<string, (...args: unknown[]) => unknown>;

/**
 * The functions of an assembly/ source, exported or not, over a machine; and of those that it imports.
 * @param edits - what to change in sources, by file.
 */
export function overBounds(
  machine: BoundsMachine,
  file: string,
  edits: Readonly<Record<string, SourceEdit>> = {},
  loaded: Map<string, Functions> = new Map(),
): Functions {
  const before = loaded.get(file);
  if (before !== undefined) return before;
  const path = fileURLToPath(new URL(`../../assembly/${file}.ts`, import.meta.url));
  let source = readFileSync(path, "utf8");
  const edit = edits[file];
  if (edit !== undefined) {
    if (source.split(edit.from).length !== 2) throw new Error(`what is to be altered is not once in ${file}.ts`);
    source = source.replace(edit.from, edit.to);
  }
  const scope = machine.builtins();
  // Lines stay where they are: what fails is found by them.
  source = source.replaceAll(/^import \{([^}]*)\} from "\.\/([\w-]+)";$/gm, (line, names: string, from: string) => {
    const functions = overBounds(machine, from, edits, loaded);
    for (const name of names.split(",").map((each) => each.trim())) if (name !== "") scope[name] = functions[name];
    return line.replaceAll(/[^\n]/g, " ");
  });
  const names = [...source.matchAll(/^(?:export )?(?:function|const) (\w+)/gm)].map(([, name]) => name!);
  const script = stripTypeScriptTypes(asJavaScript(source));
  const wrapped = `(({ ${Object.keys(scope).join(", ")} }) => {${script}\nreturn { ${names.join(", ")} };\n})`;
  const functions = new Script(wrapped, { filename: path }).runInThisContext()(scope) as Functions;
  loaded.set(file, functions);
  return functions;
}

/** What is AssemblyScript and not TypeScript, so that it is; numbers of 64 bits as bigints. */
function asJavaScript(source: string): string {
  return source
    .replaceAll(/^@inline$/gm, "")
    .replaceAll(/^export /gm, "")
    .replaceAll(/\bmemory\.data<(\w+)>/g, "memory.$1")
    .replaceAll(/^const \w+: [iu]64 = .*$/gm, (line) => line.replaceAll(/\b(0x[0-9a-f]+|\d+)\b(?!:)/g, "$1n"));
}
