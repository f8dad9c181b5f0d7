/** `status`, `list`, `get`, `put` and `delete`: a home's owner looks at it and changes single states. */
import type { Command } from "commander";
import { toHex } from "../bytes.ts";
import type { ContractKind } from "../contract-id.ts";
import { GatekeeperError } from "../errors.ts";
import type { Home } from "../gatekeeper/home.ts";
import { StatePacker } from "../gatekeeper/state-packer.ts";
import type { WriteResult } from "../pruntime/boundary.ts";
import { type Phase, readRotation } from "../rotation/control.ts";
import type { ContractEntry, ContractName } from "../store/store.ts";
import { type CommonOptions, openHome, withCommonOptions } from "./command-line.ts";
import { findContract, findOrNameContract, kindName, stateValue, storageKey } from "./contract-argument.ts";
import { Listing } from "./listing.ts";
import { hasChain } from "./network-rotation.ts";
import { showNetwork } from "./network-status-command.ts";
import { counted, formatCount } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Contracts that `list` reads and writes at once. */
const LIST_STEP = 1_000;

const CONTRACT = "0x-hex of its native name (address, pallet prefix, trie id), or its contract id";
const KEY = "0x-hex of the storage key; code, balance or nonce of an account";
const VALUE = "0x-hex of the new value; a decimal integer, too, for balance and nonce";

/** What a home holds, and where its rotation stands. */
export interface Status {
  readonly rotationId: number;
  readonly records: number;
  /** Records that are not under that rotation id. */
  readonly remainingOld: number;
  readonly phase: Phase;
}

interface StatusOptions extends CommonOptions {
  readonly watch?: true;
}

/** Adds the commands. */
export function addStateCommands(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command("status"))
    .description("say where the rotation stands: of a home, or of the network whose chain the home has")
    .option("--watch", "of a network: go on saying it, until interrupted")
    .action(async (options: StatusOptions) => {
      if (hasChain(options)) {
        await showNetwork(terminal, options, options.watch === true);
        return;
      }
      if (options.watch === true) throw new GatekeeperError("USAGE", "--watch is for a network: HOME has no chain");
      await using home = await openHome(options);
      const status = await statusOf(home);
      await terminal.answer({ ...status }, describeStatus(home, status));
    });
  withCommonOptions(program.command("list"))
    .description("list the contracts")
    .action(async (options: CommonOptions) => {
      await using home = await openHome(options);
      await list(home, terminal);
    });
  withCommonOptions(program.command("get"))
    .description("print one state")
    .argument("<contract>", CONTRACT)
    .argument("<key>", KEY)
    .action(async (contract: string, key: string, options: CommonOptions) => {
      await using home = await openHome(options);
      await get(home, terminal, contract, key);
    });
  withCommonOptions(program.command("put"))
    .description("write one state")
    .argument("<contract>", `${CONTRACT}; a native name that is not there yet makes a new contract`)
    .argument("<key>", KEY)
    .argument("<value>", VALUE)
    .action(async (contract: string, key: string, value: string, options: CommonOptions) => {
      await using home = await openHome(options);
      await put(home, terminal, contract, key, value);
    });
  withCommonOptions(program.command("delete"))
    .description("delete one state")
    .argument("<contract>", CONTRACT)
    .argument("<key>", KEY)
    .action(async (contract: string, key: string, options: CommonOptions) => {
      await using home = await openHome(options);
      await remove(home, terminal, contract, key);
    });
}

/** A home's status. */
export async function statusOf(home: Home): Promise<Status> {
  const { rotationId, phase } = (await readRotation(home.store)).value;
  const counts = await home.store.countByRotationId();
  const records = [...counts.values()].reduce((sum, count) => sum + count, 0);
  return { rotationId, records, remainingOld: records - (counts.get(rotationId) ?? 0), phase };
}

/** A status in lines. */
export function describeStatus(home: Home, { rotationId, records, remainingOld, phase }: Status): string {
  const old = remainingOld === 0 ? "none under an old key" : `${formatCount(remainingOld)} still under an old key`;
  const under = phase === "idle" ? "no rotation under way" : `in ${phase}`;
  return `${home.folder} (${home.suite})\nrotation ${rotationId}, ${under}\n${counted(records, "record")}, ${old}`;
}

/** Writes the contracts as they are read: a home may have more of them than fit memory. */
async function list({ store }: Home, terminal: Terminal): Promise<void> {
  const listing = new Listing(terminal, null);
  for (let after: Uint8Array | null = null; ;) {
    const entries: ContractEntry[] = await store.contracts(after, LIST_STEP);
    const last = entries.at(-1);
    if (last === undefined) break;
    after = last.id;
    await listing.add(...entries.map((entry) => ({ document: listEntry(entry), text: listLine(entry) })));
  }
  await listing.end();
}

function listEntry({ id, name, records }: ContractEntry): Record<string, unknown> {
  return { contract: toHex(id), name: name === null ? null : toHex(name), records };
}

function listLine({ id, kind, name, records }: ContractEntry): string {
  return `${kindName(kind)}\t${toHex(name ?? id)}\t${counted(records, "record")}`;
}

async function get(home: Home, terminal: Terminal, contractText: string, keyText: string): Promise<void> {
  const contract = await findContract(home.store, contractText);
  const key = storageKey(contract, keyText);
  const value = await home.pruntime.ask("get", { contract: contract.id, key });
  if (value === null) throw noSuchState(contractText, keyText);
  await terminal.answer({ contract: toHex(contract.id), key: toHex(key), value: toHex(value) }, toHex(value));
}

async function put(
  home: Home,
  terminal: Terminal,
  ...texts: [contract: string, key: string, value: string]
): Promise<void> {
  const contract = await findOrNameContract(home.store, texts[0]);
  const key = storageKey(contract, texts[1]);
  const value = stateValue(contract, key, texts[2]);
  const { unchanged } = await edit(home, contract, key, value);
  const document = { contract: toHex(contract.id), key: toHex(key), bytes: value.length };
  const text = unchanged > 0 ? "unchanged: it has that value already" : `put ${counted(value.length, "byte")}`;
  await terminal.answer(unchanged > 0 ? { ...document, unchanged: true } : document, text);
}

async function remove(home: Home, terminal: Terminal, contractText: string, keyText: string): Promise<void> {
  const contract = await findContract(home.store, contractText);
  const key = storageKey(contract, keyText);
  const { deleted } = await edit(home, contract, key, null);
  if (deleted === 0) throw noSuchState(contractText, keyText);
  await terminal.answer({ contract: toHex(contract.id), key: toHex(key), deleted: true }, "deleted");
}

async function edit(
  home: Home,
  contract: ContractName,
  key: Uint8Array,
  value: Uint8Array | null,
): Promise<WriteResult> {
  const packer = new StatePacker();
  packer.add({ kind: contract.kind as ContractKind, name: contract.name, key, value });
  return await home.pruntime.ask("write", packer.take());
}

function noSuchState(contract: string, key: string): GatekeeperError {
  return new GatekeeperError("NOT_FOUND", `contract ${contract} has no state ${key}`, { contract, key });
}
