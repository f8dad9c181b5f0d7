/** HMAC-SHA-256 (RFC 2104) of secrets, in WebAssembly: no branch or address depends on a key or a message. */
import { Secret } from "../secret.ts";
import { Kernels } from "./kernels.ts";
import { failed } from "./self-test.ts";

const TAG_BYTES = 32;
/** RFC 4231 §4.3. */
const KNOWN = {
  key: "Jefe",
  message: ["what do ya want ", "for nothing?"],
  tag: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
} as const;

/** Authenticates on one instance of the kernels, of whose memory nothing is left that was secret. */
export class HmacSha256 {
  readonly #kernels: Kernels;

  /**
   * @param kernels - what was allocated in them is wiped, by this and by every tag.
   * @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation.
   */
  constructor(kernels: Kernels = new Kernels()) {
    this.#kernels = kernels;
    using key = new Secret(Uint8Array.from(Buffer.from(KNOWN.key)));
    using tag = this.tag(
      key,
      KNOWN.message.map((piece) => Buffer.from(piece)),
    );
    if (tag.use((bytes) => Buffer.from(bytes).toString("hex")) !== KNOWN.tag) throw failed("HMAC-SHA256");
  }

  /**
   * The tag of a message, as secret as what it is made of; the caller owns it.
   * @param key - stays the caller's.
   * @param pieces - the message, which stays the caller's too.
   */
  tag(key: Secret, pieces: readonly Uint8Array[]): Secret {
    const kernels = this.#kernels;
    try {
      const keyAt = key.use((bytes) => kernels.put(bytes));
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const messageAt = kernels.alloc(length);
      const out = kernels.alloc(TAG_BYTES);
      const row = kernels.put(new Uint8Array(Uint32Array.of(keyAt, key.length, messageAt, length, out).buffer));
      let at = messageAt;
      for (const piece of pieces) {
        kernels.bytes.set(piece, at);
        at += piece.length;
      }
      kernels.call("hmacSha256Batch", row, 1);
      return new Secret(kernels.bytes.subarray(out, out + TAG_BYTES));
    } finally {
      kernels.wipe();
    }
  }
}
