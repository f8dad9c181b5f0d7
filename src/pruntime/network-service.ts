/** What a pRuntime does in a home of a network, for a host that it does not trust: enclave.ts says what that means. */
import { Secp256k1 } from "../engine/secp256k1.ts";
import type { Hex } from "../protocol/scale.ts";
import type { Answer, PRuntimeStatus } from "./boundary.ts";
import type { CommandRunner } from "./command-runner.ts";
import { Enclave } from "./enclave.ts";
import { EnclaveFiles } from "./enclave-files.ts";
import type { NetworkTask } from "./task-kind.ts";
import type { Vault } from "./vault.ts";

/** Serves one home. Owns the pRuntime's keys from the first request that needs them; dispose wipes them. */
export class NetworkService implements AsyncDisposable {
  readonly #home: string;
  readonly #vault: Vault;
  readonly #curve = new Secp256k1("compressed");
  readonly #measurement: Hex;
  #enclave: Promise<Enclave> | null = null;
  /** On that enclave. */
  #commands: Promise<CommandRunner> | null = null;

  /** @param measurement - of this program. */
  constructor(home: string, vault: Vault, measurement: Hex) {
    this.#home = home;
    this.#vault = vault;
    this.#measurement = measurement;
  }

  /** Answers a request. @throws GatekeeperError what the request's own function throws. */
  async answer(task: NetworkTask): Promise<Answer> {
    switch (task.tag) {
      case "createIdentity":
        await this.#create();
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
    enclave?.[Symbol.dispose]();
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
    // First, because whoever has its lock is the store's only user.
    const enclave = await this.#open();
    const { CommandRunner } = await import("./command-runner.ts");
    return await CommandRunner.open(this.#home, enclave);
  }
}
