/** What processes use of the machine, as Linux tells it (proc(5)); of another system nothing is known. */
import { readFileSync, readdirSync } from "node:fs";

/** Of /proc/PID/stat, behind the name: user and system time, in hundredths of a second. */
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const TICKS_PER_SECOND = 100;

/** Seconds that a process has computed, with all its threads; 0 for one that has ended. */
export function cpuSeconds(pid: number): number {
  const fields = read(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ");
  return (Number(fields[USER_TICKS] ?? 0) + Number(fields[SYSTEM_TICKS] ?? 0)) / TICKS_PER_SECOND;
}

/** The most memory that a process has had, in MiB; 0 for one that has ended. */
export function peakMebibytes(pid: number): number {
  const [, kibibytes = "0"] = /^VmHWM:\s+([0-9]+) kB$/m.exec(read(`/proc/${pid}/status`)) ?? [];
  return Number(kibibytes) / 1_024;
}

/** Processes that a process has started and that run. */
export function childrenOf(pid: number): number[] {
  const folder = `/proc/${pid}/task`;
  try {
    return readdirSync(folder).flatMap((thread) =>
      read(`${folder}/${thread}/children`).split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** Empty where there is nothing. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
