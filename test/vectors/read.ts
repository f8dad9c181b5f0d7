/** Third-party vectors are read where they lie, never copied; see `GATEKEEPER_VECTORS` in README. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe } from "vitest";

const folder = process.env["GATEKEEPER_VECTORS"] ?? fileURLToPath(new URL("../../../shared/vectors", import.meta.url));

/** The bytes of a vector file, unpacked if its name ends in .gz. */
export function readVectors(path: string): Buffer {
  const bytes = readFileSync(`${folder}/${path}`);
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}

/** Where a vector file lies, for a program that opens it itself. */
export function vectorPath(path: string): string {
  return `${folder}/${path}`;
}

/** A describe block over third-party vectors: says that it skips where they are absent, fails there under CI. */
export function describeVectors(name: string, body: () => void): void {
  if (existsSync(folder) || process.env["CI"] !== undefined) describe(name, body);
  else describe.skip(`${name} (skipped: no vectors at ${folder}; set GATEKEEPER_VECTORS)`, body);
}
