/** `account new` and `account show`. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { createAccountKey, generateAccountKey, readAccountKey } from "../chain/account-key.ts";
import { accountOf } from "../protocol/account.ts";
import { publicKeyOf } from "../protocol/message.ts";
import type { Secret } from "../secret.ts";
import { withJson } from "./command-line.ts";
import type { Terminal } from "./terminal.ts";

/** Adds the commands. */
export function addAccountCommands(program: Command, terminal: Terminal): void {
  const account = program.command("account").description("keys that sign messages to a chain");
  withJson(account.command("new"))
    .description("make a secret key in FILE, readable by its owner alone; never overwrites")
    .argument("<file>", "where to")
    .action(async (file: string) => {
      using key = generateAccountKey();
      createAccountKey(resolve(file), key);
      await answer(terminal, file, key);
    });
  withJson(account.command("show"))
    .description("print the public key and the account id of the secret key in FILE")
    .argument("<file>", "what account new made")
    .action(async (file: string) => {
      using key = readAccountKey(resolve(file));
      await answer(terminal, file, key);
    });
}

function answer(terminal: Terminal, file: string, key: Secret): Promise<void> {
  const publicKey = publicKeyOf(key);
  const account = accountOf(publicKey);
  return terminal.answer({ file: resolve(file), publicKey, account }, `public key ${publicKey}\naccount ${account}`);
}
