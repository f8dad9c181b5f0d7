/**
 * Copiers that do something else than they should, and hosts that alter the mirror behind an honest one: each is found, and
 * an honest copy after that has the mirror have what the source has, whatever was there.
 */
import { describe, expect, it } from "vitest";
import type { Verdict } from "../../src/rotation/verify-leased.ts";
import { highestWriteVersion, type PageRecord, recordsOf } from "../../src/store/page.ts";
import { replacePage } from "../../src/store/page-edit.ts";
import type { Commit, PageWrite, StateStore } from "../../src/store/store.ts";
import { WHOLE } from "./leased.ts";
import {
  copyContext,
  copyToEnd,
  copyVerdict,
  expectMirrored,
  type Mirrored,
  mirrored,
  removeRecord,
  sourceStates,
  writeSource,
} from "./mirrored.ts";
import { contractOf, Generations, hooked, put, readAll, nameOf, seal, text } from "./sealed-store.ts";

const generations = new Generations();
const VICTIM = "key 00077";
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const victimIn = (contract: number, key = VICTIM): object => ({
  contract: hex(contractOf(contract).id),
  key: hex(text(key)),
});

/** What a record is made of, or null to drop it; or more than one. */
type Change = (record: PageRecord) => readonly PageRecord[];

/** A mirror as a copier uses it that alters what it writes. */
function altering(target: StateStore, alter: (write: PageWrite) => PageWrite): StateStore {
  return new Proxy(target, {
    get(store, name) {
      if (name !== "commit") return (Reflect.get(store, name) as StateStore["close"]).bind(store);
      return async (commit: Commit) =>
        store.commit({ ...commit, groups: commit.groups.map((group) => group.map(alter)) });
    },
  });
}

/** Alters one record on its way into the mirror. */
function changing(target: StateStore, change: Change, contract = 0): StateStore {
  return altering(target, (write) => {
    const records = [...recordsOf(write)];
    const isVictim = ({ key }: PageRecord): boolean =>
      Buffer.compare(write.contract, contractOf(contract).id) === 0 && Buffer.from(key).toString() === VICTIM;
    const changed = records.flatMap((record) => (isVictim(record) ? change(record) : [record]));
    const highest = highestWriteVersion(write);
    const place = { contract: write.contract, lowerBound: write.lowerBound, version: write.expected };
    const [{ body }] = replacePage(place, [], changed, highest) as [PageWrite];
    const under = (all: readonly PageRecord[], id: number): number =>
      all.filter(({ sealed }) => Buffer.from(sealed).readUInt32LE(2) === id).length;
    const counts = [0, 1].map((id) => [id, under(changed, id) - under(records, id)] as const);
    return { ...write, body, counts: [...write.counts, ...counts] };
  });
}

const versionOf = (sealed: Uint8Array): bigint => Buffer.from(sealed).readBigUInt64LE(6);
const sealedAs = (record: PageRecord, raise: bigint, value: string, contract = 0, rotationId = 1): PageRecord => ({
  key: record.key,
  sealed: seal(generations, rotationId, contractOf(contract).id, record.key, versionOf(record.sealed) + raise, value),
});

/** Two contracts, with a record that was written twice. */
async function network(): Promise<Mirrored> {
  const both = await mirrored(generations, 2, 300);
  using states = sourceStates(both);
  await put(states, 0, { "key 00200": "first" });
  await put(states, 0, { "key 00200": "second", "key 00201": null });
  await writeSource(both.source, generations, 0, VICTIM, "the newer state of these");
  return both;
}

/** What pRuntime 2 says of the copy that pRuntime 1 made through another store. */
async function copiedThrough(both: Mirrored, target: StateStore): Promise<Verdict> {
  await copyToEnd(await copyContext({ ...both, target }, 1));
  return copyVerdict(await copyContext(both, 2));
}

/** Another pRuntime does it again. */
async function expectMended(both: Mirrored, attempt = 1): Promise<void> {
  const partition = { ...WHOLE, attempt };
  await copyToEnd(await copyContext(both, 3), partition);
  await expectMirrored(both);
  const records = (await readAll(both.source, generations)).size;
  const sound = { verdict: "sound", records, why: null };
  expect(await copyVerdict(await copyContext(both, 2), partition)).toMatchObject(sound);
}

