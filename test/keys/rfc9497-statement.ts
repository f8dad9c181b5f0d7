/**
 * A statement hashed as RFC 9497 §2.2 hashes it, in verifiable mode with ristretto255-SHA512 (§4.1): full-width weights.
 * The construction of src/keys/dleq.ts has to give the RFC's proofs with it; nothing else uses this suite.
 */
import { createHash } from "node:crypto";
import type { DleqStatement } from "../../src/keys/dleq.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { split } from "./groups.ts";

const group = RISTRETTO255_GROUP;
const ascii = (text: string): Buffer => Buffer.from(text, "ascii");
/** contextString of §3.1: mode 1 is VOPRF. */
const CONTEXT_STRING = Buffer.concat([ascii("OPRFV1-"), Buffer.of(1), ascii("-ristretto255-SHA512")]);
export const HASH_TO_GROUP_DST = Buffer.concat([ascii("HashToGroup-"), CONTEXT_STRING]);
const HASH_TO_SCALAR_DST = Buffer.concat([ascii("HashToScalar-"), CONTEXT_STRING]);
const SEED_DST = Buffer.concat([ascii("Seed-"), CONTEXT_STRING]);

/** I2OSP(value, 2). */
const u16 = (value: number): Buffer => Buffer.of(value >>> 8, value & 255);
/** I2OSP(len(bytes), 2) ‖ bytes. */
const counted = (bytes: Uint8Array): Buffer => Buffer.concat([u16(bytes.length), bytes]);

export class Rfc9497Statement implements DleqStatement {
  readonly group = group;
  readonly publicKey: Uint8Array;
  readonly inputs: Uint8Array;
  readonly outputs: Uint8Array;

  constructor(publicKey: Uint8Array, inputs: Uint8Array, outputs: Uint8Array) {
    this.publicKey = publicKey;
    this.inputs = inputs;
    this.outputs = outputs;
  }

  /** §2.2.1 ComputeComposites. */
  fold(elements: Uint8Array): Uint8Array | null {
    const seed = createHash("sha512").update(counted(this.publicKey)).update(counted(SEED_DST)).digest();
    const outputs = split(group, this.outputs);
    const weights = split(group, this.inputs).map((input, i) => {
      const transcript = [counted(seed), u16(i), counted(input), counted(outputs[i]!), ascii("Composite")];
      return group.hashToScalar(Buffer.concat(transcript), HASH_TO_SCALAR_DST);
    });
    const sum = group.linearCombinations(split(group, elements), weights);
    return sum.identities.length === 0 ? sum.elements : null;
  }

  /** §2.2.1 GenerateProof, the challenge transcript. */
  challenge(...elements: [Uint8Array, Uint8Array, Uint8Array, Uint8Array]): bigint {
    const transcript = [this.publicKey, ...elements].map(counted);
    return group.hashToScalar(Buffer.concat([...transcript, ascii("Challenge")]), HASH_TO_SCALAR_DST);
  }
}
