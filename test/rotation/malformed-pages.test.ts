/** Pages that were damaged in a store's file: they are named, stop nothing but the end, and are put aside when governance says so. */
import { copyFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyLeased } from "../../src/rotation/copy-leased.ts";
import { sweepLeased } from "../../src/rotation/leased-partition.ts";
import { settleCounts } from "../../src/rotation/settle-counts.ts";
import { dropKept } from "../../src/rotation/verify-leased.ts";
import { openStore } from "../../src/store/embedded.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { highestWriteVersion } from "../../src/store/page.ts";
import { listQuarantined, type QuarantinedPage } from "../../src/store/quarantine.ts";
import { beginMirror, switchStores } from "../../src/store/service.ts";
import type { Page, StateStore } from "../../src/store/store.ts";
import { freshPath } from "../store/embedded-files.ts";
import { identity, leasedContext, switched, verdictOf, WHOLE } from "./leased.ts";
import { copyContext, copyToEnd, copyVerdict, MIGRATION, mirrored, sourceStates } from "./mirrored.ts";
import {
  contractOf,
  damage,
  Generations,
  hooked,
  nameOf,
  plain,
  put,
  readAll,
  recount,
  statesOf,
  text,
} from "./sealed-store.ts";

const EVERYTHING = { from: null, to: null };
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const isPage = (each: object): each is QuarantinedPage => "body" in each;

/** As whoever can write the file does it: the page's version, and the store's counts, stay. */
function overwrite(path: string, { contract, lowerBound }: Page, body: Uint8Array): void {
  const database = new DatabaseSync(path);
  try {
    const { changes } = database
      .prepare("UPDATE page SET body = ? WHERE contract = ? AND lower_bound = ?")
      .run(body, contract, lowerBound);
    expect(changes).toBe(1);
  } finally {
    database.close();
  }
}

function changed(body: Uint8Array, change: (bytes: Buffer) => Uint8Array | undefined): Uint8Array {
  const bytes = Buffer.from(body);
  return Uint8Array.from(change(bytes) ?? bytes);
}

/** Damages that leave no page. */
const DAMAGES: Record<string, (body: Buffer) => Uint8Array | undefined> = {
  "is empty": () => new Uint8Array(0),
  "ends in its header": (body) => body.subarray(0, 9),
  "ends in a record": (body) => body.subarray(0, body.length - 5),
  "goes on behind its last record": (body) => Buffer.concat([body, Buffer.alloc(3)]),
  "has another format": (body) => body.fill(7, 0, 1),
  "says that it has more records": (body) => void body.writeUInt32LE(body.readUInt32LE(4) + 1, 4),
  "says that a key is longer": (body) => void body.writeUInt16LE(5_000, 16),
  "says that a state is shorter": (body) => void body.writeUInt32LE(3, 18),
  "has keys out of order": (body) => body.fill(0xff, 22, 23),
  "is all zeros": (body) => body.fill(0),
};

/** What a store has without the pages of some places, by hand. */
async function without(
  store: StateStore,
  generations: Generations,
  pages: readonly Page[],
): Promise<Map<string, string | null>> {
  const isOf = (page: Page): boolean =>
    pages.some(
      (each) =>
        Buffer.compare(each.lowerBound, page.lowerBound) === 0 && Buffer.compare(each.contract, page.contract) === 0,
    );
  const others = new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        const result = await Reflect.apply(method, target, args);
        return name === "scan" ? (result as Page[]).filter((page) => !isOf(page)) : result;
      };
    },
  });
  return plain(await readAll(others, generations));
}