describe("a copier that", () => {
  const text24 = "x".repeat(24);
  it.each<[string, Change]>([
    ["drops a record", () => []],
    ["alters a text with the contract's key", (record) => [sealedAs(record, 0n, text24)]],
    ["writes a shorter text", (record) => [sealedAs(record, 0n, "")]],
    ["puts an older state in its place", (record) => [sealedAs(record, -1n, text24)]],
    ["raises a write version", (record) => [sealedAs(record, 1n, text24)]],
    ["raises a write version above all", (record) => [sealedAs(record, 2n ** 60n, text24)]],
    ["leaves a record under the old generation", (record) => [sealedAs(record, 0n, text24, 0, 0)]],
    ["takes a record of another contract", (record) => [sealedAs(record, 0n, text24, 1)]],
    [
      "flips a bit",
      ({ key, sealed }) => {
        const flipped = sealed.slice();
        flipped[40]! ^= 1;
        return [{ key, sealed: flipped }];
      },
    ],
    [
      "flips a bit of the nonce",
      ({ key, sealed }) => {
        const flipped = sealed.slice();
        flipped[15]! ^= 1;
        return [{ key, sealed: flipped }];
      },
    ],
  ])("%s is found", async (_, change) => {
    const both = await network();
    const verdict = await copiedThrough(both, changing(both.target, change));
    expect(verdict).toMatchObject({ verdict: "damaged", why: victimIn(0) });
    await expectMended(both);
  });

  it("adds a record, one that was deleted or never was, is found, and the record goes", async () => {
    for (const added of ["key 00077x", "key 00077!"]) {
      const both = await network();
      await writeSource(both.source, generations, 0, "key 00077x", "deleted");
      await writeSource(both.source, generations, 0, "key 00077x", null);
      const through = changing(both.target, (record) => [
        record,
        sealedAs({ ...record, key: text(added) }, 0n, "made up"),
      ]);
      expect(await copiedThrough(both, through)).toMatchObject({ verdict: "damaged", why: victimIn(0, added) });
      await expectMended(both);
    }
  });

  it("writes to another contract is found", async () => {
    const both = await mirrored(generations, 1, 300);
    await copyToEnd(await copyContext(both, 1));
    const { id } = contractOf(1);
    const sealed = seal(generations, 1, id, text("a"), 1n, "made up");
    const group = replacePage(
      { contract: id, lowerBound: new Uint8Array(0), version: null },
      [],
      [{ key: text("a"), sealed }],
      1n,
    );
    await both.target.commit({ groups: [group], sealedUnder: 1 });
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged", why: victimIn(1, "a") });
    await expectMended(both);
  });

  it("leaves pages out is found", async () => {
    const both = await network();
    const leaving = new Proxy(both.target, {
      get(store, name) {
        if (name !== "commit") return (Reflect.get(store, name) as StateStore["close"]).bind(store);
        return async (commit: Commit) => store.commit({ ...commit, groups: [] });
      },
    });
    expect(await copiedThrough(both, leaving)).toMatchObject({ verdict: "damaged", records: 0 });
    await expectMended(both);
  });

  it.each<[string, (body: Buffer) => void]>([
    ["too little", (body) => body.writeBigUInt64LE(0n, 8)],
    ["that nobody could write any more", (body) => body.writeBigUInt64LE(2n ** 64n - 1n, 8)],
  ])("has pages say of write versions what is %s is found", async (_, change) => {
    const both = await network();
    const through = altering(both.target, (write) => {
      const body = Buffer.from(write.body);
      change(body);
      return { ...write, body };
    });
    expect(await copiedThrough(both, through)).toMatchObject({ verdict: "damaged" });
    await expectMended(both);
    using states = sourceStates(both);
    await put(states, 0, { [VICTIM]: "written again" });
    await expectMirrored(both);
  });

  it("writes pages that make no sense is found, and they are laid anew", async () => {
    const both = await network();
    await copyToEnd(await copyContext(both, 1));
    const pages = await both.target.scan({ from: null, to: null }, null, 1e9);
    for (const [index, { contract, lowerBound, version: expected, body }] of pages.entries()) {
      if (index % 2 === 0) continue;
      const spoilt = body.slice();
      spoilt[0] = 7;
      await both.target.commit({
        groups: [[{ contract, lowerBound, expected, body: spoilt, counts: [] }]],
        sealedUnder: 1,
      });
    }
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged" });
    await copyToEnd(await copyContext(both, 3), { ...WHOLE, attempt: 1 });
    const [is, was] = [await readAll(both.target, generations), await readAll(both.source, generations)];
    expect([...is].map(([name, { value }]) => [name, value])).toEqual(
      [...was].map(([name, { value }]) => [name, value]),
    );
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "sound" });
  });

  it("drops a record that is written while it is verified is none: what was copied is gone then", async () => {
    const both = await network();
    await copyToEnd(await copyContext({ ...both, target: changing(both.target, () => []) }, 1));
    const verdict = await copyVerdict(await copyContext(both, 2), WHOLE, async () => {
      using states = sourceStates(both);
      await put(states, 0, { [VICTIM]: "written meanwhile" });
    });
    expect(verdict).toMatchObject({ verdict: "sound" });
    await expectMirrored(both);
  });
});

describe("a write that is on its way", () => {
  it("is waited for, and makes nothing damaged", async () => {
    const both = await network();
    await copyToEnd(await copyContext(both, 1));
    await writeSource(both.source, generations, 0, VICTIM, "on its way");
    await writeSource(both.source, generations, 0, "key 00100", null);
    await writeSource(both.source, generations, 0, "key 00100x", "new");
    const waits: number[] = [];
    const verdict = await copyVerdict(await copyContext(both, 2), WHOLE, async (milliseconds) => {
      waits.push(milliseconds);
      if (waits.length < 3) return;
      using states = sourceStates(both);
      await put(states, 0, { [VICTIM]: "on its way.", "key 00100": "", "key 00100x": "new." });
    });
    expect(verdict).toMatchObject({ verdict: "sound" });
    expect(waits).toEqual([10, 20, 40]);
  });

  it("is damage when it never comes, which another copy mends", async () => {
    const both = await network();
    await copyToEnd(await copyContext(both, 1));
    await writeSource(both.source, generations, 0, VICTIM, "never comes");
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged", why: victimIn(0) });
    await expectMended(both);
  });

  it("is told from what was taken out of the mirror behind everybody's back", async () => {
    const both = await network();
    await copyToEnd(await copyContext(both, 1));
    await removeRecord(both.target, 1, VICTIM);
    let writes = 0;
    const busy = hooked(both.source, {
      before: async (method) => {
        if (method !== "scan") return;
        using states = sourceStates(both);
        await put(states, 1, { "key 00076": `${writes++}` });
      },
    });
    const verdict = await copyVerdict(await copyContext({ ...both, source: busy }, 2));
    expect(verdict).toMatchObject({ verdict: "damaged", why: victimIn(1) });
    expect((await readAll(both.target, generations)).has(nameOf(1, VICTIM))).toBe(false);
    await expectMended(both);
  });
});
