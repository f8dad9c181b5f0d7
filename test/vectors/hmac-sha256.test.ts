/** Wycheproof's HMAC-SHA-256 vectors, as one batch: neighbours in a batch have keys and messages of their own. */
import { expect, test } from "vitest";
import { HMAC_SHA256, runKdf } from "../assembly/kdf-batch.ts";
import { describeVectors, readVectors } from "./read.ts";

interface MacFile {
  readonly testGroups: readonly {
    readonly tagSize: number;
    readonly tests: readonly {
      readonly tcId: number;
      readonly key: string;
      readonly msg: string;
      readonly tag: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

describeVectors("Wycheproof hmac_sha256", () => {
  test("every tag, cut to the vector's size: equal if valid, different if not", () => {
    const file = JSON.parse(readVectors("fixtures/kdf/wycheproof/hmac_sha256_test.json").toString("utf8")) as MacFile;
    const vectors = file.testGroups.flatMap(({ tagSize, tests }) => tests.map((vector) => ({ ...vector, tagSize })));
    expect(vectors.length).toBe(84);
    const rows = vectors.map(({ key, msg }) => ({
      inputs: [Buffer.from(key, "hex"), Buffer.from(msg, "hex")],
      outLength: 32,
    }));
    for (const [i, tag] of runKdf(HMAC_SHA256, rows).entries()) {
      const vector = vectors[i]!;
      const cut = tag.toString("hex", 0, vector.tagSize / 8);
      expect(cut === vector.tag, `tcId ${vector.tcId}`).toBe(vector.result === "valid");
    }
  });
});
