/** What an import reads from: bytes that can be read from the beginning more than once. */
import type { FileHandle } from "node:fs/promises";
import { type ErrorDetail, GatekeeperError } from "../../errors.ts";

/**
 * Read at once. Four times as much is hardly faster, but keeps so many states alive together that V8's young
 * generation grows: 236 MiB of memory instead of 124 for a file of 2 GB.
 */
export const CHUNK_BYTES = 1 << 16;

/** Bytes as they were handed in, perhaps compressed. */
export interface ByteSource {
  /** What errors call it. */
  readonly name: string;
  /** The first two bytes, or what there is. */
  readonly head: Uint8Array;
  /** All the bytes from the beginning; each chunk is valid until the next is asked for. */
  chunks(): AsyncIterable<Uint8Array>;
  /** @throws GatekeeperError IO_FAILED when the bytes changed since they were opened. */
  checkUnchanged(): Promise<void>;
  close(): Promise<void>;
}

/** A file's bytes from the beginning, wherever its own position is; the handle stays open. */
export async function* fileChunks(handle: FileHandle): AsyncGenerator<Buffer> {
  for (let position = 0; ;) {
    const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
    const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}

/**
 * An error of the system as this project's own: ABORTED, or IO_FAILED with the system's code. Any other error is
 * returned as it is.
 * @param problem - what could not be done, with the names of the files.
 */
export function ioFailure(error: unknown, problem: string, detail: ErrorDetail): unknown {
  const code = systemCode(error);
  if (error instanceof GatekeeperError || code === null) return error;
  if (code === "ABORT_ERR") return new GatekeeperError("ABORTED", `${problem}: it was cancelled`, detail);
  return new GatekeeperError("IO_FAILED", `${problem}: ${code}`, { ...detail, code }, { cause: error });
}

/** The code of an error of Node's own, or null. */
export function systemCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
