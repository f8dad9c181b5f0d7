/** RFC 9380 appendices J.8.1 and K.1: the suite that contract points are made with, by noble and by the kernel. */
import { secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { expect, test } from "vitest";
import { hashToCurve } from "../assembly/curve-batch.ts";
import { expand } from "../assembly/expansion.ts";
import { describeVectors, readVectors } from "./read.ts";

interface HashToCurveFile {
  readonly ciphersuite: string;
  readonly dst: string;
  readonly vectors: readonly { readonly msg: string; readonly P: { readonly x: string; readonly y: string } }[];
}

interface ExpandFile {
  readonly name: string;
  readonly hash: string;
  readonly tests: readonly {
    readonly DST_prime: string;
    readonly len_in_bytes: string;
    readonly msg: string;
    readonly uniform_bytes: string;
  }[];
}

/** noble's point, after checking that the kernel's is the same. */
function hash(msg: string, DST: string): string {
  const point = secp256k1_hasher.hashToCurve(Buffer.from(msg, "utf8"), { DST });
  expect(hashToCurve([Buffer.from(msg, "utf8")], Buffer.from(DST, "utf8"), 65)).toEqual([point.toHex(false)]);
  return point.toHex(false);
}
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

describeVectors("expand_message_xmd with SHA-256", () => {
  test.each([38, 256])("every vector of the working group with a DST of %i bytes", async (dstBytes) => {
    const text = readVectors(`fixtures/curves/rfc9380/expand_message_xmd_SHA256_${dstBytes}.json`).toString("utf8");
    const file = JSON.parse(text) as ExpandFile;
    expect([file.name, file.hash, file.tests.length]).toEqual(["expand_message_xmd", "SHA256", 10]);
    for (const { DST_prime, len_in_bytes, msg, uniform_bytes } of file.tests) {
      // A DST of 256 bytes was hashed, as the kernel's host has to do.
      const dst = Buffer.from(DST_prime, "hex").subarray(0, -1);
      const message = Buffer.from(msg, "utf8");
      const others = [1, 2, 3].map((n) => Buffer.alloc(message.length, n));
      const outputs = await expand([message, ...others], dst, Number(len_in_bytes) / 32);
      expect(outputs[0]).toBe(uniform_bytes);
    }
  });
});
