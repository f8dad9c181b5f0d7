/**
 * What a run of WebAssembly tells somebody who sees which way it goes and which memory it touches, but no contents.
 *
 * A module is rewritten, by way of its text, so that it notes before they are used: the address of every load and
 * store, the addresses and the size of every memory.copy and memory.fill, the condition of every if, br_if and select,
 * and the operands of every division, whose time may depend on them. A trace is the list of these values, each with its
 * place in the code. If runs with different secrets have equal traces, no branch and no address depended on a secret.
 *
 * Limits: code that no run reaches tells nothing; how long an instruction takes and what the engine makes of the code
 * are not seen.
 *
 * Sums, differences and products of doubles are not noted, fused or not. What is known of processors is that these take
 * longer for subnormal numbers, and otherwise as long for all (Andrysco et al., On Subnormal Floating Point and Abnormal
 * Timing, 2015; divisions and roots are another matter). Kernels have doubles in the field of secp256k1 alone, and none
 * that is subnormal, infinite or no number: but for constants, the least of which is above 2^−230, each is a multiple
 * of 1 and below 2^520 (assembly/secp256k1-field.ts). Comparisons and conversions of doubles are not known here.
 */
import binaryen from "binaryen";
import { KernelInstance } from "./instance.ts";

/** Nested lists, as WebAssembly's text format has them. */
type Node = string | Node[];

/** A module that notes its trace. */
export interface TracedModule {
  readonly module: WebAssembly.Module;
  /** The places in the code where something is noted: their number is their place in this list. */
  readonly sites: readonly Site[];
  /** The functions that it exports: exported name, name in the code. */
  readonly functions: ReadonlyMap<string, string>;
  /** Names in the code of the functions that each calls. */
  readonly calls: ReadonlyMap<string, ReadonlySet<string>>;
}

export interface Site {
  /** The function's name, and the instruction's line, in the text that `npx wasm-dis` makes of the module. */
  readonly inFunction: string;
  readonly line: number;
  /** What is noted, of which instruction. */
  readonly what: string;
}

/** The module where traces are noted: pairs of words, the number of a place and the value there. */
const NOTES = `
  (module
    (memory (export "memory") 256)
    (global $length (export "length") (mut i32) (i32.const 0))
    (func (export "clear") (global.set $length (i32.const 0)))
    (func (export "note") (param $site i32) (param $value i32) (result i32)
      (if (i32.eq (global.get $length) (i32.shl (memory.size) (i32.const 16)))
        (then (if (i32.eq (memory.grow (memory.size)) (i32.const -1)) (then (unreachable)))))
      (i32.store (global.get $length) (local.get $site))
      (i32.store offset=4 (global.get $length) (local.get $value))
      (global.set $length (i32.add (global.get $length) (i32.const 8)))
      (local.get $value)))`;

/** What that module exports. */
interface Notes {
  readonly memory: WebAssembly.Memory;
  /** In bytes. */
  readonly length: WebAssembly.Global;
  clear(): void;
  note(site: number, value: number): number;
}

const NOTE_IMPORT: Node[] = [
  "import",
  '"trace"',
  '"note"',
  ["func", "$note", ["param", "i32", "i32"], ["result", "i32"]],
];

/** Of the text of modules that binaryen emits. */
const TOKEN = /"(?:\\.|[^"\\])*"|;;[^\n]*|[()\n]|[^\s()]+/g;

/** What is noted of which instructions, and the number of that operand; the last is -1. */
const NOTED: readonly (readonly [instruction: RegExp, operands: Readonly<Record<string, number>>])[] = [
  [/^(?:i32|i64|v128)\.(?:load|store)/, { address: 0 }],
  [/^memory\.copy$/, { "address written": 0, "address read": 1, size: 2 }],
  [/^memory\.fill$/, { address: 0, size: 2 }],
  [/^i32\.(?:div|rem)_/, { dividend: 0, divisor: 1 }],
  [/^if$/, { condition: 0 }],
  [/^(?:br_if|select)$/, { condition: -1 }],
];
/** What tells nothing: structure, variables, and arithmetic on integers, vectors of them, and doubles. */
const SILENT: readonly RegExp[] = [
  /^(?:func|type|param|result|local|block|loop|then|else|br|return|call|drop|nop|unreachable)$/,
  /^(?:local|global)\.(?:get|set|tee)$/,
  /^(?:i32|i64|v128|i8x16|i16x8|i32x4|i64x2)\.(?!.*(?:load|store|div|rem|atomic))/,
  // Sums and products of doubles may take longer where they are subnormal; the field has no such (bounds.ts).
  /^(?:f64|f64x2)\.(?:const|add|sub|mul|relaxed_madd|splat|extract_lane)$/,
];
/** What stands before or after an instruction's operands and is none. */
const NO_OPERAND = /^(?:type|param|result|local|then|else)$/;

/**
 * Rewrites a module.
 * @throws Error on an instruction in neither list above: what there is to note of it is to be decided first
 */
export function traced(wasm: Uint8Array): TracedModule {
  const original = binaryen.readBinary(wasm);
  const { fields, lines } = parse(original.emitText());
  original.dispose();
  const sites: Site[] = [];
  const functions = new Map<string, string>();
  const calls = new Map<string, Set<string>>();
  for (const field of fields) {
    const [kind, name, what] = field;
    if (kind === "func") {
      const inFunction = String(name);
      calls.set(inFunction, new Set(callsIn(field)));
      addNotes(field, (node, noted) => sites.push({ inFunction, line: lines.get(node)!, what: noted }) - 1);
    }
    if (kind === "export" && what?.[0] === "func") functions.set(String(name).slice(1, -1), String(what[1]));
  }
  // Imports come before what is defined, behind the types.
  fields.splice(
    fields.findIndex(([kind]) => kind !== "type"),
    0,
    NOTE_IMPORT,
  );
  return { module: compileText(textOf(["module", ...fields])), sites, functions, calls };
}

