/** What a thread of the engine pool runs. */
import { move, transferableSymbol, valueSymbol, workerData } from "piscina";
import { GatekeeperError, type WireError } from "../errors.ts";
import { Secret } from "../secret.ts";
import { Engine, type EngineOptions } from "./engine.ts";
import { KEY_BYTES, type Suite, type Verb } from "./suite.ts";

/** A batch on its way to a thread; everything is moved. */
export interface BatchTask {
  readonly suite: Suite;
  readonly verb: Verb;
  readonly arena: Uint8Array<ArrayBuffer>;
  readonly table: Uint32Array<ArrayBuffer>;
  /** The keys one after the other; wiped here. */
  readonly keys: Uint8Array<ArrayBuffer>;
}

/** A batch on its way back, or why it could not be run: an error loses its class on the way, so it goes as data. */
export type BatchAnswer =
  | { readonly arena: Uint8Array<ArrayBuffer>; readonly statuses: Uint8Array<ArrayBuffer> }
  | { readonly error: WireError };

let engine: Engine | undefined;

export default function run(task: BatchTask): BatchAnswer {
  const keys: Secret[] = [];
  try {
    for (let at = 0; at < task.keys.length; at += KEY_BYTES)
      keys.push(new Secret(task.keys.subarray(at, at + KEY_BYTES)));
    engine ??= new Engine((workerData ?? {}) as EngineOptions);
    const batch = { arena: task.arena, table: task.table, keys };
    const statuses = runVerb(engine, task.suite, task.verb, batch);
    const answer = { arena: task.arena, statuses };
    // Moved without a copy; piscina's types say Transferable for what arrives as the value.
    return move({
      [transferableSymbol]: [answer.arena.buffer, answer.statuses.buffer],
      [valueSymbol]: answer,
    }) as unknown as BatchAnswer;
  } catch (error) {
    // The arena does not go back with an error, and may hold plaintexts.
    task.arena.fill(0);
    if (error instanceof GatekeeperError) return { error: error.toWire() };
    throw error;
  } finally {
    for (const key of keys) key[Symbol.dispose]();
  }
}

function runVerb(on: Engine, suite: Suite, verb: Verb, batch: Parameters<Engine["seal"]>[1]): Uint8Array<ArrayBuffer> {
  switch (verb) {
    case "Seal":
      return on.seal(suite, batch);
    case "Open":
      return on.open(suite, batch);
    case "Verify":
      return on.verify(suite, batch);
    case "Reencrypt":
      return on.reencrypt(suite, batch);
  }
}