describe("a page of a file whose body", () => {
  it.each(Object.keys(DAMAGES))(
    "%s is named, blocks, and is put aside as it is when governance says so",
    async (damage) => {
      const generations = new Generations();
      const path = freshPath();
      const store = await switched(generations, 2, 300, await openStore({ path, create: true }));
      const pages = await store.scan(EVERYTHING, null, 1e9);
      const damaged = [pages[1]!, pages.at(-1)!];
      const expected = await without(store, generations, damaged);
      const bodies = damaged.map(({ body }) => changed(body, DAMAGES[damage]!));
      for (const [index, page] of damaged.entries()) overwrite(path, page, bodies[index]!);
      const context = await leasedContext(store, generations, 1);
      const names = damaged.map(({ contract, lowerBound }) => ({ contract: hex(contract), key: hex(lowerBound) }));
      const first = await sweepLeased(context, WHOLE);
      expect(first).toMatchObject({ end: "done", receipt: { failed: 2, failures: names, quarantined: 0 } });
      const other = await leasedContext(store, generations, 2);
      if (first.end !== "done") throw new Error(first.end);
      expect(await verdictOf(other, first.receipt, identity(1))).toMatchObject({ verdict: "damaged", why: names[0] });
      // Killed before or after any of its commits, it goes on.
      for (let kill = 0, killed = true; killed; kill++) {
        let commits = 0;
        killed = false;
        const stop = (method: string): void => {
          if (method !== "commit" || commits++ !== kill) return;
          killed = true;
          throw new Error("killed");
        };
        const dying = hooked(store, { before: stop, after: stop });
        await sweepLeased({ ...context, store: dying }, WHOLE, { quarantine: true }).catch((error: Error) =>
          expect(error.message).toBe("killed"),
        );
      }
      const swept = await sweepLeased(context, WHOLE, { quarantine: true });
      expect(swept).toMatchObject({ end: "done", receipt: { failed: 0, failures: [], quarantined: 2 } });
      if (swept.end !== "done") throw new Error(swept.end);
      expect(await verdictOf(other, swept.receipt, identity(1))).toMatchObject({
        verdict: "sound",
        records: expected.size,
      });
      const listed = await listQuarantined(store, null, 10);
      const asText = (all: readonly Pick<QuarantinedPage, "contract" | "lowerBound" | "body">[]): string[] =>
        all.map(({ contract, lowerBound, body }) => [contract, lowerBound, body].map(hex).join(" ")).sort();
      expect(asText(listed.filter(isPage))).toEqual(
        asText(damaged.map((page, index) => ({ ...page, body: bodies[index]! }))),
      );
      expect(listed.map(({ rotationId }) => rotationId)).toEqual([1, 1]);
      expect(plain(await readAll(store, generations))).toEqual(expected);
      // Write versions go on above all that the page can have given.
      for (const page of damaged) {
        const now = (await store.find(page.contract, page.lowerBound))!;
        expect(highestWriteVersion(now)).toBeGreaterThan(highestWriteVersion(page));
      }
      // What is counted of records that are nowhere any more is put right, while somebody writes.
      await dropKept(store, WHOLE);
      using states = statesOf(store, generations);
      await put(states, 0, { [Buffer.from(damaged[0]!.lowerBound).toString()]: "anew" });
      const found = await readAll(store, generations);
      expect(await store.countByRotationId()).not.toEqual(recount(found));
      expect(await settleCounts(store, 1)).toBe(true);
      expect(await store.countByRotationId()).toEqual(recount(found));
      for (const number of [0, 1]) {
        const { id } = contractOf(number);
        expect((await store.contract(id))!.records).toBe(
          [...found.keys()].filter((name) => name.startsWith(hex(id).slice(2))).length,
        );
      }
      expect(await settleCounts(store, 1)).toBe(true);
      // Another pRuntime does not take it when what was put aside is not there.
      const [{ name }] = listed as [QuarantinedPage];
      const { version } = (await store.cell(name))!;
      await store.commit({ groups: [], sealedUnder: null, cells: [{ name, expected: version, value: null }] });
      await store.close();
    },
  );

  it("has more bytes than any page is named, and stays", async () => {
    const generations = new Generations();
    const path = freshPath();
    const store = await switched(generations, 1, 300, await openStore({ path, create: true }));
    const [, page] = (await store.scan(EVERYTHING, null, 1e9)) as [Page, Page];
    overwrite(path, page, new Uint8Array(16 * 1_024 * 1_024 + 6_000));
    const context = await leasedContext(store, generations, 1);
    const names = [{ contract: hex(page.contract), key: hex(page.lowerBound) }];
    for (const quarantine of [false, true]) {
      expect(await sweepLeased(context, WHOLE, { quarantine })).toMatchObject({
        receipt: { failures: names, quarantined: 0 },
      });
    }
    await store.close();
  });

  it.each(["its cell is gone", "the page is another", "it had records left"])(
    "was put aside is found to be damaged where %s",
    async (what) => {
      const generations = new Generations();
      const path = freshPath();
      const store = await switched(generations, 1, 300, await openStore({ path, create: true }));
      const [, page] = (await store.scan(EVERYTHING, null, 1e9)) as [Page, Page];
      overwrite(path, page, changed(page.body, DAMAGES["ends in a record"]!));
      const swept = await sweepLeased(await leasedContext(store, generations, 1), WHOLE, { quarantine: true });
      if (swept.end !== "done") throw new Error(swept.end);
      const [listed] = await listQuarantined(store, null, 1);
      const cell = (await store.cell(listed!.name))!;
      const value =
        what === "its cell is gone"
          ? null
          : changed(cell.value, (bytes) => void bytes.writeUInt8(bytes.at(-1)! ^ 1, bytes.length - 1));
      if (what === "it had records left") {
        // The sweeper has made something up in its place.
        const [first] = (await store.scan(EVERYTHING, null, 1e9)) as [Page];
        const header = changed(first.body.slice(0, 16), (bytes) => void bytes.writeUInt32LE(0, 4));
        overwriteNewest(
          path,
          page,
          changed(header, (bytes) => void bytes.writeBigUInt64LE(1n, 8)),
        );
      } else
        await store.commit({
          groups: [],
          sealedUnder: null,
          cells: [{ name: cell.name, expected: cell.version, value }],
        });
      const verdict = await verdictOf(await leasedContext(store, generations, 2), swept.receipt, identity(1));
      expect(verdict).toMatchObject({ verdict: "damaged", why: { key: hex(page.lowerBound) } });
      // Whoever restores it throws nothing away: it is put aside then.
      await sweepLeased(await leasedContext(store, generations, 3), { ...WHOLE, attempt: 1 });
      const bodies = (await listQuarantined(store, null, 9)).filter(isPage).map(({ body }) => hex(body));
      expect(bodies).toContain(hex(changed(page.body, DAMAGES["ends in a record"]!)));
      await store.close();
    },
  );
});

