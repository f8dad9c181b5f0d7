/**
 * `npm run bench:network [records] [contracts …]`: a rotation through the whole protocol, beside the same records in a local home on
 * the same machine in the same run. Five gatekeepers, three of which stand for the MasterKey, are processes of their own, as are
 * who makes blocks, one in 200 ms, and who runs the contracts; keys of contracts come as partials with their proofs, and leases
 * have no budget.
 *
 * The network rotates twice. In the first rotation nobody uses its contracts, as nobody uses those of the local home: its rate is
 * records over the time from the first lease to the last receipt, by the times of blocks; the time of the whole rotation is told
 * beside it, with verification and the making of the key. Then a user of some contracts puts and gets values all the time, for ten
 * seconds and until the second rotation is over, whose rate is told, too. Every record is under the newest MasterKey after each, or
 * there is no figure.
 *
 * On a machine that is shared, the seconds of processors say more than those of the clock: of all processes together from the
 * first lease to the last receipt, and of the local home's rotation. That is done once before the network's and once behind them,
 * since such a machine is not as fast in one minute as in the next.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EmbeddedChain } from "../dist/chain/embedded.js";
import { NetworkProcesses } from "../dist/cli/network-processes.js";
import { Engine } from "../dist/engine/engine.js";
import { createLocalNetwork, localNodes, storePath } from "../dist/gatekeeper/local-network.js";
import { MessageClient } from "../dist/gatekeeper/message-client.js";
import { type MasterKey, generateMasterKey } from "../dist/keys/master-key.js";
import { ContractStates } from "../dist/pruntime/contract-states.js";
import { initialiseStore } from "../dist/rotation/control.js";
import { rotate } from "../dist/rotation/rotation.js";
import { openStore } from "../dist/store/embedded.js";
import { EMBEDDED_STORE } from "../dist/store/location.js";
import { ContractUser, type Latency } from "./contract-user.ts";
import { FollowedChain } from "./network-chain.ts";
import { Loader, contractOf, deploy, fill } from "./network-contracts.ts";
import { childrenOf, cpuSeconds, peakMebibytes } from "./process-use.ts";

const SUITE = "aes-256-gcm";
const GATEKEEPERS = 5;
const THRESHOLD = 3;
const BLOCK_MILLISECONDS = 200;
const PORT = 7_850;
const WORKER = "worker-1";
/** Contracts that are used meanwhile. */
const CONTRACTS_USED = 8;
const IDLE_MILLISECONDS = 10_000;
const SAMPLE_MILLISECONDS = 500;

/** What something took: by the clock, and of all processors. */
interface Taken {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** A rotation of a local home, by as many threads as the machine runs at once. */
async function localRotation(path: string, contracts: number, records: number): Promise<Taken> {
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
    const names = Array.from({ length: contracts }, (_, index) => contractOf(new Uint8Array(32), index));
    await fill((edits) => states.write(edits), names, records);
  }
  const [begun, used] = [performance.now(), process.cpuUsage()];
  const summary = await rotate({
    store: location,
    suite: SUITE,
    masterKey,
    newMasterKey: masterKey,
    abandon: async () => undefined,
  });
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(used);
  if (summary.failed > 0) throw new Error("records of the local home failed");
  await store.close();
  return { seconds, cpuSeconds: (user + system) / 1e6 };
}

/** What a rotation through the protocol took, in seconds. */
interface RotationTimes {
  /** From the first lease to the last receipt. */
  readonly sweep: Taken;
  /** From there to the last verdict. */
  readonly verification: number;
  /** From the order to the end. */
  readonly whole: number;
  /** All of them are under the new MasterKey: receipts count fewer where a lease ended and another went on. */
  readonly records: number;
}

