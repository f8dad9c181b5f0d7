/** BLAKE2b-256 of many messages at once (RFC 7693): what Substrate hashes before it signs, and names accounts by. */
import { GatekeeperError } from "../errors.ts";
import { Kernels } from "./kernels.ts";

const DIGEST_BYTES = 32;
/** Address and length of a message, and where its digest goes; u32 each. */
const ROW_WORDS = 3;
/** Messages of one call: more gain nothing. */
const BATCH_MAX = 1_024;
/** BLAKE2b-256 of nothing and of "abc", by the reference implementation of its authors. */
const KNOWN =
  "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319";

/** Hashes on one instance of the kernels. */
export class Blake2b256 {
  readonly #kernels: Kernels;

  /** @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation. */
  constructor(kernels: Kernels = new Kernels()) {
    this.#kernels = kernels;
    const digests = this.hashAll([[], [Buffer.from("a"), Buffer.from("bc")]]);
    if (Buffer.from(digests).toString("hex") === KNOWN) return;
    throw new GatekeeperError("KERNEL_SELF_TEST_FAILED", "BLAKE2b gives a wrong answer: reinstall the package");
  }

  /**
   * The digests of messages, each given in pieces.
   * @returns 32 bytes a message, in their order.
   * @throws GatekeeperError INVALID_ARGUMENT when 1,024 of them don't fit in 1 GiB.
   */
  hashAll(messages: readonly (readonly Uint8Array[])[]): Uint8Array {
    const digests = new Uint8Array(messages.length * DIGEST_BYTES);
    for (let from = 0; from < messages.length; from += BATCH_MAX) {
      digests.set(this.#hashBatch(messages.slice(from, from + BATCH_MAX)), from * DIGEST_BYTES);
    }
    return digests;
  }

  #hashBatch(messages: readonly (readonly Uint8Array[])[]): Uint8Array {
    const kernels = this.#kernels;
    try {
      const lengths = messages.map((pieces) => pieces.reduce((sum, { length }) => sum + length, 0));
      let at = kernels.alloc(lengths.reduce((sum, length) => sum + length, 0));
      const out = kernels.alloc(messages.length * DIGEST_BYTES);
      const rows = new Uint32Array(messages.length * ROW_WORDS);
      for (const [index, pieces] of messages.entries()) {
        rows.set([at, lengths[index]!, out + index * DIGEST_BYTES], index * ROW_WORDS);
        for (const piece of pieces) {
          kernels.bytes.set(piece, at);
          at += piece.length;
        }
      }
      const table = kernels.put(new Uint8Array(rows.buffer));
      kernels.call("blake2b256Batch", table, messages.length);
      return kernels.bytes.slice(out, out + messages.length * DIGEST_BYTES);
    } finally {
      kernels.wipe();
    }
  }
}
