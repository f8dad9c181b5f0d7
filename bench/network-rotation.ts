/**
 * `npm run bench:network [records] [contracts …]`: a rotation through the whole protocol, beside the same records in a local home on
 * the same machine in the same run. Five gatekeepers, three of which stand for the MasterKey, are processes of their own, as is
 * who makes blocks, one in 200 ms; keys of contracts come as partials with their proofs, and leases have no budget.
 *
 * The network's rate is records over the time from the first lease to the last receipt, by the times of blocks; the time of the
 * whole rotation is told beside it, with verification and the making of the key. Every record is under the new MasterKey at the end,
 * or there is no figure.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromHex } from "../dist/bytes.js";
import { readAccountKey } from "../dist/chain/account-key.js";
import { EmbeddedChain } from "../dist/chain/embedded.js";
import { catchUp, openReplica } from "../dist/chain/follow.js";
import { NetworkProcesses } from "../dist/cli/network-processes.js";
import { CONTRACT_KIND, contractId, deployedName } from "../dist/contract-id.js";
import { Engine } from "../dist/engine/engine.js";
import { Secp256k1 } from "../dist/engine/secp256k1.js";
import { createLocalNetwork, localNodes, storePath } from "../dist/gatekeeper/local-network.js";
import { MessageClient } from "../dist/gatekeeper/message-client.js";
import { httpTransport } from "../dist/gatekeeper/http-transport.js";
import { type MasterKey, generateMasterKey } from "../dist/keys/master-key.js";
import { accountOf } from "../dist/protocol/account.js";
import { encodeBlock } from "../dist/protocol/block.js";
import type { Call } from "../dist/protocol/call.js";
import { replicaCurve } from "../dist/protocol/curve.js";
import type { Effect } from "../dist/protocol/effect.js";
import { encodeGenesis } from "../dist/protocol/genesis.js";
import { accountSigner, publicKeyOf, signMessage } from "../dist/protocol/message.js";
import type { Replica } from "../dist/protocol/replica.js";
import { ContractStates } from "../dist/pruntime/contract-states.js";
import { Enclave } from "../dist/pruntime/enclave.js";
import { EnclaveFiles } from "../dist/pruntime/enclave-files.js";
import { softwareMeasurement } from "../dist/pruntime/measurement.js";
import { openNetworkStore } from "../dist/pruntime/network-store.js";
import { softwareVault } from "../dist/pruntime/vault.js";
import { initialiseStore } from "../dist/rotation/control.js";
import { rotate } from "../dist/rotation/rotation.js";
import { openStore } from "../dist/store/embedded.js";
import { EMBEDDED_STORE } from "../dist/store/location.js";
import type { ContractName } from "../dist/store/store.js";

const SUITE = "aes-256-gcm";
const TEXT_BYTES = 200;
const STORAGE_KEY_BYTES = 32;
const RECORDS_A_COMMIT = 20_000;
/** Of a commit: what an engine's batch takes. */
const CONTRACTS_A_COMMIT = 4_000;
const GATEKEEPERS = 5;
const THRESHOLD = 3;
const BLOCK_MILLISECONDS = 200;
const PORT = 7_850;
const PATIENCE_MILLISECONDS = 900_000;

/** What writes states of contracts, in either kind of home. */
type Writer = (edits: Parameters<ContractStates["write"]>[0]) => Promise<unknown>;

/** As many records for each contract, in few commits. */
async function fill(write: Writer, contracts: readonly ContractName[], records: number): Promise<void> {
  const each = Math.max(1, Math.floor(records / contracts.length));
  const value = new Uint8Array(TEXT_BYTES).fill(0x5a);
  const some = Math.min(CONTRACTS_A_COMMIT, Math.max(1, Math.floor(RECORDS_A_COMMIT / each)));
  for (let first = 0; first < contracts.length; first += some) {
    for (let from = 0; from < each; from += RECORDS_A_COMMIT) {
      const count = Math.min(RECORDS_A_COMMIT, each - from);
      const edits = Array.from({ length: count }, (_, index) => {
        const key = new Uint8Array(STORAGE_KEY_BYTES);
        new DataView(key.buffer).setUint32(0, from + index);
        return { key, value };
      });
      await write(contracts.slice(first, first + some).map((contract) => ({ contract, edits })));
    }
  }
}

