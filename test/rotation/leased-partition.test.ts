import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { removeCheckpoints } from "../../src/rotation/checkpoint.ts";
import { sweepLeased } from "../../src/rotation/leased-partition.ts";
import { partitionBoundsFor } from "../../src/rotation/partition-bounds.ts";
import { dropKept, verifyLeased } from "../../src/rotation/verify-leased.ts";
import { comparePlaces } from "../../src/store/page.ts";
import type { Commit, KeptStatement, StateStore } from "../../src/store/store.ts";
import { identity, leasedContext, sweepToEnd, switched, verdictOf, WHOLE } from "./leased.ts";
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
  values,
} from "./sealed-store.ts";

const EVERYTHING = { from: null, to: null };

async function statements(store: StateStore): Promise<KeptStatement[]> {
  return store.keptStatements(EVERYTHING, null, 1_000_000);
}

describe("a leased partition", () => {
  it("is swept with every replaced page kept aside, and found to be sound by another pRuntime", async () => {
    const generations = new Generations();
    const store = await switched(generations, 3, 300);
    const before = await readAll(store, generations);
    const pages = await store.scan(EVERYTHING, null, 1e9);
    const receipt = await sweepToEnd(await leasedContext(store, generations, 1));
    const after = await readAll(store, generations);
    expect(plain(after)).toEqual(plain(before));
    for (const [name, record] of after) {
      expect([record.rotationId, record.writeVersion]).toEqual([1, before.get(name)!.writeVersion]);
    }
    expect(await store.countByRotationId()).toEqual(new Map([[1, 900]]));
    expect(await store.minimumRotationId()).toBe(1);
    const kept = await store.kept(EVERYTHING, null, 1e9);
    expect(kept.map(({ body }) => Buffer.from(body))).toEqual(pages.map(({ body }) => Buffer.from(body)));
    const sum = createHash("sha256").update("gatekeeper/v1 partition digest");
    for (const { by, statement } of kept) {
      expect(by).toEqual(identity(1));
      sum.update(statement);
    }
    const bytes = [...before.values()].reduce((all, { sealed }) => all + sealed.length - 42, 0);
    expect(receipt).toEqual({
      pages: pages.length,
      records: 900,
      bytes,
      failed: 0,
      failures: [],
      quarantined: 0,
      digest: Uint8Array.from(sum.digest()),
    });
    const other = await leasedContext(store, generations, 2);
    for (let times = 0; times < 2; times++) {
      expect(await verdictOf(other, receipt, identity(1))).toEqual({
        end: "verdict",
        verdict: "sound",
        records: 900,
        why: null,
      });
    }
    // Asked again, it gives the same receipt, and does nothing.
    expect(await sweepToEnd(await leasedContext(store, generations, 1))).toEqual(receipt);
    await dropKept(store, WHOLE);
    expect(await store.keptCount()).toBe(0);
    await removeCheckpoints(store);
    expect(await store.cells("rotation/", null, 10)).toEqual([]);
  });
});
