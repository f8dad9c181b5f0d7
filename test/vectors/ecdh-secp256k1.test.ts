/** Wycheproof's ECDH vectors, in either form of points. */
import { expect, test } from "vitest";
import { POINT_BYTES, type PointForm, Secp256k1 } from "../../src/engine/secp256k1.ts";
import { describeVectors, readVectors } from "./read.ts";

interface EcdhCase {
  readonly tcId: number;
  readonly public: string;
  readonly private: string;
  readonly shared: string;
  readonly result: "valid" | "invalid" | "acceptable";
}

/** The DER that stands before an uncompressed point (SubjectPublicKeyInfo of id-ecPublicKey, secp256k1). */
const UNCOMPRESSED = "3056301006072a8648ce3d020106052b8104000a034200";
const COMPRESSED = "3036301006072a8648ce3d020106052b8104000a032200";

function cases(): EcdhCase[] {
  const text = readVectors("fixtures/curves/wycheproof/ecdh_secp256k1_test.json.gz").toString("utf8");
  const file = JSON.parse(text) as { testGroups: { tests: EcdhCase[] }[] };
  return file.testGroups.flatMap((group) => group.tests);
}

/** Of points in one form, what multiplyEach makes of all cases together: the shared secret in hex, or null. */
function sharedSecrets(vectors: readonly EcdhCase[], form: PointForm, prefix: string): (string | null)[] {
  // Private keys are big-endian integers of any length.
  const scalars = vectors.map((vector) => Buffer.from(vector.private.padStart(64, "0").slice(-64), "hex"));
  const encoded = vectors.map((vector) => Buffer.from(vector.public.slice(prefix.length), "hex"));
  const { points, invalid } = new Secp256k1(form).multiplyEach(Buffer.concat(encoded), Buffer.concat(scalars));
  const size = POINT_BYTES[form];
  return vectors.map((_, i) =>
    invalid.includes(i) ? null : Buffer.from(points.subarray(i * size + 1, i * size + 33)).toString("hex"),
  );
}

describeVectors("Wycheproof ecdh_secp256k1", () => {
  const ofForm = (prefix: string, form: PointForm): EcdhCase[] =>
    cases().filter(
      (vector) =>
        vector.result !== "acceptable" &&
        vector.public.startsWith(prefix) &&
        vector.public.length === prefix.length + 2 * POINT_BYTES[form],
    );

  test.each([
    ["uncompressed", UNCOMPRESSED, 217, 12],
    ["compressed", COMPRESSED, 0, 1],
  ] as const)(
    "%s points: the shared secret of every valid one, and no invalid one taken",
    (form, prefix, valid, invalid) => {
      const vectors = ofForm(prefix, form);
      const good = vectors.filter(({ result }) => result !== "invalid");
      expect(good.length).toBe(valid);
      expect(vectors.length - good.length).toBe(invalid);
      const secrets = sharedSecrets(vectors, form, prefix);
      vectors.forEach((vector, i) => {
        expect(secrets[i], `tcId ${vector.tcId}`).toBe(vector.result === "invalid" ? null : vector.shared);
      });
    },
  );
});
