/**
 * What a software enclave measures of itself: SHA-256 over the files of the program that runs.
 *
 *   SHA-256(context ‖ for each file, in the order of their paths: length of the path 4 LE ‖ path ‖ SHA-256 of the file 32)
 *
 * Two machines with the same package have the same measurement. It proves nothing: whoever owns the machine has the
 * program say what he likes. A chain whose genesis accepts software enclaves trusts their operators.
 */
import { createHash, hash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { CONTEXT } from "../context.ts";
import { GatekeeperError } from "../errors.ts";
import type { Hex } from "../protocol/scale.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** The folder of what runs: dist in a package. */
const PROGRAM = fileURLToPath(new URL("..", import.meta.url));
/** Programs; neither types nor the demo, which no package has. */
const PROGRAM_FILE = /(?<!\.d)\.[jt]s$/;
const DEMO = /^demo/;
const OTHER_FILES = ["build/kernels.wasm", "build/kernels-unfused.wasm", "package.json"];

/** The measurement of the program that runs, 32 bytes. @throws GatekeeperError IO_FAILED. */
export function softwareMeasurement(): Hex {
  const files = [...programFiles(), ...OTHER_FILES].sort();
  const sum = createHash("sha256").update(CONTEXT.softwareMeasurement, "ascii");
  for (const path of files) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(Buffer.byteLength(path));
    sum
      .update(length)
      .update(path)
      .update(hash("sha256", read(path), "buffer"));
  }
  return `0x${sum.digest("hex")}`;
}

function programFiles(): string[] {
  return readdirSync(PROGRAM, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && PROGRAM_FILE.test(entry.name) && !DEMO.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"));
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(join(ROOT, path));
  } catch (cause) {
    const systemCode = String((cause as NodeJS.ErrnoException).code);
    const message = `${path} of this package can't be read: ${systemCode}`;
    throw new GatekeeperError("IO_FAILED", message, { file: path, systemCode }, { cause });
  }
}
