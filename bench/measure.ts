/**
 * Runs tables through benny, round by round: every round prepares all cases anew, checks them, and times them one
 * after the other, in turned order every second time. What is compared is always taken from the same round, so that
 * a machine that is busy for a while slows both sides of a ratio.
 */
import { add, configure, suite } from "benny";
import { type Case, type CaseTimes, type Table, type TableResult, resultOf } from "./table.ts";

/** How long each case is run in each round. */
export interface Effort {
  readonly rounds: number;
  /** Seconds that one sample takes at least, and that all samples of a case take at least together. */
  readonly sampleSeconds: number;
  readonly caseSeconds: number;
}

/** Samples of a case in a round, whose median counts. */
const SAMPLES_MIN = 5;
/** WebAssembly is compiled again, optimised, during its first 6 to 11 ms. */
const WARM_UP_MS = 12;

/** Measures tables; all of them in each round. */
export async function measure(tables: readonly Table[], effort: Effort): Promise<TableResult[]> {
  const results = tables.map(() => new Map<string, { row: string; column: string; times: number[] }>());
  for (let round = 0; round < effort.rounds; round++) {
    for (const [index, table] of tables.entries()) {
      const title = `${table.title}, round ${round + 1} of ${effort.rounds}`;
      await using prepared = await table.prepare(round);
      const cases = round % 2 === 0 ? prepared.cases : prepared.cases.toReversed();
      const times = await timeCases(title, cases, effort);
      // In the order of the table, whatever the order of this round.
      for (const { row, column } of prepared.cases) {
        const key = `${row}\n${column}`;
        const entry = results[index]!.get(key) ?? { row, column, times: [] };
        entry.times.push(times.get(key)!);
        results[index]!.set(key, entry);
      }
    }
  }
  return tables.map((table, index) => resultOf(table, [...results[index]!.values()] satisfies CaseTimes[]));
}

/** @returns nanoseconds per item by row and column. */
async function timeCases(title: string, cases: readonly Case[], effort: Effort): Promise<Map<string, number>> {
  const tests: (() => void | Promise<void>)[] = [];
  for (const { run } of cases) {
    const until = performance.now() + WARM_UP_MS;
    let promised: void | Promise<void>;
    do {
      promised = run();
      await promised;
    } while (performance.now() < until);
    tests.push(promised === undefined ? run : withoutTrial(run));
  }
  // Between samples benny would wait for 5 ms, which is more than most of them take.
  const options = { delay: 0, minTime: effort.sampleSeconds, maxTime: effort.caseSeconds, minSamples: SAMPLES_MIN };
  const { results } = await runSuite(
    title,
    configure({ cases: options }),
    ...cases.map(({ row, column }, index) => add(`${row} ${column}`, () => tests[index]!)),
  );
  const times = new Map<string, number>();
  cases.forEach(({ row, column, items }, index) => {
    const result = results[index]!;
    times.set(`${row}\n${column}`, (result.details.median * 1e9) / items);
  });
  return times;
}

/** benny tries what it is given once to see whether it is asynchronous, all cases at once: that trial does nothing. */
function withoutTrial(run: () => void | Promise<void>): () => void | Promise<void> {
  let trial = true;
  return () => {
    if (!trial) return run();
    trial = false;
    return Promise.resolve();
  };
}

/** benny rejects with an event of benchmark.js, which carries the case that failed and why. */
async function runSuite(...args: Parameters<typeof suite>): ReturnType<typeof suite> {
  try {
    return await suite(...args);
  } catch (event) {
    const { name, error } = (event as { target: { name: string; error: unknown } }).target;
    throw new Error(`${args[0]}: ${name} failed while it was timed`, { cause: error });
  }
}
