/** Ctrl-C and SIGTERM: the first asks a command to stop where it can go on later, the second stops it at once. */
import { constants } from "node:os";
import { GatekeeperError } from "../errors.ts";
import type { Terminal } from "./terminal.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** A terminal and a parent process may both pass on one keystroke. */
const SAME_KEYSTROKE_MS = 500;

/** What is said to whoever asks a command to stop. */
interface Words {
  /** What it does about it, */
  readonly stopping: string;
  /** and what he can do about it when it has stopped. */
  readonly advice: string;
}

/** Of a command whose work goes on where it was. */
export const AT_CHECKPOINT = "stopping at the next checkpoint";

/**
 * Runs `body` with a signal that fires when the process is asked to stop: work that is not done then.
 * @throws GatekeeperError ABORTED (detail: signal) instead of the ABORTED that `body` throws once it was asked to stop.
 */
export async function interruptible<T>(
  terminal: Terminal,
  { stopping, advice }: Words,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  let stoppedBy: NodeJS.Signals | null = null;
  try {
    return await watched(terminal, stopping, (by) => (stoppedBy = by), body);
  } catch (error) {
    if (stoppedBy === null || !(error instanceof GatekeeperError) || error.code !== "ABORTED") throw error;
    throw new GatekeeperError("ABORTED", `interrupted: ${advice}`, { signal: stoppedBy }, { cause: error });
  }
}

/**
 * Runs `body`, which has no other end than that the process is asked to stop: then its signal fires, and it returns.
 * @param stopping - what it does about it.
 */
export function untilInterrupted(
  terminal: Terminal,
  stopping: string,
  body: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  return watched(terminal, stopping, () => undefined, body);
}

/** @param onStop - called when the process is asked to stop for the first time. */
async function watched<T>(
  terminal: Terminal,
  stopping: string,
  onStop: (signal: NodeJS.Signals) => void,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let stoppedAt: number | null = null;
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppedAt === null) {
      stoppedAt = performance.now();
      onStop(signal);
      terminal.note(`${stopping}; once more, and it stops at once (nothing is lost)`);
      controller.abort();
    } else if (performance.now() - stoppedAt > SAME_KEYSTROKE_MS) process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await body(controller.signal);
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
