/** RFC 9496 appendix A: ristretto255 as the groups' second instance has it. */
import { createHash } from "node:crypto";
import { ristretto255_hasher } from "@noble/curves/ed25519.js";
import { expect, test } from "vitest";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { Secret } from "../../src/secret.ts";
import { describeVectors, readVectors } from "./read.ts";

interface Rfc9496 {
  readonly small_multiples: readonly string[];
  readonly bad_encodings: readonly string[];
  readonly hash_to_group_sha512_labels: readonly { readonly label: string; readonly point: string }[];
  readonly one_way_map: readonly { readonly input: string; readonly output: string }[];
}

const group = RISTRETTO255_GROUP;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Buffer => Buffer.from(text, "hex");

describeVectors("RFC 9496 ristretto255", () => {
  const vectors = (): Rfc9496 =>
    JSON.parse(readVectors("fixtures/curves/rfc9496-ristretto255.json").toString("utf8")) as Rfc9496;

  test("A.1: the multiples of the generator from 0 to 15", () => {
    const multiples = vectors().small_multiples;
    expect(multiples.length).toBe(16);
    expect(hex(group.generator)).toBe(multiples[1]);
    const scalars = Array.from({ length: 15 }, (_, i) => new Secret(group.scalars.encode(BigInt(i + 1))));
    expect(hex(group.multiplyBase(scalars))).toBe(multiples.slice(1).join(""));
    const rows = multiples.slice(1).map(bytes);
    // 1 + 2 − 3 = 0, whose encoding is zeros.
    const sum = group.linearCombinations(rows.slice(0, 3), [1n, 1n, group.scalars.order - 1n]);
    expect([hex(sum.elements), sum.identities]).toEqual([multiples[0], [0]]);
    expect(group.invalid(Buffer.concat(multiples.map(bytes)))).toEqual([0]);
  });

  test("A.2: every invalid encoding, alone and among valid ones", () => {
    const bad = vectors().bad_encodings.map(bytes);
    expect(bad.length).toBe(29);
    for (const encoding of bad) expect(group.invalid(encoding), hex(encoding)).toEqual([0]);
    const mixed = bad.flatMap((encoding) => [encoding, group.generator]);
    expect(group.invalid(Buffer.concat(mixed))).toEqual(bad.map((_, i) => 2 * i));
  });

  test("A.3: elements derived from uniform bytes, the last step of the hash to the group", () => {
    const { one_way_map: map, hash_to_group_sha512_labels: labels } = vectors();
    expect([map.length, labels.length]).toEqual([11, 7]);
    for (const { input, output } of map)
      expect(hex(ristretto255_hasher.deriveToCurve!(bytes(input)).toBytes())).toBe(output);
    for (const { label, point } of labels) {
      const uniform = createHash("sha512").update(label).digest();
      expect(hex(ristretto255_hasher.deriveToCurve!(uniform).toBytes())).toBe(point);
    }
  });
});
