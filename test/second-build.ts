/**
 * Another release of this program, as files: it speaks one version of the boundary more than this one, or other versions alone,
 * and so it has another measurement. What is built lies in dist; everything else that it needs is linked or copied.
 */
import { cpSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { programFile } from "./cli/transcript.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SPOKEN = "BOUNDARY_VERSIONS = [1]";

/** Where its programs lie. */
export interface SecondBuild {
  readonly gatekeeper: string;
  readonly pruntime: string;
  /** A module of it, for tests that have it in their own process. */
  readonly module: (path: string) => string;
}

/**
 * Makes it in a folder that is there.
 * @param versions - of the boundary that it speaks.
 */
export function secondBuild(folder: string, versions: readonly number[]): SecondBuild {
  programFile("gatekeeper");
  for (const name of ["dist", "build", "package.json"])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const boundary = join(folder, "dist/pruntime/boundary.js");
  const text = readFileSync(boundary, "utf8");
  if (text.split(SPOKEN).length !== 2) throw new Error(`${boundary} does not say once which versions are spoken`);
  writeFileSync(boundary, text.replace(SPOKEN, `BOUNDARY_VERSIONS = [${versions.join(", ")}]`));
  const module = (path: string): string => join(folder, "dist", path);
  return { gatekeeper: module("cli/gatekeeper.js"), pruntime: module("pruntime/pruntime.js"), module };
}
