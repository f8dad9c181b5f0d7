/** What answers the requests for a home, of whichever kind. Of the two only one is loaded: many commands are short. */
import type { Secret } from "../secret.ts";
import { isNetworkHome, notLocal } from "../store/home.ts";
import type { Answer } from "./boundary.ts";
import { type LocalTask, type NetworkTask, isLocalTask } from "./task-kind.ts";
import type { LocalService } from "./local-service.ts";
import type { NetworkService, WorkSettings } from "./network-service.ts";
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
  /** There, too: how it works on states. */
  readonly work: WorkSettings;
}

/** Answers for one home. Dispose wipes what it has of keys. */
export class Service implements AsyncDisposable {
  readonly #options: ServiceOptions;
  #local: Promise<LocalService> | null = null;
  #network: Promise<NetworkService> | null = null;

  private constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /** With what a home of its kind needs; what a new one needs is loaded when it is made. */
  static async load(options: ServiceOptions): Promise<Service> {
    const service = new Service(options);
    if (isNetworkHome(options.home)) await service.#loadNetwork();
    else await service.#loadLocal();
    return service;
  }

  /** Answers a request. @throws GatekeeperError NOT_LOCAL; what the request's own function throws. */
  async answer(task: Task, context: TaskContext): Promise<Answer> {
    if (!isLocalTask(task)) return await this.#answerNetwork(task, context);
    if (isNetworkHome(this.#options.home)) throw notLocal(this.#options.home);
    return await this.#answerLocal(task, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [local, network] = await Promise.all([this.#local, this.#network]);
    await local?.[Symbol.asyncDispose]();
    await network?.[Symbol.asyncDispose]();
  }

  async #answerLocal(task: LocalTask, context: TaskContext): Promise<Answer> {
    return (await this.#loadLocal()).answer(task, context);
  }

  async #answerNetwork(task: NetworkTask, context: TaskContext): Promise<Answer> {
    return (await this.#loadNetwork()).answer(task, context);
  }

  #loadLocal(): Promise<LocalService> {
    const { home, passphrases } = this.#options;
    this.#local ??= import("./local-service.ts").then(({ LocalService }) => new LocalService(home, passphrases));
    return this.#local;
  }

  #loadNetwork(): Promise<NetworkService> {
    this.#network ??= this.#newNetworkService();
    return this.#network;
  }

  async #newNetworkService(): Promise<NetworkService> {
    const { home, dstack, underPassphrase, passphrases, work } = this.#options;
    const { NetworkService } = await import("./network-service.ts");
    const { softwareMeasurement } = await import("./measurement.ts");
    const { dstackVault, softwareVault } = await import("./vault.ts");
    // Of the files as they are when this program is started: they may be replaced while it runs.
    const measurement = softwareMeasurement();
    const vault =
      dstack === null ? softwareVault(measurement, underPassphrase ? passphrases : null) : dstackVault(dstack);
    return new NetworkService(home, vault, measurement, work);
  }
}
