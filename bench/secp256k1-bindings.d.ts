/** The part of the native addon's interface that is measured; its package has no types of its own. */
declare module "secp256k1/bindings.js" {
  /** Points go in and come out compressed unless said; what comes out is written to `output`, of its length. */
  interface Secp256k1Bindings {
    publicKeyCreate(scalar: Uint8Array, compressed: true, output: Uint8Array): Uint8Array;
    publicKeyTweakMul(point: Uint8Array, scalar: Uint8Array, compressed: true, output: Uint8Array): Uint8Array;
    /** The same point uncompressed, 65 bytes. @throws Error when it is none. */
    publicKeyConvert(point: Uint8Array, compressed: false, output: Uint8Array): Uint8Array;
    /** SHA-256 of the compressed product. */
    ecdh(point: Uint8Array, scalar: Uint8Array, options: object, output: Uint8Array): Uint8Array;
    ecdsaVerify(signature: Uint8Array, hash: Uint8Array, publicKey: Uint8Array): boolean;
  }
  const bindings: Secp256k1Bindings;
  export default bindings;
}