function overwriteNewest(path: string, { contract, lowerBound }: Page, body: Uint8Array): void {
  const database = new DatabaseSync(path);
  try {
    database
      .prepare("UPDATE page SET body = ? WHERE contract = ? AND lower_bound = ? AND edition = 1")
      .run(body, contract, lowerBound);
  } finally {
    database.close();
  }
}

describe("a record that says that it is under another rotation id than it is", () => {
  it.each([
    ["the one that is gone to", 1, true],
    ["the one that is gone to, in a page that is swept", 1, false],
    ["one that never was", 77, true],
  ])("is named, and put aside when governance says so: %s", async (_, id, isBefore) => {
    const generations = new Generations();
    const store = await switched(generations, 1, 300);
    const sweep = async (attempt: number, quarantine = false) => {
      const swept = await sweepLeased(
        await leasedContext(store, generations, 1),
        { ...WHOLE, attempt },
        { quarantine },
      );
      if (swept.end !== "done") throw new Error(swept.end);
      return swept.receipt;
    };
    const key = "key 00010";
    const alter = () =>
      damage(store, 0, key, (sealed) => void Buffer.from(sealed.buffer, sealed.byteOffset).writeUInt32LE(id, 2));
    let altered: Uint8Array;
    if (isBefore) altered = await alter();
    else {
      // What was kept of the sweep is gone, so that nothing can be restored.
      await sweep(0);
      await dropKept(store, WHOLE);
      altered = await damage(store, 0, key, (sealed) => void sealed.fill(9, 30, 31));
    }
    const why = { contract: hex(contractOf(0).id), key: hex(text(key)) };
    const first = await sweep(0);
    if (first.failed === 0) {
      const other = await leasedContext(store, generations, 2);
      expect(await verdictOf(other, first, identity(1))).toMatchObject({ verdict: "damaged", why });
    }
    const attempt = first.failed === 0 ? 1 : 0;
    expect(await sweep(attempt)).toMatchObject({ failed: 1, failures: [why] });
    const receipt = await sweep(attempt, true);
    expect(receipt).toMatchObject({ failed: 0, quarantined: 1 });
    const verdict = await verdictOf(await leasedContext(store, generations, 2), receipt, identity(1), {
      ...WHOLE,
      attempt,
    });
    expect(verdict.verdict).toMatch(/^(sound|overwritten)$/);
    expect(await listQuarantined(store, null, 9)).toMatchObject([{ key: text(key), sealed: altered }]);
    await dropKept(store, WHOLE);
    expect(await settleCounts(store, 1)).toBe(true);
    const found = await readAll(store, generations);
    expect(found.size).toBe(299);
    expect([...(await store.countByRotationId()).keys()]).toEqual([1]);
  });
});

