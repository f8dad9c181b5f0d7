// What the WebAssembly module exports, besides its memory.
export {
  aes256GcmExpandKeys,
  aes256GcmHashKey,
  aes256GcmKeyBytes,
  aes256GcmOpen,
  aes256GcmReencrypt,
  aes256GcmSeal,
  aes256GcmVerify,
  aes256GcmWipe,
} from "./aes256-gcm";
export {
  aes256GcmHybridCheck,
  aes256GcmHybridChunk,
  aes256GcmHybridFinish,
  aes256GcmHybridMatches,
  aes256GcmHybridRetag,
  aes256GcmHybridStream,
  aes256GcmHybridWipe,
  aes256GcmKeystream,
  aes256GcmNewKeystream,
  aes256GcmStream,
  hybridKeystreamBytes,
  hybridStreamBytes,
} from "./aes256-gcm-hybrid";
export { batchBind } from "./batch";
export { aes256GcmToChacha20Poly1305, betweenSuitesWipe, chacha20Poly1305ToAes256Gcm } from "./between-suites";
export { blake2b256Batch, blake2bWipe } from "./blake2b";
export {
  chacha20Poly1305ExpandKeys,
  chacha20Poly1305KeyBytes,
  chacha20Poly1305Open,
  chacha20Poly1305Reencrypt,
  chacha20Poly1305Retag,
  chacha20Poly1305Seal,
  chacha20Poly1305Verify,
  chacha20Poly1305Wipe,
} from "./chacha20-poly1305";
export { hkdfSha256Batch, kdfWipe } from "./hkdf-sha256";
export { hmacSha256Batch } from "./hmac-sha256";
export { multiplyAddDoubles } from "./secp256k1-fma";
export { pageDescribe, pageRelabel, pageRetarget } from "./page";
export { pageCompare, pageMatch } from "./page-match";
export { pageKeepTags, pageStatement } from "./page-statement";
export {
  secp256k1Combine,
  secp256k1CombineWorkBytes,
  secp256k1Convert,
  secp256k1ConvertWorkBytes,
  secp256k1EcdsaWorkBytes,
  secp256k1GeneratorWorkBytes,
  secp256k1MultiplyAll,
  secp256k1MultiplyEach,
  secp256k1MultiplyWorkBytes,
  secp256k1Partials,
  secp256k1PartialsWorkBytes,
  secp256k1PublicKeys,
  secp256k1VerifyEcdsa,
  secp256k1Wipe,
} from "./secp256k1";
export { secp256k1HashToCurve, secp256k1HashToCurveWorkBytes } from "./secp256k1-hash-to-curve";
export { secp256k1MultiScalar, secp256k1MultiScalarWorkBytes } from "./secp256k1-multi-scalar";
export { secp256k1ScalarMultiplyAdd, secp256k1ScalarReduce, secp256k1ScalarWipe } from "./secp256k1-scalar";
export { segmentBlocks, segmentEnd, segmentRow } from "./segment";
export { sha256Batch } from "./sha256";

/** Where the memory that belongs to the host begins: constants and scratch of the kernels lie below. */
export const HEAP_BASE: usize = __heap_base;
