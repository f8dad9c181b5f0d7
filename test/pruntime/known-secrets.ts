/** Secrets that a test knows, and where they lie: in processes, in files, in what crossed a pipe. */
import { readFileSync, readdirSync } from "node:fs";
import { PatternSearch } from "../pattern-search.ts";
import { countInProcess } from "../process-memory.ts";

/** A secret by its name. */
export type Secrets = Readonly<Record<string, Uint8Array>>;

const FORMS: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
  raw: (bytes) => bytes,
  /** As a number whose lowest byte comes first. */
  reversed: (bytes) => Buffer.from(bytes).reverse(),
  hex: (bytes) => Buffer.from(bytes.toString("hex")),
  base64: (bytes) => Buffer.from(bytes.toString("base64").slice(0, 40)),
};

interface Pattern {
  readonly name: string;
  readonly bytes: Buffer;
}

function patternsOf(secrets: Secrets, forms: readonly string[] = Object.keys(FORMS)): Pattern[] {
  return Object.entries(secrets).flatMap(([name, bytes]) =>
    Object.entries(FORMS)
      .filter(([form]) => forms.includes(form))
      .map(([form, write]) => ({ name: `${name}, ${form}`, bytes: write(Buffer.from(bytes)) })),
  );
}

/** Which of the secrets, in which forms, a process has in its memory, arguments or environment; [] when it has ended. */
export function heldBy(pid: number, secrets: Secrets, forms?: readonly string[]): string[] {
  const patterns = patternsOf(secrets, forms);
  try {
    const counts = countInProcess(
      pid,
      patterns.map(({ bytes }) => bytes),
    );
    const inMemory = patterns.filter((_, at) => (counts?.[at] ?? 0) > 0).map(({ name }) => name);
    const told = ["cmdline", "environ"].map((name) => readFileSync(`/proc/${pid}/${name}`));
    return [...inMemory, ...foundIn(Buffer.concat(told), secrets)];
  } catch (error) {
    if (["ENOENT", "ESRCH", "EIO"].includes(String((error as NodeJS.ErrnoException).code))) return [];
    throw error;
  }
}

/** Which of the secrets, in which forms, are among these bytes. */
export function foundIn(bytes: Buffer, secrets: Secrets): string[] {
  const patterns = patternsOf(secrets);
  const counts = patterns.map(() => 0);
  new PatternSearch(patterns.map((pattern) => pattern.bytes)).count(bytes, bytes.length, counts);
  return patterns.filter((_, at) => counts[at]! > 0).map(({ name }) => name);
}

/** Whether this system lets one process read another's memory. */
export function canRead(pid: number): boolean {
  return countInProcess(pid, []) !== null;
}

/** Processes that a process has started, and that live. */
export function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ").filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}
