/** Gatekeeper's own contenders: the engine as a library user calls it, and what runs under it without its copies. */
import { BatchTable, type BatchRecord } from "../src/engine/batch.ts";
import { Engine } from "../src/engine/engine.ts";
import { KeyTable } from "../src/engine/key-table.ts";
import { Kernels } from "../src/engine/kernels.ts";
import { MEASURED, WASM_ONLY } from "../src/engine/paths.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "../src/engine/rows.ts";
import { RowRunner } from "../src/engine/run.ts";
import { NONCE_BYTES } from "../src/engine/suite.ts";
import { Secret } from "../src/secret.ts";
import { randomFillSync } from "node:crypto";
import type { Contender, MakeContender } from "./contender.ts";
import { AAD_BYTES, type Side, type Workload } from "./workload.ts";

/** How an engine is set up: as anybody gets it, kept to WebAssembly, or allowed to have plaintexts in memory. */
export type Variant = "measured" | "wasmOnly" | "plaintextInMemory";

const ENGINES: Readonly<Record<Variant, () => Engine>> = {
  measured: () => new Engine(),
  wasmOnly: () => new Engine({ paths: WASM_ONLY }),
  plaintextInMemory: () => new Engine({ plaintextInMemory: true }),
};

/** One engine a variant, as a program has. */
const engines = new Map<Variant, Engine>();

function engineOf(variant: Variant): Engine {
  const engine = engines.get(variant) ?? ENGINES[variant]();
  engines.set(variant, engine);
  return engine;
}

/**
 * `Engine.reencrypt`: the arena is copied in and out, keys are expanded, nonces drawn and everything is wiped, all
 * within the time taken. The descriptor table is not: it depends on where records lie, not on what they hold.
 */
export function engineContender(variant: Variant): MakeContender {
  return contenderOn(() => engineOf(variant));
}

/** The same on an engine of one's own. */
export function contenderOn(engineFor: () => Engine): MakeContender {
  return (workload) => {
    const engine = engineFor();
    const { suite } = workload.shape;
    const arena = workload.arena();
    const keys = secretsOf(workload);
    const batches = ([0, 1] as const).map((from) => ({ arena, table: makeTable(workload, from).rows(), keys }));
    return {
      reencrypt: (from) => expectDone(engine.reencrypt(suite, batches[from]!)),
      arena: () => arena,
    };
  };
}

/** `Engine.reencrypt` of whoever has raw keys: they become Secrets, and those are wiped, within the time taken. */
export function engineFromRawKeysContender(workload: Workload): Contender {
  const engine = engineOf("measured");
  const { suite } = workload.shape;
  const arena = workload.arena();
  const tables = ([0, 1] as const).map((from) => makeTable(workload, from).rows());
  return {
    reencrypt: (from) => {
      const keys = secretsOf(workload);
      expectDone(engine.reencrypt(suite, { arena, table: tables[from]!, keys }));
      for (const key of keys) key[Symbol.dispose]();
    },
    arena: () => arena,
  };
}

/** The keys of side 0 by contract, then those of side 1, as `makeTable` numbers them. */
function secretsOf(workload: Workload): Secret[] {
  return workload.keys.flatMap((side) => side.map((key) => new Secret(Uint8Array.from(key))));
}

/**
 * What the engine does between its copy in and its copy out, by the same table of ways: records, rows and nonces lie in
 * WebAssembly memory already, and keys are at hand, as those of the loops beside it are. The rows are written again before
 * each call, as each record's status is left in its row.
 */
export function kernelContender(workload: Workload): Contender {
  const { suite } = workload.shape;
  const kernels = new Kernels();
  const runner = new RowRunner(kernels, MEASURED);
  const start = kernels.alloc(0);
  const keyBytes = kernels.keyContextBytes(suite);
  const secrets = workload.keys.flat();
  const raw = kernels.put(Buffer.concat(secrets));
  const contexts = kernels.alloc(secrets.length * keyBytes);
  const keys = new KeyTable(kernels, suite, { raw, contexts, count: secrets.length });
  const bytes = workload.arena();
  const arena = kernels.put(bytes);
  const count = workload.records.length;
  const rows = kernels.alloc(count * ROW_BYTES);
  const wordsNow = (): Uint32Array => new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
  const bound = ([0, 1] as const).map((from) => {
    const nonces = kernels.alloc(count * NONCE_BYTES);
    randomFillSync(kernels.bytes, nonces, count * NONCE_BYTES);
    wordsNow().set(makeTable(workload, from).rows());
    const bad = kernels.call("batchBind", rows, count, arena, bytes.length, contexts, keys.count, keyBytes, nonces);
    if (bad >= 0) throw new Error(`row ${bad} of the kernel's batch is out of range`);
    return wordsNow().slice();
  });
  const size = kernels.alloc(0) - start;
  return {
    reencrypt: (from) => {
      // What the last call allocated behind everything that stays is given back.
      kernels.reset();
      kernels.alloc(size);
      wordsNow().set(bound[from]!);
      runner.run("Reencrypt", rows, count, keys);
      if (wordsNow()[(count - 1) * ROW_WORDS + ROW.status] !== RecordStatus.done)
        throw new Error("a record was refused");
    },
    arena: () => kernels.bytes.subarray(arena, arena + bytes.length),
  };
}

/** The rows that take every record from a side to the other; the keys of side 1 follow those of side 0. */
export function makeTable(workload: Workload, from: Side): BatchTable {
  const { contracts, aad } = workload.shape;
  const to = from === 0 ? 1 : 0;
  const table = new BatchTable();
  for (const { contract, offset, length, aadOffsets } of workload.records) {
    table.add({
      offset,
      length,
      aadOffset: aadOffsets[from],
      aadLength: AAD_BYTES[aad],
      key: from * contracts + contract,
      newAadOffset: aadOffsets[to],
      newAadLength: AAD_BYTES[aad],
      newKey: to * contracts + contract,
    } satisfies BatchRecord);
  }
  return table;
}

function expectDone(statuses: Uint8Array): void {
  if (statuses.some((status) => status !== RecordStatus.done)) throw new Error("a record was refused");
}