interface NetworkTimes {
  /** While nobody uses contracts, and while somebody does. */
  readonly unused: RotationTimes;
  readonly used: RotationTimes;
  readonly idle: Latencies;
  readonly rotating: Latencies;
  /** MiB that the largest pRuntime of a gatekeeper, and that of the contracts, had at most. */
  readonly gatekeeperPeak: number;
  readonly workerPeak: number;
}

interface Latencies {
  readonly get: Latency;
  readonly put: Latency;
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
  const told = (name: string, how: string): void => console.log(`${name} ${how}`);
  const supervised = (name: string): { name: string; argv: string[] } => {
    const nodes = localNodes(folder);
    const listen = `127.0.0.1:${PORT + nodes.findIndex((node) => node.name === name)}`;
    const home = join(folder, name);
    const work = ["--store", storePath(folder), "--threads", "1", "--listen", listen, "--json"];
    return { name, argv: ["run", "--home", home, "--chain", join(folder, "chain.sqlite"), ...work] };
  };
  const gatekeepers = localNodes(folder)
    .map(({ name }) => name)
    .filter((name) => name !== WORKER);
  await using network = new NetworkProcesses(
    [{ name: "chain", argv: ["chain", "start", "--home", folder] }, ...gatekeepers.map(supervised)],
    told,
  );
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  const followed = new FollowedChain(chain);
  const govern = (tag: "launch" | "rotate"): void =>
    followed.submit(join(folder, "governance.key"), [
      {
        tag: "govern",
        value: { round: followed.replica.ledger.state.governanceRound, action: { tag, value: undefined } },
      },
    ]);
  govern("launch");
  await followed.for("SharingAdopted");
  const names = await deploy(followed, join(folder, WORKER, "operator.key"), contracts);
  let filled: number;
  {
    await using loader = await Loader.open(WORKER, folder, chain);
    filled = await fill(await loader.untilReady(names), names, records);
  }
  await using running = new NetworkProcesses([supervised(WORKER)], told);
  using client = new MessageClient();
  await followed.ecdhKeysOf(names.map(({ id }) => id));
  const used = names.filter((_, index) => index % Math.ceil(names.length / CONTRACTS_USED) === 0).map(({ id }) => id);
  const user = new ContractUser(client, followed, used);
  const stop = new AbortController();
  const use = new Use([...network.pids, ...running.pids]);
  /** @param over - ends the wait, with an error, when somebody gives up. */
  const rotation = async (rotationId: number, states: number, over: Promise<never>): Promise<RotationTimes> => {
    followed.forget();
    govern("rotate");
    const began = performance.now();
    await followed.for("PartitionLeased");
    const cpu = use.cpuSeconds();
    await followed.for("RotationAdvanced", ({ phase }) => phase === "verification");
    const sweepCpu = use.cpuSeconds() - cpu;
    await Promise.race([followed.for("MasterKeyAbandoned"), over]);
    const whole = (performance.now() - began) / 1_000;
    const [first, last, verified] = [
      followed.timeOf("PartitionLeased"),
      followed.timeOf("PartitionSwept", true),
      followed.timeOf("PartitionJudged", true),
    ];
    const sweep = { seconds: (last - first) / 1_000, cpuSeconds: sweepCpu };
    const store = await openStore({ path: storePath(folder) });
    const counts = await store.countByRotationId();
    await store.close();
    if (counts.size !== 1 || counts.get(rotationId) !== states)
      throw new Error("not all records are under the new MasterKey");
    return { sweep, verification: (verified - last) / 1_000, whole, records: states };
  };
  try {
    const unused = await rotation(1, filled, new Promise(() => undefined));
    await user.prepare();
    const inUse = user.run(stop.signal);
    const over = inUse.then(() => Promise.reject(new Error("nobody uses contracts any more")));
    over.catch(() => undefined);
    const idleSince = Date.now();
    await Promise.race([sleep(IDLE_MILLISECONDS), over]);
    const idleUntil = Date.now();
    const rotated = await rotation(2, filled + user.states, over);
    const first = followed.timeOf("PartitionLeased");
    stop.abort();
    await inUse;
    const latencies = (from: number, to: number): Latencies => ({
      get: user.latency("get", from, to),
      put: user.latency("put", from, to),
    });
    return {
      unused,
      used: rotated,
      idle: latencies(idleSince, idleUntil),
      rotating: latencies(first, Date.now()),
      gatekeeperPeak: Math.max(...gatekeepers.map((name) => use.peakMebibytes(name))),
      workerPeak: use.peakMebibytes(WORKER),
    };
  } finally {
    stop.abort();
    use[Symbol.dispose]();
  }
}

