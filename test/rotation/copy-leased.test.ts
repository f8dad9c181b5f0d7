import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { PageEngine } from "../../src/engine/page-engine.ts";
import { PartitionKeys } from "../../src/rotation/partition-keys.ts";
import { copyLeased } from "../../src/rotation/copy-leased.ts";
import { partitionBoundsFor } from "../../src/rotation/partition-bounds.ts";
import { asideCells, listQuarantined } from "../../src/store/quarantine.ts";
import { verifyCopied, type VerifyCopiedProgress } from "../../src/rotation/verify-copied.ts";
import { endMirror, switchStores } from "../../src/store/service.ts";
import type { Commit, StateStore } from "../../src/store/store.ts";
import { sharedKeys, WHOLE } from "./leased.ts";
import {
  copyContext,
  copyToEnd,
  copyVerdict,
  expectMirrored,
  MIGRATION,
  type Mirrored,
  mirrored,
  removeRecord,
  sourceStates,
  writeSource,
} from "./mirrored.ts";
import { contractOf, damage, Generations, hooked, nameOf, plain, put, readAll, text } from "./sealed-store.ts";

const generations = new Generations();
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const key = (number: number): string => `key ${String(number).padStart(5, "0")}`;
const named = (number: number, contract = 0) => ({
  contract: hex(contractOf(contract).id),
  key: hex(text(key(number))),
});

