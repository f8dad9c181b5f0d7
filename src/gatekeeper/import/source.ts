/**
 * The bytes of an import file, readable as often as wanted, with gzip taken off if they begin with its magic number
 * (RFC 1952 §2.3.1). A regular file is read where it lies; whatever can be read only once is spooled.
 */
import { type FileHandle, open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { GatekeeperError } from "../../errors.ts";
import { type ByteSource, CHUNK_BYTES, fileChunks, ioFailure, systemCode } from "./byte-source.ts";
import { spool } from "./spool.ts";

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

/**
 * Opens a file; a pipe or a device is spooled first.
 * @param spoolFolder - an existing folder for the spool.
 * @throws GatekeeperError IO_FAILED when it can't be read; ABORTED.
 */
export async function openFile(path: string, spoolFolder: string, signal?: AbortSignal): Promise<ByteSource> {
  try {
    const handle = await open(path, "r");
    try {
      const status = await handle.stat();
      if (status.isFile()) return await fileSource(path, handle);
      if (status.isDirectory()) {
        throw new GatekeeperError("IO_FAILED", `${path} is a folder, not a file`, { file: path, code: "EISDIR" });
      }
      return await spool(path, handle.createReadStream(), spoolFolder, signal);
    } catch (error) {
      await handle.close();
      throw error;
    }
  } catch (error) {
    throw ioFailure(error, `${path} can't be read`, { file: path });
  }
}

async function fileSource(name: string, handle: FileHandle): Promise<ByteSource> {
  const head = Buffer.alloc(GZIP_MAGIC.length);
  const { bytesRead } = await handle.read(head, 0, head.length, 0);
  const opened = await handle.stat();
  return {
    name,
    head: head.subarray(0, bytesRead),
    chunks: () => fileChunks(handle),
    close: () => handle.close(),
    async checkUnchanged() {
      const now = await handle.stat();
      if (now.size === opened.size && now.mtimeMs === opened.mtimeMs) return;
      throw new GatekeeperError("IO_FAILED", `${name} was changed while it was being imported: import it again`, {
        file: name,
      });
    },
  };
}

/**
 * The source's bytes from the beginning, decompressed. Each chunk is valid until the next is asked for.
 * @throws GatekeeperError IMPORT_INVALID when gzip data are damaged, cut short or followed by anything else;
 * IO_FAILED; ABORTED.
 */
export async function* decompressed(source: ByteSource, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  let offset = 0;
  let compressedBytes = 0;
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of source.chunks()) {
      compressedBytes += chunk.length;
      // Several wait in gunzip at once.
      yield Buffer.from(chunk);
    }
  };
  const gunzip = GZIP_MAGIC.equals(source.head) ? createGunzip({ chunkSize: CHUNK_BYTES }) : null;
  // A failure of either side destroys gunzip, so it comes out of the loop below; here is nothing left to do with it.
  if (gunzip !== null) pipeline(counted(), gunzip, (failure) => failure);
  try {
    for await (const chunk of gunzip ?? source.chunks()) {
      if (signal?.aborted === true) throw new GatekeeperError("ABORTED", `reading ${source.name} was cancelled`);
      yield chunk;
      offset += chunk.length;
    }
    // zlib stops in silence before bytes that begin no further gzip member.
    if (gunzip !== null && gunzip.bytesWritten !== compressedBytes) {
      throw new GatekeeperError("IMPORT_INVALID", `${source.name}: something follows the end of the gzip data`, {
        file: source.name,
        offset,
      });
    }
  } catch (error) {
    const file = source.name;
    if (systemCode(error)?.startsWith("Z_") === true) {
      const problem = `${file}: the gzip data are damaged or cut short (byte ${offset})`;
      throw new GatekeeperError("IMPORT_INVALID", problem, { file, offset });
    }
    throw ioFailure(error, `${file} can't be read`, { file });
  }
}
