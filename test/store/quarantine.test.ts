import { describe, expect, it } from "vitest";
import {
  asideCells,
  isQuarantined,
  listQuarantined,
  putAside,
  type QuarantinedRecord,
} from "../../src/store/quarantine.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { editPage } from "../../src/store/page-edit.ts";
import { recordsOf, SEALED_BYTES_MAX } from "../../src/store/page.ts";
import { contractId, failsWith, sealedState, text } from "../store/records.ts";

const ID = contractId(3);

describe("the quarantine", () => {
  it("takes records out of a page, byte for byte, and lists them", async () => {
    const store = new MemoryStore();
    const edits = ["a", "b", "c"].map((key, index) => ({ key: text(key), sealed: sealedState(index, 5) }));
    await store.commit({ groups: [editPage(ID, null, edits, 9n)], sealedUnder: 0 });
    const page = (await store.find(ID, text("a")))!;
    const { write, cells } = await putAside(store, page, [text("a"), text("c")], 6);
    expect([...recordsOf(write)].map(({ key }) => Buffer.from(key).toString())).toEqual(["b"]);
    expect(write.counts).toEqual([[0, -1], [2, -1]]); // prettier-ignore
    expect((await store.commit({ groups: [[write]], sealedUnder: null, cells })).conflicts).toEqual([]);
    const listed = (await listQuarantined(store, null, 5)) as QuarantinedRecord[];
    const names = listed.map(({ key, sealedUnder, rotationId }) => [
      Buffer.from(key).toString(),
      sealedUnder,
      rotationId,
    ]);
    expect(names.sort()).toEqual([["a", 0, 6], ["c", 2, 6]]); // prettier-ignore
    for (const { name, contract, key, sealed } of listed) {
      expect(contract).toEqual(ID);
      expect(sealed).toEqual(edits.find((edit) => Buffer.compare(edit.key, key) === 0)!.sealed);
      expect(await isQuarantined(store, ID, { key, sealed })).toBe(true);
      expect(name).toMatch(/^quarantine\/[0-9a-f]{64}\/[0-9a-f]{64}$/);
    }
    expect(await listQuarantined(store, listed[1]!.name, 5)).toEqual([]);
    // The same record is put aside once; another state of the same key beside it.
    const [first] = listed as [(typeof listed)[0]];
    expect(await asideCells(store, ID, [first], 7)).toEqual([]);
    const other = { key: first.key, sealed: sealedState(7, 7) };
    expect(await isQuarantined(store, ID, other)).toBe(false);
    await store.commit({ groups: [], sealedUnder: null, cells: await asideCells(store, ID, [other], 7) });
    expect(await listQuarantined(store, null, 5)).toHaveLength(3);
  });

  it("has room for the largest record", async () => {
    const store = new MemoryStore();
    const record = { key: new Uint8Array(4_096).fill(1), sealed: new Uint8Array(SEALED_BYTES_MAX).fill(2) };
    await store.commit({ groups: [], sealedUnder: null, cells: await asideCells(store, ID, [record], 1) });
    const [listed] = (await listQuarantined(store, null, 1)) as QuarantinedRecord[];
    expect(Buffer.compare(listed!.sealed, record.sealed)).toBe(0);
    expect(Buffer.compare(listed!.key, record.key)).toBe(0);
  });

  it.each([
    ["quarantine/other", "anything"],
    [`quarantine/${"0".repeat(64)}/${"0".repeat(64)}`, "no page"],
    [`quarantine/${"0".repeat(64)}/page-${"0".repeat(64)}`, "\u0001\0\0\u0000\u0030\0too short"],
    [`quarantine/${"0".repeat(64)}/page-${"1".repeat(64)}`, "\u0001\0\0"],
    [`quarantine/${"0".repeat(64)}/${"1".repeat(64)}`, "\u0001\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"],
  ])("names a malformed cell: %s", async (name, value) => {
    const store = new MemoryStore();
    const cells = [{ name, expected: null, value: text(value) }];
    await store.commit({ groups: [], sealedUnder: null, cells });
    await failsWith(listQuarantined(store, null, 1), "STORE_CORRUPT", /quarantine/);
  });
});