describe("a copied partition", () => {
  it.each(["aes-256-gcm", "chacha20-poly1305"] as const)(
    "is under the new generation in %s, and found to be sound",
    async (suite) => {
      const both = await mirrored(generations, 3, 300);
      const before = await both.source.scan({ from: null, to: null }, null, 1e9);
      const commits: Commit[] = [];
      const watched = hooked(both.target, {
        before: (method, args) => {
          if (method === "commit") commits.push(args[0] as Commit);
        },
      });
      const receipt = await copyToEnd(await copyContext({ ...both, target: watched }, 1, [0, 1, 2], suite));
      await expectMirrored(both);
      const found = await readAll(both.target, generations);
      expect([...found.values()].every(({ sealed }) => sealed[1] === (suite === "aes-256-gcm" ? 1 : 2))).toBe(true);
      // The source is as it was.
      expect(await both.source.scan({ from: null, to: null }, null, 1e9)).toEqual(before);
      const writes = commits.flatMap(({ groups }) => groups.flat());
      let digest = new Uint8Array(32);
      for (const { groups } of commits) {
        if (groups.length === 0) continue;
        const sum = createHash("sha256").update("gatekeeper/v1 digest of a copy").update(digest);
        for (const { contract, lowerBound, body } of groups.flat()) {
          sum
            .update(contract)
            .update(Uint8Array.of(lowerBound.length & 0xff, lowerBound.length >> 8))
            .update(lowerBound);
          sum.update(createHash("sha256").update(body).digest());
        }
        digest = Uint8Array.from(sum.digest());
      }
      const bytes = [...found.values()].reduce((all, { sealed }) => all + sealed.length - 42, 0);
      const counts = { pages: writes.length, records: 900, bytes, failed: 0, failures: [], quarantined: 0 };
      expect(receipt).toEqual({ ...counts, digest });
      const other = await copyContext(both, 2, [0, 1, 2], suite);
      const sound = { end: "verdict", verdict: "sound", records: 900, why: null };
      expect(await copyVerdict(other)).toEqual(sound);
      expect(await copyVerdict(other)).toEqual(sound);
      for (const number of [0, 1, 2])
        expect(await both.target.contract(contractOf(number).id)).toMatchObject({ kind: 1 });
      // Asked again, it gives the same receipt, and does nothing.
      commits.length = 0;
      expect(await copyToEnd(await copyContext({ ...both, target: watched }, 1, [0, 1, 2], suite))).toEqual(receipt);
      expect(commits.flatMap(({ groups }) => groups)).toEqual([]);
    },
  );

  it("is cut in the mirror where it begins and ends, so that all partitions can be copied at once", async () => {
    const both = await mirrored(generations, 2, 800);
    const bounds = await partitionBoundsFor(both.source, 7);
    expect(bounds.some(({ lowerBound }) => lowerBound.length > 0)).toBe(true);
    const ends = [null, ...bounds, null];
    const partitions = ends.slice(0, -1).map((from, index) => ({ index, from, to: ends[index + 1]!, attempt: 0 }));
    let conflicts = 0;
    const watched = new Proxy(both.target, {
      get: (target, name) =>
        name === "commit"
          ? async (commit: Commit) => {
              const result = await target.commit(commit);
              conflicts += commit.cells === undefined ? 0 : result.conflicts.length;
              return result;
            }
          : (Reflect.get(target, name) as StateStore["commit"]).bind(target),
    });
    const receipts = await Promise.all(
      partitions.map(async (partition) => copyToEnd(await copyContext({ ...both, target: watched }, 1), partition)),
    );
    expect(receipts.reduce((sum, { records }) => sum + records, 0)).toBe(1_600);
    expect(conflicts).toBe(0);
    await expectMirrored(both);
    let records = 0;
    for (const partition of partitions) {
      const verdict = await copyVerdict(await copyContext(both, 2), partition);
      expect(verdict).toMatchObject({ verdict: "sound" });
      records += verdict.records;
    }
    expect(records).toBe(1_600);
  });

  it("stays sound when a page of the source is written that the mirror has as several", async () => {
    const both = await mirrored(generations, 1, 20);
    const bound = { contract: contractOf(0).id, lowerBound: text(key(10)) };
    const partitions = [
      { ...WHOLE, to: bound },
      { ...WHOLE, index: 1, from: bound },
    ];
    for (const partition of partitions) await copyToEnd(await copyContext(both, 1), partition);
    using states = sourceStates(both);
    for (const value of ["one", "two", null]) await put(states, 0, { [key(15)]: value });
    for (const partition of partitions) {
      expect(await copyVerdict(await copyContext(both, 2), partition)).toMatchObject({ verdict: "sound" });
    }
    await expectMirrored(both);
  });

  it("is left where keys are missing, which are named, and gone on with when they have come", async () => {
    const both = await mirrored(generations, 6, 40);
    const numbers = [0, 1, 2, 3, 4, 5].sort((a, b) => Buffer.compare(contractOf(a).id, contractOf(b).id));
    const ids = numbers.map((number) => contractOf(number).id);
    const first = await copyContext(both, 1, [numbers[0]!, numbers[1]!, numbers[3]!]);
    expect(await copyLeased(first, WHOLE)).toEqual({ end: "missing", missingKeys: [ids[2], ids[4], ids[5]] });
    expect(await both.target.countByRotationId()).toEqual(new Map([[1, 80]]));
    expect(await copyLeased(await copyContext(both, 1, []), WHOLE)).toMatchObject({ end: "missing" });
    expect(await copyToEnd(await copyContext(both, 1, numbers.slice(2)))).toMatchObject({ records: 240 });
    let at: VerifyCopiedProgress | null = null;
    for (const known of [[], [0], [0, 1], [2], [3, 4], [5]]) {
      const context = await copyContext(
        both,
        2,
        known.map((index) => numbers[index]!),
      );
      const end = await verifyCopied(context, WHOLE, at);
      if (known[0] === 5) expect(end).toMatchObject({ verdict: "sound", records: 240 });
      else if (end.end === "missing") at = structuredClone(end.at);
      else throw new Error(end.end);
    }
  });

  it("needs no keys of contracts whose pages are empty, and carries over what they say of write versions", async () => {
    const both = await mirrored(generations, 1, 3);
    await writeSource(both.source, generations, 1, "a", "b");
    await writeSource(both.source, generations, 1, "a", null);
    expect(await copyToEnd(await copyContext(both, 1, [0]))).toMatchObject({ records: 3 });
    expect(await copyVerdict(await copyContext(both, 2, [0]))).toMatchObject({ verdict: "sound", records: 3 });
    await expectMirrored(both);
  });

  it("passes on with its lease: the next holder goes on, and the first one's next commit is refused", async () => {
    const both = await large();
    let commits = 0;
    let taken: Awaited<ReturnType<typeof copyToEnd>> | null = null;
    const slow = hooked(both.target, {
      before: async (method, args) => {
        if (method !== "commit" || (args[0] as Commit).groups.length === 0 || commits++ !== 1) return;
        taken = await copyToEnd({ ...(await copyContext(both, 2)), engine: new PageEngine() });
      },
    });
    const first = await copyContext({ ...both, target: slow }, 1);
    expect(await copyLeased(first, WHOLE)).toEqual({ end: "lost" });
    await expectMirrored(both);
    expect(taken!.records).toBeLessThan(500);
    const again = await copyToEnd(await copyContext(both, 1));
    expect(again.records).toBeGreaterThan(0);
    expect(again.digest).not.toEqual(taken!.digest);
    expect(await copyVerdict(await copyContext(both, 3))).toMatchObject({ verdict: "sound", records: 500 });
  });

  it("is not worked on by who has missed a later attempt, nor where no store is mirrored by the other", async () => {
    const both = await mirrored(generations, 1, 10);
    const context = await copyContext(both, 1);
    await copyToEnd(context, { ...WHOLE, attempt: 2 });
    expect(await copyLeased(context, { ...WHOLE, attempt: 1 })).toEqual({ end: "lost" });
    for (const end of [switchStores, endMirror]) {
      const other = await mirrored(generations, 1, 10);
      // It ends between two commits of a copy.
      const ending = hooked(other.target, {
        before: async (method, args) => {
          if (method !== "commit" || (args[0] as Commit).groups.length === 0) return;
          await end(other.source, other.target, MIGRATION);
        },
      });
      const late = await copyContext({ ...other, target: ending }, 1);
      await expect(copyLeased(late, WHOLE)).rejects.toMatchObject({ code: "ROTATION_STATE" });
      expect((await readAll(other.target, generations)).size).toBe(0);
      const after = await copyContext(other, 1);
      await expect(copyLeased(after, WHOLE)).rejects.toMatchObject({ code: "ROTATION_STATE" });
      await expect(verifyCopied(after, WHOLE)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    }
  });

  it("stops when it is told to, and goes on there", async () => {
    const both = await large();
    let uses = 0;
    const context = await copyContext(both, 1);
    expect(await copyLeased({ ...context, stopped: () => uses++ > 1 }, WHOLE)).toEqual({ end: "stopped" });
    const part = (await readAll(both.target, generations)).size;
    expect(part).toBeGreaterThan(0);
    expect(part).toBeLessThan(500);
    expect(await copyToEnd(context)).toMatchObject({ records: 500 });
    const verifier = await copyContext(both, 2);
    let looks = 0;
    const paused = await verifyCopied({ ...verifier, stopped: () => looks++ > 1 }, WHOLE);
    if (paused.end !== "stopped") throw new Error(paused.end);
    expect(paused.at.records).toBeGreaterThan(0);
    expect(await verifyCopied(verifier, WHOLE, structuredClone(paused.at))).toMatchObject({
      verdict: "sound",
      records: 500,
    });
  });
});

describe("records that can't be opened", () => {
  const spoil = async (store: StateStore, number: number): Promise<Uint8Array> =>
    damage(store, 0, key(number), (sealed) => {
      sealed[35]! ^= 1;
    });

  it("are named and not copied, block the verification, and are put aside when governance says so", async () => {
    const both = await mirrored(generations, 1, 100);
    const first = await spoil(both.source, 5);
    const second = await spoil(both.source, 77);
    const context = await copyContext(both, 1);
    expect(await copyToEnd(context)).toMatchObject({
      records: 98,
      failed: 2,
      failures: [named(5), named(77)],
      quarantined: 0,
    });
    expect((await readAll(both.target, generations)).size).toBe(98);
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged", why: named(5) });
    // Its owner mends one: it is not carried over yet.
    await writeSource(both.source, generations, 0, key(5), "mended");
    const end = await copyLeased(context, WHOLE, { quarantine: true });
    expect(end).toMatchObject({ receipt: { failed: 0, failures: [], quarantined: 1 } });
    expect(await listQuarantined(both.target, null, 9)).toMatchObject([{ sealed: second }]);
    expect(first).not.toEqual(second);
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "sound", records: 99 });
    expect(plain(await readAll(both.target, generations)).get(nameOf(0, key(5)))).toBe("mended");
  });

  it("are not to be put aside where they open", async () => {
    const both = await mirrored(generations, 1, 20);
    const context = await copyContext(both, 1);
    await copyToEnd(context);
    const records = await readAll(both.source, generations);
    const sealed = records.get(nameOf(0, key(7)))!.sealed;
    const cells = await asideCells(both.target, contractOf(0).id, [{ key: text(key(7)), sealed }], 1);
    await both.target.commit({ groups: [], sealedUnder: null, cells });
    await removeRecord(both.target, 0, key(7));
    expect(await copyVerdict(await copyContext(both, 2))).toMatchObject({ verdict: "damaged", why: named(7) });
  });

  it("that a page which makes no sense has, are named by the page, and what the mirror has of them stays", async () => {
    const both = await mirrored(generations, 1, 300);
    await copyToEnd(await copyContext(both, 1));
    const pages = await both.source.scan({ from: null, to: null }, null, 1e9);
    const page = pages[1]!;
    const body = page.body.slice();
    body[0] = 9;
    const { contract, lowerBound, version: expected } = page;
    await both.source.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [] }]], sealedUnder: null });
    const partition = { ...WHOLE, attempt: 1 };
    const receipt = await copyToEnd(await copyContext(both, 2), partition);
    const why = { contract: hex(contract), key: hex(lowerBound) };
    expect(receipt).toMatchObject({ failed: 1, failures: [why] });
    expect((await readAll(both.target, generations)).size).toBe(300);
    expect(await copyVerdict(await copyContext(both, 1), partition)).toMatchObject({ verdict: "damaged", why });
  });
});

/** Some megabytes, which are copied and verified in several stretches. */
async function large(): Promise<Mirrored> {
  const both = await mirrored(generations, 0, 0);
  for (let number = 0; number < 500; number++) {
    await writeSource(both.source, generations, 0, key(number), `${number} ${"x".repeat(15_000)}`);
  }
  return both;
}

it("keys that were wiped are used for nothing", async () => {
  const both = await mirrored(generations, 1, 10);
  const shared = await sharedKeys(generations, [0]);
  new Uint8Array(shared.entries).fill(0, 32);
  const context = { ...(await copyContext(both, 1)), keys: new PartitionKeys(shared) };
  expect(await copyLeased(context, WHOLE)).toMatchObject({ end: "missing" });
});
