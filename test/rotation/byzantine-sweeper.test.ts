/**
 * Sweepers that do something else than they should, and hosts that alter the store behind an honest one: each is found,
 * only who must have done it is blamed, and an honest sweep after that brings back what can be brought back.
 */
import { describe, expect, it } from "vitest";
import { removeCheckpoints } from "../../src/rotation/checkpoint.ts";
import { sweepLeased } from "../../src/rotation/leased-partition.ts";
import { asideCells } from "../../src/store/quarantine.ts";
import type { Verdict } from "../../src/rotation/verify-leased.ts";
import { dropKept } from "../../src/rotation/verify-leased.ts";
import type { Commit, CommitResult, Page, PageWrite, StateStore } from "../../src/store/store.ts";
import { identity, leasedContext, sweepToEnd, switchOver, switched, verdictOf, WHOLE } from "./leased.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { type TestRecord, parse, rebuild, statementOf } from "./page-records.ts";
import {
  contractOf,
  Generations,
  hooked,
  nameOf,
  plain,
  put,
  readAll,
  recount,
  seal,
  statesOf,
  text,
  values,
} from "./sealed-store.ts";

const VICTIM = "key 00077";

/** A store as a sweeper uses it that alters what it writes. */
function altering(store: StateStore, alter: (write: PageWrite) => Promise<PageWrite>): StateStore {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name, target);
      if (typeof method !== "function") return method;
      return async (...args: unknown[]): Promise<unknown> => {
        if (name !== "commit") return Reflect.apply(method, target, args);
        const [commit] = args as [Commit];
        const groups = await Promise.all(commit.groups.map((group) => Promise.all(group.map(alter))));
        return target.commit({ ...commit, groups }) as Promise<CommitResult>;
      };
    },
  });
}

/** One record of a page that is about to be written, or null to drop it. */
type Change = (record: TestRecord, old: Uint8Array) => TestRecord | null;

/** Alters the victim's record on its way into the store; with an honest statement of what is written then. */
function changing(store: StateStore, change: Change, states = true): StateStore {
  return altering(store, async (write) => {
    const records = parse(write.body);
    const victim = records.find(({ key }) => Buffer.from(key).toString() === VICTIM);
    if (victim === undefined || write.keep === undefined || write.expected === null) return write;
    const page = (await store.find(write.contract, write.lowerBound))!;
    const old = parse(page.body).find(({ key }) => Buffer.compare(key, victim.key) === 0)!;
    const changed = records.flatMap((record) => (record === victim ? (change(record, old.sealed) ?? []) : record));
    const body = rebuild(write.body, changed);
    const under = (all: readonly TestRecord[], id: number): number =>
      all.filter(({ sealed }) => Buffer.from(sealed).readUInt32LE(2) === id).length;
    const counts = [0, 1].map((id) => [id, under(changed, id) - under(parse(page.body), id)] as const);
    const statement = states ? statementOf(write.contract, page.body, body) : write.keep.statement;
    return { ...write, body, counts, keep: { ...write.keep, statement } };
  });
}

interface Network {
  readonly generations: Generations;
  readonly store: StateStore;
  readonly values: Map<string, string | null>;
}

async function network(): Promise<Network> {
  const generations = new Generations();
  const store = await switched(generations, 1, 300);
  return { generations, store, values: plain(await readAll(store, generations)) };
}

/** What pRuntime 2 says of the sweep that pRuntime 1 did through another store. */
async function sweptThrough(
  { generations, store }: Network,
  through: StateStore,
  afterwards: () => Promise<void> = async () => undefined,
): Promise<Verdict> {
  const receipt = await sweepToEnd(await leasedContext(through, generations, 1));
  await afterwards();
  return verdictOf(await leasedContext(store, generations, 2), receipt, identity(1));
}

/** Another pRuntime does it again, and all is as it was before anybody swept. */
async function expectMended({ generations, store, values: before }: Network, attempt = 1, sweeper = 3): Promise<void> {
  const partition = { ...WHOLE, attempt };
  const receipt = await sweepToEnd(await leasedContext(store, generations, sweeper), partition);
  const verdict = await verdictOf(await leasedContext(store, generations, 2), receipt, identity(sweeper), partition);
  expect(verdict).toMatchObject({ verdict: "sound", why: null });
  const after = await readAll(store, generations);
  expect(plain(after)).toEqual(before);
  expect(recount(after)).toEqual(new Map([[1, before.size]]));
  expect(await store.countByRotationId()).toEqual(recount(after));
  await dropKept(store, partition);
  expect(await store.keptCount()).toBe(0);
}

