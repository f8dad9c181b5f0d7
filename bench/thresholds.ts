/**
 * `npm run bench:thresholds`: where each way of src/engine/paths.ts begins to pay on this machine. Each table forces two
 * or three ways on the same records; the threshold belongs where the next column becomes the smaller one.
 */
import { createSecretKey, hkdfSync, randomBytes } from "node:crypto";
import { Engine } from "../src/engine/engine.ts";
import { type KeyMaterial, PageEngine, type ReencryptJob } from "../src/engine/page-engine.ts";
import { MEASURED, type Paths, WASM_ONLY } from "../src/engine/paths.ts";
import { encodeHeader, sealedAad } from "../src/engine/sealed-state.ts";
import { ALL_SUITES, NONCE_BYTES, type Suite } from "../src/engine/suite.ts";
import { editPage } from "../src/store/page-edit.ts";
import type { MakeContender } from "./contender.ts";
import { measure } from "./measure.ts";
import { contenderOn } from "./ours.ts";
import { printed } from "./print.ts";
import { backAndForth } from "./reencrypt.ts";
import type { Table } from "./table.ts";
import { always, makeWorkload, sealBox } from "./workload.ts";

const EFFORT = { rounds: 7, sampleSeconds: 0.002, caseSeconds: 0.02 };
const NEVER = Number.POSITIVE_INFINITY;

/** A text of a usual size, and records enough for a batch. */
const TEXT_BYTES = 87;
const BATCH_RECORDS = 2_000;
const BATCH_BYTES = 1 << 20;

const RECORDS_A_CONTRACT = [5, 10, 15, 20, 25, 30, 40, 60, 100];
const BETWEEN_TEXTS = [1_024, 2_048, 3_072, 4_096, 6_144, 8_192, 12_288];
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

/** Pages of one contract, each of one record of so many bytes. */
function pagesOf(suite: Suite, bytes: number): ReencryptJob[] {
  const contract = randomBytes(32);
  const material = (): KeyMaterial => ({ ikm: randomBytes(32), info: randomBytes(64) });
  const [key, newKey] = [material(), material()];
  const secret = createSecretKey(new Uint8Array(hkdfSync("sha256", key.ikm, new Uint8Array(0), key.info, 32)));
  return Array.from({ length: Math.floor(BATCH_BYTES / bytes) }, () => {
    const header = encodeHeader({ suite, rotationId: 0, writeVersion: 1n });
    const storageKey = randomBytes(32);
    const aad = sealedAad(header, contract, storageKey);
    const box = sealBox(suite, secret, randomBytes(NONCE_BYTES), aad, randomBytes(bytes));
    const sealed = Buffer.concat([header, box]);
    const [page] = editPage(contract, null, [{ key: storageKey, sealed }], 1n);
    return { contract, body: page!.body, key, newKey };
  });
}

/** From a suite to the other, in pages. */
function betweenTable(from: Suite, to: Suite): Table {
  const ways = { WebAssembly: Number.POSITIVE_INFINITY, passes: 0 };
  const engines = Object.entries(ways).map(([column, betweenBytes]): [string, PageEngine] => {
    return [column, new PageEngine({ paths: { ...MEASURED, betweenBytes } })];
  });
  return {
    name: "betweenBytes",
    title: `betweenBytes, ${from} to ${to}, pages of one record`,
    item: "record",
    ours: [],
    pairs: [],
    notes: [],
    prepare: async () => {
      const cases = BETWEEN_TEXTS.flatMap((bytes) => {
        const jobs = pagesOf(from, bytes);
        return engines.map(([column, engine]) => ({
          row: `${bytes} B`,
          column,
          items: jobs.length,
          run: () => {
            const outcomes = engine.reencrypt({ suite: from, rotationId: 0 }, { suite: to, rotationId: 1 }, jobs);
            if (outcomes.some(({ done }) => done !== 1)) throw new Error(`${column}: a record was not moved`);
          },
        }));
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
  ...ALL_SUITES.map((from) =>
    betweenTable(
      from,
      ALL_SUITES.find((to) => to !== from)!,
    ),
  ),
];
for (const result of await measure(tables, EFFORT)) console.log(`\n${printed(result)}`);
