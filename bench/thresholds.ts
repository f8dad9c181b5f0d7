/**
 * `npm run bench:thresholds`: where each way of src/engine/paths.ts begins to pay on this machine. Each table forces two
 * or three ways on the same records; the threshold belongs where the next column becomes the smaller one.
 */
import { Engine } from "../src/engine/engine.ts";
import { MEASURED, type Paths, WASM_ONLY } from "../src/engine/paths.ts";
import { ALL_SUITES, type Suite } from "../src/engine/suite.ts";
import type { MakeContender } from "./contender.ts";
import { measure } from "./measure.ts";
import { contenderOn } from "./ours.ts";
import { printed } from "./print.ts";
import { backAndForth } from "./reencrypt.ts";
import type { Table } from "./table.ts";
import { always, makeWorkload } from "./workload.ts";

const EFFORT = { rounds: 7, sampleSeconds: 0.002, caseSeconds: 0.02 };
const NEVER = Number.POSITIVE_INFINITY;

/** A text of a usual size, and records enough for a batch. */
const TEXT_BYTES = 87;
const BATCH_RECORDS = 2_000;
const BATCH_BYTES = 1 << 20;

const RECORDS_A_CONTRACT = [5, 10, 15, 20, 25, 30, 40, 60, 100];
const LONG_TEXTS = [4_096, 6_144, 8_192, 12_288, 16_384, 20_480, 24_576, 32_768];

/** One row: some contracts with as many records of one size each. */
interface Load {
  readonly row: string;
  readonly contracts: number;
  readonly recordsEach: number;
  readonly bytes: number;
}

/** @param ways - a column each: the table of ways that its engine goes by. */
function thresholdTable(name: string, suite: Suite, loads: readonly Load[], ways: Record<string, Paths>): Table {
  const columns = Object.entries(ways).map(([column, paths]): [string, MakeContender] => {
    const engine = new Engine({ paths });
    return [column, contenderOn(() => engine)];
  });
  return {
    name,
    title: `${name}, ${suite}, AAD of 78 B`,
    item: "record",
    ours: [],
    pairs: [],
    notes: [],
    prepare: async (round) => {
      const cases = loads.flatMap(({ row, contracts, recordsEach, bytes }) => {
        const workload = makeWorkload({ suite, aad: "78 B", size: always(bytes), contracts, recordsEach });
        return columns.map(([column, make]) => {
          return { row, column, items: contracts * recordsEach, run: backAndForth(column, workload, make, round) };
        });
      });
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

const few = RECORDS_A_CONTRACT.map((recordsEach): Load => {
  const blocks = recordsEach * (1 + Math.ceil(TEXT_BYTES / 16));
  const contracts = Math.ceil(BATCH_RECORDS / recordsEach);
  return { row: `${recordsEach} records, ${blocks} blocks`, contracts, recordsEach, bytes: TEXT_BYTES };
});
const long = LONG_TEXTS.map((bytes): Load => {
  return { row: `${bytes} B`, contracts: 1, recordsEach: Math.floor(BATCH_BYTES / bytes), bytes };
});

const both = (bytes: number): Paths["longBytes"] => ({ "aes-256-gcm": bytes, "chacha20-poly1305": bytes });
const hybrid: Paths = { ...MEASURED, hybridBlocks: 0, checkBytes: NEVER };

const tables = [
  thresholdTable("hybridBlocks and checkBytes", "aes-256-gcm", few, {
    WebAssembly: WASM_ONLY,
    hybrid,
    "hybrid, tags together": { ...hybrid, checkBytes: 0 },
  }),
  ...ALL_SUITES.map((suite) =>
    thresholdTable("longBytes and plaintextBytes", suite, long, {
      "not by itself": { ...MEASURED, longBytes: both(NEVER) },
      passes: { ...MEASURED, longBytes: both(0) },
      plaintext: { ...MEASURED, plaintextBytes: both(0) },
    }),
  ),
];
for (const result of await measure(tables, EFFORT)) console.log(`\n${printed(result)}`);
