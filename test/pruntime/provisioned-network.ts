/** pRuntimes in this process, with their files, of which some are gatekeepers with shares and others run contracts. */
import type { Delivered } from "../../src/pruntime/boundary.ts";
import { Authority, enclaveGenesis } from "./authority.ts";
import { EnclaveHome } from "./enclave-home.ts";
import { contractOf } from "./provisioning-parties.ts";

/** How many there are, and a little of their genesis. */
interface Size {
  readonly gatekeepers?: number;
  readonly others?: number;
  readonly threshold?: number;
  readonly suite?: 1 | 2;
  readonly refreshBlocks?: number;
  readonly leaseBlocks?: number;
}

/** Gatekeepers come first. Dispose ends all. */
export class ProvisionedNetwork implements Disposable {
  readonly homes: readonly EnclaveHome[];
  readonly chain: Authority;
  /** What pRuntimes have said to the chain and to each other. */
  readonly crossed: Uint8Array[] = [];

  private constructor(
    homes: readonly EnclaveHome[],
    { gatekeepers, threshold, suite, refreshBlocks, leaseBlocks }: Required<Size>,
  ) {
    this.homes = homes;
    const listed = homes.slice(0, gatekeepers).map(({ keys }) => keys.identityKey);
    const genesis = enclaveGenesis(
      homes.map(({ keys }) => keys),
      {
        gatekeepers: { tag: "listed", value: listed },
        masterKey: { keySuite: suite, threshold, phaseBlocks: 3, refreshBlocks },
        rotation: { intervalBlocks: 0, leadBlocks: 3, leaseBlocks, phaseBlocks: 5_000, leasesPerBlock: 64 },
        ecdhKeys: { interval: 1_000, overlap: 3 },
        sessionBlocks: 100,
      },
    );
    this.chain = new Authority(genesis);
    for (const home of homes) home.catchUp(this.chain);
  }

  /** A network in which a MasterKey is shared. */
  static async create(
    at: (name: string) => string,
    { gatekeepers = 3, others = 1, threshold = 2, suite = 1, refreshBlocks = 1_000, leaseBlocks = 500 }: Size = {},
  ): Promise<ProvisionedNetwork> {
    const names = Array.from({ length: gatekeepers + others }, (_, index) => `home-${index}`);
    const homes = await Promise.all(names.map((name) => EnclaveHome.create(at(name))));
    const size = { gatekeepers, others, threshold, suite, refreshBlocks, leaseBlocks };
    const network = new ProvisionedNetwork(homes, size);
    const launch = { round: 0, action: { tag: "launch", value: undefined } } as const;
    network.step(["g1", "g2"].map((member) => network.chain.message(member, { tag: "govern", value: launch })));
    for (let block = 0; network.chain.ledger.state.sharings.length === 0; block++) {
      if (block > 20) throw new Error("no MasterKey is shared after twenty blocks");
      network.step();
    }
    for (const home of homes) home.follow(network.chain);
    return network;
  }

  /** A block of these messages, and of what pRuntimes have to say. */
  step(messages: readonly Uint8Array[] = []): void {
    const said = this.homes.flatMap((home) => home.follow(this.chain));
    this.crossed.push(...said);
    this.chain.block([...messages, ...said]);
    const wrong = this.chain.outcomes.filter((outcome) => outcome !== "done");
    if (wrong.length > 0) throw new Error(`a message failed: ${wrong.join(", ")}`);
  }

  /** A block in which contracts are given to a pRuntime; all follow it. @returns their ids. */
  give(names: readonly string[], { keys: { identityKey: worker } }: EnclaveHome): string[] {
    const contracts = names.map(contractOf);
    const { contracts: known } = this.chain.ledger.state;
    const messages = names.map((name, ahead) => {
      const contract = contracts[ahead]!;
      return known.has(contract)
        ? this.chain.message("rich", { tag: "assignContract", value: { contract, worker } }, ahead)
        : this.chain.message("rich", { tag: "deployContract", value: { name: Buffer.from(name), worker } }, ahead);
    });
    this.step(messages);
    for (const home of this.homes) home.follow(this.chain);
    return contracts;
  }

  /** Delivers a message to whom it is for. */
  deliver(to: string, bytes: Uint8Array): Delivered {
    this.crossed.push(bytes);
    const delivered = this.homes.find(({ keys }) => keys.identityKey === to)!.enclave.deliver(bytes);
    if (delivered.tag === "answer") this.crossed.push(delivered.value);
    return delivered;
  }

  /** What a pRuntime asks is brought to others, and their answers to it. @returns what came of them. */
  provide(worker: EnclaveHome): Delivered[] {
    const { messages } = worker.enclave.provision([]);
    return messages.map(({ to, bytes }) => {
      const delivered = this.deliver(to, bytes);
      if (delivered.tag !== "answer") throw new Error(`it was a ${delivered.tag}`);
      return this.deliver(worker.keys.identityKey, delivered.value);
    });
  }

  [Symbol.dispose](): void {
    for (const home of this.homes) home[Symbol.dispose]();
  }
}
