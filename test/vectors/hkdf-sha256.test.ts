/** Wycheproof's HKDF-SHA-256 vectors, as one batch. */
import { expect, test } from "vitest";
import { HKDF_SHA256, runKdf } from "../assembly/kdf-batch.ts";
import { describeVectors, readVectors } from "./read.ts";

interface HkdfFile {
  readonly testGroups: readonly {
    readonly tests: readonly {
      readonly tcId: number;
      readonly ikm: string;
      readonly salt: string;
      readonly info: string;
      readonly size: number;
      readonly okm: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

function vectors(): HkdfFile["testGroups"][number]["tests"] {
  const file = JSON.parse(readVectors("fixtures/kdf/wycheproof/hkdf_sha256_test.json").toString("utf8")) as HkdfFile;
  return file.testGroups.flatMap((group) => group.tests);
}

const rowOf = ({ ikm, salt, info, size }: ReturnType<typeof vectors>[number]) => ({
  inputs: [ikm, salt, info].map((text) => Buffer.from(text, "hex")),
  outLength: size,
});

describeVectors("Wycheproof hkdf_sha256", () => {
  test("every valid output", () => {
    expect(vectors().length).toBe(52);
    const valid = vectors().filter((vector) => vector.result === "valid");
    expect(valid.length).toBeGreaterThan(40);
    const outputs = runKdf(HKDF_SHA256, valid.map(rowOf)).map((out) => out.toString("hex"));
    expect(outputs).toEqual(valid.map((vector) => vector.okm));
  });

  test("every output that is too long is refused", () => {
    const invalid = vectors().filter((vector) => vector.result === "invalid");
    expect(invalid.length).toBeGreaterThan(0);
    for (const vector of invalid) {
      expect(() => runKdf(HKDF_SHA256, [rowOf(vector)]), `tcId ${vector.tcId}`).toThrow("unreachable");
    }
  });
});
