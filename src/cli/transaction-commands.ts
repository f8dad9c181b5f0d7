/** `chain tx`: messages of accounts and pRuntimes to a chain. */
import { resolve } from "node:path";
import { type Command, Option } from "commander";
import { readAccountKey } from "../chain/account-key.ts";
import { openReplica } from "../chain/follow.ts";
import { type Sent, sendCall } from "../chain/send.ts";
import { fromHex } from "../bytes.ts";
import type { Call, Payee } from "../protocol/call.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Ledger } from "../protocol/ledger.ts";
import { type Signer, accountSigner } from "../protocol/message.ts";
import {
  accountArgument,
  amountArgument,
  endpointArgument,
  fractionArgument,
  hashArgument,
  nameArgument,
  openChain,
  payeeArgument,
  publicKeyArgument,
  withKey,
} from "./chain-home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { interruptible } from "./interruption.ts";
import { plainJson } from "./plain-json.ts";
import type { Terminal } from "./terminal.ts";

/** Somebody who waits is told what for. */
const SLOW_MILLISECONDS = 2_000;
const WAITS = "the message waits for the chain's next block (gatekeeper chain start makes blocks)";
const WORDS = { stopping: "stopping, and the message stays", advice: WAITS };

/** Makes a call once the ledger and the sender's key are there. */
export type CallMaker = (ledger: Ledger, sender: Signer) => Call;

interface TransactionOptions extends CommonOptions {
  readonly from: string;
}

/** Adds the commands. */
export function addTransactionCommands(chain: Command, terminal: Terminal): void {
  const tx = chain.command("tx").description("sign a message, send it, and wait for its block");
  const command = (name: string, description: string): Command =>
    withKey(withCommonOptions(tx.command(name)), "--from").description(description);
  const send = (options: TransactionOptions, make: CallMaker): Promise<void> =>
    sendAndTell(terminal, options, options.from, make);
  addTransfer(command, send);
  addBonding(command, send);
  addCandidacy(command, send);
  addWorkers(command, send);
  addContracts(command, send);
}

/** Sends what a key file's owner asks for, and prints what it did. */
export async function sendAndTell(
  terminal: Terminal,
  options: CommonOptions,
  keyFile: string,
  make: CallMaker,
): Promise<void> {
  using chain = openChain(options);
  using key = readAccountKey(resolve(keyFile));
  const replica = openReplica(chain, replicaCurve());
  const signer = accountSigner(key);
  const call = make(replica.ledger, signer);
  const slow = setTimeout(() => terminal.note(WAITS), SLOW_MILLISECONDS);
  const sent = await interruptible(terminal, WORDS, (signal) => sendCall(chain, replica, signer, call, signal)).finally(
    () => clearTimeout(slow),
  );
  await terminal.answer(plainJson(sent) as Record<string, unknown>, describeSent(call, sent));
}

type CommandAdder = (name: string, description: string) => Command;
type Sender = (options: TransactionOptions, make: CallMaker) => Promise<void>;

function addTransfer(command: CommandAdder, send: Sender): void {
  command("transfer", "give tokens to another account")
    .argument("<to>", "account id or public key", accountArgument)
    .argument("<amount>", "how many", amountArgument)
    .action((to: string, amount: bigint, options: TransactionOptions) =>
      send(options, () => ({ tag: "transfer", value: { to, amount } })),
    );
}

function addBonding(command: CommandAdder, send: Sender): void {
  const payee = new Option("--payee <where>", "where rewards go: staked, stash, none, or an account")
    .argParser(payeeArgument)
    .default({ tag: "staked", value: undefined }, "staked");
  command("bond", "put tokens at stake")
    .argument("<amount>", "how many; as many as there are, if that is less", amountArgument)
    .addOption(payee)
    .action((amount: bigint, options: TransactionOptions & { readonly payee: Payee }) =>
      send(options, () => ({ tag: "bond", value: { amount, payee: options.payee } })),
    );
  command("bond-extra", "put more tokens at stake")
    .argument("<amount>", "how many; as many as there are, if that is less", amountArgument)
    .action((amount: bigint, options: TransactionOptions) =>
      send(options, () => ({ tag: "bondExtra", value: amount })),
    );
  command("unbond", "take tokens back from stake, to be withdrawn after the bonding duration")
    .argument("<amount>", "how many; as many as are active, if that is less", amountArgument)
    .action((amount: bigint, options: TransactionOptions) => send(options, () => ({ tag: "unbond", value: amount })));
  command("withdraw-unbonded", "get back what was unbonded long enough ago").action((options: TransactionOptions) =>
    send(options, () => ({ tag: "withdrawUnbonded", value: undefined })),
  );
  command("set-payee", "say where rewards go")
    .argument("<where>", "staked, stash, none, or an account", payeeArgument)
    .action((where: Payee, options: TransactionOptions) => send(options, () => ({ tag: "setPayee", value: where })));
}

