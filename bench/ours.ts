/** Gatekeeper's own contenders: the engine as a library user calls it, and the bare kernel under it. */
import { BatchTable, type BatchRecord } from "../src/engine/batch.ts";
import { Engine } from "../src/engine/engine.ts";
import { Kernels } from "../src/engine/kernels.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "../src/engine/rows.ts";
import { NONCE_BYTES } from "../src/engine/suite.ts";
import { Secret } from "../src/secret.ts";
import { randomFillSync } from "node:crypto";
import type { Contender } from "./contender.ts";
import { AAD_BYTES, type Side, type Workload } from "./workload.ts";

let sharedEngine: Engine | undefined;

/**
 * `Engine.reencrypt`: the arena is copied in and out, keys are expanded, nonces drawn and everything is wiped, all
 * within the time taken. The descriptor table is not: it depends on where records lie, not on what they hold.
 */
export function engineContender(workload: Workload): Contender {
  sharedEngine ??= new Engine();
  const engine = sharedEngine;
  const { suite } = workload.shape;
  const arena = workload.arena();
  const keys = workload.keys.flatMap((side) => side.map((key) => new Secret(Uint8Array.from(key))));
  const batches = ([0, 1] as const).map((from) => ({ arena, table: makeTable(workload, from).rows(), keys }));
  return {
    reencrypt: (from) => expectDone(engine.reencrypt(suite, batches[from]!)),
    arena: () => arena,
  };
}

/**
 * One kernel call over records, rows, expanded keys and nonces that lie in WebAssembly memory already; only the rows
 * are written again before each call, as the kernel leaves each record's status in its row.
 */
export function kernelContender(workload: Workload): Contender {
  const { suite } = workload.shape;
  const kernels = new Kernels();
  const keyBytes = kernels.keyContextBytes(suite);
  const keys = workload.keys.flat();
  const contexts = kernels.alloc(keys.length * keyBytes);
  keys.forEach((key, index) => {
    kernels.expandKeys(suite, kernels.put(key), 1, contexts + index * keyBytes);
  });
  const bytes = workload.arena();
  const arena = kernels.put(bytes);
  const count = workload.records.length;
  const rows = kernels.alloc(count * ROW_BYTES);
  const bound = ([0, 1] as const).map((from) => {
    const nonces = kernels.alloc(count * NONCE_BYTES);
    randomFillSync(kernels.bytes, nonces, count * NONCE_BYTES);
    const words = new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
    words.set(makeTable(workload, from).rows());
    const bad = kernels.call("batchBind", rows, count, arena, bytes.length, contexts, keys.length, keyBytes, nonces);
    if (bad >= 0) throw new Error(`row ${bad} of the kernel's batch is out of range`);
    return words.slice();
  });
  const words = new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
  return {
    reencrypt: (from) => {
      words.set(bound[from]!);
      kernels.run(suite, "Reencrypt", rows, count);
      if (words[words.length - ROW_WORDS + ROW.status] !== RecordStatus.done) throw new Error("a record was refused");
    },
    arena: () => kernels.bytes.subarray(arena, arena + bytes.length),
  };
}

/** The rows that take every record from a side to the other; the keys of side 1 follow those of side 0. */
export function makeTable(workload: Workload, from: Side): BatchTable {
  const { contracts, size, aad } = workload.shape;
  const to = from === 0 ? 1 : 0;
  const table = new BatchTable();
  for (const { contract, offset, aadOffsets } of workload.records) {
    table.add({
      offset,
      length: size,
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
