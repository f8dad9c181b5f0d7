/** `npm run bench`: measures everything, prints it and how it stands to the floors, keeps a line of it, draws it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ALL_SUITES } from "../src/engine/suite.ts";
import { chartPage } from "./chart.ts";
import { contractKeyTable } from "./contract-keys.ts";
import { curveTable } from "./curve.ts";
import { dleqTable } from "./dleq.ts";
import { POLKADOT, SMALL_ELECTION, electionResults } from "./election.ts";
import { endToEndTable } from "./end-to-end.ts";
import { FLOORS, floorSummary, judge } from "./floors.ts";
import { appendHistory, historyLine, readHistory, surroundings } from "./history.ts";
import { COMMITTEES, keySessionResult } from "./key-sessions.ts";
import { type Effort, measure } from "./measure.ts";
import { pageTable } from "./pages.ts";
import { printed } from "./print.ts";
import { reencryptTable } from "./reencrypt.ts";
import { replayTable } from "./replay.ts";
import { rotationResults } from "./rotation.ts";
import { loadSecp256k1Addon } from "./secp256k1-addon.ts";
import { curveThreadTable, kernelThreadTable, threadTable } from "./threads.ts";
import { thresholdKeyTable } from "./threshold-keys.ts";

const HISTORY = fileURLToPath(new URL("results.ndjson", import.meta.url));
const CHARTS = fileURLToPath(new URL("charts/", import.meta.url));

const EFFORT: Effort = { rounds: 7, sampleSeconds: 0.002, caseSeconds: 0.012 };
const ELECTION = { whole: POLKADOT, small: SMALL_ELECTION, rounds: 3 };
const KEY_SESSION_ROUNDS = 3;
const ROTATION = { contracts: 100, recordsEach: 10_000, rowContracts: 10, rounds: 3 };

const addon = await loadSecp256k1Addon();
const started = surroundings(new Date());
const tables = [
  ...ALL_SUITES.flatMap((suite) => [reencryptTable(suite, "16 B"), reencryptTable(suite, "78 B")]),
  endToEndTable("aes-256-gcm", ["16 B"]),
  endToEndTable("chacha20-poly1305", ["16 B"]),
  pageTable(ALL_SUITES),
  contractKeyTable(),
  threadTable(ALL_SUITES),
  kernelThreadTable(ALL_SUITES),
  curveTable(addon),
  dleqTable(),
  thresholdKeyTable(),
  curveThreadTable(),
  replayTable(addon),
];
const results = [
  ...(await measure(tables, EFFORT)),
  ...(await rotationResults(ROTATION)),
  ...electionResults(ELECTION),
  keySessionResult(COMMITTEES, KEY_SESSION_ROUNDS),
];
for (const result of results) console.log(`\n${printed(result)}`);
console.log(`\n${floorSummary(judge(FLOORS, results))}`);

appendHistory(HISTORY, historyLine(started, EFFORT.rounds, results));
mkdirSync(CHARTS, { recursive: true });
writeFileSync(`${CHARTS}index.html`, chartPage(started, results, readHistory(HISTORY)));
console.log(`\nappended to ${HISTORY}\ncharts: ${CHARTS}index.html`);