/** The names in the code of all functions that may run when one of these kernels is called. */
export function reachableFrom({ functions, calls }: TracedModule, kernels: readonly string[]): Set<string> {
  const reachable = new Set(kernels.map((name) => functions.get(name)!));
  // The loop goes on to what is added meanwhile.
  for (const name of reachable) for (const called of calls.get(name)!) reachable.add(called);
  return reachable;
}

/** Runs kernels of a traced module, each time in a memory of its own. */
export class Tracer {
  /** Where the first runs of all comparisons came by. */
  readonly reached = new Set<Site>();
  /** What was called in them. */
  readonly called = new Set<string>();
  readonly traced: TracedModule;
  readonly #notes: Notes;

  constructor(module: TracedModule) {
    this.traced = module;
    this.#notes = new WebAssembly.Instance(compileText(NOTES)).exports as unknown as Notes;
  }

  /**
   * Runs something once for each of the ways to do it, which must be alike in all that is public.
   * @returns where the trace of a run, or what its kernels returned, first differed from the first run; null: nowhere.
   */
  firstDifference<T>(ways: readonly T[], run: (kernels: KernelInstance, way: T) => void): string | null {
    const [first, ...others] = ways;
    const kernels = this.#run(first!, run);
    const expected = this.#trace().slice();
    for (let i = 0; i < expected.length; i += 2) this.reached.add(this.traced.sites[expected[i]!]!);
    for (const [name] of kernels.calls) this.called.add(name);
    for (const way of others) {
      const { calls } = this.#run(way, run);
      const trace = this.#trace();
      const at = firstUnequal(expected, trace);
      if (at !== null) return `${this.#describe(expected, at)}; ${this.#describe(trace, at)}`;
      if (calls.join(" ") !== kernels.calls.join(" ")) return `${kernels.calls.join(" ")}; ${calls.join(" ")}`;
    }
    return null;
  }

  #run<T>(way: T, run: (kernels: KernelInstance, way: T) => void): TracedKernels {
    this.#notes.clear();
    const kernels = new TracedKernels(this.traced.module, { trace: { note: this.#notes.note } });
    run(kernels, way);
    return kernels;
  }

  /** The trace of the run that was last, until the next begins. */
  #trace(): Int32Array {
    return new Int32Array(this.#notes.memory.buffer, 0, this.#notes.length.value / Int32Array.BYTES_PER_ELEMENT);
  }

  #describe(trace: Int32Array, at: number): string {
    const site = this.traced.sites[trace[at]!];
    if (at >= trace.length || site === undefined) return "the end";
    return `${site.what} in ${site.inFunction}, line ${site.line}: ${trace[at + 1]! >>> 0}`;
  }
}

class TracedKernels extends KernelInstance {
  readonly calls: (readonly [name: string, returned: number])[] = [];

  override call(name: string, ...args: (number | bigint)[]): number {
    const returned = super.call(name, ...args);
    this.calls.push([name, returned]);
    return returned;
  }
}

/** Where the first pair of words begins that differs. */
function firstUnequal(a: Int32Array, b: Int32Array): number | null {
  if (Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer, b.byteOffset, b.byteLength))) {
    return null;
  }
  let at = 0;
  while (a[at] === b[at]) at++;
  return at & ~1;
}

/** The fields of a module's text, and the lines on which all the lists in them begin. */
function parse(text: string): { fields: Node[][]; lines: Map<Node[], number> } {
  const lines = new Map<Node[], number>();
  const open: Node[][] = [[]];
  let line = 1;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "(") {
      const list: Node[] = [];
      lines.set(list, line);
      open.at(-1)!.push(list);
      open.push(list);
    } else if (token === ")") {
      open.pop();
    } else if (token === "\n") {
      line++;
    } else if (!token.startsWith(";;")) {
      open.at(-1)!.push(token);
    }
  }
  return { fields: open[0]![0]!.slice(1) as Node[][], lines };
}

function textOf(node: Node): string {
  return typeof node === "string" ? node : `(${node.map(textOf).join(" ")})`;
}

function compileText(text: string): WebAssembly.Module {
  const parsed = binaryen.parseText(text);
  parsed.setFeatures(binaryen.Features.All);
  const module = new WebAssembly.Module(Uint8Array.from(parsed.emitBinary()));
  parsed.dispose();
  return module;
}

/** The functions that a function's code calls. */
function callsIn(node: Node[]): string[] {
  const lists = node.filter((child) => typeof child !== "string");
  return [...(node[0] === "call" ? [String(node[1])] : []), ...lists.flatMap(callsIn)];
}

/** Has an instruction noted, and all that lie within it. */
function addNotes(node: Node[], addSite: (node: Node[], what: string) => number): void {
  for (const child of node) if (typeof child !== "string") addNotes(child, addSite);
  const instruction = String(node[0]);
  const [, noted] = NOTED.find(([pattern]) => pattern.test(instruction)) ?? [];
  if (noted === undefined) {
    if (!SILENT.some((pattern) => pattern.test(instruction))) throw new Error(`what does ${instruction} tell?`);
    return;
  }
  const operands = [...node.keys()].filter((i) => typeof node[i] !== "string" && !NO_OPERAND.test(String(node[i]![0])));
  for (const [what, number] of Object.entries(noted)) {
    const at = operands.at(number)!;
    node[at] = ["call", "$note", ["i32.const", String(addSite(node, `${what} of ${instruction}`))], node[at]!];
  }
}