/** The cell that a sweep would begin with, which is not there yet. */
async function checkpointOf({ store, generations }: Network): Promise<{ name: string; expected: number | null }[]> {
  const context = { ...(await leasedContext(store, generations, 1)), stopped: () => true };
  await sweepLeased(context, WHOLE);
  return (await store.cells("rotation/", null, 9)).map(({ name, version }) => ({ name, expected: version }));
}

const VICTIM_NAME = {
  contract: `0x${Buffer.from(contractOf(0).id).toString("hex")}`,
  key: `0x${Buffer.from(VICTIM).toString("hex")}`,
};
const PAGE_NAME = { contract: VICTIM_NAME.contract, key: expect.stringMatching(/^0x/) };

/** The sealed state that holds another text under a tag that opens. */
function forged(generations: Generations, key: Uint8Array, sealed: Uint8Array, raise = 0n, rotationId = 1): Uint8Array {
  const version = Buffer.from(sealed).readBigUInt64LE(6) + raise;
  return seal(generations, rotationId, contractOf(0).id, key, version, "x".repeat(sealed.length - 42));
}

describe("a sweeper that", () => {
  it("re-encrypts another text, and states it, is to blame", async () => {
    const net = await network();
    const through = changing(net.store, ({ key, sealed }) => ({ key, sealed: forged(net.generations, key, sealed) }));
    expect(await sweptThrough(net, through)).toMatchObject({ verdict: "faulty", why: VICTIM_NAME });
    await expectMended(net);
  });

  it.each<[string, (net: Network) => Change]>([
    ["drops a record", () => () => null],
    [
      "flips a bit",
      () =>
        ({ key, sealed }) => {
          const flipped = sealed.slice();
          flipped[40]! ^= 1;
          return { key, sealed: flipped };
        },
    ],
    [
      "leaves a record as it was",
      () =>
        ({ key }, old) => ({ key, sealed: old }),
    ],
    [
      "raises a write version",
      (net) =>
        ({ key, sealed }) => ({ key, sealed: forged(net.generations, key, sealed, 1n) }),
    ],
    [
      "lowers a write version",
      (net) =>
        ({ key, sealed }) => ({ key, sealed: forged(net.generations, key, sealed, -1n) }),
    ],
    [
      "writes a shorter text",
      (net) =>
        ({ key, sealed }) => {
          const version = Buffer.from(sealed).readBigUInt64LE(6);
          return { key, sealed: seal(net.generations, 1, contractOf(0).id, key, version, "") };
        },
    ],
  ])("%s is found, with a statement of it and without", async (what, change) => {
    for (const states of [true, false]) {
      const net = await network();
      const verdict = await sweptThrough(net, changing(net.store, change(net), states));
      // A shorter text is another text, of which the tags are stated or not.
      const blamed = what === "writes a shorter text" && states;
      expect(verdict).toMatchObject({ verdict: blamed ? "faulty" : "damaged", why: VICTIM_NAME });
      await expectMended(net);
    }
  });

  it("puts a record aside that opens is found", async () => {
    const net = await network();
    let old: Uint8Array | undefined;
    const through = changing(net.store, (_, sealed) => {
      old = sealed;
      return null;
    });
    const putAside = async (): Promise<void> => {
      const { id } = contractOf(0);
      const cells = await asideCells(net.store, id, [{ key: text(VICTIM), sealed: old! }], 1);
      await net.store.commit({ groups: [], sealedUnder: null, cells });
    };
    expect(await sweptThrough(net, through, putAside)).toMatchObject({ verdict: "damaged", why: VICTIM_NAME });
    await expectMended(net);
  });

  it("drops a kept page while it is verified is found", async () => {
    const net = await network();
    const receipt = await sweepToEnd(await leasedContext(net.store, net.generations, 1));
    const dropping = hooked(net.store, {
      after: async (method) => {
        if (method !== "keptStatements") return;
        const [drop] = await net.store.keptStatements({ from: null, to: null }, null, 1);
        await net.store.commit({ groups: [], sealedUnder: null, drop: [drop!] });
      },
    });
    const other = await leasedContext(dropping, net.generations, 2);
    expect(await verdictOf(other, receipt, identity(1))).toMatchObject({ verdict: "damaged", why: null });
    await expectMended(net);
  });

  it("puts an old state back is found", async () => {
    const generations = new Generations();
    const store = new MemoryStore();
    await initialiseStore(store);
    using states = statesOf(store, generations);
    await put(states, 0, values(300, "first"));
    const old = [...(await readAll(store, generations)).entries()].find(([name]) => name.endsWith(VICTIM))![1];
    await put(states, 0, { [VICTIM]: "second" });
    await switchOver(store, generations);
    const net = { generations, store, values: plain(await readAll(store, generations)) };
    const sealed = seal(generations, 1, contractOf(0).id, text(VICTIM), old.writeVersion, old.value!);
    const verdict = await sweptThrough(
      net,
      changing(store, ({ key }) => ({ key, sealed })),
    );
    expect(verdict).toMatchObject({ verdict: "damaged", why: VICTIM_NAME });
    await expectMended(net);
  });

  it("adds a record to a page is found, and the record goes", async () => {
    const net = await network();
    const key = text(`${VICTIM}x`);
    const through = altering(net.store, async (write) => {
      const records = parse(write.body);
      const at = records.findIndex((record) => Buffer.from(record.key).toString() === VICTIM);
      if (at < 0 || write.keep === undefined) return write;
      const sealed = seal(net.generations, 1, write.contract, key, 1n, "made up");
      const body = rebuild(write.body, records.toSpliced(at + 1, 0, { key, sealed }));
      return { ...write, body, counts: [...write.counts, [1, 1]] };
    });
    const why = { contract: VICTIM_NAME.contract, key: `0x${Buffer.from(key).toString("hex")}` };
    expect(await sweptThrough(net, through)).toMatchObject({ verdict: "damaged", why });
    await expectMended(net);
  });

  it("re-encrypts another text is to blame, also where its page was split into many since", async () => {
    for (const change of ["another text", "dropped"]) {
      const net = await network();
      const through = changing(net.store, ({ key, sealed }) =>
        change === "dropped" ? null : { key, sealed: forged(net.generations, key, sealed) },
      );
      const receipt = await sweepToEnd(await leasedContext(through, net.generations, 1));
      using states = statesOf(net.store, net.generations);
      const added = Array.from({ length: 40 }, (_, index): [string, string] => [
        `key 00077 ${String(index).padStart(2, "0")}`,
        "y".repeat(9_000),
      ]);
      await put(states, 0, Object.fromEntries(added));
      const other = await leasedContext(net.store, net.generations, 2);
      const verdict = await verdictOf(other, receipt, identity(1));
      // Since somebody wrote, the record that is gone may have been deleted.
      if (change === "dropped") expect(verdict).toMatchObject({ verdict: "overwritten" });
      else expect(verdict).toMatchObject({ verdict: "faulty", why: VICTIM_NAME });
      if (change === "dropped") continue;
      for (const [key, value] of added) net.values.set(nameOf(0, key), value);
      await expectMended(net);
    }
  });

  it.each([
    ["is below where its page begins", "a"],
    ["is behind the next one", "zzz"],
  ])("gives a record another key is found, and stops nobody who verifies: it %s", async (_, other) => {
    for (const isFirst of [true, false]) {
      const net = await network();
      const [, second] = await net.store.scan({ from: null, to: null }, null, 1e9);
      const through = altering(net.store, async (write) => {
        const isIt = Buffer.compare(write.lowerBound, second!.lowerBound) === 0;
        if (!isIt || write.keep === undefined) return write;
        const records = parse(write.body);
        const at = isFirst ? 0 : 1;
        const key = text(other);
        const sealed = seal(net.generations, 1, write.contract, key, 1n, "made up");
        return { ...write, body: rebuild(write.body, records.with(at, { key, sealed })) };
      });
      const verdict = await sweptThrough(net, through);
      expect(verdict).toMatchObject({ verdict: "damaged", why: { contract: VICTIM_NAME.contract } });
      await expectMended(net);
    }
  });

  it("spoils the checkpoint of a partition stops nobody who comes after", async () => {
    for (const value of ["{}", "no JSON", '{"from":null}']) {
      const net = await network();
      const [name] = await checkpointOf(net);
      await net.store.commit({ groups: [], sealedUnder: null, cells: [{ ...name!, value: text(value) }] });
      await expectMended(net, 0);
    }
    // Nor does one of a partition that has other bounds.
    const net = await network();
    const bound = { contract: contractOf(0).id, lowerBound: text(VICTIM) };
    await sweepToEnd(await leasedContext(net.store, net.generations, 1), { ...WHOLE, to: bound });
    await expectMended(net, 0);
  });

  it("lies in a statement is found", async () => {
    const net = await network();
    const through = altering(net.store, async (write) =>
      write.keep === undefined ? write : { ...write, keep: { ...write.keep, statement: new Uint8Array(32).fill(7) } },
    );
    expect(await sweptThrough(net, through)).toMatchObject({ verdict: "damaged", why: PAGE_NAME });
    await expectMended(net);
  });

  it("lies in the digest, or in the number of pages, is found", async () => {
    const net = await network();
    const receipt = await sweepToEnd(await leasedContext(net.store, net.generations, 1));
    const other = await leasedContext(net.store, net.generations, 2);
    const digest = receipt.digest.slice();
    digest[31]! ^= 1;
    const damaged = { end: "verdict", verdict: "damaged", records: 0, why: null };
    expect(await verdictOf(other, { ...receipt, digest }, identity(1))).toEqual(damaged);
    expect(await verdictOf(other, { ...receipt, pages: receipt.pages + 1 }, identity(1))).toEqual(damaged);
    expect(await verdictOf(other, receipt, identity(3))).toEqual(damaged);
    expect(await verdictOf(other, receipt, identity(1))).toMatchObject({ verdict: "sound" });
  });

  it("replaces a page after its receipt is found, and not blamed: it may have been another", async () => {
    const net = await network();
    const replace = async (): Promise<void> => {
      const page = (await net.store.find(contractOf(0).id, text(VICTIM)))!;
      const records = parse(page.body).map(({ key, sealed }) =>
        Buffer.from(key).toString() === VICTIM
          ? { key, sealed: forged(net.generations, key, sealed) }
          : { key, sealed },
      );
      await write(net.store, page, rebuild(page.body, records));
    };
    expect(await sweptThrough(net, net.store, replace)).toMatchObject({ verdict: "damaged", why: VICTIM_NAME });
    await expectMended(net);
  });

  it("leaves out a page is found, and nobody is to blame", async () => {
    const net = await network();
    const through = altering(net.store, async (write) => {
      const page = (await net.store.find(write.contract, write.lowerBound))!;
      const hasVictim = parse(write.body).some(({ key }) => Buffer.from(key).toString() === VICTIM);
      return hasVictim && write.keep !== undefined ? { ...write, body: page.body, counts: [] } : write;
    });
    expect(await sweptThrough(net, through)).toMatchObject({ verdict: "damaged" });
    await expectMended(net);
  });
});

