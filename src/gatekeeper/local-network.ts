/**
 * A whole network on one machine: a folder with a chain, and a home for each node, as `gatekeeper chain init`, `pruntime init`
 * and `account new` make them. Every gatekeeper's operator has the same at stake, so all of them are elected.
 *
 *   chain.sqlite, authority.key   the chain, and who makes its blocks
 *   governance.key                the one member of governance
 *   states.sqlite                 the states of its contracts, which all of its pRuntimes work on; states-2.sqlite, … where they migrate to
 *   gatekeeper-1, worker-1, …     homes of nodes, each with the key of its operator: operator.key. Candidates stand for election
 *                                 with half the stake of gatekeepers; workers run contracts
 *
 * Its secrets are as safe as the machine: pRuntimes are sealed by software, and anybody who reads the folder has them.
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createAccountKey, generateAccountKey } from "../chain/account-key.ts";
import { EmbeddedChain } from "../chain/embedded.ts";
import { parseGenesis } from "../chain/genesis-file.ts";
import { alreadyExists, makeFolder, namesIn, syncFolder } from "../durable-file.ts";
import { GatekeeperError } from "../errors.ts";
import { Ledger } from "../protocol/ledger.ts";
import { publicKeyOf } from "../protocol/message.ts";
import { PRuntime } from "./pruntime.ts";

/** What everybody has; operators of gatekeepers have half of it at stake, of candidates a quarter. */
const FREE = 1_000_000;
const PORT_MAX = 65_535;
/** Blocks. A minute of half seconds for each phase of a key session, so that nobody who is slow is left out. */
const RULES = Object.freeze({
  sessionBlocks: 20,
  ecdhKeys: { interval: 400, overlap: 40 },
  phaseBlocks: 120,
  rotation: { phaseBlocks: 600, leasesPerBlock: 512 },
});
/**
 * How long a switch is ahead, and a lease: keys of many contracts take their time, however short blocks are. And blocks of them,
 * at the least: what a pRuntime says is in a block first.
 */
const LEAD_MILLISECONDS = 4_000;
const LEAD_BLOCKS_MIN = 10;
const LEASE_MILLISECONDS = 20_000;
const LEASE_BLOCKS_MIN = 20;

/** How large a network is to be. */
export interface LocalNetworkSize {
  readonly gatekeepers: number;
  /** Shares that stand for the MasterKey. */
  readonly threshold: number;
  /** Others that stand for election, with less stake. */
  readonly candidates: number;
  /** pRuntimes that run contracts. */
  readonly workers: number;
  /** 1 secp256k1, 2 ristretto255. */
  readonly keySuite: number;
  readonly blockMilliseconds: number;
  /** Blocks after which shares are refreshed, where no election has had them reshared. */
  readonly refreshBlocks: number;
  /** Blocks from one rotation of the MasterKey to the next; 0: there is none but by order of governance. */
  readonly rotationBlocks: number;
  /** The node with number i listens for messages at this port and i. */
  readonly port: number;
}

/** A node of a local network. */
export interface LocalNode {
  /** gatekeeper-1, worker-1: the name of its home. */
  readonly name: string;
  readonly home: string;
}

/**
 * Makes a network, whole or not at all.
 * @param now - milliseconds since 1970.
 * @throws GatekeeperError ALREADY_EXISTS when anything is at `folder`; GENESIS_INVALID when there can't be such a network;
 * INVALID_ARGUMENT when there are not as many ports; PRUNTIME_UNAVAILABLE, IO_FAILED.
 */
export async function createLocalNetwork(folder: string, size: LocalNetworkSize, now: number): Promise<void> {
  if (existsSync(folder)) throw alreadyExists(folder);
  checkPorts(size);
  makeFolder(dirname(folder));
  const building = mkdtempSync(join(dirname(folder), `.${basename(folder)}.new-`));
  try {
    const names = [
      ...numbered("candidate", size.candidates),
      ...numbered("gatekeeper", size.gatekeepers),
      ...numbered("worker", size.workers),
    ];
    const nodes: CreatedNode[] = [];
    for (const name of names) nodes.push(await createNode(join(building, name), name, size.port + nodes.length));
    using authority = generateAccountKey();
    createAccountKey(join(building, "authority.key"), authority);
    using governance = generateAccountKey();
    createAccountKey(join(building, "governance.key"), governance);
    const file = JSON.stringify(genesisFile(basename(folder), nodes, publicKeyOf(governance), size));
    const genesis = parseGenesis(Buffer.from(file, "utf8"), publicKeyOf(authority), now);
    // What can't begin is refused before it is there.
    Ledger.atGenesis(genesis);
    EmbeddedChain.create(join(building, "chain.sqlite"), genesis);
    renameSync(building, folder);
    syncFolder(dirname(folder));
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    throw error;
  }
}

