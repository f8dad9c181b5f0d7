/** Key files under a passphrase, written by other code than the program's. */
import { createCipheriv, randomBytes, scryptSync } from "node:crypto";

/** Such a file, with cheap parameters unless a test wants others. */
export function protectedKeyFile(
  key: Uint8Array,
  text: string,
  [log2N, r, p]: [number, number, number] = [4, 1, 1],
): Buffer {
  const salt = randomBytes(16);
  const nonce = randomBytes(12);
  const header = Buffer.concat([Buffer.from("GKKEYX"), Buffer.of(1, log2N, r, p), salt]);
  const cipher = createCipheriv("aes-256-gcm", scryptSync(text, salt, 32, { N: 2 ** log2N, r, p }), nonce);
  cipher.setAAD(Buffer.concat([Buffer.from("gatekeeper/v1 export: key file\0"), header]));
  return Buffer.concat([header, nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()]);
}
