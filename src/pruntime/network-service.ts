/** What a pRuntime does in a home of a network, for a host that it does not trust: enclave.ts says what that means. */
import { availableParallelism } from "node:os";
import { Secp256k1 } from "../engine/secp256k1.ts";
import type { Hex } from "../protocol/scale.ts";
import { contractStatesPath } from "../store/home.ts";
import type { Answer, PRuntimeStatus } from "./boundary.ts";
import type { CommandRunner } from "./command-runner.ts";
import { Enclave } from "./enclave.ts";
import { EnclaveFiles } from "./enclave-files.ts";
import { type NetworkStore, openNetworkStore } from "../store/network-store.ts";
import type { TaskContext } from "./server.ts";
import type { NetworkTask } from "./task-kind.ts";
import type { Vault } from "./vault.ts";

/** How a pRuntime works on states. */
export interface WorkSettings {
  /** Files of the network's store, and of the one that a migration goes to; none: one in the home, where it runs contracts. */
  readonly stores: readonly string[];
  /** Threads that rotate; null: as many as the machine runs at once. */
  readonly threads: number | null;
  /** Bytes of pages a second that they read together, at most; null: no limit. */
  readonly bytesPerSecond: number | null;
}

/** Serves one home. Owns the pRuntime's keys from the first request that needs them; dispose wipes them. */
export class NetworkService implements AsyncDisposable {
  readonly #home: string;
  readonly #vault: Vault;
  readonly #curve = new Secp256k1("compressed");
  readonly #measurement: Hex;
  readonly #work: WorkSettings;
  #stores: Promise<readonly NetworkStore[]> | null = null;
  #enclave: Promise<Enclave> | null = null;
  /** On that enclave. */
  #commands: Promise<CommandRunner> | null = null;

  /** @param measurement - of this program. */
  constructor(home: string, vault: Vault, measurement: Hex, work: WorkSettings) {
    this.#work = work;
    this.#home = home;
    this.#vault = vault;
    this.#measurement = measurement;
  }

  /** Answers a request. @throws GatekeeperError what the request's own function throws. */
  async answer(task: NetworkTask, { replaceProcess }: Pick<TaskContext, "replaceProcess">): Promise<Answer> {
    switch (task.tag) {
      case "createIdentity":
        await this.#create();
        return { tag: task.tag, value: undefined };
      case "status":
        return { tag: task.tag, value: await this.#status() };
      case "join":
        return { tag: task.tag, value: (await this.#open()).join(task.value) };
      case "follow": {
        const enclave = await this.#open();
        const followed = enclave.follow(task.value.blocks, task.value.more);
        if (enclave.mustBeReplaced) replaceProcess();
        else if (enclave.wantsStore(this.#work.stores.length > 0)) await this.#openStores();
        return { tag: task.tag, value: followed };
      }
      case "register": {
        const { operator, collateral } = task.value;
        const enclave = await this.#open();
        const registration = await enclave.register(operator, (genesisHash, keys) =>
          this.#vault.attest({ genesisHash, ...keys }, collateral),
        );
        return { tag: task.tag, value: registration };
      }
      case "ping":
        return { tag: task.tag, value: (await this.#open()).ping(task.value) };
      case "deliver":
        return { tag: task.tag, value: (await this.#open()).deliver(task.value) };
      case "provision":
        return { tag: task.tag, value: (await this.#open()).provision(task.value.late) };
      case "execute":
        return { tag: task.tag, value: await (await this.#openCommands()).execute(task.value) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const commands = await this.#commands?.catch(() => null);
    await commands?.[Symbol.asyncDispose]();
    const enclave = await this.#enclave?.catch(() => null);
    await enclave?.detachStores();
    enclave?.[Symbol.dispose]();
    await closeAll((await this.#stores?.catch(() => null)) ?? []);
  }

  /** The network's, which the enclave works on from then on. */
  #openStores(): Promise<readonly NetworkStore[]> {
    this.#stores ??= this.#attachStores();
    this.#stores.catch(() => {
      this.#stores = null;
    });
    return this.#stores;
  }

  async #attachStores(): Promise<readonly NetworkStore[]> {
    const enclave = await this.#open();
    const { stores, threads, bytesPerSecond } = this.#work;
    const paths = stores.length === 0 ? [contractStatesPath(this.#home)] : stores;
    const opened: NetworkStore[] = [];
    try {
      for (const path of paths) opened.push(await openNetworkStore(path, enclave.genesisHash));
      await enclave.attachStores(opened, { threads: threads ?? availableParallelism(), bytesPerSecond });
    } catch (error) {
      await closeAll(opened);
      throw error;
    }
    return opened;
  }

  async #status(): Promise<PRuntimeStatus> {
    return { ...(await this.#open()).status, measurement: this.#measurement };
  }

  /** It is open then: whoever gave a passphrase to make it need not give it again. */
  async #create(): Promise<void> {
    const enclave = new Enclave(await EnclaveFiles.create(this.#home, this.#curve, this.#vault.create), this.#curve);
    this.#enclave = Promise.resolve(enclave);
  }

  #open(): Promise<Enclave> {
    this.#enclave ??= EnclaveFiles.open(this.#home, this.#curve, this.#vault.open).then(
      (files) => new Enclave(files, this.#curve),
    );
    // One that could not be opened may be mended meanwhile.
    this.#enclave.catch(() => {
      this.#enclave = null;
    });
    return this.#enclave;
  }

  /** Loaded where there is a command: most pRuntimes run no contracts. */
  #openCommands(): Promise<CommandRunner> {
    this.#commands ??= this.#newCommands();
    this.#commands.catch(() => {
      this.#commands = null;
    });
    return this.#commands;
  }

  async #newCommands(): Promise<CommandRunner> {
    const enclave = await this.#open();
    await this.#openStores();
    const { CommandRunner } = await import("./command-runner.ts");
    return new CommandRunner(enclave);
  }
}

async function closeAll(stores: readonly NetworkStore[]): Promise<void> {
  await Promise.all(stores.map(({ store }) => store.close()));
}
