/** Somebody who does an operation of secp256k1, and the check that everybody passes before being timed. */
import { createHash, randomInt } from "node:crypto";
import {
  type Answer,
  type CurveWorkload,
  type Operation,
  OPERATIONS,
  expectedAnswer,
  makeHostileWorkload,
} from "./curve-workload.ts";

/** An operation on the items of a workload, whose inputs lie ready in the form that its contender takes. */
export interface PreparedOperation {
  /** What is timed. */
  readonly run: () => unknown;
  /** What `run` gives, item by item. */
  readonly answers: () => readonly Answer[];
}

export interface CurveContender {
  readonly operation: Operation;
  readonly column: string;
  /** How many items it is given at once: the slow get fewer, as their time per item doesn't depend on how many there are. */
  readonly items: number;
  /** It answers with SHA-256 of the point, and has no way to give the point as fast. */
  readonly digests?: true;
  readonly prepare: (workload: CurveWorkload) => PreparedOperation;
}

/** The operations that judge what they are given. */
const JUDGING: readonly Operation[] = ["decompress", "verifyEcdsa"];

/**
 * Prepares a contender for a workload and checks what it gives, and how it judges what isn't good.
 * @param every - 1, or n to check only one item of n, chosen at random.
 * @throws Error that names the contender and the first item that is wrong.
 */
export function checkedRun(contender: CurveContender, workload: CurveWorkload, every: number): () => unknown {
  const { operation } = contender;
  const prepared = contender.prepare(workload);
  checkAnswers(contender, workload, prepared.answers(), every);
  if (JUDGING.includes(operation)) {
    const hostile = makeHostileWorkload();
    checkAnswers(contender, hostile, contender.prepare(hostile).answers(), 1);
  }
  return prepared.run;
}

function checkAnswers(
  { operation, column, digests }: CurveContender,
  workload: CurveWorkload,
  answers: readonly Answer[],
  every: number,
): void {
  const wrong = (what: string): Error => new Error(`${column}, ${OPERATIONS[operation]}: ${what}`);
  if (answers.length !== workload.points.length) {
    throw wrong(`${answers.length} answers for ${workload.points.length} items`);
  }
  answers.forEach((answer, index) => {
    if (every > 1 && randomInt(every) !== 0) return;
    const expected = expectedAnswer(operation, workload, index);
    if (!isSame(answer, digests ? digestOf(expected) : expected)) throw wrong(`item ${index} is wrong`);
  });
}

function isSame(answer: Answer, expected: Answer): boolean {
  if (typeof answer === "boolean" || typeof expected === "boolean") return answer === expected;
  return Buffer.compare(answer, expected) === 0;
}

function digestOf(answer: Answer): Answer {
  return typeof answer === "boolean" ? answer : createHash("sha256").update(answer).digest();
}
