/** Somebody who re-encrypts a workload, and the check that everybody passes before being timed. */
import { randomInt } from "node:crypto";
import { boxBytes } from "../src/engine/batch.ts";
import { NONCE_BYTES } from "../src/engine/suite.ts";
import { type Side, type Workload, aadOf, keyObjects, sealBox } from "./workload.ts";

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
 * Of how many records one is checked: of each in the first round, of ten in the others, as to seal all of them again
 * takes longer than to time them.
 */
export function oneIn(round: number): number {
  return round === 0 ? 1 : 10;
}

/**
 * Lets a contender move the workload there and back and checks the records both times.
 * @throws Error as checkMoved does.
 */
export function checkContender(name: string, workload: Workload, contender: Contender, every = 1): void {
  for (const from of [0, 1] as const) {
    const before = contender.arena().slice();
    contender.reencrypt(from);
    checkMoved(name, workload, before, contender.arena(), from === 0 ? 1 : 0, every);
  }
}

/**
 * Checks every record: it must have another nonce than before, and be byte for byte what node:crypto seals of the
 * original plaintext under that nonce with the new key and AAD. AADs must be as they were.
 * @param before, after - the arena before and after all records were moved to `side`.
 * @param every - 1, or n to let node:crypto seal only one record of n, chosen at random.
 * @throws Error that names the contender and the first record that is wrong.
 */
export function checkMoved(
  name: string,
  workload: Workload,
  before: Uint8Array,
  after: Uint8Array,
  side: Side,
  every = 1,
): void {
  const { suite } = workload.shape;
  const objects = keyObjects(workload, side);
  workload.records.forEach((record, index) => {
    const wrong = (what: string): Error => new Error(`${name}: record ${index} of ${record.length} bytes ${what}`);
    const box = after.subarray(record.offset, record.offset + boxBytes(record.length));
    const nonce = box.subarray(0, NONCE_BYTES);
    if (Buffer.compare(nonce, before.subarray(record.offset, record.offset + NONCE_BYTES)) === 0) {
      throw wrong("kept its nonce");
    }
    for (const each of [0, 1] as const) {
      const aad = aadOf(workload, after, record, each);
      if (Buffer.compare(aad, aadOf(workload, before, record, each)) !== 0) throw wrong("has another AAD");
    }
    if (every > 1 && randomInt(every) !== 0) return;
    const aad = aadOf(workload, after, record, side);
    const expected = sealBox(suite, objects[record.contract]!, nonce, aad, workload.plaintexts[index]!);
    if (Buffer.compare(box, expected) !== 0) throw wrong("is not what node:crypto seals under its nonce");
  });
}
