/** `elect`: holds an election over a snapshot file, so that anybody may check one. Needs no home. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { ALGORITHMS, type Algorithm, type ElectionResult, elect } from "../election/election.ts";
import type { Id } from "../election/id.ts";
import { withJson } from "./command-line.ts";
import { parseSnapshot } from "./election-snapshot.ts";
import { oneLine } from "./one-line.ts";
import { counted } from "./progress.ts";
import { readFileWhole } from "./read-file.ts";
import type { Terminal } from "./terminal.ts";

interface ElectOptions {
  readonly snapshot: string;
  readonly seats: number;
  readonly algorithm: Algorithm;
  readonly balance: number;
}

/** Adds the command. */
export function addElectCommand(program: Command, terminal: Terminal): void {
  withJson(program.command("elect"))
    .description("hold an NPoS election over a snapshot file, exactly as sp-npos-elections does")
    .requiredOption("--snapshot <file>", '{"candidates": [id…], "voters": [[id, "stake", [target id…]]…]}')
    .requiredOption("--seats <n>", "how many to elect", wholeNumber(1))
    .addOption(new Option("--algorithm <name>", "how to elect").choices(ALGORITHMS).default(ALGORITHMS[0]))
    .option("--balance <iterations>", "iterations of balancing; with phragmms, after every round", wholeNumber(0), 0)
    .action(async ({ snapshot, ...how }: ElectOptions) => {
      const { candidates, voters } = parseSnapshot(await readFileWhole(snapshot), snapshot);
      const begun = performance.now();
      const result = elect({ ...how, candidates, voters });
      const seconds = (performance.now() - begun) / 1_000;
      const text = `${describeElection(result)}\nheld among ${counted(candidates.length, "candidate")} by ${counted(voters.length, "voter")} in ${seconds.toFixed(2)} s`;
      await terminal.answer(documentOf(result), text);
    });
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} on.`);
  };
}

/** What anybody needs to check an election. */
function documentOf({ winners, assignments, score }: ElectionResult<Id>): Record<string, unknown> {
  const amounts = (each: readonly (readonly [Id, bigint])[]): [Id, string][] => each.map(([id, n]) => [id, String(n)]);
  return {
    winners: amounts(winners),
    assignments: assignments.map(({ voter, distribution }) => [voter, amounts(distribution)]),
    score: [score.minimalStake, score.sumStake, score.sumStakeSquared].map(String),
  };
}

function describeElection({ winners, score, pjrCounterExample }: ElectionResult<Id>): string {
  const rows = winners.map(([id, stake], index) => [String(index + 1), shown(id), stake.toLocaleString("en-US")]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)));
  const table = rows.map(([rank, id, stake]) =>
    `${rank!.padStart(widths[0]!)}  ${id!.padEnd(widths[1]!)}  ${stake!.padStart(widths[2]!)}`.trimEnd(),
  );
  const pjr =
    pjrCounterExample === null
      ? "holds"
      : `not shown to hold: candidate ${shown(pjrCounterExample)} could be given its threshold`;
  return [
    `${counted(winners.length, "winner")}, with the stake behind each`,
    ...table,
    `minimum stake   ${score.minimalStake.toLocaleString("en-US")}`,
    `sum of stakes   ${score.sumStake.toLocaleString("en-US")}`,
    `sum of squares  ${score.sumStakeSquared.toLocaleString("en-US")}`,
    `PJR: ${pjr}`,
  ].join("\n");
}

function shown(id: Id): string {
  return typeof id === "number" ? String(id) : oneLine(id);
}