function checkPorts({ port, gatekeepers, candidates, workers }: LocalNetworkSize): void {
  const last = port + gatekeepers + candidates + workers - 1;
  if (port >= 1 && last <= PORT_MAX) return;
  throw new GatekeeperError(
    "INVALID_ARGUMENT",
    `nodes can't listen at the ports ${port} to ${last}: 1 to ${PORT_MAX} are`,
  );
}

/** The store of the network in a folder. */
export function storePath(folder: string): string {
  return join(folder, "states.sqlite");
}

/** It, and those that states migrate to: states-2.sqlite, and so on, where they are. */
export function storePaths(folder: string): string[] {
  const others = namesIn(folder)
    .filter((name) => /^states-[0-9]+\.sqlite$/.test(name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return [storePath(folder), ...others.map((name) => join(folder, name))];
}

/** The nodes of the network in a folder, in the order of its genesis: by role, then by number. */
export function localNodes(folder: string): LocalNode[] {
  return namesIn(folder)
    .filter((name) => /^(candidate|gatekeeper|worker)-[0-9]+$/.test(name))
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }))
    .map((name) => ({ name, home: join(folder, name) }));
}

interface CreatedNode {
  readonly name: string;
  readonly identityKey: string;
  readonly ecdhKey: string;
  /** Public key of its operator. */
  readonly operator: string;
  readonly endpoint: string;
}

function numbered(role: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${role}-${index + 1}`);
}

async function createNode(home: string, name: string, port: number): Promise<CreatedNode> {
  await using pruntime = new PRuntime({ home });
  await pruntime.ask("createIdentity", undefined);
  const { identityKey, ecdhKey } = await pruntime.ask("status", undefined);
  using operator = generateAccountKey();
  createAccountKey(join(home, "operator.key"), operator);
  return { name, identityKey, ecdhKey, operator: publicKeyOf(operator), endpoint: `http://127.0.0.1:${port}/` };
}

/** A genesis file, as README describes it. */
function genesisFile(
  name: string,
  nodes: readonly CreatedNode[],
  governance: string,
  { gatekeepers, threshold, keySuite, blockMilliseconds, refreshBlocks, rotationBlocks }: LocalNetworkSize,
): object {
  const blocksIn = (milliseconds: number): number => Math.ceil(milliseconds / blockMilliseconds);
  const rotation = {
    ...RULES.rotation,
    intervalBlocks: rotationBlocks,
    leadBlocks: Math.max(LEAD_BLOCKS_MIN, blocksIn(LEAD_MILLISECONDS)),
    leaseBlocks: Math.max(LEASE_BLOCKS_MIN, blocksIn(LEASE_MILLISECONDS)),
  };
  return {
    name: Buffer.from(name, "utf8").subarray(0, 32).toString("utf8"),
    blockMilliseconds,
    sessionBlocks: RULES.sessionBlocks,
    gatekeepers: { seats: gatekeepers, minimum: gatekeepers },
    governance: { members: [governance] },
    attestation: { software: true },
    ecdhKeys: RULES.ecdhKeys,
    masterKey: { phaseBlocks: RULES.phaseBlocks, refreshBlocks, threshold, keySuite },
    rotation,
    accounts: nodes.map(({ operator }) => ({ account: operator, free: String(FREE) })),
    workers: nodes.map(({ identityKey, ecdhKey, operator, endpoint }) => ({
      identityKey,
      ecdhKey,
      operator,
      endpoint,
    })),
    stakers: nodes
      .filter((node) => !node.name.startsWith("worker"))
      .map(({ name: role, operator, identityKey }) => ({
        stash: operator,
        bond: String(role.startsWith("candidate") ? FREE / 4 : FREE / 2),
        validate: { identityKey },
      })),
  };
}
