/** `store init`, `store show` and `store quarantined`: the store of a network's states, as whoever has its file sees it. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import { toHex } from "../bytes.ts";
import { alreadyExists } from "../durable-file.ts";
import { GatekeeperError } from "../errors.ts";
import { hashGenesis } from "../protocol/genesis.ts";
import { EMBEDDED_STORE, openStoreAt } from "../store/location.ts";
import { type StoreOwner, openNetworkStore, ownerOf } from "../store/network-store.ts";
import { type QuarantinedRecord, listQuarantined } from "../store/quarantine.ts";
import type { StateStore } from "../store/store.ts";
import { openChain } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions, withJson } from "./command-line.ts";
import { type Listed, Listing } from "./listing.ts";
import { counted, formatCount } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Records that are read and written at once; a record may have 16 MiB. */
const LIST_STEP = 16;

/** Adds the commands. */
export function addStoreCommands(program: Command, terminal: Terminal): void {
  const store = program.command("store").description("the file of a network's store of contract states");
  withCommonOptions(store.command("init"))
    .description("make a store for the network whose chain the home has, and print the id that it will be known by")
    .argument("<file>", "its file, which is not there yet")
    .action((file: string, options: CommonOptions) => init(terminal, resolve(file), options));
  withJson(store.command("show"))
    .description("print a store's id, whose it is and what it holds")
    .argument("<file>", "its file")
    .action((file: string) => withStore(resolve(file), (opened, owner) => show(terminal, opened, owner)));
  withJson(store.command("quarantined"))
    .description("list the records that governance had put aside because nobody could open them")
    .argument("<file>", "its file")
    .action((file: string) => withStore(resolve(file), (opened) => quarantined(terminal, opened)));
}

async function init(terminal: Terminal, path: string, options: CommonOptions): Promise<void> {
  using chain = openChain(options);
  if (existsSync(path)) throw alreadyExists(path);
  const { store, id } = await openNetworkStore(path, hashGenesis(chain.genesis));
  await store.close();
  await terminal.answer({ store: path, id }, `made ${path}\nstore ${id}`);
}

async function show(terminal: Terminal, store: StateStore, { id, genesisHash }: StoreOwner): Promise<void> {
  const records = [...(await store.countByRotationId())].sort(([a], [b]) => a - b);
  const minimum = await store.minimumRotationId();
  const document = { id, genesisHash, minimumRotationId: minimum, records: Object.fromEntries(records) };
  const lines = [
    `store ${id}`,
    `of the chain with genesis ${genesisHash}`,
    ...records.map(([rotationId, count]) => `${counted(count, "record")} under MasterKey ${rotationId}`),
    `takes writes from MasterKey ${minimum} on`,
  ];
  await terminal.answer(document, lines.join("\n"));
}

/** Writes them as they are read. */
async function quarantined(terminal: Terminal, store: StateStore): Promise<void> {
  const listing = new Listing(terminal, null);
  for (let after: string | null = null; ;) {
    const records: QuarantinedRecord[] = await listQuarantined(store, after, LIST_STEP);
    const last = records.at(-1);
    if (last === undefined) break;
    after = last.name;
    await listing.add(...records.map(listed));
  }
  await listing.end({}, listing.count === 0 ? "nothing was put aside" : null);
}

function listed({ contract, key, sealed, sealedUnder, rotationId }: QuarantinedRecord): Listed {
  const names = { contract: toHex(contract), key: toHex(key) };
  const size = `${formatCount(sealed.length)} bytes sealed`;
  return {
    document: { ...names, rotationId: sealedUnder, since: rotationId, bytes: sealed.length },
    text: `contract ${names.contract} key ${names.key}: ${size} under MasterKey ${sealedUnder}, put aside in rotation ${rotationId}`,
  };
}

/** @throws GatekeeperError STORE_UNAVAILABLE when it is no network's; and as openStoreAt. */
async function withStore(path: string, use: (store: StateStore, owner: StoreOwner) => Promise<void>): Promise<void> {
  const store = await openStoreAt({ module: EMBEDDED_STORE, options: { path } });
  try {
    const owner = await ownerOf(store);
    if (owner === null) throw new GatekeeperError("STORE_UNAVAILABLE", `${path} is no store of a network`);
    await use(store, owner);
  } finally {
    await store.close();
  }
}
