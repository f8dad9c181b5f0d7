/** The commands of `gatekeeper`. */
import { createRequire } from "node:module";
import { Command } from "commander";
import { addAccountCommands } from "./account-commands.ts";
import { addChainCommands } from "./chain-commands.ts";
import { addChainShowCommand } from "./chain-show-command.ts";
import { run } from "./command-line.ts";
import { addContractCommands } from "./contract-commands.ts";
import { addElectCommand } from "./elect-command.ts";
import { addGovernCommands } from "./govern-commands.ts";
import { addHistoryCommands } from "./history-commands.ts";
import { addHomeCommands } from "./home-commands.ts";
import { addImportCommand } from "./import-command.ts";
import { addNetworkCommand } from "./network-command.ts";
import { addPRuntimeCommands } from "./pruntime-commands.ts";
import { addRotationCommands } from "./rotation-commands.ts";
import { addRunCommand } from "./run-command.ts";
import { addStateCommands } from "./state-commands.ts";
import { addStoreCommands } from "./store-commands.ts";
import { addTransactionCommands } from "./transaction-commands.ts";

const AFTER_HELP = `
Commands that work on a home take --home DIR (default: $GATEKEEPER_HOME, else ./gatekeeper-home), and all take --json:
exactly one JSON document on stdout. Exit codes: 0 done, 1 failed, 2 wrong usage, 70 a fault of this program, 128 + n
stopped by signal n.`;

/** Runs `gatekeeper` with these arguments and sets the exit code. */
export function main(argv: readonly string[]): Promise<void> {
  return run("gatekeeper", argv, (terminal) => {
    const program = new Command("gatekeeper")
      .description("Seals contract states, and rotates the key they are sealed under.")
      .version(packageVersion())
      .addHelpText("after", AFTER_HELP);
    addHomeCommands(program, terminal);
    addImportCommand(program, terminal);
    addRotationCommands(program, terminal);
    addStateCommands(program, terminal);
    const chain = addChainCommands(program, terminal);
    addChainShowCommand(chain, terminal);
    addTransactionCommands(chain, terminal);
    addAccountCommands(program, terminal);
    addGovernCommands(program, terminal);
    addHistoryCommands(program, terminal);
    addElectCommand(program, terminal);
    addPRuntimeCommands(program, terminal);
    addRunCommand(program, terminal);
    addContractCommands(program, terminal);
    addStoreCommands(program, terminal);
    addNetworkCommand(program, terminal);
    return program;
  });
}

function packageVersion(): string {
  const manifest = createRequire(import.meta.url)("gatekeeper/package.json") as { version: string };
  return manifest.version;
}
