/** Reads, makes and states pages without the project's code for them. */
import { createHash } from "node:crypto";

/** One record of a page: views of its bytes. */
export interface TestRecord {
  readonly key: Uint8Array;
  readonly sealed: Uint8Array;
}

/** A page's records, read without the project's code. */
export function parse(bytes: Uint8Array): TestRecord[] {
  const body = Buffer.from(bytes);
  const records: TestRecord[] = [];
  let at = 16;
  for (let left = body.readUInt32LE(4); left > 0; left--) {
    const keyEnd = at + 6 + body.readUInt16LE(at);
    const end = keyEnd + body.readUInt32LE(at + 2);
    records.push({ key: body.subarray(at + 6, keyEnd), sealed: body.subarray(keyEnd, end) });
    at = end;
  }
  return records;
}

/** The same header, and other records. */
export function rebuild(bytes: Uint8Array, records: readonly TestRecord[]): Uint8Array {
  const header = Buffer.from(bytes.slice(0, 16));
  header.writeUInt32LE(records.length, 4);
  const parts = records.map(({ key, sealed }) => {
    const prefix = Buffer.alloc(6);
    prefix.writeUInt16LE(key.length, 0);
    prefix.writeUInt32LE(sealed.length, 2);
    return Buffer.concat([prefix, key, sealed]);
  });
  return Uint8Array.from(Buffer.concat([header, ...parts]));
}

/** The statement that an honest sweeper of these bodies would make. */
export function statementOf(contract: Uint8Array, before: Uint8Array, after: Uint8Array): Uint8Array {
  const sum = createHash("sha256").update("gatekeeper/v1 page statement").update(contract);
  for (const { key, sealed } of parse(after)) {
    const old = parse(before).find((record) => Buffer.compare(record.key, key) === 0)?.sealed;
    if (old === undefined || Buffer.compare(old, sealed) === 0) continue;
    sum
      .update(Uint8Array.of(key.length & 0xff, key.length >> 8))
      .update(key)
      .update(sealed.subarray(6, 14));
    sum.update(old.subarray(-16)).update(sealed.subarray(-16));
  }
  return Uint8Array.from(sum.digest());
}
