/**
 * A stream that can be read only once, kept so that it can be read again: in a temporary file that nobody else can
 * open (mode 0600, its name removed at once where the system allows it, else on close), encrypted with AES-256-CTR
 * under a random key that lives in this process only. So no plaintext state reaches the disk. The file is not
 * authenticated: it guards against a later reading of the disk, not against someone who changes it meanwhile, which
 * takes the rights of this process.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { Secret } from "../../secret.ts";
import { type ByteSource, fileChunks, ioFailure } from "./byte-source.ts";

const CIPHER = "aes-256-ctr";
const KEY_BYTES = 32;
/** The key is drawn for one stream, so its counter may begin at zero. */
const COUNTER = Buffer.alloc(16);
const HEAD_BYTES = 2;

/**
 * Reads `input` to its end into a spool in `folder`.
 * @param name - what errors call the input.
 * @throws GatekeeperError IO_FAILED when it can't be read or kept (nothing is left then); ABORTED.
 */
export async function spool(name: string, input: Readable, folder: string, signal?: AbortSignal): Promise<ByteSource> {
  const path = join(folder, `import-${randomUUID()}`);
  const handle = await open(path, "wx+", 0o600).catch((error: unknown) => {
    throw spoolFailure(error, name, folder);
  });
  const unlinked = await unlink(path).then(
    () => true,
    () => false,
  );
  const key = new Secret(randomBytes(KEY_BYTES));
  const close = async (): Promise<void> => {
    key[Symbol.dispose]();
    await handle.close();
    if (!unlinked) await unlink(path);
  };
  try {
    const head = await encryptInto(handle, input, key, signal);
    return {
      name,
      head,
      chunks: () => decrypting(handle, key),
      checkUnchanged: () => Promise.resolve(),
      close,
    };
  } catch (error) {
    await close();
    throw spoolFailure(error, name, folder);
  }
}

/** @returns the input's first bytes. */
async function encryptInto(handle: FileHandle, input: Readable, key: Secret, signal?: AbortSignal): Promise<Buffer> {
  if (signal !== undefined) addAbortSignal(signal, input);
  const cipher = key.use((bytes) => createCipheriv(CIPHER, bytes, COUNTER));
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of input as AsyncIterable<Buffer>) {
    if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)]);
    await handle.appendFile(cipher.update(chunk));
  }
  return head;
}

async function* decrypting(handle: FileHandle, key: Secret): AsyncGenerator<Uint8Array> {
  const decipher = key.use((bytes) => createDecipheriv(CIPHER, bytes, COUNTER));
  for await (const chunk of fileChunks(handle)) yield decipher.update(chunk);
}

function spoolFailure(error: unknown, name: string, folder: string): unknown {
  return ioFailure(error, `${name} can't be copied to a temporary file in ${folder}`, { file: name, folder });
}
