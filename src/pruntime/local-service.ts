/** What a pRuntime does in a local home, on its owner's word alone: there is no chain that it would wait for. */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { destroyFile } from "../durable-file.ts";
import { Engine } from "../engine/engine.ts";
import { GatekeeperError } from "../errors.ts";
import { readRotation } from "../rotation/control.ts";
import { type RotationSummary, finishRotation, rotate } from "../rotation/rotation.ts";
import { verifyStore } from "../rotation/verification.ts";
import { keyFilePath } from "../store/home.ts";
import { type Answer, FAILURES_MAX, type StateBatch, type VerificationSummary, type WriteResult } from "./boundary.ts";
import { ContractStates } from "./contract-states.ts";
import type { ImportAnswer, ImportTask } from "./import-task.ts";
import { exportKeyFile, importKeyFile } from "./key-export.ts";
import { LocalHome } from "./local-home.ts";
import type { LocalTask } from "./task-kind.ts";
import type { TaskContext } from "./server.ts";
import type { Passphrases } from "./service.ts";
import { unpackStates } from "./state-batch.ts";

/** V8 would let short-lived objects pile up to many times this in each thread before it looks at them. */
const YOUNG_GENERATION_MIB = 8;

interface OpenedHome {
  readonly home: LocalHome;
  readonly states: ContractStates;
}

/** Serves one home. Owns its keys from the first request that needs them; dispose wipes them. */
export class LocalService implements AsyncDisposable {
  readonly #folder: string;
  readonly #passphrases: Passphrases;
  #opened: Promise<OpenedHome> | null = null;
  #importers: Piscina<ImportTask, ImportAnswer> | null = null;

  constructor(folder: string, passphrases: Passphrases) {
    this.#folder = folder;
    this.#passphrases = passphrases;
  }

  /** Answers a request. @throws GatekeeperError what the request's own function throws. */
  async answer(task: LocalTask, context: TaskContext): Promise<Answer> {
    switch (task.tag) {
      case "createHome":
        await LocalHome.init(this.#folder, task.value);
        return { tag: task.tag, value: undefined };
      case "exportKey":
        await this.#exportKey(task.value);
        return { tag: task.tag, value: undefined };
      case "importKey":
        await this.#importKey(task.value);
        return { tag: task.tag, value: undefined };
      case "get": {
        const { states } = await this.#open();
        return { tag: task.tag, value: await states.get(task.value.contract, task.value.key) };
      }
      case "write":
        return { tag: task.tag, value: await this.#write(task.value) };
      case "import":
        return { tag: task.tag, value: await this.#import(task.value.threads, task.value.batch) };
      case "rotate":
        return { tag: task.tag, value: await this.#rotate(task.value, context) };
      case "verify":
        return { tag: task.tag, value: await this.#verify(task.value.threads, context) };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#importers?.destroy();
    const opened = await this.#opened?.catch(() => null);
    opened?.states[Symbol.dispose]();
    await opened?.home[Symbol.asyncDispose]();
  }

  #open(): Promise<OpenedHome> {
    this.#opened ??= this.#openHome();
    // One that could not be opened may be mended meanwhile.
    this.#opened.catch(() => {
      this.#opened = null;
    });
    return this.#opened;
  }

  async #openHome(): Promise<OpenedHome> {
    const home = await LocalHome.open(this.#folder);
    const { store, suite } = home;
    const masterKey: LocalHome["masterKey"] = (id) => home.masterKey(id);
    return { home, states: new ContractStates({ store, engine: new Engine(), suite, masterKey }) };
  }

  async #exportKey(file: string): Promise<void> {
    using passphrase = await this.#passphrases.chosen();
    exportKeyFile(keyFilePath(this.#folder), file, passphrase);
  }

  /** Restores the key file, and takes it away again if it does not open this home's MasterKey. */
  async #importKey(file: string): Promise<void> {
    using passphrase = await this.#passphrases.given();
    importKeyFile(file, keyFilePath(this.#folder), passphrase);
    try {
      await using home = await LocalHome.open(this.#folder);
      const { rotationId } = (await readRotation(home.store)).value;
      (await home.masterKey(rotationId))[Symbol.dispose]();
    } catch (cause) {
      destroyFile(keyFilePath(this.#folder));
      if (!(cause instanceof GatekeeperError) || cause.code !== "KEY_UNAVAILABLE") throw cause;
      const message = `the key in ${file} does not open the MasterKey of ${this.#folder}: it belongs to another home`;
      throw new GatekeeperError("KEY_UNAVAILABLE", message, { file, home: this.#folder }, { cause });
    }
  }

  async #write(batch: StateBatch): Promise<WriteResult> {
    try {
      const { states } = await this.#open();
      return await states.write(unpackStates(batch));
    } finally {
      batch.bytes.fill(0);
    }
  }

  async #import(threads: number, batch: StateBatch): Promise<WriteResult> {
    this.#importers ??= new Piscina<ImportTask, ImportAnswer>({
      filename: fileURLToPath(new URL(`./import-task${extname(import.meta.url)}`, import.meta.url)),
      minThreads: threads,
      maxThreads: threads,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
    });
    const transferList = [batch.bytes.buffer as ArrayBuffer, batch.words.buffer as ArrayBuffer];
    const answer = await this.#importers.run({ folder: this.#folder, batch }, { transferList });
    if ("error" in answer) throw GatekeeperError.fromWire(answer.error);
    return answer.result;
  }

  async #rotate(
    { threads, begin }: { readonly threads: number | null; readonly begin: boolean },
    { signal, report, replaceProcess }: TaskContext,
  ): Promise<RotationSummary | null> {
    const { home } = await this.#open();
    const run = begin ? rotate : finishRotation;
    const summary = await run({
      threads: threads ?? availableParallelism(),
      signal,
      store: home.location,
      suite: home.suite,
      masterKey: (rotationId) => home.masterKey(rotationId),
      newMasterKey: (rotationId) => home.createMasterKey(rotationId),
      abandon: (rotationId) => home.destroyMasterKey(rotationId),
      onProgress: report,
    });
    if (summary === null) return null;
    // What held the old key, and what was made with it, goes with the memory of this process.
    if (summary.failed === 0) replaceProcess();
    return { ...summary, failures: summary.failures.slice(0, FAILURES_MAX) };
  }

  async #verify(threads: number | null, { report }: TaskContext): Promise<VerificationSummary> {
    const { home } = await this.#open();
    const counts = await home.store.countByRotationId();
    const total = [...counts.values()].reduce((sum, records) => sum + records, 0);
    return await verifyStore({
      threads: threads ?? availableParallelism(),
      store: home.location,
      suite: home.suite,
      masterKey: (rotationId) => home.masterKey(rotationId),
      onProgress: (done) => report({ phase: "verification", done, total }),
    });
  }
}
