/** Wycheproof's ECDH vectors through the very path that evaluates the PRF: a MasterKey's scalar times a point. */
import { expect, test } from "vitest";
import { ContractKeyDeriver } from "../../src/keys/contract-key.ts";
import { MasterKey } from "../../src/keys/master-key.ts";
import { Secret } from "../../src/secret.ts";
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

/** The shared secret in hex; private keys are big-endian integers of any length. */
function shared(vector: EcdhCase, prefix: string): string {
  const scalar = Buffer.from(vector.private.padStart(64, "0").slice(-64), "hex");
  using key = new MasterKey(0, new Secret(scalar));
  using deriver = new ContractKeyDeriver(key);
  using x = deriver.prf(Buffer.from(vector.public.slice(prefix.length), "hex"));
  return x.use((bytes) => Buffer.from(bytes).toString("hex"));
}

describeVectors("Wycheproof ecdh_secp256k1", () => {
  const uncompressed = (vector: EcdhCase): boolean =>
    vector.public.startsWith(UNCOMPRESSED) && vector.public.length === UNCOMPRESSED.length + 130;

  test("gives the shared secret of every valid vector", () => {
    const valid = cases().filter((vector) => vector.result === "valid" && uncompressed(vector));
    expect(valid.length).toBe(217);
    for (const vector of valid) expect(shared(vector, UNCOMPRESSED), `tcId ${vector.tcId}`).toBe(vector.shared);
  });

  test("refuses every point that is not on the curve", () => {
    const invalid = cases().filter((vector) => vector.result === "invalid" && uncompressed(vector));
    expect(invalid.length).toBe(12);
    for (const vector of invalid) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => shared(vector, UNCOMPRESSED), `tcId ${vector.tcId}`).toThrow(refused);
    }
  });

  test("refuses compressed points, valid or not", () => {
    const compressed = cases().filter((vector) => vector.public.startsWith(COMPRESSED));
    expect(compressed.length).toBeGreaterThan(0);
    for (const vector of compressed) expect(() => shared(vector, COMPRESSED)).toThrow("65 bytes");
  });
});
