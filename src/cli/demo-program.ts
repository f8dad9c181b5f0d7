/**
 * The demo behind `npm start`: real chain states, imported, sealed, rotated and verified by what the commands call, and
 * then the proof that the old key is gone; and a network (demo-network.ts).
 */
import { existsSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { getGenesis } from "@ethereumjs/genesis";
import { Home } from "../gatekeeper/home.ts";
import { type GenesisState, genesisAllocJson } from "./demo-genesis.ts";
import { demoNetwork } from "./demo-network.ts";
import { copyHome, liesIn, sealedState, takeKeysOf, valueIn } from "./demo-old-record.ts";
import { GatekeeperError } from "../errors.ts";
import { describeImport, importFiles } from "./import-command.ts";
import { counted, formatCount } from "./progress.ts";
import {
  type RotationReport,
  describeRotation,
  describeVerification,
  recordsPerSecond,
  rotateHome,
  verifyHome,
} from "./rotation-commands.ts";
import { describeStatus, statusOf } from "./state-commands.ts";
import { Terminal } from "./terminal.ts";

const CHAINS = [
  { name: "Ethereum mainnet", id: 1 },
  { name: "Holesky", id: 17_000 },
  { name: "Hoodi", id: 560_048 },
] as const;
const SUITE = "aes-256-gcm";

/** Runs the demo and sets the exit code. */
export async function main(): Promise<void> {
  const terminal = new Terminal("demo", false);
  try {
    const number = unusedNumber();
    await demo(terminal, `demo-home-${number}`);
    await demoNetwork(terminal, resolve(`demo-network-${number}`));
  } catch (error) {
    await terminal.fail(error);
  }
}

async function demo(terminal: Terminal, folder: string): Promise<void> {
  await say(terminal, `A new home: ${folder}`);
  await Home.init(folder, SUITE);
  await using home = await Home.open(folder);

  await say(terminal, "\nImporting genesis states (each account is a contract with a key of its own):");
  for (const { name, id } of CHAINS) {
    const state = genesisOf(id);
    const stdin = Readable.from([Buffer.from([...genesisAllocJson(state)].join(""))], { objectMode: false });
    const summary = await importFiles(home, { paths: ["-"], stdin, progress: terminal.progress });
    await say(terminal, `  ${name}: ${describeImport(summary)}`);
  }
  await say(terminal, `\n${describeStatus(home, await statusOf(home))}`);

  const address = Object.keys(genesisOf(CHAINS[0].id))[0]!;
  const copy = `${folder}-copy`;
  copyHome(folder, copy);
  const value = await valueIn(folder, address, "balance");
  const sealed = await sealedState(home, address, "balance");
  const before = { keyExists: hasKey(folder, 0), opened: (await valueIn(copy, address, "balance")) === value };

  await say(terminal, "\nRotating the MasterKey, re-encrypting every record from the old key to the new one:");
  const report = await rotateHome(home, true, { progress: terminal.progress });
  await say(terminal, `  ${describeRotation(report)}`);
  const verification = await verifyHome(home, { progress: terminal.progress });
  await say(terminal, `  ${describeVerification(verification)}`);
  if (report.failed + verification.failed > 0) terminal.complain("  which should not be so in a new home");

  takeKeysOf(folder, copy);
  await say(
    terminal,
    `\nIs the old key gone? Asked with a copy of the home that was made before, and the keys of now:`,
  );
  const answers: (readonly [question: string, before: boolean, now: boolean, wanted: boolean])[] = [
    ["the sealed file of MasterKey 0 exists", before.keyExists, hasKey(folder, 0), false],
    ["the home's keys open the copy", before.opened, (await valueIn(copy, address, "balance")) === value, false],
    ["a record's bytes of before lie in the home", true, liesIn(folder, sealed), false],
    ["the record as it lies there now opens", true, (await valueIn(folder, address, "balance")) === value, true],
  ];
  rmSync(copy, { recursive: true });
  for (const [question, then, now, wanted] of answers) {
    await say(terminal, `  ${question.padEnd(46)} before: ${yesOrNo(then)}  now: ${yesOrNo(now).trimEnd()}`);
    if (!then || now !== wanted) terminal.complain("  and that is wrong");
  }
  await say(terminal, `\n${summaryOf(folder, address, report)}`);
}

function say(terminal: Terminal, text: string): Promise<void> {
  return terminal.write(`${text}\n`);
}

function summaryOf(folder: string, address: string, report: RotationReport): string {
  const { records, bytes, seconds } = report;
  const speed = `${formatCount(recordsPerSecond(report))} records/s`;
  return [
    `${counted(records, "record")}, ${counted(bytes, "byte")} re-encrypted in ${seconds.toFixed(2)} s (${speed}).`,
    `The home is ${folder}. What to try next:`,
    `  npx gatekeeper get ${address} balance --home ${folder}`,
    `  npx gatekeeper rotate --home ${folder}`,
    `  npx gatekeeper verify --home ${folder} --json`,
  ].join("\n");
}

function genesisOf(chain: number): GenesisState {
  const state = getGenesis(chain);
  if (state === undefined) throw new GatekeeperError("NOT_FOUND", `@ethereumjs/genesis has no chain ${chain}`);
  return state;
}

/** The first number that no demo had. */
function unusedNumber(): number {
  for (let number = 1; ; number++) {
    if (![`demo-home-${number}`, `demo-network-${number}`].some((folder) => existsSync(folder))) return number;
  }
}

function hasKey(folder: string, rotationId: number): boolean {
  return existsSync(join(folder, "master-key", `${rotationId}.sealed`));
}

function yesOrNo(answer: boolean): string {
  return answer ? "yes" : "no ";
}
