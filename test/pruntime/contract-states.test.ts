import { describe, expect, it } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import type { MasterKey } from "../../src/keys/master-key.ts";
import { initialiseStore, readRotation } from "../../src/rotation/control.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { Commit, StateStore } from "../../src/store/store.ts";
import { beginRotation, finishInThread } from "../rotation/drive.ts";
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
} from "../rotation/sealed-store.ts";

async function fresh(): Promise<{ store: MemoryStore; generations: Generations }> {
  const store = new MemoryStore();
  await initialiseStore(store);
  return { store, generations: new Generations() };
}

async function rotateInThread(store: StateStore, generations: Generations): Promise<void> {
  await beginRotation(store, generations);
  expect(await finishInThread(store, generations)).toBe(0);
}

const { id: CONTRACT } = contractOf(0);

describe("reading", () => {
  it("gives what was put last, a copy that is the caller's", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    expect(await states.get(CONTRACT, text("a"))).toBeNull();
    await put(states, 0, { a: "one", b: "", c: "three" });
    await put(states, 0, { a: "two", c: null });
    const value = (await states.get(CONTRACT, text("a")))!;
    expect(value).toEqual(text("two"));
    value.fill(0);
    expect(await states.get(CONTRACT, text("a"))).toEqual(text("two"));
    expect(await states.get(CONTRACT, text("b"))).toEqual(new Uint8Array(0));
    expect(await states.get(CONTRACT, text("c"))).toBeNull();
    expect(await states.get(contractOf(1).id, text("a"))).toBeNull();
  });

  it("follows records through rotations, also one that ends while it reads", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    await put(states, 0, { a: "one" });
    await beginRotation(store, generations);
    expect(await states.get(CONTRACT, text("a"))).toEqual(text("one"));
    await finishInThread(store, generations);
    expect(await states.get(CONTRACT, text("a"))).toEqual(text("one"));
    let raced = false;
    const racing = hooked(store, {
      after: async (method) => {
        if (method !== "find" || raced) return;
        raced = true;
        await rotateInThread(store, generations);
      },
    });
    using reader = statesOf(racing, generations);
    expect(await reader.get(CONTRACT, text("a"))).toEqual(text("one"));
    expect([...generations.scalars.keys()]).toEqual([2]);
  });

  it.each([
    ["the version", 0],
    ["the suite", 1],
    ["the rotation id", 2],
    ["the ciphertext", 28],
  ])("names a state that can't be opened because of %s", async (_, at) => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    await put(states, 0, { a: "one", b: "two" });
    await damage(store, 0, "a", (sealed) => {
      sealed[at] = sealed[at]! ^ 0x40;
    });
    const detail = { contract: `0x${Buffer.from(CONTRACT).toString("hex")}`, key: "0x61" };
    await expect(states.get(CONTRACT, text("a"))).rejects.toMatchObject({ code: "TAG_MISMATCH", detail });
    expect(await states.get(CONTRACT, text("b"))).toEqual(text("two"));
  });

  it("says so when the MasterKey itself is missing", async () => {
    const { store, generations } = await fresh();
    using writer = statesOf(store, generations);
    await put(writer, 0, { a: "one" });
    generations.scalars.clear();
    using states = statesOf(store, generations);
    await expect(states.get(CONTRACT, text("a"))).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    await expect(put(states, 0, { a: "two" })).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
  });
});

