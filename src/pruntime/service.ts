/** What answers the requests for a home, of whichever kind. Each kind is loaded when it is needed: many commands are short. */
import type { Secret } from "../secret.ts";
import type { Answer } from "./boundary.ts";
import { type LocalTask, type NetworkTask, isLocalTask, isNetworkHome, notLocal } from "./home-kind.ts";
import type { LocalService } from "./local-service.ts";
import type { NetworkService } from "./network-service.ts";
import type { Task, TaskContext } from "./server.ts";

/** How whoever starts a pRuntime gives a passphrase: not through the host. */
export interface Passphrases {
  /** One that is there already; the caller owns it. */
  readonly given: () => Promise<Secret>;
  /** A new one; the caller owns it. */
  readonly chosen: () => Promise<Secret>;
}

/** Which home, and what keeps its sealing key. */
export interface ServiceOptions {
  readonly home: string;
  readonly passphrases: Passphrases;
  /** In a home of a network: whether the key file is under a passphrase; */
  readonly underPassphrase: boolean;
  /** or the socket of a dstack guest agent, which has the key. */
  readonly dstack: string | null;
}

/** Answers for one home. Dispose wipes what it has of keys. */
export class Service implements AsyncDisposable {
  readonly #options: ServiceOptions;
  #local: Promise<LocalService> | null = null;
  #network: Promise<NetworkService> | null = null;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /** Answers a request. @throws GatekeeperError NOT_LOCAL; what the request's own function throws. */
  async answer(task: Task, context: TaskContext): Promise<Answer> {
    if (!isLocalTask(task)) return await this.#answerNetwork(task);
    if (isNetworkHome(this.#options.home)) throw notLocal(this.#options.home);
    return await this.#answerLocal(task, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [local, network] = await Promise.all([this.#local, this.#network]);
    await local?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  }

  async #answerLocal(task: LocalTask, context: TaskContext): Promise<Answer> {
    const { home, passphrases } = this.#options;
    this.#local ??= import("./local-service.ts").then(({ LocalService }) => new LocalService(home, passphrases));
    return (await this.#local).answer(task, context);
  }

  async #answerNetwork(task: NetworkTask): Promise<Answer> {
    this.#network ??= this.#loadNetwork();
    return (await this.#network).answer(task);
  }

  async #loadNetwork(): Promise<NetworkService> {
    const { home, dstack, underPassphrase, passphrases } = this.#options;
    const { NetworkService } = await import("./network-service.ts");
    const { dstackVault, softwareVault } = await import("./vault.ts");
    const vault = dstack === null ? softwareVault(underPassphrase ? passphrases : null) : dstackVault(dstack);
    return new NetworkService(home, vault);
  }
}
