/** The definition in keys/contract-key.ts written once more: noble hashes to the curve, OpenSSL multiplies and derives. */
import { createECDH, hkdfSync } from "node:crypto";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import type { MasterKey } from "../../src/keys/master-key.ts";

const DST = "gatekeeper/v1 contract point with secp256k1_XMD:SHA-256_SSWU_RO_";

/** x(s·H) of a contract id. */
export function referencePrf(masterKey: MasterKey, id: Uint8Array): Buffer {
  const ecdh = createECDH("secp256k1");
  masterKey.use((scalar) => ecdh.setPrivateKey(scalar));
  return ecdh.computeSecret(secp256k1_hasher.hashToCurve(id, { DST }).toBytes(false));
}

/** A contract key, in hex. */
export function referenceKey(masterKey: MasterKey, suite: number, id: Uint8Array): string {
  const rotation = Buffer.alloc(4);
  rotation.writeUInt32LE(masterKey.rotationId);
  const info = Buffer.concat([Buffer.from("gatekeeper/v1 contract key"), Buffer.of(1, suite), rotation, id]);
  const prf = referencePrf(masterKey, id);
  return Buffer.from(hkdfSync("sha256", prf, new Uint8Array(0), info, 32)).toString("hex");
}
