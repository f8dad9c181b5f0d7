/**
 * `contract put`, `get` and `delete`: a user's commands to a contract of a network. The chain says what the contract's
 * EcdhKey is and where the host of its pRuntime is found; nobody between here and that pRuntime reads the command or its
 * answer.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { catchUp, openReplica } from "../chain/follow.ts";
import { fromHex, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { MessageClient } from "../gatekeeper/message-client.ts";
import { peerFailed, transportAborted } from "../gatekeeper/message-transport.ts";
import { type CommandRecipient, newReplyKey, openAnswer, sealCommand } from "../keys/sealed-command.ts";
import { accountOf } from "../protocol/account.ts";
import { replicaCurve } from "../protocol/curve.ts";
import {
  KEY_VALUE_KEY_BYTES_MAX,
  KEY_VALUE_VALUE_BYTES_MAX,
  type KeyValueAnswer,
  type KeyValueCommand,
  decodeKeyValueAnswer,
  encodeKeyValueRequest,
} from "../protocol/key-value-messages.ts";
import { ledgerGroup } from "../protocol/key-terms.ts";
import type { State } from "../protocol/state.ts";
import { secretCopy } from "../secret.ts";
import { hashArgument, numberArgument, openChain } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { interruptible } from "./interruption.ts";
import { counted } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

const KEY = "UTF-8 text, or bytes as 0x-hex";
/** How long a contract's keys are waited for: from its pRuntime's start, or from a switch, it takes some blocks until it has them. */
const WAIT_SECONDS = 30;
const RETRY_MILLISECONDS = 250;
/** A host's words for that its pRuntime has not begun a command (node.ts), and may be able to soon. */
const NOT_BEGUN = ["NotJoined", "NOT_FOUND", "KEY_NOT_PROVISIONED", "KEY_UNAVAILABLE", "STORE_UNAVAILABLE"];
const WORDS = {
  stopping: "not waiting for the answer any more",
  advice: "the command may have been executed or not",
};

/** Whom a command goes to. */
interface Runner {
  readonly recipient: CommandRecipient;
  /** URL of the host of its pRuntime. */
  readonly endpoint: string;
}

/** Where the chain is, and how patient its user. */
interface ContractOptions extends CommonOptions {
  /** Seconds. */
  readonly wait?: number;
}

/** Adds the commands. */
export function addContractCommands(program: Command, terminal: Terminal): void {
  const contract = program
    .command("contract")
    .description("use a contract of a network, which keeps values under keys");
  const command = (name: string, description: string): Command =>
    withCommonOptions(contract.command(name))
      .description(`${description}; --home is one with the network's chain`)
      .argument("<contract>", "its id", hashArgument)
      .argument("<key>", KEY, keyArgument)
      .option(
        "--wait <s>",
        `seconds that the contract's keys are waited for (default: ${WAIT_SECONDS})`,
        numberArgument,
      );
  command("put", "keep a value under a key, for whoever knows the key")
    .argument("<value>", KEY, valueArgument)
    .action(async (id: string, key: Uint8Array, value: Uint8Array, options: ContractOptions) => {
      await ask(terminal, options, id, { tag: "put", value: { key, value } });
      const document = { contract: id, key: toHex(key), bytes: value.length };
      await terminal.answer(document, `put ${counted(value.length, "byte")}`);
    });
  command("get", "print the value under a key").action(
    async (id: string, key: Uint8Array, options: ContractOptions) => {
      const answer = await ask(terminal, options, id, { tag: "get", value: key });
      if (answer.tag !== "value") throw nothingThere(id, key);
      await terminal.answer({ contract: id, key: toHex(key), value: toHex(answer.value) }, shown(answer.value));
    },
  );
  command("delete", "delete the value under a key").action(
    async (id: string, key: Uint8Array, options: ContractOptions) => {
      const answer = await ask(terminal, options, id, { tag: "delete", value: key });
      if (answer.tag === "nothing") throw nothingThere(id, key);
      await terminal.answer({ contract: id, key: toHex(key), deleted: true }, "deleted");
    },
  );
}

/**
 * Has a contract execute a command.
 * @throws GatekeeperError NOT_FOUND, KEY_NOT_PROVISIONED, PEER_FAILED; COMMAND_INVALID when what comes back is no answer to
 * it; COMMAND_FAILED when the contract could not do it.
 */
function ask(
  terminal: Terminal,
  options: ContractOptions,
  id: string,
  command: KeyValueCommand,
): Promise<KeyValueAnswer> {
  const onWait = (): void => terminal.note("waiting for the contract's keys");
  return interruptible(terminal, WORDS, (signal) => execute(options, id, command, signal, onWait));
}

/**
 * Has a contract execute a command, at most once. While its pRuntime has no keys, here is where that is waited for: the
 * command is sealed anew for each try, to the EcdhKey that the chain has by then, and tried again only where it was not begun.
 * Whoever waits pays for it that way, and not the host, which has places for few requests.
 * @param options - name a home with the network's chain.
 * @param id - the contract's.
 * @param onWait - told when there is something to be waited for.
 * @throws GatekeeperError as `ask`; ABORTED when the signal fires: it may have been executed or not.
 */
