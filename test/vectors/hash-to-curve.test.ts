/** RFC 9380 appendix J.8.1: the suite that contract points are made with. */
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { expect, test } from "vitest";
import { describeVectors, readVectors } from "./read.ts";

interface HashToCurveFile {
  readonly ciphersuite: string;
  readonly dst: string;
  readonly vectors: readonly { readonly msg: string; readonly P: { readonly x: string; readonly y: string } }[];
}

const hash = (msg: string, DST: string): string =>
  secp256k1_hasher.hashToCurve(Buffer.from(msg, "utf8"), { DST }).toHex(false);
const DST = "QUUX-V01-CS02-with-secp256k1_XMD:SHA-256_SSWU_RO_";

test("RFC 9380 J.8.1: the empty message and abc", () => {
  expect(hash("", DST)).toBe(
    "04" +
      "c1cae290e291aee617ebaef1be6d73861479c48b841eaba9b7b5852ddfeb1346" +
      "64fa678e07ae116126f08b022a94af6de15985c996c3a91b64c406a960e51067",
  );
  expect(hash("abc", DST)).toBe(
    "04" +
      "3377e01eab42db296b512293120c6cee72b6ecf9f9205760bd9ff11fb3cb2c4b" +
      "7f95890f33efebd1044d382a01b1bee0900fb6116f94688d487c6c7b9c8371f6",
  );
});

describeVectors("secp256k1_XMD:SHA-256_SSWU_RO_", () => {
  test("every vector of the working group", () => {
    const text = readVectors("fixtures/curves/rfc9380/secp256k1_XMD_SHA-256_SSWU_RO_.json").toString("utf8");
    const file = JSON.parse(text) as HashToCurveFile;
    expect(file.ciphersuite).toBe("secp256k1_XMD:SHA-256_SSWU_RO_");
    expect(file.vectors.length).toBe(5);
    for (const { msg, P } of file.vectors) expect(hash(msg, file.dst)).toBe(`04${P.x.slice(2)}${P.y.slice(2)}`);
  });
});
