/** Ctrl-C and SIGTERM: the first asks a command to stop where it can go on later, the second stops it at once. */
import { constants } from "node:os";
import { GatekeeperError } from "../errors.ts";
import type { Terminal } from "./terminal.ts";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
/** A terminal and a parent process may both pass on one keystroke. */
const SAME_KEYSTROKE_MS = 500;

/**
 * Runs `body` with a signal that fires when the process is asked to stop.
 * @param advice - what to do about it afterwards.
 * @throws GatekeeperError ABORTED (detail: signal) instead of whatever `body` throws once it was asked to stop.
 */
export async function interruptible<T>(
  terminal: Terminal,
  advice: string,
  body: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  let stoppedBy: NodeJS.Signals | null = null;
  let stoppedAt = 0;
  const stop = (signal: NodeJS.Signals): void => {
    if (stoppedBy === null) {
      stoppedBy = signal;
      stoppedAt = performance.now();
      terminal.note("stopping at the next checkpoint; once more, and it stops at once (nothing is lost)");
      controller.abort();
    } else if (performance.now() - stoppedAt > SAME_KEYSTROKE_MS) process.exit(128 + constants.signals[signal]);
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  try {
    return await body(controller.signal);
  } catch (error) {
    if (stoppedBy === null || !(error instanceof GatekeeperError) || error.code !== "ABORTED") throw error;
    throw new GatekeeperError("ABORTED", `interrupted: ${advice}`, { signal: stoppedBy }, { cause: error });
  } finally {
    for (const signal of SIGNALS) process.off(signal, stop);
  }
}