export async function execute(
  options: ContractOptions,
  id: string,
  command: KeyValueCommand,
  signal: AbortSignal,
  onWait: () => void = () => undefined,
): Promise<KeyValueAnswer> {
  using chain = openChain(options);
  using client = new MessageClient();
  const replica = openReplica(chain, replicaCurve());
  const end = performance.now() + (options.wait ?? WAIT_SECONDS) * 1_000;
  for (let tries = 0; ; tries++) {
    try {
      return await executeNow(client, runnerOf(replica.ledger.state, id), command, signal);
    } catch (error) {
      if (!isNotBegun(error) || signal.aborted || performance.now() >= end) throw error;
    }
    if (tries === 0) onWait();
    await sleep(RETRY_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw transportAborted();
    for (const _ of catchUp(chain, replica));
  }
}

async function executeNow(
  client: MessageClient,
  { recipient, endpoint }: Runner,
  command: KeyValueCommand,
  signal: AbortSignal,
): Promise<KeyValueAnswer> {
  const { group } = recipient;
  const replyKey = newReplyKey(group);
  using _scalar = replyKey.scalar;
  const body = encodeKeyValueRequest(group, { replyKey: replyKey.publicKey, command });
  const sealed = sealCommand(recipient, body);
  body.fill(0);
  const bytes = await client.execute(endpoint, sealed, signal);
  using opened = openAnswer(group, replyKey, sealed, bytes);
  return understood(command, decodeKeyValueAnswer(opened));
}

/** Whether nothing was done of a command, for a reason that passes by itself: the chain's, its contract's, or the host's word. */
function isNotBegun(error: unknown): boolean {
  if (!(error instanceof GatekeeperError)) return false;
  const { code, detail } = error;
  if (code === "KEY_NOT_PROVISIONED") return true;
  if (code === "COMMAND_FAILED") return detail["reason"] === "KEY_NOT_PROVISIONED";
  return code === "PEER_FAILED" && detail["status"] === 503 && NOT_BEGUN.includes(String(detail["why"]));
}

/** An answer that this command may have, which is the caller's then. */
function understood({ tag }: KeyValueCommand, answer: KeyValueAnswer | null): KeyValueAnswer {
  switch (answer?.tag) {
    case "failed": {
      const { code } = answer.value;
      throw new GatekeeperError("COMMAND_FAILED", `the contract could not do it: ${code}`, { reason: code });
    }
    case "value":
      // It lies where it was opened, which is wiped.
      if (tag === "get") return { tag: "value", value: secretCopy(answer.value) };
      break;
    case "nothing":
      if (tag !== "put") return answer;
      break;
    case "done":
      if (tag !== "get") return answer;
      break;
    case undefined:
  }
  throw new GatekeeperError("COMMAND_INVALID", `the answer is none to ${tag}`, { reason: "NotUnderstood" });
}

function runnerOf(state: State, id: string): Runner {
  const contract = state.contracts.get(id);
  if (contract === undefined) throw new GatekeeperError("NOT_FOUND", `there is no contract ${id}`, { contract: id });
  const endpoint = state.workers.get(accountOf(contract.worker))?.endpoint ?? null;
  if (endpoint === null) throw peerFailed("NoEndpoint", `nobody has said where that of ${contract.worker} is found`);
  // The ledger takes printable ASCII only.
  return { recipient: recipientOf(state, id), endpoint: Buffer.from(endpoint).toString("latin1") };
}

function recipientOf({ contracts, sharings }: State, id: string): CommandRecipient {
  const ecdhKey = contracts.get(id)!.ecdhKey;
  const sharing = sharings.find(({ rotationId }) => rotationId === ecdhKey?.rotationId);
  if (ecdhKey === null || sharing === undefined) {
    throw new GatekeeperError(
      "KEY_NOT_PROVISIONED",
      `contract ${id} has no EcdhKey on the chain yet that is in force; its pRuntime publishes one when gatekeepers have given it the contract's keys`,
      { contract: id },
    );
  }
  return {
    group: ledgerGroup(sharing.keySuite),
    contract: fromHex(id, "a contract id"),
    rotationId: ecdhKey.rotationId,
    ecdhKey: fromHex(ecdhKey.publicKey, "an EcdhKey"),
  };
}

function keyArgument(text: string): Uint8Array {
  return bytesArgument(text, KEY_VALUE_KEY_BYTES_MAX);
}

function valueArgument(text: string): Uint8Array {
  return bytesArgument(text, KEY_VALUE_VALUE_BYTES_MAX);
}

/** What begins with 0x is hex or wrong: else a typing error would be another key. */
function bytesArgument(text: string, bytesMax: number): Uint8Array {
  if (text.startsWith("0x") && !/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) {
    throw new InvalidArgumentError("It begins with 0x, and not with an even number of hex digits behind it.");
  }
  const bytes = text.startsWith("0x") ? fromHex(text, "an argument") : Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return bytes;
  throw new InvalidArgumentError(`It must have ${bytesMax} bytes at most.`);
}

/** As it would be put: text where that steers no terminal and is not taken for hex, else hex. */
function shown(value: Uint8Array): string {
  const text = Buffer.from(value).toString("utf8");
  const isText = Buffer.compare(Buffer.from(text, "utf8"), value) === 0 && /^(?!0x)[^\p{C}\p{Zl}\p{Zp}]+$/u.test(text);
  return isText ? text : toHex(value);
}

function nothingThere(contract: string, key: Uint8Array): GatekeeperError {
  return new GatekeeperError("NOT_FOUND", `contract ${contract} has nothing under that key`, {
    contract,
    key: toHex(key),
  });
}
