/** HMAC whose outputs a test can choose: some come out of it once in 2^128 times. */
import { vi } from "vitest";
import { HmacSha256 } from "../../src/engine/hmac-sha256.ts";
import type { DeterministicNonces } from "../../src/keys/deterministic-nonces.ts";
import { Secret } from "../../src/secret.ts";

export const HMAC = new HmacSha256();

/** Of a generator that begins, the tags before its first output: K and V twice. */
const TAGS_BEFORE = 4;

/**
 * Makes the first output of the next generator this one. `vi.restoreAllMocks` ends it.
 * @returns how often that was done.
 */
export function forcingOutput(output: Uint8Array): () => number {
  const { tag } = HmacSha256.prototype;
  let count = 0;
  let forced = 0;
  vi.spyOn(HmacSha256.prototype, "tag").mockImplementation(function (this: HmacSha256, key, pieces) {
    if (count++ !== TAGS_BEFORE) return tag.call(this, key, pieces);
    forced++;
    return new Secret(Uint8Array.from(output));
  });
  return () => forced;
}

/** The next nonce of a generator. */
export function nonceHex(nonces: DeterministicNonces): string {
  using nonce = nonces.next();
  return nonce.use((bytes) => Buffer.from(bytes).toString("hex"));
}
