/**
 * One import: files, standard input, or both, read as states. An importer reads it twice, first to check everything
 * and then to write, so that a malformed file changes nothing.
 */
import type { Readable } from "node:stream";
import { GatekeeperError } from "../../errors.ts";
import type { ByteSource } from "./byte-source.ts";
import { decompressed, openFile } from "./source.ts";
import { spool } from "./spool.ts";
import type { StateEntry } from "./state-entry.ts";
import { StateParser } from "./state-parser.ts";

const STANDARD_INPUT = "-";

/** How an import is opened. */
export interface ImportOptions {
  /** An existing folder for a spool of what can be read only once. */
  readonly spoolFolder: string;
  /** What "-" stands for; process.stdin if left out. */
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
}

/** An open import; close it. */
export class Import implements AsyncDisposable {
  /** The files' names, for progress and messages. */
  readonly name: string;
  readonly #sources: readonly ByteSource[];
  readonly #signal: AbortSignal | undefined;

  /** Made by `openImport`. */
  constructor(sources: readonly ByteSource[], signal: AbortSignal | undefined) {
    this.name = sources.map((source) => source.name).join(", ");
    this.#sources = sources;
    this.#signal = signal;
  }

  /**
   * All states in the order of the files, in batches of what one chunk of input held: some 64 KiB of text and at
   * most one state that began before. May be called again once the iteration before has ended.
   * @throws GatekeeperError IMPORT_INVALID, RECORD_TOO_LARGE (detail: file, offset, and contract and key where
   * known), IO_FAILED, ABORTED; what came before the error was well-formed.
   */
  async *read(): AsyncGenerator<StateEntry[]> {
    for (const source of this.#sources) {
      await source.checkUnchanged();
      const parser = new StateParser(source.name);
      for await (const chunk of decompressed(source, this.#signal)) {
        const entries = parser.write(chunk);
        if (entries.length > 0) yield entries;
      }
      parser.end();
      await source.checkUnchanged();
    }
  }

  /** Gives the files back and forgets what was spooled. */
  async close(): Promise<void> {
    for (const source of this.#sources) await source.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/**
 * Opens an import of one or more files; "-" is standard input, read to its end here.
 * @throws GatekeeperError IO_FAILED (detail: file, code), USAGE when standard input is named twice, ABORTED.
 */
export async function openImport(paths: readonly string[], options: ImportOptions): Promise<Import> {
  if (paths.length === 0) throw new GatekeeperError("USAGE", "name at least one file to import, or - for stdin");
  if (paths.filter((path) => path === STANDARD_INPUT).length > 1) {
    throw new GatekeeperError("USAGE", "standard input (-) can be imported only once");
  }
  const sources: ByteSource[] = [];
  try {
    for (const path of paths) sources.push(await openSource(path, options));
  } catch (error) {
    for (const source of sources) await source.close();
    throw error;
  }
  return new Import(sources, options.signal);
}

function openSource(path: string, options: ImportOptions): Promise<ByteSource> {
  if (path !== STANDARD_INPUT) return openFile(path, options.spoolFolder, options.signal);
  return spool("standard input", options.stdin ?? process.stdin, options.spoolFolder, options.signal);
}
