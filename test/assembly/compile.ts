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

/** What to put in place of `from`, which must occur exactly once in the source. */
export interface SourceEdit {
  readonly from: string;
  readonly to: string;
}

/** The exports of assembly/`file` and HEAP_BASE, compiled with the options of asconfig.json. */
export async function compileKernel(file: string, edit?: SourceEdit): Promise<WebAssembly.Module> {
  const output: Uint8Array<ArrayBuffer>[] = [];
  let edited = edit === undefined;
  const result = await asc.main(
    [ENTRY, "--baseDir", project, "--config", "asconfig.json", "--target", "release", "--outFile", "kernel.wasm"],
    {
      readFile(name, baseDir) {
        const path = resolve(baseDir, name);
        if (path === resolve(project, ENTRY))
          return `export * from "./${file}"; export const HEAP_BASE: usize = __heap_base;`;
        const source = textOrNull(path);
        if (source === null || edit === undefined || path !== resolve(project, `assembly/${file}.ts`)) return source;
        if (source.split(edit.from).length !== 2) throw new Error(`what is to be altered is not once in ${file}.ts`);
        edited = true;
        return source.replace(edit.from, edit.to);
      },
      writeFile(_path, contents) {
        output.push(Uint8Array.from(Buffer.from(contents)));
      },
    },
  );
  if (result.error !== null) throw new Error(`asc failed: ${result.stderr.toString()}`, { cause: result.error });
  const [wasm] = output;
  if (wasm === undefined || output.length !== 1 || !edited) throw new Error("asc did not compile what was asked");
  return new WebAssembly.Module(wasm);
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
