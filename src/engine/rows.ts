/** The descriptor table as the kernels read it; assembly/descriptor.ts is the other side of every number here. */

/** Words (u32) of a row, and their places. */
export const ROW_WORDS = 10;
export const ROW = {
  text: 0,
  length: 1,
  aad: 2,
  aadLength: 3,
  key: 4,
  newAad: 5,
  newAadLength: 6,
  newKey: 7,
  newNonce: 8,
  status: 9,
} as const;

export const ROW_BYTES = ROW_WORDS * 4;

/** What became of a record. */
export const RecordStatus = {
  /** Not yet looked at. */
  pending: 0,
  /** Sealed, opened, verified or re-encrypted. */
  done: 1,
  /** Its tag did not match: it was left byte for byte as it was. */
  tagMismatch: 2,
  /** Not part of the work. */
  skipped: 3,
} as const;
