/**
 * Frames on a byte stream: a length of 4 bytes, little-endian, and so many bytes.
 *
 * Whoever sends is hostile: a frame that is too long is passed over as its bytes come, and none of it is kept.
 */
import { once } from "node:events";
import type { Writable } from "node:stream";

const LENGTH_BYTES = 4;

/** What stands in the place of a frame that is longer than may be. */
export const OVERSIZED = Symbol("oversized");

/**
 * The frames of a stream, each in memory of its own; a last one that was cut off is none.
 * @param bytesMax - of a frame, at most; no more of the stream is held than that and a chunk.
 */
export async function* readFrames(
  input: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array<ArrayBuffer> | typeof OVERSIZED> {
  const frames = new FrameReader(bytesMax);
  for await (const chunk of input) yield* frames.read(chunk);
}

/** Writes a frame, and waits while whoever reads is behind. @throws what the stream ends with. */
export async function writeFrame(output: Writable, payload: Uint8Array): Promise<void> {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(payload.length);
  output.cork();
  output.write(length);
  const ready = output.write(payload);
  output.uncork();
  if (!ready && !output.destroyed) await Promise.race([once(output, "drain"), once(output, "close")]);
}

class FrameReader {
  readonly #bytesMax: number;
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #lengthRead = 0;
  /** Chunks of the frame that comes; null while it is passed over. */
  #chunks: Uint8Array[] | null = [];
  #missing = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  *read(chunk: Uint8Array): Generator<Uint8Array<ArrayBuffer> | typeof OVERSIZED> {
    for (let at = 0; at < chunk.length;) {
      if (this.#lengthRead < LENGTH_BYTES) {
        this.#length[this.#lengthRead++] = chunk[at++]!;
        if (this.#lengthRead < LENGTH_BYTES) continue;
        this.#missing = new DataView(this.#length.buffer).getUint32(0, true);
        this.#chunks = this.#missing > this.#bytesMax ? null : [];
        if (this.#chunks === null) yield OVERSIZED;
      }
      const taken = Math.min(this.#missing, chunk.length - at);
      if (taken > 0) this.#chunks?.push(chunk.subarray(at, at + taken));
      at += taken;
      this.#missing -= taken;
      if (this.#missing > 0) return;
      const whole = this.#chunks;
      this.#lengthRead = 0;
      this.#chunks = [];
      if (whole !== null) yield new Uint8Array(Buffer.concat(whole));
    }
  }
}
