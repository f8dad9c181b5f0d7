/** Files that commands read whole. */
import { createReadStream } from "node:fs";
import { GatekeeperError } from "../errors.ts";

/** A file is held as bytes, as text and as values; the largest snapshots of chains are below 100 MiB. */
const FILE_BYTES_MAX = 256 * 1024 * 1024;

/**
 * A file's bytes; of one that is too large, or has no end, no more than that is read.
 * @throws GatekeeperError IO_FAILED
 */
export async function readFileWhole(file: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > FILE_BYTES_MAX) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    const systemCode = (cause as NodeJS.ErrnoException).code ?? null;
    throw new GatekeeperError("IO_FAILED", `${file} can't be read: ${systemCode}`, { file, systemCode }, { cause });
  }
  if (bytes <= FILE_BYTES_MAX) return Buffer.concat(chunks);
  throw new GatekeeperError("IO_FAILED", `${file} has more than ${FILE_BYTES_MAX} bytes`, { file });
}