describe("counts", () => {
  it("are left as they are while there is a record under another rotation id, or may come one", async () => {
    const generations = new Generations();
    const store = await switched(generations, 1, 20);
    const before = await store.countByRotationId();
    expect(await settleCounts(store, 1)).toBe(false);
    await store.commit({ groups: [], sealedUnder: null, minimumRotationId: 1 });
    expect(await settleCounts(store, 1)).toBe(false);
    expect(await store.countByRotationId()).toEqual(before);
  });

  it("are put right once, by however many at once", async () => {
    const generations = new Generations();
    const store = await switched(generations, 2, 20);
    await sweepLeased(await leasedContext(store, generations, 1), WHOLE);
    const [page] = (await store.scan(EVERYTHING, null, 1)) as [Page];
    const { contract, lowerBound, version: expected, body } = page;
    await store.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [[0, 5], [1, -5]] }]], sealedUnder: null }); // prettier-ignore
    const settled = await Promise.all([1, 2, 3].map(() => settleCounts(store, 1)));
    expect(settled).toContain(true);
    expect(await store.countByRotationId()).toEqual(new Map([[1, 40]]));
  });
});

describe("a page of a store that is copied to another one, whose body", () => {
  it.each(Object.keys(DAMAGES))("%s is put aside in the other one, with what that had of it", async (damage) => {
    const generations = new Generations();
    const path = freshPath();
    const both = await mirrored(generations, 2, 300, await openStore({ path, create: true }));
    const context = await copyContext(both, 1);
    const pages = await both.source.scan(EVERYTHING, null, 1e9);
    const page = pages[1]!;
    const expected = await without(both.source, generations, [page]);
    const before = await readAll(both.source, generations);
    // Some of it had been copied, by a writer.
    const key = Buffer.from(page.lowerBound).toString();
    using states = sourceStates(both);
    const owner = Buffer.compare(page.contract, contractOf(0).id) === 0 ? 0 : 1;
    await put(states, owner, { [key]: "carried over" });
    const body = changed((await both.source.find(page.contract, page.lowerBound))!.body, DAMAGES[damage]!);
    overwrite(path, page, body);
    const names = [{ contract: hex(page.contract), key: hex(page.lowerBound) }];
    expect(await copyLeased(context, WHOLE)).toMatchObject({ receipt: { failed: 1, failures: names } });
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged", why: names[0] });
    expect(await copyLeased(context, WHOLE, { quarantine: true })).toMatchObject({
      receipt: { failed: 0, quarantined: 1 },
    });
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "sound" });
    expect(plain(await readAll(both.target, generations))).toEqual(expected);
    expect(await both.target.countByRotationId()).toEqual(new Map([[1, expected.size]]));
    const listed = await listQuarantined(both.target, null, 9);
    expect(listed.filter(isPage).map((each) => hex(each.body))).toEqual([hex(body)]);
    expect(listed.filter((each) => !isPage(each))).toMatchObject([{ key: text(key), sealedUnder: 1 }]);
    const now = (await both.target.find(page.contract, page.lowerBound))!;
    expect(highestWriteVersion(now)).toBeGreaterThan(before.get(nameOf(owner, key))!.writeVersion);
    // What is not where it was put aside was taken, and the page is one that nobody has read.
    const cell = (await both.target.cell(listed.find(isPage)!.name))!;
    const gone = { name: cell.name, expected: cell.version, value: null };
    await both.target.commit({ groups: [], sealedUnder: null, cells: [gone] });
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged", why: names[0] });
    // It is written again once the other store serves.
    await switchStores(both.source, both.target, { ...MIGRATION, now: 30 });
    using after = statesOf(both.target, generations);
    await put(after, owner, { [key]: "anew" });
    expect(plain(await readAll(both.target, generations))).toEqual(expected.set(nameOf(owner, key), "anew"));
    await both.source.close();
  });
});

