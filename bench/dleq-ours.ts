/**
 * Gatekeeper's proof as a contender: one for all points of a workload, as a gatekeeper proves its partials to who
 * fixed no quorum. Its check computes what src/keys/partial-proof.ts says once more, from the points' logarithms.
 */
import { createHash, randomBytes } from "node:crypto";
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { SCALAR_BYTES } from "../src/engine/secp256k1.ts";
import { CONTEXT } from "../src/context.ts";
import { generateProof, verifyProof } from "../src/keys/dleq.ts";
import { KEY_SUITE, WEIGHT_BYTES } from "../src/keys/group.ts";
import { PartialStatement } from "../src/keys/partial-proof.ts";
import { Secp256k1Group } from "../src/keys/secp256k1-group.ts";
import { Secret } from "../src/secret.ts";
import { ID_BYTES, ORDER, numberOf, publicKeyOf, uncompressed } from "./curve-workload.ts";
import type { DleqContender, DleqWorkload } from "./dleq.ts";
import { ENGINE } from "./reencrypt.ts";

/** Points of a batch. */
export const BATCH_POINTS = 1_000;

/** Who proves, and the generation of its MasterKey. */
const INDEX = 1;
const ROTATION_ID = 7;
/** What the proof is bound to besides the points: the same for every workload, as only points change between them. */
const [GENESIS, NONCE, SESSION] = [randomBytes(32), randomBytes(32), randomBytes(32)];
const IDS = randomBytes(BATCH_POINTS * ID_BYTES);

/** One proof for all points. */
export const OUR_DLEQ: DleqContender = {
  column: ENGINE,
  points: BATCH_POINTS,
  make: (workload) => {
    const group = new Secp256k1Group("uncompressed");
    const { ids, publicKey, inputs, outputs } = statementBytes(workload);
    const contracts = { group, count: workload.inputs.length, ids, points: inputs };
    const request = {
      genesis: GENESIS,
      nonce: NONCE,
      rotationId: ROTATION_ID,
      session: SESSION,
      quorum: null,
      contracts,
    };
    const secret = new Secret(Uint8Array.from(workload.secret));
    const statement = (): PartialStatement => new PartialStatement(request, INDEX, publicKey, outputs);
    return {
      prove: () => {
        const stated = statement();
        using nonce = stated.nonce(secret);
        return generateProof(stated, secret, nonce);
      },
      verify: (proof) => verifyProof(statement(), proof),
    };
  },
  check: (workload, proof) => {
    const c = numberOf(proof.subarray(0, SCALAR_BYTES));
    const s = numberOf(proof.subarray(SCALAR_BYTES));
    if (expectedChallenge(workload, c, s) !== c) throw new Error(`${ENGINE}: the proof is wrong`);
  },
};

/** A statement's parts, points uncompressed and one after the other. */
function statementBytes({ publicKey, inputs, outputs }: DleqWorkload): {
  ids: Uint8Array;
  publicKey: Uint8Array;
  inputs: Uint8Array;
  outputs: Uint8Array;
} {
  return {
    ids: IDS.subarray(0, inputs.length * ID_BYTES),
    publicKey: uncompressed(publicKey),
    inputs: Buffer.concat(inputs.map(uncompressed)),
    outputs: Buffer.concat(outputs.map(uncompressed)),
  };
}

/** The challenge that a proof c, s must have, M, Z, t2 and t3 being multiples of G by OpenSSL. */
function expectedChallenge(workload: DleqWorkload, c: bigint, s: bigint): bigint {
  const { ids, publicKey, outputs } = statementBytes(workload);
  const k = numberOf(workload.secret);
  const transcript = createHash("sha256")
    .update(CONTEXT.dleqTranscript)
    .update(Uint8Array.of(KEY_SUITE.secp256k1))
    .update(Buffer.concat([GENESIS, NONCE, u32(ROTATION_ID), SESSION]))
    .update(Uint8Array.of(INDEX, 0, 0, 0))
    .update(publicKey)
    .update(Buffer.concat([u32(workload.inputs.length), ids, outputs]))
    .digest();
  const weights = createHash("shake256", { outputLength: workload.inputs.length * WEIGHT_BYTES })
    .update(CONTEXT.dleqWeights)
    .update(transcript)
    .digest();
  const weight = (i: number): bigint => numberOf(weights.subarray(i * WEIGHT_BYTES, (i + 1) * WEIGHT_BYTES));
  const m = workload.logs.reduce((sum, log, i) => (sum + weight(i) * log) % ORDER, 0n);
  // s·G + c·Y = (s + c·k)·G, and s·M + c·Z the same times the logarithm of M.
  const r = s + c * k;
  const points = [m, m * k, r, r * m].map((log) => uncompressed(publicKeyOf(log)));
  return secp256k1_hasher.hashToScalar(Buffer.concat([transcript, ...points]), { DST: CONTEXT.dleqChallenge });
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
