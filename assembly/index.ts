// What the WebAssembly module exports, besides its memory.
export {
  aes256GcmExpandKey,
  aes256GcmKeyBytes,
  aes256GcmOpen,
  aes256GcmReencrypt,
  aes256GcmSeal,
  aes256GcmVerify,
  aes256GcmWipe,
} from "./aes256-gcm";
export { batchBind } from "./batch";
export {
  chacha20Poly1305ExpandKey,
  chacha20Poly1305KeyBytes,
  chacha20Poly1305Open,
  chacha20Poly1305Reencrypt,
  chacha20Poly1305Seal,
  chacha20Poly1305Verify,
  chacha20Poly1305Wipe,
} from "./chacha20-poly1305";
export { hkdfSha256Batch, kdfWipe } from "./hkdf-sha256";
export { hmacSha256Batch } from "./hmac-sha256";
export { pageDescribe, pageRelabel, pageRetarget } from "./page";
export { sha256Batch } from "./sha256";

/** Where the memory that belongs to the host begins: constants and scratch of the kernels lie below. */
export const HEAP_BASE: usize = __heap_base;
