/** The curve of the ledger's signatures and points. */
import { Secp256k1 } from "../engine/secp256k1.ts";

export type { Secp256k1 };

/** What a replica verifies with: compressed points, as accounts are named by. Takes tens of milliseconds to make. */
export function replicaCurve(): Secp256k1 {
  return new Secp256k1("compressed");
}