/** Of a local home's rotation, by as many threads as the machine runs at once. @returns records a second. */
async function localRate(folder: string, contracts: number, records: number): Promise<number> {
  const path = join(folder, "local.sqlite");
  const location = { module: EMBEDDED_STORE, options: { path } };
  const store = await openStore({ path, create: true });
  await initialiseStore(store);
  const keys = new Map<number, MasterKey>();
  const masterKey = async (rotationId: number): Promise<MasterKey> => {
    if (!keys.has(rotationId)) keys.set(rotationId, generateMasterKey(rotationId));
    return keys.get(rotationId)!.clone();
  };
  {
    using states = new ContractStates({ store, engine: new Engine(), suite: SUITE, masterKey });
    const names = Array.from({ length: contracts }, (_, index) => localName(index));
    await fill((edits) => states.write(edits), names, records);
  }
  const begun = performance.now();
  const summary = await rotate({
    store: location,
    suite: SUITE,
    masterKey,
    newMasterKey: masterKey,
    abandon: async () => undefined,
  });
  const seconds = (performance.now() - begun) / 1_000;
  if (summary.failed > 0) throw new Error("records of the local home failed");
  await store.close();
  return summary.records / seconds;
}

function localName(index: number): ContractName {
  const name = deployedName(new Uint8Array(32), Buffer.from(`contract ${index}`));
  return { id: contractId(CONTRACT_KIND.deployed, name), kind: CONTRACT_KIND.deployed, name };
}

/** A pRuntime in this process that runs the contracts while the store is filled. */
class Loader implements AsyncDisposable {
  readonly #enclave: Enclave;
  readonly #chain: EmbeddedChain;
  readonly #client = new MessageClient();
  readonly #opened: Awaited<ReturnType<typeof openNetworkStore>>;

  private constructor(enclave: Enclave, chain: EmbeddedChain, opened: Awaited<ReturnType<typeof openNetworkStore>>) {
    this.#enclave = enclave;
    this.#chain = chain;
    this.#opened = opened;
  }

  static async open(home: string, folder: string, chain: EmbeddedChain): Promise<Loader> {
    const curve = new Secp256k1("compressed");
    const files = await EnclaveFiles.open(home, curve, softwareVault(softwareMeasurement(), null).open);
    const enclave = new Enclave(files, curve);
    enclave.join(encodeGenesis(chain.genesis));
    const opened = await openNetworkStore(storePath(folder), enclave.genesisHash);
    await enclave.attachStore(opened, { threads: 1, bytesPerSecond: null });
    return new Loader(enclave, chain, opened);
  }

