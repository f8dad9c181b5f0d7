/**
 * Proofs that points were multiplied by one secret: one proof for a batch beside one a point. Points are made with
 * known logarithms, so what they are multiplied to, and whether a proof's equations hold, OpenSSL says.
 */
import { SCALAR_BYTES } from "../src/engine/secp256k1.ts";
import { numberOf, publicKeyOf, randomPoints, randomScalar } from "./curve-workload.ts";
import { NOBLE_CURVES } from "./curve-peers.ts";
import { BATCH_POINTS, OUR_DLEQ } from "./dleq-ours.ts";
import { decodeKey, dleqChallenge, proveDleq, verifyDleq } from "./noble-dleq.ts";
import { ENGINE } from "./reencrypt.ts";
import type { Case, Table } from "./table.ts";

const NOBLE_POINTS = 6;
export const PROVE = "prove";
export const VERIFY = "verify";

/** Points C_i with D_i = k·C_i, and Y = k·G; all compressed. */
export interface DleqWorkload {
  /** k. */
  readonly secret: Uint8Array;
  /** Y. */
  readonly publicKey: Uint8Array;
  /** C_i and D_i. */
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
  /** Discrete logarithms of the C_i. */
  readonly logs: readonly bigint[];
}

/** Proofs over a workload, in one contender's hands. */
interface Prover {
  /** One proof, or one a point, concatenated. */
  prove(): Uint8Array;
  /** Whether the whole workload is proved. */
  verify(proof: Uint8Array): boolean;
}

export interface DleqContender {
  readonly column: string;
  /** Points that it is given at once. */
  readonly points: number;
  readonly make: (workload: DleqWorkload) => Prover;
  /** Checks what was proved without the contender. @throws Error when it doesn't hold. */
  readonly check: (workload: DleqWorkload, proof: Uint8Array) => void;
}

/** @param points - of a batch of ours, at most BATCH_POINTS. */
export function dleqTable(points = BATCH_POINTS): Table {
  return {
    name: "dleq",
    title: "Proofs of equal discrete logarithms",
    item: "point",
    ours: [ENGINE],
    unordered: true,
    notes: [
      `${ENGINE}: one proof for ${points.toLocaleString("en")} points (RFC 9497's composites, weights of 128 bits); points in and out are uncompressed, as partials travel`,
      `${NOBLE_CURVES}: one plain Chaum–Pedersen proof a point, points compressed; the public key is decoded once, but has no table: what is shared by a batch is the batch's own advantage`,
      "points are checked; the multiplied points are there already",
    ],
    prepare: async () => {
      const workload = makeDleqWorkload(points);
      const cases = [OUR_DLEQ, NOBLE_DLEQ].flatMap((contender) => casesOf(contender, firstPoints(workload, contender)));
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

/** Points and what they are multiplied to, by OpenSSL. */
export function makeDleqWorkload(points: number): DleqWorkload {
  const secret = randomScalar();
  const k = numberOf(secret);
  const { points: inputs, logs } = randomPoints(points);
  return { secret, publicKey: publicKeyOf(k), inputs, outputs: logs.map((log) => publicKeyOf(log * k)), logs };
}

function firstPoints(workload: DleqWorkload, { points }: DleqContender): DleqWorkload {
  const { inputs, outputs, logs } = workload;
  return {
    ...workload,
    inputs: inputs.slice(0, points),
    outputs: outputs.slice(0, points),
    logs: logs.slice(0, points),
  };
}

/** @throws Error when a proof is wrong, or the verifier takes one that is. */
export function casesOf(contender: DleqContender, workload: DleqWorkload): Case[] {
  const { column, make, check } = contender;
  const prover = make(workload);
  const proof = prover.prove();
  check(workload, proof);
  if (!prover.verify(proof)) throw new Error(`${column} refuses its own proof`);
  for (const [what, spoiled] of spoiledWorkloads(workload)) {
    if (make(spoiled).verify(proof)) throw new Error(`${column} takes its proof for ${what}`);
  }
  // The last byte of s: what is left is a scalar.
  if (prover.verify(proof.with(-1, proof.at(-1)! ^ 1))) throw new Error(`${column} takes a spoiled proof`);
  const items = workload.inputs.length;
  const verify = (): void => {
    if (!prover.verify(proof)) throw new Error(`${column} refuses its own proof`);
  };
  return [
    { row: PROVE, column, items, run: () => void prover.prove() },
    { row: VERIFY, column, items, run: verify },
  ];
}

/** Workloads that a proof of the given one doesn't prove; all their points are good. */
function spoiledWorkloads(workload: DleqWorkload): [what: string, workload: DleqWorkload][] {
  const { inputs, outputs, publicKey } = workload;
  const negated = (point: Uint8Array): Uint8Array => point.with(0, point[0]! ^ 1);
  return [
    ["another output", { ...workload, outputs: outputs.with(-1, negated(outputs.at(-1)!)) }],
    ["another input", { ...workload, inputs: inputs.with(-1, negated(inputs.at(-1)!)) }],
    ["another public key", { ...workload, publicKey: negated(publicKey) }],
  ];
}

/** One proof a point. */
export const NOBLE_DLEQ: DleqContender = {
  column: NOBLE_CURVES,
  points: NOBLE_POINTS,
  make: ({ secret, publicKey, inputs, outputs }) => {
    const key = decodeKey(publicKey);
    return {
      prove: () => Buffer.concat(inputs.map((input, index) => proveDleq(secret, publicKey, input, outputs[index]!))),
      verify: (proofs) =>
        inputs.every((input, index) => verifyDleq(key, input, outputs[index]!, proofOf(proofs, index))),
    };
  },
  check: ({ secret, publicKey, inputs, outputs, logs }, proofs) => {
    inputs.forEach((input, index) => {
      const proof = proofOf(proofs, index);
      const c = numberOf(proof.subarray(0, SCALAR_BYTES));
      // s·G + c·Y = (s + c·k)·G, and s·C + c·D the same times the logarithm of C.
      const r = numberOf(proof.subarray(SCALAR_BYTES)) + c * numberOf(secret);
      const points = [publicKey, input, outputs[index]!, publicKeyOf(r), publicKeyOf(r * logs[index]!)];
      if (dleqChallenge(points) !== c) throw new Error(`${NOBLE_CURVES}: proof ${index} is wrong`);
    });
  },
};

/** The proof of one point: c ‖ s. */
function proofOf(proofs: Uint8Array, index: number): Uint8Array {
  return proofs.subarray(index * 2 * SCALAR_BYTES, (index + 1) * 2 * SCALAR_BYTES);
}