/** What the network's processes use, and their pRuntimes, which are processes that they start. */
class Use implements Disposable {
  readonly #pids: ReadonlyMap<string, number>;
  readonly #peaks = new Map<string, number>();
  /** By process id: of those that have ended, what they had used when they were last seen. */
  readonly #cpu = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;

  constructor(pids: Iterable<readonly [name: string, pid: number]>) {
    this.#pids = new Map(pids);
    this.#timer = setInterval(() => this.#look(), SAMPLE_MILLISECONDS);
  }

  /** Of all of them since each began, and of this process. */
  cpuSeconds(): number {
    this.#look();
    const { user, system } = process.cpuUsage();
    return [...this.#cpu.values()].reduce((sum, seconds) => sum + seconds, 0) + (user + system) / 1e6;
  }

  /** Of the pRuntime of a node. */
  peakMebibytes(name: string): number {
    return Math.round(this.#peaks.get(name) ?? 0);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const [name, pid] of this.#pids) {
      for (const each of [pid, ...childrenOf(pid)]) {
        this.#cpu.set(each, Math.max(this.#cpu.get(each) ?? 0, cpuSeconds(each)));
        if (each !== pid) this.#peaks.set(name, Math.max(this.#peaks.get(name) ?? 0, peakMebibytes(each)));
      }
    }
  }
}

const [records = 1_000_000, ...contractCounts] = process.argv.slice(2).map(Number);
for (const contracts of contractCounts.length === 0 ? [1_000, 10_000] : contractCounts) {
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-bench-"));
  try {
    const before = await localRotation(join(folder, "before.sqlite"), contracts, records);
    const { unused, used, idle, rotating, ...peaks } = await networkTimes(join(folder, "network"), contracts, records);
    const behind = await localRotation(join(folder, "behind.sqlite"), contracts, records);
    const localRate = (2 * unused.records) / (before.seconds + behind.seconds);
    const rate = unused.records / unused.sweep.seconds;
    const usedRate = used.records / used.sweep.seconds;
    const figures = {
      records: unused.records,
      contracts,
      localRecordsPerSecond: [before, behind].map(({ seconds }) => Math.round(unused.records / seconds)),
      networkRecordsPerSecond: Math.round(rate),
      ratio: Number((rate / localRate).toFixed(2)),
      usedRecordsPerSecond: Math.round(usedRate),
      usedRatio: Number((usedRate / localRate).toFixed(2)),
      localCpuSeconds: [before, behind].map(({ cpuSeconds: each }) => Number(each.toFixed(1))),
      sweepCpuSeconds: [unused, used].map(({ sweep }) => Number(sweep.cpuSeconds.toFixed(1))),
      sweepSeconds: [unused, used].map(({ sweep }) => sweep.seconds),
      verificationSeconds: [unused, used].map(({ verification }) => verification),
      wholeSeconds: [unused, used].map(({ whole }) => Number(whole.toFixed(1))),
      idleMilliseconds: idle,
      rotatingMilliseconds: rotating,
      putP99Ratio: Number((rotating.put.p99 / idle.put.p99).toFixed(1)),
      gatekeeperPeakMebibytes: peaks.gatekeeperPeak,
      workerPeakMebibytes: peaks.workerPeak,
    };
    console.log(JSON.stringify(figures));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
