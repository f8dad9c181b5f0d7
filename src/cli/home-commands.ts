/** `init`, `export-key` and `import-key`. */
import { existsSync, unlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { ALL_SUITES, type Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { Home, keyFilePath } from "../gatekeeper/home.ts";
import { exportKeyFile, importKeyFile } from "../pruntime/key-export.ts";
import { readRotation } from "../rotation/control.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { homeFolder } from "./environment.ts";
import { askNewPassphrase, askPassphrase, readPassphraseFile } from "./passphrase.ts";
import type { Terminal } from "./terminal.ts";

interface PassphraseOptions extends CommonOptions {
  readonly passphraseFile?: string;
}

/** Adds the commands. */
export function addHomeCommands(program: Command, terminal: Terminal): void {
  const suites = new Option("--suite <name>", "the cipher of the new home").choices(ALL_SUITES).default(ALL_SUITES[0]);
  withCommonOptions(program.command("init"))
    .description("make a new home: store, key file, MasterKey generation 0")
    .addOption(suites)
    .action(async ({ home, suite }: CommonOptions & { readonly suite: Suite }) => {
      const folder = resolve(homeFolder(home));
      await Home.init(folder, suite);
      const text = `made ${folder} (${suite}); who loses ${keyFilePath(folder)} loses everything: keep an export-key of it`;
      await terminal.answer({ home: folder, suite, rotationId: 0 }, text);
    });
  withPassphraseFile(program.command("export-key"))
    .description("write the key file to FILE under a passphrase, to be kept away from the home")
    .argument("<file>", "where to; never overwritten")
    .action(async (file: string, options: PassphraseOptions) => {
      const folder = existingHome(options);
      using passphrase = await passphraseOf(options, askNewPassphrase);
      exportKeyFile(keyFilePath(folder), file, passphrase);
      await terminal.answer({ home: folder, file: resolve(file) }, `exported the key of ${folder} to ${resolve(file)}`);
    });
  withPassphraseFile(program.command("import-key"))
    .description("restore a lost key file from what export-key wrote to FILE")
    .argument("<file>", "what export-key wrote")
    .action(async (file: string, options: PassphraseOptions) => {
      const folder = existingHome(options);
      using passphrase = await passphraseOf(options, askPassphrase);
      await restoreKey(file, folder, passphrase);
      await terminal.answer({ home: folder, file: keyFilePath(folder) }, `restored ${keyFilePath(folder)}`);
    });
}

/** Both ways a passphrase can be given; never as an argument or in the environment, where others may see it. */
function withPassphraseFile(command: Command): Command {
  return withCommonOptions(command).option(
    "--passphrase-file <file>",
    "read the passphrase from a file or pipe instead of the terminal; a line break at its end does not count",
  );
}

function passphraseOf(
  { passphraseFile }: PassphraseOptions,
  ask: typeof askPassphrase,
): ReturnType<typeof askPassphrase> {
  return passphraseFile === undefined ? ask() : readPassphraseFile(passphraseFile);
}

/** The folder, if it has a store; its key file may be missing. */
function existingHome(options: CommonOptions): string {
  const folder = resolve(homeFolder(options.home));
  if (existsSync(join(folder, "store.sqlite"))) return folder;
  throw new GatekeeperError("NOT_FOUND", `there is no home at ${folder}`, { home: folder });
}

/** Restores the key file, and takes it away again if it does not open this home's MasterKey. */
async function restoreKey(
  file: string,
  folder: string,
  passphrase: Awaited<ReturnType<typeof askPassphrase>>,
): Promise<void> {
  importKeyFile(file, keyFilePath(folder), passphrase);
  try {
    await using home = await Home.open(folder);
    const { rotationId } = (await readRotation(home.store)).value;
    (await home.masterKey(rotationId))[Symbol.dispose]();
  } catch (cause) {
    unlinkSync(keyFilePath(folder));
    if (!(cause instanceof GatekeeperError) || cause.code !== "KEY_UNAVAILABLE") throw cause;
    const message = `the key in ${file} does not open the MasterKey of ${folder}: it belongs to another home`;
    throw new GatekeeperError("KEY_UNAVAILABLE", message, { file, home: folder }, { cause });
  }
}
