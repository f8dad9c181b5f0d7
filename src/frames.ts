/**
 * Frames on a byte stream: a length of 4 bytes, little-endian, and so many bytes.
 *
 * Whoever sends is hostile: a frame that is too long is passed over as its bytes come, and none of it is kept.
 */
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

/**
 * Writes a frame, and waits until the system has it: whoever reads may be behind.
 * @throws what the stream ends with before.
 */
export async function writeFrame(output: Writable, payload: Uint8Array): Promise<void> {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(payload.length);
  await new Promise<void>((resolve, reject) => {
    output.cork();
    output.write(length);
    output.write(payload, (error) => (error ? reject(error) : resolve()));
    output.uncork();
  });
}

class FrameReader {
  readonly #bytesMax: number;
  readonly #length = new Uint8Array(LENGTH_BYTES);
  #lengthRead = 0;
  /** The frame that comes, in one piece however small its chunks are; null while it is passed over. */
  #frame: Uint8Array<ArrayBuffer> | null = null;
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
        this.#frame = this.#missing > this.#bytesMax ? null : new Uint8Array(this.#missing);
        if (this.#frame === null) yield OVERSIZED;
      }
      const taken = Math.min(this.#missing, chunk.length - at);
      this.#frame?.set(chunk.subarray(at, at + taken), this.#frame.length - this.#missing);
      at += taken;
      this.#missing -= taken;
      if (this.#missing > 0) return;
      const whole = this.#frame;
      this.#lengthRead = 0;
      this.#frame = null;
      if (whole !== null) yield whole;
    }
  }
}
