/** `import`: reads everything once to check it, then again to seal it, so that a malformed file changes nothing. */
import type { Readable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import type { Command } from "commander";
import { GatekeeperError } from "../errors.ts";
import { type ImportSummary, importStates } from "../gatekeeper/import-states.ts";
import { openImport } from "../gatekeeper/import/open-import.ts";
import type { Home } from "../gatekeeper/home.ts";
import { type ThreadOptions, openHome, threadsOf, withCommonOptions, withThreads } from "./command-line.ts";
import { AT_CHECKPOINT, interruptible } from "./interruption.ts";
import { type ProgressMeter, counted, formatCount } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

const WORDS = {
  stopping: AT_CHECKPOINT,
  advice: "import the same again, and what was sealed already is left as it is",
};
const STANDARD_INPUT = "-";

/** What is imported, and how. */
export interface ImportWork {
  /** Files; "-" is standard input. */
  readonly paths: readonly string[];
  /** What "-" stands for; process.stdin if left out. */
  readonly stdin?: Readable;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly progress: ProgressMeter;
}

/** Adds the command. */
export function addImportCommand(program: Command, terminal: Terminal): void {
  withThreads(withCommonOptions(program.command("import")))
    .description("seal the contract states in chain files: Substrate raw specs, geth genesis files; .gz as well")
    .argument("[file...]", "files to read; - or none: standard input")
    .action(async (files: readonly string[], options: ThreadOptions) => {
      const paths = files.length === 0 ? [STANDARD_INPUT] : files;
      if (paths.includes(STANDARD_INPUT) && process.stdin.isTTY) {
        throw new GatekeeperError("USAGE", "standard input is a terminal: name a file, or pipe one in");
      }
      await using home = await openHome(options);
      const { contracts, records, bytes, unchanged } = await interruptible(terminal, WORDS, (signal) =>
        importFiles(home, { paths, ...threadsOf(options), signal, progress: terminal.progress }),
      );
      const text = describeImport({ contracts, records, bytes, unchanged });
      await terminal.answer({ contracts, records, bytes, unchanged }, text);
    });
}

/** Imports files into a home. */
export async function importFiles(
  home: Home,
  { paths, progress, threads, ...work }: ImportWork,
): Promise<ImportSummary> {
  // V8 lets the space for short-lived objects grow with their number, and an import makes tens of millions, none of
  // which lives long: kept small, it costs no time and a quarter less memory.
  setFlagsFromString("--semi-space-growth-factor=1");
  await using input = await openImport(paths, { ...work, spoolFolder: home.folder });
  let total = 0;
  for await (const states of input.read()) {
    total += states.length;
    progress.report({ name: "checking", unit: "records", total: null }, total);
  }
  const summary = await importStates({
    ...(threads === undefined ? {} : { threads }),
    pruntime: home.pruntime,
    states: input.read(),
    onProgress: (records) => progress.report({ name: "sealing", unit: "records", total }, records),
  });
  progress.clear();
  return summary;
}

/** An import's result in a line. */
export function describeImport({ contracts, records, bytes, unchanged }: ImportSummary): string {
  const lay = unchanged > 0 ? `, ${formatCount(unchanged)} of them unchanged` : "";
  return `imported ${counted(contracts, "contract")}: ${counted(records, "record")}, ${counted(bytes, "byte")}${lay}`;
}