describe("writing", () => {
  it("counts what was written, deleted and unchanged, and writes nothing that is there already", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    const contract = contractOf(0);
    const edit = (key: string, value: string | null) => ({
      key: text(key),
      value: value === null ? null : text(value),
    });
    const write = (...edits: ReturnType<typeof edit>[]) => states.write([{ contract, edits }]);
    expect(await write(edit("a", "1"), edit("b", "22"))).toEqual({ written: 2, bytes: 3, unchanged: 0, deleted: 0 });
    const { version } = (await store.find(CONTRACT, text("a")))!;
    expect(await write(edit("a", "1"), edit("x", null))).toEqual({ written: 0, bytes: 0, unchanged: 1, deleted: 0 });
    expect((await store.find(CONTRACT, text("a")))!.version).toBe(version);
    expect(await write(edit("a", "9"), edit("b", null))).toEqual({ written: 1, bytes: 1, unchanged: 0, deleted: 1 });
    expect(await store.countByRotationId()).toEqual(new Map([[0, 1]]));
    expect((await store.contract(CONTRACT))!).toMatchObject({ records: 1, kind: 1 });
  });

  it("raises the write version with every put, above all that its page ever gave", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    let last = 0n;
    for (const value of ["1", "2", null, "3", "4"]) {
      await put(states, 0, { a: value });
      const found = (await readAll(store, generations)).get(nameOf(0, "a"));
      if (found === undefined) continue;
      expect(found.writeVersion).toBeGreaterThan(last);
      last = found.writeVersion;
    }
    await put(states, 0, values(300, "to split the page"));
    await put(states, 0, { a: "5", "key 00299": "6" });
    const found = await readAll(store, generations);
    expect(found.get(nameOf(0, "a"))!.writeVersion).toBeGreaterThan(last);
    expect(found.get(nameOf(0, "key 00299"))!.writeVersion).toBeGreaterThan(last);
  });

  it("reaches every page of a contract in one commit", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    const first = values(500, "first");
    await put(states, 0, first);
    let commits = 0;
    using watched = statesOf(
      hooked(store, {
        before: (method) => {
          if (method === "commit") commits++;
        },
      }),
      generations,
    );
    const second = values(600, "second");
    await put(watched, 0, second);
    expect(commits).toBe(1);
    const found = plain(await readAll(store, generations));
    expect(found).toEqual(new Map(Object.entries(second).map(([key, value]) => [nameOf(0, key), value])));
    expect(await store.countByRotationId()).toEqual(new Map([[0, 600]]));
  });

  it("tries again what others wrote meanwhile, and neither is lost", async () => {
    const { store, generations } = await fresh();
    using other = statesOf(store, generations);
    await put(other, 0, values(200, "before"));
    let races = 0;
    const racing = hooked(store, {
      before: async (method) => {
        if (method === "commit" && races < 4) await put(other, 0, { [`raced ${races++}`]: "x".repeat(6_000) });
      },
    });
    using states = statesOf(racing, generations);
    await put(states, 0, { "key 00000": "mine", "key 00199": null, "raced 0": null });
    const found = plain(await readAll(store, generations));
    expect(found.get(nameOf(0, "key 00000"))).toBe("mine");
    expect(found.has(nameOf(0, "key 00199"))).toBe(false);
    expect(found.has(nameOf(0, "raced 0"))).toBe(false);
    expect(found.get(nameOf(0, "raced 3"))).toBe("x".repeat(6_000));
    expect(found.size).toBe(202);
    expect(await store.countByRotationId()).toEqual(new Map([[0, 202]]));
  });

  it.each([
    ["the switch and its verification", 1, "ROTATION_ID_RETIRED"],
    ["a whole rotation, so that its key is gone", 1, "KEY_UNAVAILABLE"],
    ["two whole rotations", 2, "KEY_UNAVAILABLE"],
  ])("that slept through %s seals again under the current key", async (_, rotations, met) => {
    const { store, generations } = await fresh();
    using early = statesOf(store, generations);
    await put(early, 0, { a: "before" });
    const errors: string[] = [];
    let slept = false;
    const sleeping = async (): Promise<void> => {
      if (slept) return;
      slept = true;
      for (let count = 0; count < rotations; count++) await rotateInThread(store, generations);
    };
    const delayed = hooked(store, {
      before: async (method, args) => {
        if (method !== "commit" || met !== "ROTATION_ID_RETIRED") return;
        await sleeping();
        if ((args[0] as Commit).sealedUnder === 0) errors.push("ROTATION_ID_RETIRED");
      },
    });
    const masterKey = async (rotationId: number): Promise<MasterKey> => {
      if (met === "KEY_UNAVAILABLE") await sleeping();
      try {
        return await generations.masterKey(rotationId);
      } catch (error) {
        if (error instanceof GatekeeperError) errors.push(error.code);
        throw error;
      }
    };
    using states = statesOf(delayed, Object.assign(new Generations(), { masterKey }));
    await put(states, 0, { a: "after", b: "new" });
    expect(errors).toContain(met);
    const found = await readAll(store, generations);
    expect(plain(found)).toEqual(new Map([[nameOf(0, "a"), "after"], [nameOf(0, "b"), "new"]])); // prettier-ignore
    expect(recount(found)).toEqual(new Map([[rotations, 2]]));
  });

  it("gives up when the store refuses the very rotation id that it names", async () => {
    const { store, generations } = await fresh();
    await store.commit({ groups: [], sealedUnder: null, minimumRotationId: 3 });
    using states = statesOf(store, generations);
    await expect(put(states, 0, { a: "1" })).rejects.toMatchObject({ code: "ROTATION_ID_RETIRED" });
  });

  it("beside reading, on one object, while a rotation is under way", async () => {
    const { store, generations } = await fresh();
    using early = statesOf(store, generations);
    for (let contract = 0; contract < 4; contract++) await put(early, contract, { old: "under 0", new: "under 0" });
    await beginRotation(store, generations);
    await put(early, 0, { new: "under 1" });
    // Whichever key comes first, and however late the other: neither call may take the other's away.
    for (let delay = 0; delay < 16; delay++) {
      const slow = async (rotationId: number): Promise<MasterKey> => {
        for (let turns = rotationId === 0 ? delay : 8; turns > 0; turns--) await Promise.resolve();
        return generations.masterKey(rotationId);
      };
      using states = statesOf(store, Object.assign(new Generations(), { masterKey: slow }));
      const [, old] = await Promise.all([
        put(states, 1, { fresh: `under 1, ${delay}` }),
        states.get(CONTRACT, text("old")),
      ]);
      expect(old).toEqual(text("under 0"));
    }
    expect(recount(await readAll(store, generations))).toEqual(new Map([[0, 7], [1, 2]])); // prettier-ignore
  });

  it("mends a record that can't be opened by replacing it", async () => {
    for (const at of [0, 1, 14, 30]) {
      const { store, generations } = await fresh();
      using states = statesOf(store, generations);
      await put(states, 0, { a: "one", b: "two" });
      await damage(store, 0, "a", (sealed) => {
        sealed[at] = sealed[at]! ^ 0x40;
      });
      await put(states, 0, { a: "one" });
      expect(await states.get(CONTRACT, text("a"))).toEqual(text("one"));
      expect(await store.countByRotationId()).toEqual(new Map([[0, 2]]));
    }
  });

  it("puts small values over large ones, more of them than a batch could open", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    const contract = contractOf(0);
    const keys = ["a", "b", "c"].map(text);
    for (const key of keys) await states.write([{ contract, edits: [{ key, value: new Uint8Array(1 << 23) }] }]);
    const edits = keys.map((key) => ({ key, value: text("small") }));
    expect(await states.write([{ contract, edits }])).toMatchObject({ written: 3, bytes: 15 });
  });

  it("refuses too large a record before anything is written, and edits out of order", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    const contract = contractOf(0);
    const good = { key: text("a"), value: text("1") };
    for (const bad of [
      { key: new Uint8Array(4_097), value: text("1") },
      { key: text("b"), value: new Uint8Array((1 << 24) + 1) },
    ]) {
      const writing = states.write([{ contract, edits: [good, bad] }]);
      await expect(writing).rejects.toMatchObject({ code: "RECORD_TOO_LARGE" });
    }
    for (const second of ["a", "A"]) {
      const writing = states.write([{ contract, edits: [good, { key: text(second), value: text("2") }] }]);
      await expect(writing).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect((await readAll(store, generations)).size).toBe(0);
    expect((await readRotation(store)).value.rotationId).toBe(0);
  });

  it("takes the largest record there is", async () => {
    const { store, generations } = await fresh();
    using states = statesOf(store, generations);
    const value = new Uint8Array(1 << 24).fill(7);
    const key = new Uint8Array(4_096).fill(1);
    await states.write([{ contract: contractOf(0), edits: [{ key, value }] }]);
    const read = (await states.get(CONTRACT, key))!;
    expect(Buffer.compare(read, value)).toBe(0);
    await rotateInThread(store, generations);
    expect(Buffer.compare((await states.get(CONTRACT, key))!, value)).toBe(0);
  });
});
