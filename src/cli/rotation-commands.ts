/** `rotate` and `verify`. */
import type { Command } from "commander";
import type { Home } from "../gatekeeper/home.ts";
import type { RotationProgress, RotationSummary, Suite, VerificationSummary } from "../pruntime/boundary.ts";
import { readRotation } from "../rotation/control.ts";
import { type ThreadOptions, openHome, threadsOf, withCommonOptions, withThreads } from "./command-line.ts";
import { AT_CHECKPOINT, interruptible } from "./interruption.ts";
import { type NetworkRotationOptions, hasChain, rotateNetwork } from "./network-rotation.ts";
import { type ProgressMeter, type Stage, counted, formatCount } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

const WORDS = {
  stopping: AT_CHECKPOINT,
  advice: "run gatekeeper rotate again, and it goes on where it stopped; until then both keys are kept",
};
const IDLE = "nothing to do: no rotation is under way";

/** How a command rotates or verifies. */
export interface WorkOptions {
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly progress: ProgressMeter;
}

/** What a rotation did and how fast; `idle` when there was none to take part in. */
export interface RotationReport extends RotationSummary {
  readonly idle: boolean;
  /** Seconds that it took, once the pRuntime was there. */
  readonly seconds: number;
  readonly suite: Suite;
}

/** Adds the commands. */
export function addRotationCommands(program: Command, terminal: Terminal): void {
  withThreads(withCommonOptions(program.command("rotate")))
    .description(
      "rotate the MasterKey now, or finish a rotation that was interrupted; where a network's chain is, order a rotation and wait for it",
    )
    .option("--key <file>", "a key of the network's governance (default: HOME/governance.key)")
    .action(async (options: ThreadOptions & NetworkRotationOptions) => {
      if (hasChain(options)) {
        await rotateNetwork(terminal, options);
        return;
      }
      await using home = await openHome(options);
      const report = await interruptible(terminal, WORDS, (signal) =>
        rotateHome(home, true, { ...threadsOf(options), signal, progress: terminal.progress }),
      );
      await answerRotation(terminal, report);
    });
  withThreads(withCommonOptions(program.command("verify")))
    .description("check every record under its key, and name those that fail")
    .action(async (options: ThreadOptions) => {
      await using home = await openHome(options);
      const found = await verifyHome(home, { ...threadsOf(options), progress: terminal.progress });
      const { records, failed, rotationId, remainingOld, failures } = found;
      const document = { records, failed, rotationId, remainingOld, ...(failed > 0 ? { failures } : {}) };
      await terminal.answer(document, describeVerification(found));
      if (failed > 0) terminal.complain(describeFailures(found, "can't be opened"));
    });
}

/**
 * Has a home rotated.
 * @param begin - whether a rotation is begun where none is under way.
 */
export async function rotateHome(
  home: Home,
  begin: boolean,
  { progress, threads, signal }: WorkOptions,
): Promise<RotationReport> {
  // What is told of a rotation's speed is the rotation's.
  await home.pruntime.start();
  const begun = performance.now();
  const onProgress = (reached: RotationProgress): void => progress.report(stageOf(reached), reached.done);
  const asked = signal === undefined ? { onProgress } : { onProgress, signal };
  const summary = await home.pruntime.ask("rotate", { threads: threads ?? null, begin }, asked);
  progress.clear();
  const seconds = (performance.now() - begun) / 1_000;
  const { suite } = home;
  if (summary !== null) return { ...summary, idle: false, seconds, suite };
  const { rotationId } = (await readRotation(home.store)).value;
  return { rotationId, records: 0, bytes: 0, failed: 0, failures: [], idle: true, seconds, suite };
}

/** Has a home verified. */
export async function verifyHome(home: Home, { threads, progress }: WorkOptions): Promise<VerificationSummary> {
  const onProgress = ({ done, total }: RotationProgress): void =>
    progress.report({ name: "verifying", unit: "records", total }, done);
  const found = await home.pruntime.ask("verify", { threads: threads ?? null }, { onProgress });
  progress.clear();
  return found;
}

/** Prints a rotation's report; the exit code is 1 if records stand in its way. */
export async function answerRotation(terminal: Terminal, report: RotationReport): Promise<void> {
  const { rotationId, records, bytes, failed, seconds, suite, failures } = report;
  const document = {
    rotationId,
    records,
    bytes,
    failed,
    seconds: Number(seconds.toFixed(3)),
    recordsPerSecond: recordsPerSecond(report),
    suite,
    ...(failed > 0 ? { failures } : {}),
  };
  await terminal.answer(document, describeRotation(report));
  if (failed > 0) {
    terminal.complain(describeFailures(report, "can't be opened and kept the old key alive"));
    terminal.note("put or delete them, then rotate again to finish");
  }
}

/** A rotation's report in a line. */
export function describeRotation(report: RotationReport): string {
  const { rotationId, records, bytes, seconds, suite, failed } = report;
  if (report.idle) return `${IDLE} (rotation ${rotationId} is complete)`;
  const state = failed > 0 ? "waits for records that can't be opened" : "complete";
  const speed = `${seconds.toFixed(2)} s, ${formatCount(recordsPerSecond(report))} records/s, ${suite}`;
  return `rotation ${rotationId} ${state}: ${counted(records, "record")}, ${counted(bytes, "byte")}, ${speed}`;
}

/** A verification's result in a line. */
export function describeVerification({ records, failed, rotationId, remainingOld }: VerificationSummary): string {
  const old = remainingOld > 0 ? `, ${formatCount(remainingOld)} of them still under rotation ${rotationId - 1}` : "";
  return `${counted(records, "record")} verified under rotation ${rotationId}${old}, ${formatCount(failed)} failed`;
}

/** Re-encrypted records in a second, as a whole number. */
export function recordsPerSecond({ records, seconds }: RotationReport): number {
  return Math.round(records / Math.max(seconds, 0.001));
}

type Failures = Pick<VerificationSummary, "failed" | "failures">;

function describeFailures({ failed, failures }: Failures, what: string): string {
  const lines = failures.map(({ contract, key }) => `  contract ${contract} key ${key}`);
  const unnamed = failed - failures.length;
  if (unnamed > 0) lines.push(`  and ${formatCount(unnamed)} more`);
  return [`${counted(failed, "record")} ${what}:`, ...lines].join("\n");
}

function stageOf({ phase, total }: RotationProgress): Stage {
  return {
    name: phase,
    unit: phase === "reencryption" ? "records" : phase === "verification" ? "partitions" : "",
    total,
  };
}
