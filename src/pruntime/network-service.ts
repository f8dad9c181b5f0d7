/** What a pRuntime does in a home of a network, for a host that it does not trust: enclave.ts says what that means. */
import { Secp256k1 } from "../engine/secp256k1.ts";
import { GatekeeperError } from "../errors.ts";
import type { Answer, PRuntimeStatus } from "./boundary.ts";
import { Enclave } from "./enclave.ts";
import { EnclaveFiles } from "./enclave-files.ts";
import { softwareMeasurement } from "./measurement.ts";
import type { Task } from "./server.ts";
import type { Vault } from "./vault.ts";

/** The requests that only a local home answers. */
const LOCAL = ["createHome", "exportKey", "importKey", "get", "write", "import", "rotate", "verify"] as const;

/** What a local home answers. */
export type LocalTask = Extract<Task, { readonly tag: (typeof LOCAL)[number] }>;
/** What a home of a network answers. */
export type NetworkTask = Exclude<Task, LocalTask>;

/** Which of the two a request is. */
export function isLocalTask(task: Task): task is LocalTask {
  return (LOCAL as readonly string[]).includes(task.tag);
}

/** Serves one home. Owns the pRuntime's keys from the first request that needs them; dispose wipes them. */
export class NetworkService implements AsyncDisposable {
  readonly #home: string;
  readonly #vault: Vault;
  readonly #curve = new Secp256k1("compressed");
  #enclave: Promise<Enclave> | null = null;

  constructor(home: string, vault: Vault) {
    this.#home = home;
    this.#vault = vault;
  }

  /** Answers a request. @throws GatekeeperError what the request's own function throws. */
  async answer(task: NetworkTask): Promise<Answer> {
    switch (task.tag) {
      case "createIdentity":
        await EnclaveFiles.create(this.#home, this.#curve, this.#vault.create);
        return { tag: task.tag, value: undefined };
      case "status":
        return { tag: task.tag, value: await this.#status() };
      case "join":
        return { tag: task.tag, value: (await this.#open()).join(task.value) };
      case "follow":
        return { tag: task.tag, value: (await this.#open()).follow(task.value.blocks, task.value.more) };
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
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const enclave = await this.#enclave?.catch(() => null);
    enclave?.[Symbol.dispose]();
  }

  async #status(): Promise<PRuntimeStatus> {
    return { ...(await this.#open()).status, measurement: softwareMeasurement() };
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
}

/** What a home of a network answers to what only a local home does. */
export function notLocal(home: string): GatekeeperError {
  return new GatekeeperError(
    "NOT_LOCAL",
    `${home} is a home of a network: its keys are no owner's, and its states are read and written by contracts alone`,
    { home },
  );
}