function addCandidacy(command: CommandAdder, send: Sender): void {
  command("validate", "stand for election as a gatekeeper")
    .option("--commission <fraction>", "part of rewards before they are shared, from 0 to 1", fractionArgument, 0)
    .option("--blocked", "let nobody new nominate")
    .action((options: TransactionOptions & { readonly commission: number; readonly blocked?: true }) =>
      send(options, () => ({
        tag: "validate",
        value: { commission: options.commission, blocked: options.blocked === true },
      })),
    );
  command("nominate", "back up to 16 who stand for election")
    .argument("<target...>", "their account ids or public keys")
    .action((targets: readonly string[], options: TransactionOptions) =>
      send(options, () => ({ tag: "nominate", value: targets.map(accountArgument) })),
    );
  command("chill", "neither stand for election nor back anybody any more").action((options: TransactionOptions) =>
    send(options, () => ({ tag: "chill", value: undefined })),
  );
  command("set-keys", "say which pRuntime to serve with when elected")
    .argument("<identity-key>", "public key of a registered pRuntime of this account", publicKeyArgument)
    .action((identityKey: string, options: TransactionOptions) =>
      send(options, () => ({ tag: "setKeys", value: identityKey })),
    );
}

function addWorkers(command: CommandAdder, send: Sender): void {
  command("deregister-worker", "forget a pRuntime of this account")
    .argument("<identity-key>", "its public IdentityKey", publicKeyArgument)
    .action((identityKey: string, options: TransactionOptions) =>
      send(options, () => ({ tag: "deregisterWorker", value: identityKey })),
    );
  command("set-endpoint", "say where the host of a pRuntime of this account takes messages of other pRuntimes")
    .argument("<identity-key>", "its public IdentityKey", publicKeyArgument)
    .argument("<url>", "an http or https URL, or none", endpointArgument)
    .action((identityKey: string, endpoint: Uint8Array | null, options: TransactionOptions) =>
      send(options, () => ({ tag: "setEndpoint", value: { identityKey, endpoint } })),
    );
  command("report-equivocation", "show two heartbeats of one session that vouch for different states")
    .argument("<first>", "a message, 0x-hex")
    .argument("<second>", "another, 0x-hex")
    .action((first: string, second: string, options: TransactionOptions) => {
      const value = { first: fromHex(first, "the first message"), second: fromHex(second, "the second message") };
      return send(options, () => ({ tag: "reportOffence", value: { tag: "equivocation", value } }));
    });
}

function addContracts(command: CommandAdder, send: Sender): void {
  command("deploy-contract", "begin a contract of this account")
    .argument("<name>", "what to call it, at most 64 bytes: its id is made of this account and its name", nameArgument)
    .argument("<identity-key>", "public IdentityKey of the pRuntime that is to run it", publicKeyArgument)
    .action((name: Uint8Array, worker: string, options: TransactionOptions) =>
      send(options, () => ({ tag: "deployContract", value: { name, worker } })),
    );
  command("assign-contract", "let another pRuntime run a contract of this account")
    .argument("<contract>", "its id", hashArgument)
    .argument("<identity-key>", "public IdentityKey of that pRuntime", publicKeyArgument)
    .action((contract: string, worker: string, options: TransactionOptions) =>
      send(options, () => ({ tag: "assignContract", value: { contract, worker } })),
    );
}

function describeSent({ tag }: Call, { height, effects }: Sent): string {
  const lines = effects.map(({ kind, index, ...rest }) => `  ${kind} ${JSON.stringify(plainJson(rest))}`);
  return [`${tag} done in block ${height}`, ...lines].join("\n");
}
