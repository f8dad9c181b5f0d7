import { expect, it } from "vitest";
import { DONE, type Outcome, type Record, runBatch, TAG_MISMATCH, toHex } from "../assembly/chacha20-poly1305-batch.ts";
import { KernelInstance } from "../assembly/instance.ts";
import { ALL_PATHS } from "../engine/all-paths.ts";
import { boxOf, runRecords } from "../engine/given-nonces.ts";
import { describeVectors, readVectors } from "./read.ts";

interface WycheproofTest {
  readonly tcId: number;
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
  readonly result: "valid" | "invalid";
}

interface WycheproofFile {
  readonly testGroups: readonly { readonly ivSize: number; readonly tests: readonly WycheproofTest[] }[];
}

interface StablelibTest {
  readonly key: string;
  readonly nonce: string;
  readonly aad?: string;
  readonly msg: string;
  readonly result: string;
}

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const NO_TAG = new Uint8Array(16);

/** A published sealing: which record it is, what it opens to, and whether it may. */
interface Published {
  readonly name: string;
  readonly record: Record;
  readonly plaintext: string;
  readonly valid: boolean;
}

function check(published: readonly Published[]): void {
  const records = published.map(({ record }) => record);
  const status = (valid: boolean): number => (valid ? DONE : TAG_MISMATCH);
  const opened = runBatch(new KernelInstance(), "Open", records);
  const verified = runBatch(new KernelInstance(), "Verify", records);
  published.forEach(({ name, record, plaintext, valid }, i) => {
    const text = valid ? plaintext : toHex(record.text);
    expect([name, opened[i]!.status, opened[i]!.text]).toEqual([name, status(valid), text]);
    expect([name, verified[i]!.status]).toEqual([name, status(valid)]);
  });

  const valid = published.filter((one) => one.valid);
  const wanted = valid.map(({ name, record }) => [name, toHex(record.text), toHex(record.tag)]);
  const named = (outcomes: readonly Outcome[]): string[][] =>
    outcomes.map(({ text, tag }, i) => [valid[i]!.name, text, tag]);
  const plain = valid.map(({ record, plaintext }) => ({ ...record, text: hex(plaintext), tag: NO_TAG }));
  expect(named(runBatch(new KernelInstance(), "Seal", plain))).toEqual(wanted);

  // Re-encryption away from each published sealing to another key and back: it both reads and makes published bytes.
  const other = valid.map(({ record }) => ({ ...record, key: Uint8Array.from(record.key, (byte) => byte ^ 0x5a) }));
  const away = valid.map(({ record }, i) => ({ ...record, to: other[i]! }));
  const moved = runBatch(new KernelInstance(), "Reencrypt", away);
  const back = moved.map(({ text, tag }, i) => ({
    ...other[i]!,
    text: hex(text),
    tag: hex(tag),
    to: valid[i]!.record,
  }));
  expect(named(runBatch(new KernelInstance(), "Reencrypt", back))).toEqual(wanted);
}

/** The same on every way that records can go. */
function checkOnAllPaths(published: readonly Published[]): void {
  const suite = "chacha20-poly1305";
  const valid = published.filter((one) => one.valid);
  const wanted = valid.map(({ record }) => ({ status: DONE, box: boxOf(record) }));
  const other = (key: Uint8Array): Uint8Array => Uint8Array.from(key, (byte) => byte ^ 0x5a);
  for (const { name, paths } of ALL_PATHS) {
    const plain = valid.map(({ record, plaintext }) => ({ ...record, text: hex(plaintext), tag: NO_TAG }));
    expect(runRecords(paths, suite, "Seal", plain), name).toEqual(wanted);
    for (const verb of ["Open", "Verify"] as const) {
      const outcomes = runRecords(
        paths,
        suite,
        verb,
        published.map(({ record }) => record),
      );
      const expected = published.map(({ record, plaintext, valid: isValid }) => ({
        status: isValid ? DONE : TAG_MISMATCH,
        box: boxOf(verb === "Open" && isValid ? { ...record, text: hex(plaintext) } : record),
      }));
      expect(outcomes, name).toEqual(expected);
    }
    const away = valid.map(({ record }) => ({ ...record, to: { ...record, key: other(record.key) } }));
    const moved = runRecords(paths, suite, "Reencrypt", away);
    const back = moved.map(({ box }, index) => ({
      ...away[index]!.to,
      text: box.subarray(12, -16),
      tag: box.subarray(-16),
      to: valid[index]!.record,
    }));
    expect(runRecords(paths, suite, "Reencrypt", back), name).toEqual(wanted);
  }
}

function checkAll(published: readonly Published[]): void {
  check(published);
  checkOnAllPaths(published);
}

describeVectors("ChaCha20-Poly1305, third-party vectors", () => {
  it("Wycheproof", () => {
    const path = "fixtures/aead/wycheproof/chacha20_poly1305_test.json";
    const file = JSON.parse(readVectors(path).toString()) as WycheproofFile;
    // Nonces of other lengths can't be expressed in a row.
    const tests = file.testGroups.filter(({ ivSize }) => ivSize === 96).flatMap((group) => group.tests);
    expect(tests.length).toBeGreaterThan(150);
    checkAll(
      tests.map((test) => ({
        name: `tcId ${test.tcId}`,
        record: { key: hex(test.key), nonce: hex(test.iv), aad: hex(test.aad), text: hex(test.ct), tag: hex(test.tag) },
        plaintext: test.msg,
        valid: test.result === "valid",
      })),
    );
  });

  it("stablelib, from noble-ciphers", () => {
    const path = "fixtures/aead/noble-ciphers/stablelib_chacha20poly1305.json";
    const tests = JSON.parse(readVectors(path).toString()) as StablelibTest[];
    expect(tests.length).toBeGreaterThan(0);
    checkAll(
      tests.map((test, i) => ({
        name: `case ${i}`,
        record: {
          key: hex(test.key),
          nonce: hex(test.nonce),
          aad: hex(test.aad ?? ""),
          text: hex(test.result.slice(0, -32)),
          tag: hex(test.result.slice(-32)),
        },
        plaintext: test.msg,
        valid: true,
      })),
    );
  });
});
