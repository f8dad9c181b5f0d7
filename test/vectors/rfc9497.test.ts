/** RFC 9497 appendix A.1: hash to ristretto255, and the proofs of the verifiable mode. */
import { describe, expect, test } from "vitest";
import { generateProof, verifyProof } from "../../src/keys/dleq.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { Secret } from "../../src/secret.ts";
import { split } from "../keys/groups.ts";
import { HASH_TO_GROUP_DST, Rfc9497Statement } from "../keys/rfc9497-statement.ts";
import { describeVectors, readVectors } from "./read.ts";

const group = RISTRETTO255_GROUP;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Buffer => Buffer.from(text, "hex");
const secret = (text: string): Secret => new Secret(bytes(text));

interface Evaluation {
  readonly input: string;
  readonly blind: string;
  readonly blindedElement: string;
  readonly evaluationElement: string;
}

/** Input hashed to the group and blinded, then evaluated under the key. */
function expectEvaluation(dst: Uint8Array, key: string, vector: Evaluation): void {
  const input = bytes(vector.input);
  const element = group.hashToGroup(input, input.length, dst);
  const blinded = group.multiplyAll(element, secret(vector.blind));
  expect(hex(blinded)).toBe(vector.blindedElement);
  expect(hex(group.multiplyAll(blinded, secret(key)))).toBe(vector.evaluationElement);
}

describe("RFC 9497 A.1.2, ristretto255-SHA512 in verifiable mode", () => {
  const skSm = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909";
  const pkSm = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e";
  const firstBlind = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706";
  const first: Evaluation = {
    input: "00",
    blind: firstBlind,
    blindedElement: "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
    evaluationElement: "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
  };
  const second: Evaluation = {
    input: "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
    blind: firstBlind,
    blindedElement: "cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c",
    evaluationElement: "60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468",
  };
  const secondOfBatch: Evaluation = {
    input: second.input,
    blind: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
    blindedElement: "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
    evaluationElement: "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
  };
  const vectors = [
    {
      name: "test vector 1",
      batch: [first],
      nonce: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
      proof:
        "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06" +
        "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
    },
    {
      name: "test vector 2",
      batch: [second],
      nonce: "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e",
      proof:
        "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a" +
        "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
    },
    {
      name: "test vector 3, a batch of two",
      batch: [first, secondOfBatch],
      nonce: "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
      proof:
        "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a" +
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
    },
  ];

  test("the public key", () => {
    expect(hex(group.multiplyBase([secret(skSm)]))).toBe(pkSm);
  });

  test.each(vectors)("$name", ({ batch, nonce, proof }) => {
    for (const vector of batch) expectEvaluation(HASH_TO_GROUP_DST, skSm, vector);
    const inputs = Buffer.concat(batch.map(({ blindedElement }) => bytes(blindedElement)));
    const outputs = Buffer.concat(batch.map(({ evaluationElement }) => bytes(evaluationElement)));
    const statement = new Rfc9497Statement(bytes(pkSm), inputs, outputs);
    expect(hex(generateProof(statement, secret(skSm), secret(nonce)))).toBe(proof);
    expect(verifyProof(statement, bytes(proof))).toBe(true);
    const wrong = Buffer.concat(
      split(group, outputs)
        .toReversed()
        .map((each, i) => (i === 0 ? group.generator : each)),
    );
    expect(verifyProof(new Rfc9497Statement(bytes(pkSm), inputs, wrong), bytes(proof))).toBe(false);
  });
});

describeVectors("RFC 9497 A.1.1, ristretto255-SHA512 in base mode", () => {
  interface Mode0 {
    readonly groupDST: string;
    readonly skSm: string;
    readonly vectors: readonly Readonly<Record<"Input" | "Blind" | "BlindedElement" | "EvaluationElement", string>>[];
  }

  test("inputs hashed to the group and evaluated", () => {
    const text = readVectors("fixtures/oprf/rfc9497-ristretto255-mode0.json").toString("utf8");
    const [suite] = JSON.parse(text) as [Mode0];
    expect(suite.vectors.length).toBe(2);
    for (const { Input, Blind, BlindedElement, EvaluationElement } of suite.vectors) {
      const vector = {
        input: Input,
        blind: Blind,
        blindedElement: BlindedElement,
        evaluationElement: EvaluationElement,
      };
      expectEvaluation(bytes(suite.groupDST), suite.skSm, vector);
    }
  });
});
