/**
 * One thread and two: the engine's pool on the same stream of batches; and the bare kernel and secp256k1, where each
 * thread has a WebAssembly memory, and records or points, of its own and nothing goes to and fro.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Batch } from "../src/engine/batch.ts";
import { EnginePool } from "../src/engine/pool.ts";
import { RecordStatus } from "../src/engine/rows.ts";
import type { Suite } from "../src/engine/suite.ts";
import { Secret } from "../src/secret.ts";
import { checkMoved, oneIn } from "./contender.ts";
import type { CurveTask } from "./curve-task.ts";
import { OPERATIONS } from "./curve-workload.ts";
import type { KernelTask } from "./kernel-task.ts";
import { makeTable } from "./ours.ts";
import type { Case, Table } from "./table.ts";
import { type Side, always, makeWorkload } from "./workload.ts";

const TEXT_BYTES = 64;
const CONTRACTS = 40;
const RECORDS_EACH = 100;
/** Batches under way at once: each thread has one at work and one waiting. */
const BATCHES = 4;
export const ONE = "1 thread";
export const TWO = "2 threads";
/** A task of the kernel's is some milliseconds of work, beside which its message to the thread is nothing. */
const KERNEL_TASK = { aad: "16 B", size: TEXT_BYTES, contracts: 4, recordsEach: 1_000, calls: 20 } as const;
/** As much of the curve's. */
const CURVE_TASK = { points: 256, calls: 5 } as const;

/** One row a suite; the two columns have pools of their own. */
export function threadTable(suites: readonly Suite[]): Table {
  return {
    name: "threads",
    title: `Re-encrypt records of ${TEXT_BYTES} B on EnginePool`,
    item: "record",
    ours: [TWO],
    notes: [`batches of ${CONTRACTS * RECORDS_EACH} records, ${BATCHES} under way at once; moving them included`],
    prepare: async (round) => {
      const pools = [new EnginePool({ threads: 1 }), new EnginePool({ threads: 2 })];
      const cases: Case[] = [];
      for (const suite of suites) {
        for (const [index, pool] of pools.entries()) {
          const streams = Array.from({ length: BATCHES }, () => streamOf(pool, suite));
          for (const stream of streams) await stream.check(oneIn(round));
          cases.push({
            row: suite,
            column: index === 0 ? ONE : TWO,
            items: BATCHES * CONTRACTS * RECORDS_EACH,
            run: async () => void (await Promise.all(streams.map((stream) => stream.run()))),
          });
        }
      }
      return {
        cases,
        [Symbol.asyncDispose]: async () => {
          for (const pool of pools) await pool[Symbol.asyncDispose]();
        },
      };
    },
  };
}

/** One row a suite; both columns use the same threads, one of them or both. */
export function kernelThreadTable(suites: readonly Suite[]): Table {
  const { contracts, recordsEach, calls } = KERNEL_TASK;
  const records = contracts * recordsEach;
  return {
    name: "threads/kernel",
    title: `Re-encrypt records of ${TEXT_BYTES} B by the bare kernel, threads on their own`,
    item: "record",
    ours: [TWO],
    notes: [
      `each thread: ${calls} calls over ${records.toLocaleString("en")} records in its own memory; until the last thread has ended`,
    ],
    prepare: prepareThreads(
      new URL("./kernel-task.ts", import.meta.url),
      suites.map((suite) => ({ row: suite, items: calls * records, task: { suite, ...KERNEL_TASK } })),
    ),
  };
}

/** Points times one secret scalar; both columns use the same threads, one of them or both. */
export function curveThreadTable(): Table {
  const { points, calls } = CURVE_TASK;
  return {
    name: "threads/secp256k1",
    title: "Points of secp256k1 × one secret scalar, threads on their own",
    item: "point",
    ours: [TWO],
    notes: [`each thread: ${calls} batches of ${points} points of its own; until the last thread has ended`],
    prepare: prepareThreads(new URL("./curve-task.ts", import.meta.url), [
      { row: OPERATIONS.multiplyAll, items: calls * points, task: CURVE_TASK },
    ]),
  };
}

/** What threads are told to do for one row, and how many items that is for each of them. */
interface ThreadRow {
  readonly row: string;
  readonly items: number;
  readonly task: KernelTask | CurveTask;
}

/** @param program - of a thread: it does each task that it is sent, and answers with null when it is done. */
function prepareThreads(program: URL, rows: readonly ThreadRow[]): Table["prepare"] {
  return async () => {
    const workers = [ONE, TWO].map(() => new Worker(program));
    const cases = rows.flatMap(({ row, items, task }) =>
      [ONE, TWO].map((column, index): Case => {
        const busy = workers.slice(0, index + 1);
        return {
          row,
          column,
          items: busy.length * items,
          run: async () => void (await Promise.all(busy.map((worker) => callThread(worker, task)))),
        };
      }),
    );
    return {
      cases,
      [Symbol.asyncDispose]: async () => {
        for (const worker of workers) await worker.terminate();
      },
    };
  };
}

/** @throws Error when the thread fails: `once` rejects with what ended it. */
async function callThread(worker: Worker, task: ThreadRow["task"]): Promise<void> {
  const done = once(worker, "message");
  worker.postMessage(task);
  await done;
}

/** One batch that goes to and fro between its sides, and between threads. */
function streamOf(pool: EnginePool, suite: Suite): { run(): Promise<void>; check(every: number): Promise<void> } {
  const shape = {
    suite,
    aad: "16 B",
    size: always(TEXT_BYTES),
    contracts: CONTRACTS,
    recordsEach: RECORDS_EACH,
  } as const;
  const workload = makeWorkload(shape);
  const tables = ([0, 1] as const).map((from) => makeTable(workload, from).rows());
  const keys = workload.keys.flatMap((side) => side.map((key) => new Secret(Uint8Array.from(key))));
  let arena = workload.arena();
  let side: Side = 0;
  const run = async (): Promise<void> => {
    const batch: Batch = { arena, table: tables[side]!.slice(), keys };
    const result = await pool.reencrypt(suite, batch);
    if (result.statuses.some((status) => status !== RecordStatus.done)) throw new Error("a record was refused");
    arena = result.arena;
    side = side === 0 ? 1 : 0;
  };
  const check = async (every: number): Promise<void> => {
    const before = arena.slice();
    await run();
    checkMoved("EnginePool", workload, before, arena, side, every);
  };
  return { run, check };
}