async function write(store: StateStore, page: Page, body: Uint8Array): Promise<void> {
  const { contract, lowerBound, version: expected } = page;
  await store.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [] }]], sealedUnder: null });
}

describe("what was done wrong", () => {
  it("is put right also where the checkpoint of who did it is lost", async () => {
    const net = await network();
    const through = changing(net.store, ({ key, sealed }) => ({ key, sealed: forged(net.generations, key, sealed) }));
    await sweptThrough(net, through);
    await removeCheckpoints(net.store);
    await expectMended(net);
  });

  it("is put right without what was deleted or written since", async () => {
    const net = await network();
    const through = changing(net.store, ({ key, sealed }) => ({ key, sealed: forged(net.generations, key, sealed) }));
    await sweptThrough(net, through);
    using states = statesOf(net.store, net.generations);
    await put(states, 0, { "key 00076": null, "key 00078": "written since" });
    net.values.delete(nameOf(0, "key 00076"));
    net.values.set(nameOf(0, "key 00078"), "written since");
    await expectMended(net);
  });

  it("is put right wherever who does it dies and another goes on, and while others write", async () => {
    for (let death = 0; ; death++) {
      let died = false;
      const net = await network();
      // Every third record holds another text, and every seventh is gone from a page that nobody writes.
      let number = 0;
      const through = altering(net.store, async (write) => {
        if (write.keep === undefined) return write;
        const isLast = parse(write.body).some(({ key }) => Buffer.from(key).toString() === "key 00299");
        const records = parse(write.body).flatMap(({ key, sealed }) => {
          number++;
          if (isLast && number % 7 === 0) return [];
          return { key, sealed: number % 3 === 0 ? forged(net.generations, key, sealed) : sealed };
        });
        const gone = parse(write.body).length - records.length;
        return { ...write, body: rebuild(write.body, records), counts: [...write.counts, [1, -gone]] };
      });
      expect(await sweptThrough(net, through)).toMatchObject({ verdict: "damaged" });
      using states = statesOf(net.store, net.generations);
      let commits = 0;
      let writes = 0;
      const dying = hooked(net.store, {
        before: async (method) => {
          if (method !== "commit") return;
          const [key, value] = [`key 00001 ${writes}`, `written ${writes++}`];
          if (writes < 4) {
            await put(states, 0, { [key]: value });
            net.values.set(nameOf(0, key), value);
          }
          if (commits++ !== death) return;
          died = true;
          throw new Error("killed");
        },
        after: (method) => {
          if (method !== "commit" || commits++ !== death) return;
          died = true;
          throw new Error("killed");
        },
      });
      const partition = { ...WHOLE, attempt: 1 };
      const first = await leasedContext(dying, net.generations, 3);
      await sweepToEnd(first, partition).catch((error: Error) => expect(error.message).toBe("killed"));
      await expectMended(net, 1, 4);
      if (died) continue;
      expect(death).toBeGreaterThan(12);
      return;
    }
  });
});

