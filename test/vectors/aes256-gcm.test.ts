/** AES-256-GCM against Wycheproof and NIST CAVP: 256-bit keys, 96-bit nonces, 128-bit tags. */
import { expect, test } from "vitest";
import { DONE, GcmBatch, type GcmRecord, TAG_MISMATCH } from "../assembly/aes256-gcm-batch.ts";
import { ALL_PATHS } from "../engine/all-paths.ts";
import { runRecords } from "../engine/given-nonces.ts";
import { describeVectors, readVectors } from "./read.ts";

/** One case: the record sealed, and its plaintext, or null where it must be refused. */
interface Case {
  readonly name: string;
  readonly sealed: GcmRecord & { readonly tag: Uint8Array };
  readonly plaintext: Buffer | null;
}

function hex(digits: string): Buffer {
  return Buffer.from(digits, "hex");
}

/** All cases in one batch, so that consecutive ones share groups of the bitsliced cipher where they share a key. */
function expectCases(cases: readonly Case[]): void {
  const valid = cases.filter(({ plaintext }) => plaintext !== null);
  const sealing = new GcmBatch(valid.map(({ sealed, plaintext }) => ({ ...sealed, text: plaintext! })));
  expect(sealing.run("Seal")).toEqual(valid.map(() => DONE));
  valid.forEach(({ name, sealed }, i) => {
    expect(sealing.sealed(i).toString("hex"), name).toBe(bytesOfRecord(sealed).toString("hex"));
  });
  for (const operation of ["Open", "Verify"] as const) {
    const batch = new GcmBatch(cases.map(({ sealed }) => sealed));
    const statuses = batch.run(operation);
    cases.forEach(({ name, sealed, plaintext }, i) => {
      expect(statuses[i], name).toBe(plaintext === null ? TAG_MISMATCH : DONE);
      const text = operation === "Open" && plaintext !== null ? plaintext : sealed.text;
      expect(batch.sealed(i).equals(bytesOfRecord({ ...sealed, text })), name).toBe(true);
    });
  }
}

/** The same on every way that records can go; and valid ones moved to another key and back. */
function expectCasesOnAllPaths(cases: readonly Case[]): void {
  const valid = cases.flatMap(({ sealed, plaintext }) => (plaintext === null ? [] : [{ sealed, plaintext }]));
  const wanted = valid.map(({ sealed }) => ({ status: DONE, box: bytesOfRecord(sealed) }));
  const other = (key: Uint8Array): Uint8Array => key.map((byte) => byte ^ 0x5a);
  for (const { name, paths } of ALL_PATHS) {
    const plain = valid.map(({ sealed, plaintext }) => ({ ...sealed, text: plaintext, tag: Buffer.alloc(16) }));
    expect(runRecords(paths, "aes-256-gcm", "Seal", plain), name).toEqual(wanted);
    for (const operation of ["Open", "Verify"] as const) {
      const outcomes = runRecords(
        paths,
        "aes-256-gcm",
        operation,
        cases.map(({ sealed }) => sealed),
      );
      const expected = cases.map(({ sealed, plaintext }) => ({
        status: plaintext === null ? TAG_MISMATCH : DONE,
        box: bytesOfRecord({ ...sealed, text: operation === "Open" && plaintext !== null ? plaintext : sealed.text }),
      }));
      expect(outcomes, name).toEqual(expected);
    }
    const away = valid.map(({ sealed }) => ({ ...sealed, to: { ...sealed, key: other(sealed.key) } }));
    const moved = runRecords(paths, "aes-256-gcm", "Reencrypt", away);
    const back = moved.map(({ box }, index) => ({
      ...away[index]!.to,
      text: box.subarray(12, -16),
      tag: box.subarray(-16),
      to: valid[index]!.sealed,
    }));
    expect(runRecords(paths, "aes-256-gcm", "Reencrypt", back), name).toEqual(wanted);
  }
}

function bytesOfRecord(record: GcmRecord & { readonly tag: Uint8Array }): Buffer {
  return Buffer.concat([record.nonce, record.text, record.tag]);
}

interface WycheproofGroup {
  readonly keySize: number;
  readonly ivSize: number;
  readonly tagSize: number;
  readonly tests: readonly Record<
    "key" | "iv" | "aad" | "msg" | "ct" | "tag" | "result" | "tcId" | "comment",
    string
  >[];
}

function wycheproofCases(path: string): Case[] {
  const { testGroups } = JSON.parse(readVectors(path).toString()) as { testGroups: WycheproofGroup[] };
  return testGroups
    .filter(({ keySize, ivSize, tagSize }) => keySize === 256 && ivSize === 96 && tagSize === 128)
    .flatMap(({ tests }) => tests)
    .map(({ key, iv, aad, msg, ct, tag, result, tcId, comment }) => ({
      name: `Wycheproof ${tcId} ${comment}`,
      sealed: { key: hex(key), nonce: hex(iv), aad: hex(aad), text: hex(ct), tag: hex(tag) },
      plaintext: result === "valid" ? hex(msg) : null,
    }));
}

/** The cases of a CAVP response file in the sections with 96-bit IVs and 128-bit tags. */
function cavpCases(path: string): Case[] {
  const cases: Case[] = [];
  const section = new Map<string, string>();
  for (const paragraph of readVectors(path).toString().replaceAll("\r", "").split(/\n\n+/)) {
    const fields = new Map<string, string>();
    for (const [, name, value] of paragraph.matchAll(/^\[(\w+) = (\d+)\]$/gm)) section.set(name!, value!);
    for (const [, name, value] of paragraph.matchAll(/^(\w+) = ?(\w*)\s*$/gm)) fields.set(name!, value!);
    if (!fields.has("Key") || section.get("IVlen") !== "96" || section.get("Taglen") !== "128") continue;
    const field = (name: string): Buffer => hex(fields.get(name)!);
    cases.push({
      name: `${path} ${JSON.stringify([...section])} ${fields.get("Count")}`,
      sealed: { key: field("Key"), nonce: field("IV"), aad: field("AAD"), text: field("CT"), tag: field("Tag") },
      plaintext: /^FAIL$/m.test(paragraph) ? null : field("PT"),
    });
  }
  return cases;
}

describeVectors("AES-256-GCM vectors", () => {
  test("Wycheproof", () => {
    const cases = wycheproofCases("fixtures/aead/wycheproof/aes_gcm_test.json");
    expect(cases.length).toBe(34);
    expectCases(cases);
    expectCasesOnAllPaths(cases);
  });

  test.each([
    ["fixtures/aead/nist-cavp/trimmed-iv96-tag128-gcmEncryptExtIV256.rsp", 195],
    ["fixtures/aead/nist-cavp/trimmed-iv96-tag128-gcmDecrypt256.rsp", 195],
    ["data/aead/nist-cavp/gcmEncryptExtIV256.rsp.gz", 195],
    ["data/aead/nist-cavp/gcmDecrypt256.rsp.gz", 195],
  ])("NIST CAVP %s", (path, count) => {
    const cases = cavpCases(path);
    expect(cases.length).toBe(count);
    expectCases(cases);
    expectCasesOnAllPaths(cases);
  });
});
