/**
 * The descriptor table: how a batch of records is handed to an AEAD kernel.
 *
 * One row a record, ten little-endian u32 words; pointers are addresses in this module's memory. A record lies as
 * nonce (12 bytes, just before TEXT) | text (LENGTH bytes) | tag (16 bytes, just after the text).
 *
 *   seal        reads KEY, AAD and the nonce; encrypts the text in place and writes the tag.
 *   open        checks the tag under KEY and AAD, then decrypts in place.
 *   verify      checks the tag only.
 *   reencrypt   checks the tag under KEY and AAD; then moves the record to NEW_KEY, NEW_AAD and the 12 bytes at
 *               NEW_NONCE (copied to before the text), writing the new tag.
 *
 * A kernel touches rows whose STATUS is PENDING and leaves them DONE or TAG_MISMATCH; a record that fails stays byte
 * for byte as it was. Nothing outside nonce, text, tag and STATUS is written.
 */

export const TEXT: usize = 0;
export const LENGTH: usize = 4;
export const AAD: usize = 8;
export const AAD_LENGTH: usize = 12;
/** Address of a key context that the suite's ExpandKeys made. */
export const KEY: usize = 16;
export const NEW_AAD: usize = 20;
export const NEW_AAD_LENGTH: usize = 24;
export const NEW_KEY: usize = 28;
export const NEW_NONCE: usize = 32;
export const STATUS: usize = 36;

export const ROW_BYTES: usize = 40;
export const NONCE_BYTES: usize = 12;
export const TAG_BYTES: usize = 16;

export const PENDING: u32 = 0;
export const DONE: u32 = 1;
export const TAG_MISMATCH: u32 = 2;
/** Set by whoever lays out the batch, for a record that is not to be touched. */
export const SKIPPED: u32 = 3;
