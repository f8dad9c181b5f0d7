/** What a thread of an import runs: it opens the home for itself, seals a batch of states and writes it. */
import { freeBytes } from "../bytes.ts";
import { Engine } from "../engine/engine.ts";
import { GatekeeperError, type WireError } from "../errors.ts";
import type { StateBatch, WriteResult } from "./boundary.ts";
import { ContractStates } from "./contract-states.ts";
import { LocalHome } from "./local-home.ts";
import { unpackStates } from "./state-batch.ts";

/** One batch for one thread. */
export interface ImportTask {
  /** The home's folder. */
  readonly folder: string;
  /** Moved here, and wiped when it is written. */
  readonly batch: StateBatch;
}

/** What was written, or why it was not. */
export type ImportAnswer = { readonly result: WriteResult } | { readonly error: WireError };

let states: Promise<ContractStates> | undefined;

export default async function run(task: ImportTask): Promise<ImportAnswer> {
  try {
    states ??= openStates(task.folder);
    return { result: await (await states).write(unpackStates(task.batch)) };
  } catch (error) {
    if (error instanceof GatekeeperError) return { error: error.toWire() };
    throw error;
  } finally {
    task.batch.bytes.fill(0);
    // Left to the garbage collector they pile up: this thread makes little else that it would run for.
    freeBytes(task.batch.bytes);
    freeBytes(task.batch.words);
  }
}

/** Opened once a thread; it ends with the thread, and the keys in it too. */
async function openStates(folder: string): Promise<ContractStates> {
  const home = await LocalHome.open(folder);
  const { store, suite } = home;
  return new ContractStates({ store, engine: new Engine(), suite, masterKey: (id) => home.masterKey(id) });
}
