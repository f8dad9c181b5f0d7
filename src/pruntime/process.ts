/** What a pRuntime's process must be before it holds a secret: one whose memory nothing writes to disk. */
import { readFileSync, writeFileSync } from "node:fs";
import { GatekeeperError } from "../errors.ts";

/** "Max core file size", soft and hard limit: proc(5). */
const CORE_LIMIT = /^Max core file size +(\S+) +(\S+)/m;

/**
 * Keeps this process's memory out of core dumps. Linux: its limits must be 0, which whoever starts it sets, and what a
 * dump would hold is set to nothing besides, for kernels that give dumps to a program whatever the limit.
 * @throws GatekeeperError PRUNTIME_UNAVAILABLE when dumps are allowed.
 */
export function forbidCoreDumps(): void {
  if (process.platform !== "linux") return;
  const limit = CORE_LIMIT.exec(readFileSync("/proc/self/limits", "utf8"));
  if (limit?.[1] !== "0" || limit[2] !== "0") {
    throw new GatekeeperError(
      "PRUNTIME_UNAVAILABLE",
      `this process's memory could be written to a core file (limit ${limit?.[1]}, ${limit?.[2]}): run \`ulimit -c 0\` before`,
    );
  }
  writeFileSync("/proc/self/coredump_filter", "0");
}
