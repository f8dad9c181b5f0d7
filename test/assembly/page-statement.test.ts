import { describe, expect, test } from "vitest";
import { ROW, RecordStatus } from "../../src/engine/rows.ts";
import { bytesOf } from "../engine/deterministic-bytes.ts";
import { describedPage, rowOf } from "./described-page.ts";
import { KernelInstance } from "./instance.ts";
import { headerOf, pageOf, type RawRecord } from "./page-bytes.ts";

const GUARD = 0xa5;
const FROM = 5;

/** Records with storage keys of these lengths. */
function records(keyLengths: readonly number[]): RawRecord[] {
  return keyLengths.map((length, index) => {
    const writeVersion = 2n ** 64n - BigInt(index) * 0x0123_4567_89ab_cdefn - 1n;
    const sealed = Buffer.concat([headerOf(1, FROM, writeVersion), bytesOf(index, 28 + index * 9)]);
    return { key: bytesOf(index + 100, length), sealed };
  });
}

const KEY_LENGTHS = [0, 1, 15, 16, 17, 32, 33, 300, 4096];
const page = records(KEY_LENGTHS);

describe("pageKeepTags", () => {
  test("copies each row's tag, whatever its status, and writes nothing else", () => {
    const kernels = new KernelInstance();
    const { rows } = describedPage(kernels, pageOf(page));
    const tags = kernels.alloc(16 * page.length + 16);
    rowOf(kernels, rows, 3)[ROW.status] = RecordStatus.skipped;
    rowOf(kernels, rows, 4)[ROW.status] = RecordStatus.tagMismatch;
    const before = kernels.bytes.slice();
    kernels.call("pageKeepTags", rows, page.length, tags);
    before.set(Buffer.concat(page.map(({ sealed }) => sealed.subarray(-16))), tags);
    expect(Buffer.compare(kernels.bytes, before)).toBe(0);
  });
});

describe("pageStatement", () => {
  test("states the rows that are done, with the tags that were kept and those that are there", () => {
    for (let chosen = 0; chosen < 2 ** page.length; chosen += 7) {
      const kernels = new KernelInstance();
      const { rows } = describedPage(kernels, pageOf(page));
      const tags = kernels.put(bytesOf(77, 16 * page.length), 16);
      const others = [RecordStatus.pending, RecordStatus.tagMismatch, RecordStatus.skipped];
      const isDone = (index: number): boolean => ((chosen >> index) & 1) === 1;
      const expected = page.flatMap(({ key, sealed }, index) => {
        rowOf(kernels, rows, index)[ROW.status] = isDone(index) ? RecordStatus.done : others[(index + chosen) % 3]!;
        if (!isDone(index)) return [];
        const keyLength = Buffer.alloc(2);
        keyLength.writeUInt16LE(key.length);
        const oldTag = kernels.get(tags + 16 * index, 16);
        return [keyLength, key, sealed.subarray(6, 14), oldTag, sealed.subarray(-16)];
      });
      const stated = Buffer.concat(expected);
      const to = kernels.alloc(stated.length + 64);
      kernels.bytes.fill(GUARD, to, to + stated.length + 64);
      const before = kernels.bytes.slice();

      const end = kernels.call("pageStatement", rows, page.length, tags, to);

      expect(end).toBe(to + stated.length);
      expect(Buffer.from(kernels.get(to, stated.length)).equals(stated)).toBe(true);
      const after = kernels.bytes.slice();
      after.fill(GUARD, to, end + 16);
      before.fill(GUARD, to, end + 16);
      expect(Buffer.compare(after, before), "nothing else was written").toBe(0);
    }
  });

  test("has room where its page's bytes and 16 more have room, at the memory's end too", () => {
    const kernels = new KernelInstance();
    const body = pageOf(page);
    const { rows } = describedPage(kernels, body);
    for (let row = 0; row < page.length; row++) rowOf(kernels, rows, row)[ROW.status] = RecordStatus.done;
    const tags = kernels.alloc(16 * page.length);
    kernels.alloc(body.length + 16);
    const end = kernels.call("pageStatement", rows, page.length, tags, kernels.bytes.length - body.length - 16);
    expect(end).toBeLessThan(kernels.bytes.length - 16);
  });
});
