/** Pages of sealed states that node:crypto sealed, and what must have become of them. */
import { createHash, hkdfSync } from "node:crypto";
import type { KeyMaterial } from "../../src/engine/page-engine.ts";
import { encodeHeader, sealedAad } from "../../src/engine/sealed-state.ts";
import type { Suite } from "../../src/engine/suite.ts";
import { compareBytes } from "../../src/bytes.ts";
import { editPage } from "../../src/store/page-edit.ts";
import { recordsOf } from "../../src/store/page.ts";
import { bytesOf, numberOf } from "./deterministic-bytes.ts";
import { nativeOpen, nativeSeal } from "./native-aead.ts";

/** A record before it is sealed. */
export interface PlainRecord {
  readonly key: Uint8Array;
  readonly text: Uint8Array;
  readonly rotationId: number;
  readonly writeVersion: bigint;
}

/** A contract's id; its key material and key under any rotation id. */
export interface TestContract {
  readonly id: Uint8Array;
  material(rotationId: number): KeyMaterial;
  key(rotationId: number): Uint8Array;
}

/** Contract number `seed`. Its material is one object for each rotation id, as the key ring's is. */
export function testContract(seed: number): TestContract {
  const materials = new Map<number, KeyMaterial>();
  const material = (rotationId: number): KeyMaterial => {
    const known = materials.get(rotationId);
    if (known !== undefined) return known;
    const made = { ikm: bytesOf(seed * 100 + rotationId, 32), info: bytesOf(seed * 100 + rotationId + 50, 64) };
    materials.set(rotationId, made);
    return made;
  };
  return {
    id: bytesOf(seed + 4_000_000, 32),
    material,
    key: (rotationId) => {
      const { ikm, info } = material(rotationId);
      return new Uint8Array(hkdfSync("sha256", ikm, new Uint8Array(0), info, 32));
    },
  };
}

/** Records with keys and texts of all sizes, in key order, each under one of the rotation ids. */
export function plainRecords(seed: number, count: number, rotationIds: readonly number[]): PlainRecord[] {
  const records = Array.from({ length: count }, (_, index) => ({
    key: bytesOf(seed + index, index === 0 ? 0 : 3 + numberOf(seed + index, 60)),
    text: bytesOf(seed + 500_000 + index, numberOf(seed + index * 3, 301)),
    rotationId: rotationIds[numberOf(seed + index * 5, rotationIds.length)]!,
    writeVersion: BigInt(index + 1) << BigInt(numberOf(seed + index, 50)),
  }));
  return records.sort((a, b) => compareBytes(a.key, b.key));
}

/** The sealed state of a record, under the key of its rotation id. */
export function sealRecord(suite: Suite, contract: TestContract, record: PlainRecord, nonceSeed = 0): Buffer {
  const { key, text, rotationId, writeVersion } = record;
  const header = encodeHeader({ suite, rotationId, writeVersion });
  const nonce = bytesOf(numberOf(rotationId + text.length, 1_000_000) + nonceSeed, 12);
  const box = nativeSeal(suite, contract.key(rotationId), nonce, sealedAad(header, contract.id, key), text);
  return Buffer.concat([header, box]);
}

/** The bodies of as many pages as the records need. */
export function pageBodies(suite: Suite, contract: TestContract, records: readonly PlainRecord[]): Uint8Array[] {
  const edits = records.map((record, index) => ({
    key: record.key,
    sealed: sealRecord(suite, contract, record, index),
  }));
  return editPage(contract.id, null, edits, 2n ** 60n).map(({ body }) => body);
}

/** The records of a body, as copies. */
export function parse(contract: TestContract, body: Uint8Array): { key: Buffer; sealed: Buffer }[] {
  const records = [...recordsOf({ contract: contract.id, lowerBound: new Uint8Array(0), body })];
  return records.map(({ key, sealed }) => ({ key: Buffer.from(key), sealed: Buffer.from(sealed) }));
}

/** The text of a sealed state under the key of a rotation id, or null. */
export function openSealed(
  suite: Suite,
  contract: TestContract,
  rotationId: number,
  { key, sealed }: { key: Uint8Array; sealed: Uint8Array },
): Buffer | null {
  return nativeOpen(suite, contract.key(rotationId), sealedAad(sealed, contract.id, key), sealed.subarray(14));
}

/** One record before and after it was moved. */
export interface MovedRecord {
  readonly key: Uint8Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

/** The page statement about records, as src/engine/page-statement.ts describes it. */
export function statementOf(contract: TestContract, moved: readonly MovedRecord[]): Buffer {
  const sum = createHash("sha256").update("gatekeeper/v1 page statement").update(contract.id);
  for (const { key, before, after } of moved) {
    sum.update(Uint8Array.of(key.length & 0xff, key.length >> 8)).update(key);
    sum.update(before.subarray(6, 14)).update(before.subarray(-16)).update(after.subarray(-16));
  }
  return sum.digest();
}
