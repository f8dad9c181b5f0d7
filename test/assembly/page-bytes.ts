/** Pages of the store's format as bytes, well formed or not, for the tests of the kernels and of the page engine. */

/** One record as it is written; lengths that are not given are the true ones. */
export interface RawRecord {
  readonly key: Uint8Array;
  readonly sealed: Uint8Array;
  readonly keyLength?: number;
  readonly sealedLength?: number;
}

/** A page body of these records; `count` and the lengths may lie. */
export function pageOf(records: readonly RawRecord[], count = records.length, highest = 7n): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt32LE(1);
  header.writeUInt32LE(count, 4);
  header.writeBigUInt64LE(highest, 8);
  const parts: Uint8Array[] = [header];
  for (const { key, sealed, keyLength, sealedLength } of records) {
    const prefix = Buffer.alloc(6);
    prefix.writeUInt16LE(keyLength ?? key.length);
    prefix.writeUInt32LE(sealedLength ?? sealed.length, 2);
    parts.push(prefix, key, sealed);
  }
  return Buffer.concat(parts);
}

/** The first 14 bytes of a sealed state. */
export function headerOf(suite: number, rotationId: number, writeVersion: bigint, version = 1): Buffer {
  const header = Buffer.alloc(14);
  header[0] = version;
  header[1] = suite;
  header.writeUInt32LE(rotationId, 2);
  header.writeBigUInt64LE(writeVersion, 6);
  return header;
}