it("a page that says that it gave write versions which nobody believes is copied, and the copy can be written", async () => {
  const generations = new Generations();
  const both = await mirrored(generations, 1, 300);
  const [, page] = (await both.source.scan(EVERYTHING, null, 1e9)) as [Page, Page];
  const body = changed(page.body, (bytes) => void bytes.writeBigUInt64LE(2n ** 63n + 5n, 8));
  const { contract, lowerBound, version: expected } = page;
  await both.source.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [] }]], sealedUnder: null });
  await copyToEnd(await copyContext(both, 1));
  expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "sound", records: 300 });
  await switchStores(both.source, both.target, { ...MIGRATION, now: 30 });
  using states = statesOf(both.target, generations);
  const key = Buffer.from(lowerBound).toString();
  const before = (await readAll(both.target, generations)).get(nameOf(0, key))!;
  await put(states, 0, { [key]: "anew" });
  const after = (await readAll(both.target, generations)).get(nameOf(0, key))!;
  expect(after.value).toBe("anew");
  expect(after.writeVersion).toBeGreaterThan(before.writeVersion);
});

describe("any bytes in the place of a page's", () => {
  /** Where and what; or all of the body. */
  const change = fc.oneof(
    { weight: 3, arbitrary: fc.record({ at: fc.nat(15_999), bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }) }) },
    { weight: 2, arbitrary: fc.record({ header: fc.nat(40), bytes: fc.uint8Array({ minLength: 1, maxLength: 6 }) }) },
    { weight: 1, arbitrary: fc.record({ cut: fc.nat(15_999) }) },
    { weight: 1, arbitrary: fc.record({ all: fc.uint8Array({ maxLength: 300 }) }) },
  );
  type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

  function apply(body: Uint8Array, what: Change): Uint8Array {
    if ("all" in what) return what.all;
    if ("cut" in what) return body.slice(0, what.cut % body.length);
    const at = "header" in what ? what.header : what.at;
    const bytes = body.slice();
    what.bytes.forEach((byte, index) => {
      bytes[(at + index) % bytes.length] = byte;
    });
    return bytes;
  }

  it("never stop a rotation without being named, and nothing of another page is lost", async () => {
    const generations = new Generations();
    const ends = { sound: 0, aside: 0, named: 0 };
    // Files of one that is to be swept, and of one that was.
    const files = [freshPath(), freshPath()] as const;
    const store = await switched(generations, 1, 400, await openStore({ path: files[0], create: true }));
    await store.close();
    copyFileSync(files[0], files[1]);
    const other = await openStore({ path: files[1] });
    const first = await sweepLeased(await leasedContext(other, generations, 1), WHOLE);
    await other.close();
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), async (changes, isSwept) => {
        const path = freshPath();
        copyFileSync(files[isSwept ? 1 : 0], path);
        const store = await openStore({ path });
        let receipt = isSwept ? first : null;
        // Of what is swept, the pages that took the others' place.
        const pages = await store.scan(EVERYTHING, null, 1e9);
        const damaged = pages.slice(0, changes.length);
        const expected = await without(store, generations, damaged);
        const database = new DatabaseSync(path);
        changes.forEach((what, index) => {
          const { contract, lowerBound, version, body } = pages[index]!;
          database
            .prepare("UPDATE page SET body = ? WHERE contract = ? AND lower_bound = ? AND version = ?")
            .run(apply(body, what), contract, lowerBound, version);
        });
        database.close();
        let quarantine = false;
        let attempt = 0;
        for (let round = 0; ; round++) {
          expect(round).toBeLessThan(8);
          const partition = { ...WHOLE, attempt };
          const sweeper = await leasedContext(store, generations, 1);
          receipt = receipt !== null && round === 0 ? receipt : await sweepLeased(sweeper, partition, { quarantine });
          if (receipt.end !== "done") throw new Error(receipt.end);
          const { failed, failures, quarantined } = receipt.receipt;
          if (failed > 0) {
            expect(failures.length).toBeGreaterThan(0);
            expect(quarantine).toBe(false);
            ends.named++;
            quarantine = true;
            continue;
          }
          const verdict = await verdictOf(
            await leasedContext(store, generations, 2),
            receipt.receipt,
            identity(1),
            partition,
          );
          if (verdict.verdict === "sound" || verdict.verdict === "overwritten") {
            ends.sound++;
            if (quarantined > 0) ends.aside++;
            break;
          }
          expect(verdict.why).not.toBeNull();
          attempt++;
        }
        const found = plain(await readAll(store, generations));
        for (const [name, value] of expected) expect([name, found.get(name)]).toEqual([name, value]);
        expect([...found.values()].every((value) => value !== null)).toBe(true);
        await dropKept(store, WHOLE);
        expect(await settleCounts(store, 1)).toBe(true);
        expect([...(await store.countByRotationId()).keys()].every((id) => id === 1)).toBe(true);
        await store.close();
      }),
      { numRuns: 80 },
    );
    expect(ends.aside).toBeGreaterThan(10);
    expect(ends.sound).toBe(80);
    expect(ends.named).toBeGreaterThan(10);
  });

  it("never stop a copy to another store without being named, and nothing of another page is lost", async () => {
    const generations = new Generations();
    const file = freshPath();
    const first = await openStore({ path: file, create: true });
    await mirrored(generations, 1, 400, first);
    await first.close();
    let aside = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), fc.boolean(), async (changes, isCopied) => {
        const path = freshPath();
        copyFileSync(file, path);
        const source = await openStore({ path });
        const target = new MemoryStore();
        await target.commit({ groups: [], sealedUnder: null, minimumRotationId: 1 });
        await beginMirror(new MemoryStore(), target, MIGRATION);
        const both = { generations, source, target };
        if (isCopied) await copyToEnd(await copyContext(both, 1));
        const pages = await source.scan(EVERYTHING, null, 1e9);
        const damaged = pages.slice(0, changes.length);
        const expected = await without(source, generations, damaged);
        for (const [index, what] of changes.entries()) overwrite(path, pages[index]!, apply(pages[index]!.body, what));
        let quarantine = false;
        for (let attempt = 0; ; attempt++) {
          expect(attempt).toBeLessThan(8);
          const copied = await copyLeased(await copyContext(both, 1), { ...WHOLE, attempt }, { quarantine });
          if (copied.end !== "done") throw new Error(copied.end);
          if (copied.receipt.failed > 0) {
            expect(quarantine).toBe(false);
            expect(copied.receipt.failures.length).toBeGreaterThan(0);
            quarantine = true;
            continue;
          }
          const verdict = await copyVerdict(await copyContext(both, 2));
          if (verdict.verdict === "sound") break;
          expect(verdict.why).not.toBeNull();
        }
        const found = plain(await readAll(target, generations));
        for (const [name, value] of expected) expect([name, found.get(name)]).toEqual([name, value]);
        expect(await settleCounts(target, 1)).toBe(true);
        if (quarantine) aside++;
        await source.close();
      }),
      { numRuns: 50 },
    );
    expect(aside).toBeGreaterThan(10);
  });
});
