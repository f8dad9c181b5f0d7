/** Somebody who re-encrypts a workload, and the check that everybody passes before being timed. */
import { boxBytes } from "../src/engine/batch.ts";
import { NONCE_BYTES } from "../src/engine/suite.ts";
import { type Side, type Workload, aadOf, keyObjects, openBox, sealBox } from "./workload.ts";

/** A workload in one contender's hands. */
export interface Contender {
  /** Moves every record from a side to the other one. It may throw, or leave a record, when a tag does not match. */
  reencrypt(from: Side): void;
  /** The arena as it is now: the same layout as the workload's. */
  arena(): Uint8Array;
}

/** Takes a workload over. */
export type MakeContender = (workload: Workload) => Contender;

/**
 * Lets a contender move the workload there and back and checks every record both times.
 * @throws Error as checkMoved does.
 */
export function checkContender(name: string, workload: Workload, contender: Contender): void {
  for (const from of [0, 1] as const) {
    const before = contender.arena().slice();
    contender.reencrypt(from);
    checkMoved(name, workload, before, contender.arena(), from === 0 ? 1 : 0);
  }
}

/**
 * Checks every record with node:crypto: under the new key and AAD it opens to the original plaintext, under a nonce
 * that is not the old one; and it is byte for byte what node:crypto itself seals under that nonce. AADs must be as
 * they were.
 * @param before, after - the arena before and after all records were moved to `side`.
 * @throws Error that names the contender and the first record that is wrong.
 */
export function checkMoved(name: string, workload: Workload, before: Uint8Array, after: Uint8Array, side: Side): void {
  const { suite, size } = workload.shape;
  const objects = keyObjects(workload, side);
  workload.records.forEach((record, index) => {
    const wrong = (what: string): Error => new Error(`${name}: record ${index} of ${size} bytes ${what}`);
    const box = after.subarray(record.offset, record.offset + boxBytes(size));
    const nonce = box.subarray(0, NONCE_BYTES);
    if (Buffer.compare(nonce, before.subarray(record.offset, record.offset + NONCE_BYTES)) === 0) {
      throw wrong("kept its nonce");
    }
    for (const each of [0, 1] as const) {
      const aad = aadOf(workload, after, record, each);
      if (Buffer.compare(aad, aadOf(workload, before, record, each)) !== 0) throw wrong("has another AAD");
    }
    const aad = aadOf(workload, after, record, side);
    const key = objects[record.contract]!;
    const plaintext = workload.plaintexts[index]!;
    if (Buffer.compare(box, sealBox(suite, key, nonce, aad, plaintext)) !== 0) {
      throw wrong("is not what node:crypto seals under its nonce");
    }
    if (Buffer.compare(openBox(suite, key, aad, box), plaintext) !== 0) throw wrong("opens to something else");
  });
}
