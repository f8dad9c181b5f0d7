/** How the tests of import formats call the parser and look at what comes out. */
import { GatekeeperError } from "../../../src/errors.ts";
import type { StateEntry } from "../../../src/gatekeeper/import/state-entry.ts";
import { StateParser } from "../../../src/gatekeeper/import/state-parser.ts";

/** A state with its bytes in hex, to be compared. */
export type Shown = readonly [kind: number, name: string, key: string, value: string];

export function show(entry: StateEntry): Shown {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return [entry.kind, hex(entry.name), hex(entry.key), hex(entry.value)];
}

/** The states in a document that arrives in chunks of `chunkBytes`, as file "f". */
export function parse(document: string | Uint8Array, chunkBytes = 1 << 18): Shown[] {
  const bytes = Buffer.from(document);
  const parser = new StateParser("f");
  const shown: Shown[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    // A copy, overwritten afterwards: the parser must not keep it.
    const chunk = Buffer.from(bytes.subarray(at, at + chunkBytes));
    const entries = parser.write(chunk);
    chunk.fill(0xff);
    shown.push(...entries.map(show));
  }
  parser.end();
  return shown;
}

/** The error that a document ends in. */
export function refusal(document: string | Uint8Array, chunkBytes?: number): GatekeeperError {
  return failureOf(() => parse(document, chunkBytes));
}

export function failureOf(body: () => unknown): GatekeeperError {
  try {
    body();
  } catch (error) {
    if (error instanceof GatekeeperError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

export async function rejectionOf(work: Promise<unknown>): Promise<GatekeeperError> {
  const outcome = await work.then(
    () => null,
    (error: unknown) => error,
  );
  if (outcome instanceof GatekeeperError) return outcome;
  throw new Error("no GatekeeperError was thrown", { cause: outcome });
}
