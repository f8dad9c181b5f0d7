/** `init`, `export-key` and `import-key`. */
import { closeSync } from "node:fs";
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { Home, checkHome } from "../gatekeeper/home.ts";
import { PRuntime } from "../gatekeeper/pruntime.ts";
import { SUITES, type Suite } from "../pruntime/boundary.ts";
import { keyFilePath } from "../store/home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { homeFolder } from "./environment.ts";
import { passphraseDescriptor } from "./passphrase-descriptor.ts";
import type { Terminal } from "./terminal.ts";

interface PassphraseOptions extends CommonOptions {
  readonly passphraseFile?: string;
}

/** Adds the commands. */
export function addHomeCommands(program: Command, terminal: Terminal): void {
  const suites = new Option("--suite <name>", "the cipher of the new home").choices(SUITES).default(SUITES[0]);
  withCommonOptions(program.command("init"))
    .description("make a new home: store, key file, MasterKey generation 0")
    .addOption(suites)
    .action(async ({ home, suite }: CommonOptions & { readonly suite: Suite }) => {
      const folder = resolve(homeFolder(home));
      await Home.init(folder, suite);
      const text = [
        `made ${folder} (${suite}); who loses ${keyFilePath(folder)} loses everything: keep an export-key of it`,
        "it is sealed by software, which gives no protection from the owner of this machine",
      ].join("\n");
      await terminal.answer({ home: folder, suite, rotationId: 0 }, text);
    });
  withPassphraseFile(program.command("export-key"))
    .description("write the key file to FILE under a passphrase, to be kept away from the home")
    .argument("<file>", "where to; never overwritten")
    .action(async (file: string, options: PassphraseOptions) => {
      const folder = await askWithPassphrase("exportKey", file, options);
      await terminal.answer({ home: folder, file: resolve(file) }, `exported the key of ${folder} to ${resolve(file)}`);
    });
  withPassphraseFile(program.command("import-key"))
    .description("restore a lost key file from what export-key wrote to FILE")
    .argument("<file>", "what export-key wrote")
    .action(async (file: string, options: PassphraseOptions) => {
      const folder = await askWithPassphrase("importKey", file, options);
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

/** Asks for what needs a passphrase, which this process passes on unread. @returns the home's folder. */
async function askWithPassphrase(
  tag: "exportKey" | "importKey",
  file: string,
  { home, passphraseFile }: PassphraseOptions,
): Promise<string> {
  const folder = checkHome(homeFolder(home));
  const passphrase = passphraseDescriptor(passphraseFile);
  try {
    await using pruntime = new PRuntime({ home: folder, passphrase });
    await pruntime.ask(tag, resolve(file));
    return folder;
  } finally {
    if (passphraseFile !== undefined) closeSync(passphrase);
  }
}
