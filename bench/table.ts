/** What is measured: tables of cases, ours beside the peers; and what came out. */
import { type Estimate, median, timesFaster } from "./statistics.ts";

/** One timed function. */
export interface Case {
  readonly row: string;
  readonly column: string;
  /** Records, pages or keys that one call handles. */
  readonly items: number;
  readonly run: () => void | Promise<void>;
}

/** Cases that are ready to be timed: their outputs have been checked. */
interface Cases extends AsyncDisposable {
  readonly cases: readonly Case[];
}

/** Two columns: the ratio says how many times faster the first is. */
export type Pair = readonly [ours: string, theirs: string];

/** What a table is about. */
export interface TableHead {
  /** Its key in the history: never reused for something else. */
  readonly name: string;
  readonly title: string;
  /** What one item is. */
  readonly item: string;
  /** Columns that are Gatekeeper's. */
  readonly ours: readonly string[];
  /** What is compared: how many times faster one column is than another. Each of ours with each other, where absent. */
  readonly pairs?: readonly Pair[];
  /** Rows are cases of their own, not steps of one scale: they are drawn as bars. */
  readonly unordered?: true;
  /** Items per second are printed too. */
  readonly perSecond?: true;
  /** Said under the table. */
  readonly notes: readonly string[];
}

/** A table to measure. */
export interface Table extends TableHead {
  /**
   * Called for each round, counted from 0, so that no round inherits another's data. Before the first, every record
   * that came out is checked; before the others it may be a part of them, drawn anew.
   */
  readonly prepare: (round: number) => Promise<Cases>;
}

/** The times of one case, nanoseconds per item, one for each round. */
export interface CaseTimes {
  readonly row: string;
  readonly column: string;
  readonly times: readonly number[];
}

/** A table as it was measured. */
export interface TableResult extends TableHead {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly cases: readonly CaseTimes[];
}

/** Median nanoseconds per item of a cell, or null where the table has none. */
export function cellOf(result: TableResult, row: string, column: string): number | null {
  const found = timesOf(result, row, column);
  return found === null ? null : median(found);
}

/** How many times faster one column is than another in a row, or null where one of them is missing. */
export function ratioOf(result: TableResult, row: string, ours: string, theirs: string): Estimate | null {
  const a = timesOf(result, row, ours);
  const b = timesOf(result, row, theirs);
  return a === null || b === null ? null : timesFaster(a, b);
}

/** The pairs of columns whose ratios are of interest. */
export function pairsOf(result: TableResult): readonly Pair[] {
  return result.pairs ?? result.ours.flatMap((ours) => peersOf(result).map((theirs): Pair => [ours, theirs]));
}

/** The columns that are not Gatekeeper's. */
export function peersOf(result: TableResult): string[] {
  return result.columns.filter((column) => !result.ours.includes(column));
}

/** A table's result from the times of its cases; rows and columns keep the order in which they first appear. */
export function resultOf(table: TableHead, cases: readonly CaseTimes[]): TableResult {
  const rows = [...new Set(cases.map(({ row }) => row))];
  const columns = [...new Set(cases.map(({ column }) => column))];
  return { ...headOf(table), rows, columns, cases };
}

/** The head alone: a table that is to be measured has more. */
function headOf({ name, title, item, ours, pairs, unordered, perSecond, notes }: TableHead): TableHead {
  const options = {
    ...(pairs === undefined ? {} : { pairs }),
    ...(unordered === undefined ? {} : { unordered }),
    ...(perSecond === undefined ? {} : { perSecond }),
  };
  return { name, title, item, ours, notes, ...options };
}

/** The times of a cell, one for each round, or null where the table has none. */
export function timesOf(result: TableResult, row: string, column: string): readonly number[] | null {
  return result.cases.find((each) => each.row === row && each.column === column)?.times ?? null;
}