describe("a host that alters the store behind an honest sweeper", () => {
  it.each([
    ["a record that is there now", 40],
    ["its tag", -1],
    ["its nonce", 15],
    ["its write version", 6],
    ["its rotation id", 2],
    ["the format of its page", null],
  ])("does not bring it blame: %s", async (what, at) => {
    const net = await network();
    const receipt = await sweepToEnd(await leasedContext(net.store, net.generations, 1));
    const page = (await net.store.find(contractOf(0).id, text(VICTIM)))!;
    const victim = parse(page.body).find(({ key }) => Buffer.from(key).toString() === VICTIM)!;
    const body = Buffer.from(page.body);
    const begin = body.indexOf(Buffer.from(victim.sealed));
    body[at === null ? 0 : at < 0 ? begin + victim.sealed.length + at : begin + at]! ^= 1;
    // As a host does it that writes the file: the version stays.
    const store = seenAs(net.store, (other) => {
      const isAltered = Buffer.compare(other.lowerBound, page.lowerBound) === 0 && other.version === page.version;
      return isAltered ? { ...other, body: Uint8Array.from(body) } : other;
    });
    const verdict = await verdictOf(await leasedContext(store, net.generations, 2), receipt, identity(1));
    expect(verdict).toMatchObject({ verdict: "damaged", why: at === null ? PAGE_NAME : VICTIM_NAME });
    // The store counts records by this field: with it altered, counts and records contradict each other.
    if (what === "its rotation id") return;
    const partition = { ...WHOLE, attempt: 1 };
    const again = await sweepToEnd(await leasedContext(store, net.generations, 3), partition);
    expect(await verdictOf(await leasedContext(store, net.generations, 2), again, identity(3))).toMatchObject({
      verdict: "sound",
    });
    const after = await readAll(net.store, net.generations);
    expect(plain(after)).toEqual(net.values);
    expect(await net.store.countByRotationId()).toEqual(recount(after));
  });

  it("and says that a page is older than the one that it replaced is found", async () => {
    const net = await network();
    const receipt = await sweepToEnd(await leasedContext(net.store, net.generations, 1));
    const older = seenAs(net.store, (page) => ({ ...page, version: page.version - 1 }));
    const verdict = await verdictOf(await leasedContext(older, net.generations, 2), receipt, identity(1));
    expect(verdict).toMatchObject({ verdict: "damaged", why: PAGE_NAME });
  });

  it("and damages a kept page makes work, and destroys nothing", async () => {
    const net = await network();
    const receipt = await sweepToEnd(await leasedContext(net.store, net.generations, 1));
    const damaged = new Proxy(net.store, {
      get(target, name) {
        const method = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
        return async (...args: unknown[]): Promise<unknown> => {
          const result = await Reflect.apply(method, target, args);
          if (name === "kept") for (const { body } of result as Page[]) body[body.length - 1]! ^= 1;
          return result;
        };
      },
    });
    const other = await leasedContext(damaged, net.generations, 2);
    expect(await verdictOf(other, receipt, identity(1))).toMatchObject({ verdict: "damaged" });
    await sweepToEnd(await leasedContext(damaged, net.generations, 3), { ...WHOLE, attempt: 1 });
    await expectMended(net, 1, 3);
  });
});

/** A store whose pages are read as somebody altered them. */
function seenAs(store: StateStore, alter: (page: Page) => Page): StateStore {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name, target) as (...args: unknown[]) => Promise<unknown>;
      return async (...args: unknown[]): Promise<unknown> => {
        const result = await Reflect.apply(method, target, args);
        if (name === "scan") return (result as Page[]).map(alter);
        return name === "find" && result !== null ? alter(result as Page) : result;
      };
    },
  });
}
