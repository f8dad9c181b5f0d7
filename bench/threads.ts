/** The engine's pool with one and with two threads, on the same stream of batches. */
import type { Batch } from "../src/engine/batch.ts";
import { EnginePool } from "../src/engine/pool.ts";
import { RecordStatus } from "../src/engine/rows.ts";
import type { Suite } from "../src/engine/suite.ts";
import { Secret } from "../src/secret.ts";
import { checkMoved } from "./contender.ts";
import { makeTable } from "./ours.ts";
import type { Case, Table } from "./table.ts";
import { type Side, makeWorkload } from "./workload.ts";

const TEXT_BYTES = 64;
const CONTRACTS = 40;
const RECORDS_EACH = 100;
/** Batches under way at once: each thread has one at work and one waiting. */
const BATCHES = 4;
const ONE = "1 thread";
const TWO = "2 threads";

/** One row a suite; the two columns have pools of their own. */
export function threadTable(suites: readonly Suite[]): Table {
  return {
    name: "threads",
    title: `Re-encrypt records of ${TEXT_BYTES} B on EnginePool`,
    item: "record",
    ours: [TWO],
    notes: [`batches of ${CONTRACTS * RECORDS_EACH} records, ${BATCHES} under way at once; moving them included`],
    prepare: async () => {
      const pools = [new EnginePool({ threads: 1 }), new EnginePool({ threads: 2 })];
      const cases: Case[] = [];
      for (const suite of suites) {
        for (const [index, pool] of pools.entries()) {
          const streams = Array.from({ length: BATCHES }, () => streamOf(pool, suite));
          for (const stream of streams) await stream.check();
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

/** One batch that goes to and fro between its sides, and between threads. */
function streamOf(pool: EnginePool, suite: Suite): { run(): Promise<void>; check(): Promise<void> } {
  const shape = { suite, aad: "16 B", size: TEXT_BYTES, contracts: CONTRACTS, recordsEach: RECORDS_EACH } as const;
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
  const check = async (): Promise<void> => {
    const before = arena.slice();
    await run();
    checkMoved("EnginePool", workload, before, arena, side);
  };
  return { run, check };
}
