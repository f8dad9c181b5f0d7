import { ristretto255, ristretto255_oprf } from "@noble/curves/ed25519.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DleqStatement, generateProof, PROOF_BYTES, verifyProof } from "../../src/keys/dleq.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { hex, numberOf, secretOf, split } from "./groups.ts";
import { Rfc9497Statement } from "./rfc9497-statement.ts";

const group = RISTRETTO255_GROUP;
const n = group.scalars.order;

/** What noble draws its nonce from, so that it draws r: it reduces 48 bytes modulo n − 1 and adds one. */
function randomnessFor(r: bigint): (length?: number) => Uint8Array<ArrayBuffer> {
  return (length = 48) => Uint8Array.from({ length }, (_, i) => Number(((r - 1n) >> BigInt(8 * i)) & 0xffn));
}

/** A true statement about random inputs, with its secret. */
function random(count: number): { k: bigint; statement: Rfc9497Statement } {
  const secret = group.scalars.random();
  const inputs = group.multiplyBase(Array.from({ length: count }, () => group.scalars.random()));
  const statement = new Rfc9497Statement(group.multiplyBase([secret]), inputs, group.multiplyAll(inputs, secret));
  return { k: numberOf(group, secret), statement };
}

describe("a proof of equal discrete logarithms", () => {
  test("is the one that noble's VOPRF makes with the same nonce, and noble accepts it", () => {
    const agrees = (count: number, r: bigint): void => {
      const { k, statement } = random(count);
      const proof = generateProof(statement, secretOf(group, k), secretOf(group, r));
      const blinded = split(group, statement.inputs);
      const key = group.scalars.encode(k);
      const reference = ristretto255_oprf.voprf.blindEvaluateBatch(key, statement.publicKey, blinded, randomnessFor(r));
      expect(reference.evaluated.map(hex)).toEqual(split(group, statement.outputs).map(hex));
      expect(hex(proof)).toBe(hex(reference.proof));
      expect(verifyProof(statement, proof)).toBe(true);
      const items = blinded.map((each, i) => {
        const evaluated = reference.evaluated[i]!;
        return { input: Buffer.of(i), blind: group.scalars.encode(1n), blinded: each, evaluated };
      });
      expect(() => ristretto255_oprf.voprf.finalizeBatch(items, statement.publicKey, proof)).not.toThrow();
    };
    const nonces = fc.bigInt({ min: 1n, max: n - 1n });
    fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), nonces, agrees), { numRuns: 10 });
  });

  test("does not hold for another public key, input, output or order of them", () => {
    const { k, statement } = random(3);
    const { publicKey, inputs, outputs } = statement;
    const proof = generateProof(statement, secretOf(group, k), group.scalars.random());
    const [a, b, c] = split(group, inputs) as [Uint8Array, Uint8Array, Uint8Array];
    const [x, y, z] = split(group, outputs) as [Uint8Array, Uint8Array, Uint8Array];
    const wrong = [
      new Rfc9497Statement(group.generator, inputs, outputs),
      new Rfc9497Statement(publicKey, Buffer.concat([a, b, a]), outputs),
      new Rfc9497Statement(publicKey, inputs, Buffer.concat([x, y, y])),
      new Rfc9497Statement(publicKey, Buffer.concat([b, a, c]), Buffer.concat([y, x, z])),
      new Rfc9497Statement(publicKey, Buffer.concat([a, b]), Buffer.concat([x, y])),
    ];
    expect(verifyProof(statement, proof)).toBe(true);
    expect(wrong.map((each) => verifyProof(each, proof))).toEqual([false, false, false, false, false]);
  });

  test("is not made by a prover with one wrong output, wherever it is", () => {
    const { k, statement } = random(4);
    for (let i = 0; i < 4; i++) {
      const outputs = Uint8Array.from(statement.outputs);
      outputs.set(group.generator, i * group.elementBytes);
      const lie = new Rfc9497Statement(statement.publicKey, statement.inputs, outputs);
      expect(verifyProof(lie, generateProof(lie, secretOf(group, k), group.scalars.random()))).toBe(false);
    }
  });

  test("is c ‖ s, reduced, and every changed bit breaks it", () => {
    const { k, statement } = random(1);
    const proof = generateProof(statement, secretOf(group, k), group.scalars.random());
    expect(proof.length).toBe(PROOF_BYTES);
    for (let bit = 0; bit < 8 * PROOF_BYTES; bit += 5) {
      const changed = Uint8Array.from(proof);
      changed[bit >>> 3]! ^= 1 << (bit & 7);
      expect(verifyProof(statement, changed), `bit ${bit}`).toBe(false);
    }
  });

  test("has one encoding: a scalar plus n proves nothing, though it is the same modulo n", () => {
    const { k, statement } = random(1);
    const proof = generateProof(statement, secretOf(group, k), group.scalars.random());
    const half = PROOF_BYTES / 2;
    for (const at of [0, half]) {
      const value = group.scalars.decode(proof.subarray(at, at + half))! + n;
      const changed = Uint8Array.from(proof);
      for (let i = 0; i < half; i++) changed[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      expect(verifyProof(statement, changed)).toBe(false);
    }
  });

  test("is not what bytes of any kind and length are", () => {
    const { statement } = random(2);
    const hostile = fc.oneof(
      fc.uint8Array({ minLength: PROOF_BYTES, maxLength: PROOF_BYTES }),
      fc.uint8Array({ maxLength: 130 }),
      fc.constantFrom(0, 1, 255).map((byte) => new Uint8Array(PROOF_BYTES).fill(byte)),
    );
    fc.assert(
      fc.property(hostile, (proof) => {
        expect(verifyProof(statement, proof)).toBe(false);
      }),
      { numRuns: 25 },
    );
  });

  test("is refused when s·G + c·B is the identity", () => {
    // With s = 0 and c = 0 both t2 and t3 are; no honest proof has them.
    const { statement } = random(1);
    const claims: DleqStatement = {
      group,
      publicKey: statement.publicKey,
      inputs: statement.inputs,
      outputs: statement.outputs,
      fold: (elements) => statement.fold(elements),
      challenge: () => 0n,
    };
    expect(verifyProof(claims, new Uint8Array(PROOF_BYTES))).toBe(false);
  });

  test("has no fold to the identity, on either side", () => {
    const { k, statement } = random(1);
    const folding: DleqStatement = {
      group,
      publicKey: statement.publicKey,
      inputs: statement.inputs,
      outputs: statement.outputs,
      fold: () => null,
      challenge: (...elements) => statement.challenge(...elements),
    };
    const invalid = expect.objectContaining({ code: "ELEMENT_INVALID" });
    expect(() => generateProof(folding, secretOf(group, k), group.scalars.random())).toThrow(invalid);
    const proof = generateProof(statement, secretOf(group, k), group.scalars.random());
    expect(verifyProof(folding, proof)).toBe(false);
  });

  test("is only about elements", () => {
    const { k, statement } = random(2);
    const proof = generateProof(statement, secretOf(group, k), group.scalars.random());
    const { publicKey, inputs, outputs } = statement;
    const bad = new Uint8Array(group.elementBytes).fill(255);
    const identity = ristretto255.Point.ZERO.toBytes();
    for (const none of [bad, identity]) {
      const pair = Buffer.concat([split(group, inputs)[0]!, none]);
      const invalid = expect.objectContaining({ code: "ELEMENT_INVALID" });
      expect(() => verifyProof(new Rfc9497Statement(none, inputs, outputs), proof)).toThrow(invalid);
      expect(() => verifyProof(new Rfc9497Statement(publicKey, pair, outputs), proof)).toThrow(invalid);
      expect(() => verifyProof(new Rfc9497Statement(publicKey, inputs, pair), proof)).toThrow(invalid);
    }
  });

  test("leaves secret and nonce with the caller", () => {
    const { k, statement } = random(1);
    using secret = secretOf(group, k);
    using nonce = secretOf(group, 12n);
    generateProof(statement, secret, nonce);
    expect([numberOf(group, secret), numberOf(group, nonce)]).toEqual([k, 12n]);
  });
});
