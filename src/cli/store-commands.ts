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
import { type QuarantinedPage, type QuarantinedRecord, listQuarantined } from "../store/quarantine.ts";
import { isWellFormed } from "../store/page.ts";
import type { Page, PageRef, StateStore } from "../store/store.ts";
import { openChain } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions, withJson } from "./command-line.ts";
import { type Listed, Listing } from "./listing.ts";
import { counted, formatCount } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

/** Records that are read and written at once; a record may have 16 MiB. */
const LIST_STEP = 16;
/** Bytes of pages that are looked at together; and pages that make no sense, of which so many are named. */
const SCAN_BYTES = 1 << 22;
const MALFORMED_NAMED_MAX = 100;

/** Adds the commands. */
export function addStoreCommands(program: Command, terminal: Terminal): void {
  const store = program.command("store").description("the file of a network's store of contract states");
  withCommonOptions(store.command("init"))
    .description("make a store for the network whose chain the home has, and print the id that it will be known by")
    .argument("<file>", "its file, which is not there yet")
    .action((file: string, options: CommonOptions) => init(terminal, resolve(file), options));
  withJson(store.command("show"))
    .description("print a store's id, whose it is and what it holds, and name pages that were damaged")
    .argument("<file>", "its file")
    .action((file: string) => withStore(resolve(file), (opened, owner) => show(terminal, opened, owner)));
  withJson(store.command("quarantined"))
    .description("list what governance had put aside: records that nobody could open, pages that make no sense")
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
  const malformed = (await malformedPages(store)).map((page) => ({
    contract: toHex(page.contract),
    lowerBound: toHex(page.lowerBound),
  }));
  const document = { id, genesisHash, minimumRotationId: minimum, records: Object.fromEntries(records), malformed };
  const lines = [
    `store ${id}`,
    `of the chain with genesis ${genesisHash}`,
    ...records.map(([rotationId, count]) => `${counted(count, "record")} under MasterKey ${rotationId}`),
    `takes writes from MasterKey ${minimum} on`,
    ...malformed.map(({ contract, lowerBound }) => `contract ${contract} page from key ${lowerBound} makes no sense`),
  ];
  await terminal.answer(document, lines.join("\n"));
}

/** The first of the pages whose bytes are none of a page. */
async function malformedPages(store: StateStore): Promise<PageRef[]> {
  const found: PageRef[] = [];
  for (let after: PageRef | null = null; found.length < MALFORMED_NAMED_MAX;) {
    const pages: Page[] = await store.scan({ from: null, to: null }, after, SCAN_BYTES);
    after = pages.at(-1) ?? null;
    if (after === null) return found;
    found.push(...pages.filter((page) => !isWellFormed(page)));
  }
  return found.slice(0, MALFORMED_NAMED_MAX);
}

/** Writes them as they are read. */
async function quarantined(terminal: Terminal, store: StateStore): Promise<void> {
  const listing = new Listing(terminal, null);
  for (let after: string | null = null; ;) {
    const records: (QuarantinedRecord | QuarantinedPage)[] = await listQuarantined(store, after, LIST_STEP);
    const last = records.at(-1);
    if (last === undefined) break;
    after = last.name;
    await listing.add(...records.map(listed));
  }
  await listing.end({}, listing.count === 0 ? "nothing was put aside" : null);
}

function listed(aside: QuarantinedRecord | QuarantinedPage): Listed {
  if ("body" in aside) {
    const [contract, lowerBound] = [toHex(aside.contract), toHex(aside.lowerBound)];
    const { rotationId: since, body } = aside;
    const size = `${formatCount(body.length)} bytes that make no sense`;
    return {
      document: { contract, lowerBound, since, bytes: body.length },
      text: `contract ${contract} page from key ${lowerBound}: ${size}, put aside in rotation ${since}`,
    };
  }
  const { contract, key, sealed, sealedUnder, rotationId } = aside;
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
