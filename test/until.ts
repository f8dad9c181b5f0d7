/** Waiting for what comes in its own time: a machine with other work to do is no failure. */
import { vi } from "vitest";

/** Waits until something holds, for most of the time that a test has. */
export function until(holds: () => boolean | Promise<boolean>): Promise<unknown> {
  return vi.waitUntil(holds, { timeout: 45_000, interval: 20 });
}
