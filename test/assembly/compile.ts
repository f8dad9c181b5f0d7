/**
 * Compiles one kernel source for a test: with everything that it exports, or with a line of it altered. The product's
 * own module exports no more than the product uses.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const project = fileURLToPath(new URL("../..", import.meta.url));
/** A source that exists in this compilation only. */
const ENTRY = "assembly/compiled-for-a-test.ts";

/** The builds of asconfig.json. */
export const BUILDS = ["release", "unfused"] as const;
export type Build = (typeof BUILDS)[number];

/** What to put in place of `from`, which must occur exactly once in the source. */
export interface SourceEdit {
  readonly from: string;
  readonly to: string;
}

/** The exports of assembly/`file` and HEAP_BASE, compiled with the options of asconfig.json. */
export async function compileKernel(file: string, edit?: SourceEdit, build?: Build): Promise<WebAssembly.Module> {
  let edited = edit === undefined;
  const compiled = await compileEntry(
    `export * from "./${file}";`,
    (path, source) => {
      if (edit === undefined || path !== resolve(project, `assembly/${file}.ts`)) return source;
      if (source.split(edit.from).length !== 2) throw new Error(`what is to be altered is not once in ${file}.ts`);
      edited = true;
      return source.replace(edit.from, edit.to);
    },
    build,
  );
  if (!edited) throw new Error("asc did not compile what was asked");
  return compiled;
}

/**
 * As compileKernel, where every vector store is followed by a call of the import `traced.stored()`: a test sees the
 * memory as it is between any two of them.
 */
export async function compileTraced(file: string): Promise<WebAssembly.Module> {
  return compileEntry(`export * from "./${file}";`, (path, source) => {
    if (!path.startsWith(resolve(project, "assembly"))) return source;
    const calls = source.replaceAll(/\bv128\.(store(?:\d+_lane)?)\(/g, "traced_$1(");
    return calls === source ? source : calls + TRACED_STORES;
  });
}

/** What a vector store becomes; in each source, for they need no import then. */
const TRACED_STORES = `
  // @ts-ignore: decorator
  @external("traced", "stored")
  declare function stored(): void;
  function traced_store(at: usize, value: v128, offset: usize = 0): void { v128.store(at + offset, value); stored(); }
  function traced_store64_lane(at: usize, value: v128, _: u8): void { v128.store64_lane(at, value, 0); stored(); }
  function traced_store32_lane(at: usize, value: v128, _: u8): void { v128.store32_lane(at, value, 0); stored(); }
  function traced_store16_lane(at: usize, value: v128, _: u8): void { v128.store16_lane(at, value, 0); stored(); }
  function traced_store8_lane(at: usize, value: v128, _: u8): void { v128.store8_lane(at, value, 0); stored(); }
`;

/**
 * Compiles an entry that lies beside the kernels' sources, and exports HEAP_BASE besides.
 * @param rewrite - what to compile in place of the source at a path.
 */
export async function compileEntry(
  entry: string,
  rewrite?: (path: string, source: string) => string,
  build?: Build,
): Promise<WebAssembly.Module> {
  return new WebAssembly.Module(await compileBytes(entry, rewrite, build));
}

/** As compileEntry, not yet a module. */
export async function compileBytes(
  entry: string,
  rewrite: (path: string, source: string) => string = (_, source) => source,
  build: Build = "release",
): Promise<Uint8Array<ArrayBuffer>> {
  const output: Uint8Array<ArrayBuffer>[] = [];
  const result = await asc.main(
    [ENTRY, "--baseDir", project, "--config", "asconfig.json", "--target", build, "--outFile", "kernel.wasm"],
    {
      readFile(name, baseDir) {
        const path = resolve(baseDir, name);
        if (path === resolve(project, ENTRY)) return `${entry}\nexport const HEAP_BASE: usize = __heap_base;`;
        const source = textOrNull(path);
        return source === null ? null : rewrite(path, source);
      },
      writeFile(_path, contents) {
        output.push(Uint8Array.from(Buffer.from(contents)));
      },
    },
  );
  if (result.error !== null) throw new Error(`asc failed: ${result.stderr.toString()}`, { cause: result.error });
  const [wasm] = output;
  if (wasm === undefined || output.length !== 1) throw new Error("asc did not compile what was asked");
  return wasm;
}

/** asc probes for files that need not exist. */
function textOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return null;
    throw error;
  }
}