  /** Follows the chain, and sees to keys, until contracts can be written. */
  async untilReady(contracts: readonly ContractName[]): Promise<Writer> {
    const transport = httpTransport(this.#client);
    const worker = this.#enclave.contractWorker(this.#opened.store, new Engine());
    await until("keys of contracts", async () => {
      const blocks = this.#chain.blocks(this.#enclave.status.height + 1);
      for (const bytes of this.#enclave.follow(blocks.map(encodeBlock), false).messages) this.#chain.submit(bytes);
      const { messages } = this.#enclave.provision([]);
      const answers = messages.map(async ({ bytes, ...destination }) => {
        const answer = await transport(destination, bytes, AbortSignal.timeout(60_000));
        if (answer !== null) this.#enclave.deliver(answer);
      });
      await Promise.allSettled(answers);
      return contracts.every(({ id }) => worker.isReady(id));
    });
    return (edits) => worker.write(edits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#enclave.detachStore();
    this.#enclave[Symbol.dispose]();
    await this.#opened.store.close();
    this.#client[Symbol.dispose]();
  }
}

/** What a rotation through the protocol took. */
interface NetworkTimes {
  /** From the first lease to the last receipt, in seconds. */
  readonly sweep: number;
  /** From there to the last verdict. */
  readonly verification: number;
  /** From the order to the end. */
  readonly whole: number;
  readonly records: number;
}

async function networkTimes(folder: string, contracts: number, records: number): Promise<NetworkTimes> {
  const size = {
    gatekeepers: GATEKEEPERS,
    threshold: THRESHOLD,
    candidates: 0,
    workers: 1,
    keySuite: 1,
    blockMilliseconds: BLOCK_MILLISECONDS,
    refreshBlocks: 1_000_000,
    rotationBlocks: 0,
    port: PORT,
  };
  await createLocalNetwork(folder, size, Date.now());
  const path = join(folder, "chain.sqlite");
  const nodes = localNodes(folder);
  const gatekeepers = nodes.filter(({ name }) => name.startsWith("gatekeeper"));
  const processes = [
    { name: "chain", argv: ["chain", "start", "--home", folder] },
    ...gatekeepers.map(({ name, home }) => {
      const listen = `127.0.0.1:${PORT + nodes.findIndex((node) => node.name === name)}`;
      const argv = ["run", "--home", home, "--chain", path, "--store", storePath(folder), "--threads", "1"];
      return { name, argv: [...argv, "--listen", listen] };
    }),
  ];
  using chain = EmbeddedChain.open(path);
  await using _ = new NetworkProcesses(processes, (name, how) => console.log(`${name} ${how}`));
  const replica = openReplica(chain, replicaCurve());
  const followed = new Followed(chain, replica);
  const govern = (tag: "launch" | "rotate"): void =>
    followed.submit(join(folder, "governance.key"), [
      { tag: "govern", value: { round: replica.ledger.state.governanceRound, action: { tag, value: undefined } } },
    ]);
  govern("launch");
  await followed.for("SharingAdopted");
  const home = join(folder, "worker-1");
  const names = await deploy(followed, join(home, "operator.key"), contracts);
  {
    await using loader = await Loader.open(home, folder, chain);
    await fill(await loader.untilReady(names), names, records);
  }
  followed.forget();
  govern("rotate");
  const began = performance.now();
  const { records: done } = await followed.for("MasterKeyAbandoned");
  const whole = (performance.now() - began) / 1_000;
  const store = await openStore({ path: storePath(folder) });
  const counts = await store.countByRotationId();
  await store.close();
  if (counts.size !== 1 || counts.get(1) !== done) throw new Error("not all records are under the new MasterKey");
  const [first, last, verified] = [
    followed.timeOf("PartitionLeased"),
    followed.timeOf("PartitionSwept", true),
    followed.timeOf("PartitionJudged", true),
  ];
  return { sweep: (last - first) / 1_000, verification: (verified - last) / 1_000, whole, records: done };
}

/** Contracts of an operator, run by his pRuntime. */
async function deploy(followed: Followed, keyFile: string, count: number): Promise<ContractName[]> {
  const { state, genesis } = followed.replica.ledger;
  const worker = genesis.workers.at(-1)!.identityKey;
  using key = readAccountKey(keyFile);
  const owner = accountOf(publicKeyOf(key));
  const names = Array.from({ length: count }, (_, index) => Buffer.from(`contract ${index}`));
  followed.submit(
    keyFile,
    names.map((name) => ({ tag: "deployContract", value: { name, worker } })),
  );
  await until("contracts", async () => {
    followed.look();
    return followed.replica.ledger.state.contracts.size === state.contracts.size + count;
  });
  return names
    .map((name) => deployedName(fromHex(owner, "an account id"), name))
    .map((name) => ({ id: contractId(CONTRACT_KIND.deployed, name), kind: CONTRACT_KIND.deployed, name }));
}

/** A chain as it goes on, with what its blocks told and when they were made. */
class Followed {
  readonly replica: Replica;
  readonly #chain: EmbeddedChain;
  #told: { readonly effect: Effect; readonly time: number }[] = [];

  constructor(chain: EmbeddedChain, replica: Replica) {
    this.#chain = chain;
    this.replica = replica;
  }

  look(): void {
    for (const { effects } of catchUp(this.#chain, this.replica)) {
      for (const effect of effects) this.#told.push({ effect, time: this.replica.ledger.state.timestamp });
    }
  }

  forget(): void {
    this.look();
    this.#told = [];
  }

  async for<K extends Effect["kind"]>(kind: K): Promise<Extract<Effect, { readonly kind: K }>> {
    await until(kind, async () => {
      this.look();
      return this.#told.some(({ effect }) => effect.kind === kind);
    });
    return this.#told.find(({ effect }) => effect.kind === kind)!.effect as Extract<Effect, { readonly kind: K }>;
  }

  /** Milliseconds since 1970 of the block that told the first of a kind, or the last. */
  timeOf(kind: Effect["kind"], last = false): number {
    const told = this.#told.filter(({ effect }) => effect.kind === kind);
    return (last ? told.at(-1) : told[0])!.time;
  }

  submit(keyFile: string, calls: readonly Call[]): void {
    this.look();
    const { ledger } = this.replica;
    using key = readAccountKey(keyFile);
    const signer = accountSigner(key);
    const sequence = ledger.state.accounts.get(accountOf(signer.publicKey))!.sequence;
    for (const [at, call] of calls.entries()) {
      this.#chain.submit(signMessage(signer, ledger.genesisHash, sequence + at, call));
    }
  }
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MILLISECONDS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`no ${what} in time`);
    await sleep(50);
  }
}

const [records = 1_000_000, ...contractCounts] = process.argv.slice(2).map(Number);
for (const contracts of contractCounts.length === 0 ? [1_000, 10_000] : contractCounts) {
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-bench-"));
  try {
    const local = await localRate(folder, contracts, records);
    const {
      sweep,
      verification,
      whole,
      records: done,
    } = await networkTimes(join(folder, "network"), contracts, records);
    const rate = done / sweep;
    const figures = {
      records: done,
      contracts,
      localRecordsPerSecond: Math.round(local),
      networkRecordsPerSecond: Math.round(rate),
      ratio: Number((rate / local).toFixed(2)),
      sweepSeconds: sweep,
      verificationSeconds: verification,
      wholeSeconds: Number(whole.toFixed(1)),
    };
    console.log(JSON.stringify(figures));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
