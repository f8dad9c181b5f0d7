/** Both suites by node:crypto, the oracle of the engine's tests. A box is nonce (12) | text | tag (16). */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Suite } from "../../src/engine/suite.ts";

const OPTIONS = { authTagLength: 16 } as const;

/** The box of a text. */
export function nativeSeal(
  suite: Suite,
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  text: Uint8Array,
): Buffer {
  const cipher = createCipheriv(suite as "aes-256-gcm", key, nonce, OPTIONS);
  cipher.setAAD(aad, { plaintextLength: text.length });
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** The text of a box, or null when its tag does not match. */
export function nativeOpen(suite: Suite, key: Uint8Array, aad: Uint8Array, box: Uint8Array): Buffer | null {
  const textEnd = box.length - 16;
  const cipher = createDecipheriv(suite as "aes-256-gcm", key, box.subarray(0, 12), OPTIONS);
  cipher.setAAD(aad, { plaintextLength: textEnd - 12 });
  cipher.setAuthTag(box.subarray(textEnd));
  const text = cipher.update(box.subarray(12, textEnd));
  try {
    return Buffer.concat([text, cipher.final()]);
  } catch (error) {
    if (error instanceof Error && /unable to authenticate/.test(error.message)) return null;
    throw error;
  }
}
