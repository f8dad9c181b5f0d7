import { describe, expect, it } from "vitest";
import { isOpen, sweepClaimed } from "../../src/rotation/claim.ts";
import { initialiseStore, readPartitions, writePartition } from "../../src/rotation/control.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { beginRotation, finishInThread } from "./drive.ts";
import { Generations, hooked, plain, put, readAll, statesOf, sweepContext, values } from "./sealed-store.ts";

async function rotating(): Promise<{ store: MemoryStore; generations: Generations; partitions: number }> {
  const store = new MemoryStore();
  const generations = new Generations();
  await initialiseStore(store);
  using states = statesOf(store, generations);
  for (let contract = 0; contract < 4; contract++) await put(states, contract, values(250, `value of ${contract}`));
  await beginRotation(store, generations, 1);
  return { store, generations, partitions: (await readPartitions(store)).length };
}

const alone = { begin: 0, pass: 1, abandoned: [] };

describe("a claim", () => {
  it("is made once by one of many sweepers, and every partition is swept once", async () => {
    const { store, generations, partitions } = await rotating();
    expect(partitions).toBeGreaterThan(5);
    const context = await sweepContext(store, generations, 1);
    const owners = ["a", "b", "c", "d"];
    await Promise.all(
      owners.map((owner, index) => sweepClaimed(context, { ...alone, owner, begin: index / owners.length })),
    );
    const swept = await readPartitions(store);
    expect(swept.every(({ value }) => !isOpen(value, 1))).toBe(true);
    expect(new Set(swept.map(({ value }) => value.owner)).size).toBeGreaterThan(1);
    expect(swept.reduce((sum, { value }) => sum + value.records, 0)).toBe(1_000);
    expect(await store.countByRotationId()).toEqual(new Map([[1, 1_000]]));
  });

  it("is respected while its owner lives", async () => {
    const { store, generations } = await rotating();
    const [first] = await readPartitions(store);
    const held = { ...first!.value, pass: 1, owner: "somebody" };
    await store.commit({ groups: [], sealedUnder: null, cells: [writePartition(first!, held)] });
    await sweepClaimed(await sweepContext(store, generations, 1), { ...alone, owner: "me" });
    const [after, ...others] = await readPartitions(store);
    expect(after!.value).toEqual(held);
    expect(others.every(({ value }) => value.owner === "me" && value.done)).toBe(true);
  });

  it("of a dead owner is taken over where it stood, and by one sweeper only", async () => {
    const { store, generations } = await rotating();
    let commits = 0;
    const dying = hooked(store, {
      before: (method) => {
        if (method === "commit" && ++commits === 6) throw new Error("killed");
      },
    });
    const dead = sweepClaimed(await sweepContext(dying, generations, 1), { ...alone, owner: "dead" });
    await expect(dead).rejects.toThrowError("killed");
    const left = (await readPartitions(store)).filter(({ value }) => value.owner === "dead" && !value.done);
    expect(left).toHaveLength(1);
    const claims: string[] = [];
    const watched = hooked(store, {
      before: (method, args) => {
        if (method !== "commit") return;
        const { cells } = args[0] as { cells: readonly { name: string; value: Uint8Array }[] };
        const { owner, done } = JSON.parse(Buffer.from(cells[0]!.value).toString());
        if (cells[0]!.name === left[0]!.name && !done) claims.push(owner);
      },
    });
    const abandoned = left.map(({ name, version }) => ({ name, version }));
    const context = await sweepContext(watched, generations, 1);
    // Both were told of the same claim; the second must not take it from the first.
    await sweepClaimed(context, { ...alone, owner: "heir", abandoned });
    await sweepClaimed(context, { ...alone, owner: "late", abandoned });
    expect(claims).toEqual(["heir"]);
    expect((await readPartitions(store)).every(({ value }) => !isOpen(value, 1))).toBe(true);
    expect(await store.countByRotationId()).toEqual(new Map([[1, 1_000]]));
  });

  it("that moved since it was presumed abandoned is left alone", async () => {
    const { store, generations } = await rotating();
    const [first] = await readPartitions(store);
    const abandoned = [{ name: first!.name, version: first!.version }];
    const held = { ...first!.value, pass: 1, owner: "slow but alive" };
    await store.commit({ groups: [], sealedUnder: null, cells: [writePartition(first!, held)] });
    await sweepClaimed(await sweepContext(store, generations, 1), { ...alone, owner: "me", abandoned });
    expect((await readPartitions(store))[0]!.value).toEqual(held);
  });

  it("that was lost stops its owner before it writes another page", async () => {
    const { store, generations } = await rotating();
    const before = plain(await readAll(store, generations));
    let robbed = false;
    const context = await sweepContext(
      hooked(store, {
        // Right after the victim has read a stretch, somebody takes the partition.
        after: async (method) => {
          if (method !== "scan" || robbed) return;
          robbed = true;
          const [first] = await readPartitions(store);
          const cells = [writePartition(first!, { ...first!.value, owner: "thief" })];
          await store.commit({ groups: [], sealedUnder: null, cells });
        },
      }),
      generations,
      1,
    );
    await sweepClaimed(context, { ...alone, owner: "victim" });
    const [first, ...others] = await readPartitions(store);
    expect(first!.value).toMatchObject({ owner: "thief", records: 0, done: false, cursor: null });
    expect(others.every(({ value }) => value.owner === "victim" && value.done)).toBe(true);
    expect((await store.countByRotationId()).get(0)).toBeGreaterThan(0);
    expect(await finishInThread(store, generations)).toBe(0);
    expect(plain(await readAll(store, generations))).toEqual(before);
  });

  it("is given back by a sweeper that is told to stop", async () => {
    const { store, generations } = await rotating();
    let commits = 0;
    const context = await sweepContext(
      hooked(store, {
        before: (method) => {
          if (method === "commit") commits++;
        },
      }),
      generations,
      1,
    );
    await sweepClaimed({ ...context, stopped: () => commits >= 4 }, { ...alone, owner: "stopped" });
    const open = (await readPartitions(store)).filter(({ value }) => isOpen(value, 1));
    expect(open.length).toBeGreaterThan(0);
    expect(open.every(({ value }) => value.owner === null)).toBe(true);
    await sweepClaimed(context, { ...alone, owner: "next" });
    expect(await store.countByRotationId()).toEqual(new Map([[1, 1_000]]));
  });

  it("of a pass that is over changes nothing", async () => {
    const { store, generations } = await rotating();
    const context = await sweepContext(store, generations, 1);
    await sweepClaimed(context, { ...alone, owner: "a", pass: 2 });
    const swept = await readPartitions(store);
    await sweepClaimed(context, { ...alone, owner: "late", pass: 1 });
    expect(await readPartitions(store)).toEqual(swept);
  });
});
