import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ContractStates } from "../../src/pruntime/contract-states.ts";
import {
  decodeWrittenKeys,
  encodeWrittenKeys,
  removeWrittenKeys,
  writtenKeysCell,
} from "../../src/pruntime/written-keys.ts";
import { beginMirror, endMirror, switchStores } from "../../src/store/service.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { compareBytes } from "../../src/bytes.ts";
import { cutAt } from "../../src/rotation/partition-bounds.ts";
import { initialiseStore } from "../../src/rotation/control.ts";
import { raiseMinimum } from "../../src/rotation/leased-partition.ts";
import type { Commit, StateStore } from "../../src/store/store.ts";
import { switchOver } from "../rotation/leased.ts";
import {
  copyContext,
  copyToEnd,
  copyVerdict,
  expectMirrored,
  MIGRATION,
  type Mirrored,
  mirrored,
  sourceStates,
} from "../rotation/mirrored.ts";
import {
  contractOf,
  Generations,
  hooked,
  nameOf,
  plain,
  put,
  readAll,
  statesOf,
  text,
} from "../rotation/sealed-store.ts";

const generations = new Generations();
const { id: CONTRACT } = contractOf(0);

const read = async (states: ContractStates, key: string): Promise<string | null> => {
  const value = await states.get(CONTRACT, text(key));
  return value === null ? null : Buffer.from(value).toString();
};

/** Both stores, as a process has them that is killed at its n-th use of either. */
function dying(both: Mirrored, uses: number): Mirrored & { readonly isDead: () => boolean } {
  let left = uses;
  const store = (under: StateStore): StateStore =>
    hooked(under, {
      before: () => {
        if (left-- <= 0) throw new Error("killed");
      },
    });
  return { ...both, source: store(both.source), target: store(both.target), isDead: () => left < 0 };
}

/** Both stores, with something that is done before their n-th use. */
function interrupted(
  both: Mirrored,
  use: number,
  what: () => Promise<void>,
): Mirrored & { readonly isOver: () => boolean } {
  let uses = 0;
  const store = (under: StateStore): StateStore =>
    hooked(under, {
      before: async () => {
        if (uses++ === use) await what();
      },
    });
  return { ...both, source: store(both.source), target: store(both.target), isOver: () => uses <= use };
}

describe("a write to a store that is mirrored", () => {
  it.each(["aes-256-gcm", "chacha20-poly1305"] as const)(
    "is in both stores when it is done, the mirror's in %s",
    async (suite) => {
      const both = await mirrored(generations, 0, 0);
      using states = sourceStates(both, suite);
      expect(await put(states, 0, { a: "one", b: "two", c: "x".repeat(15_900), d: "y".repeat(9_000) })).toBeUndefined();
      await expectMirrored(both);
      await put(states, 0, { a: "three", b: null, e: "z".repeat(9_000) });
      await expectMirrored(both);
      const edits = [{ key: text("a"), value: null }, { key: text("b"), value: null }]; // prettier-ignore
      const result = await states.write([{ contract: contractOf(0), edits }]);
      expect(result).toEqual({ written: 0, bytes: 0, unchanged: 0, deleted: 1 });
      await expectMirrored(both);
      expect(await read(states, "e")).toBe("z".repeat(9_000));
      const found = await readAll(both.target, generations);
      expect([...found.values()].every(({ sealed }) => sealed[1] === (suite === "aes-256-gcm" ? 1 : 2))).toBe(true);
      await switchStores(both.source, both.target, MIGRATION);
      using after = statesOf(both.target, generations, suite);
      await put(after, 0, { a: "after" });
      expect((await readAll(both.target, generations)).get(nameOf(0, "a"))!.writeVersion).toBeGreaterThan(
        Math.max(...[...found.values()].map(({ writeVersion }) => Number(writeVersion))),
      );
    },
  );

  it("makes anew what makes no sense in the mirror, and carries all over that belongs there", async () => {
    const both = await mirrored(generations, 2, 60);
    using states = sourceStates(both);
    await copyToEnd(await copyContext(both, 1));
    const value = "x".repeat(3_000);
    await put(states, 0, Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`key 000${10 + at}`, value])));
    const pages = await both.target.scan({ from: null, to: null }, null, 1e9);
    const ours = pages.filter(({ contract }) => compareBytes(contract, CONTRACT) === 0);
    expect(ours.length).toBeGreaterThan(2);
    for (const [at, { contract, lowerBound, version: expected }] of ours.entries()) {
      // What a liar has written there who copies: no page at all.
      const body = Buffer.alloc(20, at);
      await both.target.commit({ groups: [[{ contract, lowerBound, expected, body, counts: [] }]], sealedUnder: null });
    }
    await put(states, 0, { "key 00000": "written", "key 00015": null });
    expect(await read(states, "key 00000")).toBe("written");
    await put(
      states,
      0,
      Object.fromEntries(ours.map(({ lowerBound }) => [Buffer.from(lowerBound).toString() || "a", "b"])),
    );
    const { verdict, why } = await copyVerdict(await copyContext(both, 2));
    expect({ verdict, why }).toEqual({ verdict: "sound", why: null });
  });

  it("is not begun where the mirror is not open, nor is anything read", async () => {
    const both = await mirrored(generations, 1, 3);
    const before = await both.source.scan({ from: null, to: null }, null, 1e9);
    using states = sourceStates(both, "aes-256-gcm", false);
    const refused = {
      code: "STORE_UNAVAILABLE",
      message: expect.stringContaining("--store"),
      detail: { store: MIGRATION.targetId },
    };
    await expect(put(states, 0, { a: "one" })).rejects.toMatchObject(refused);
    await expect(read(states, "key 00001")).rejects.toMatchObject(refused);
    expect(await both.source.scan({ from: null, to: null }, null, 1e9)).toEqual(before);
    await endMirror(both.source, both.target, MIGRATION);
    await put(states, 0, { a: "one" });
    expect(await read(states, "a")).toBe("one");
  });

  it("is not begun, nor is anything read, in a store that does not serve: which one does is said", async () => {
    const both = await mirrored(generations, 1, 3);
    using mirror = statesOf(both.target, generations);
    const states = sourceStates(both);
    const refused = (other: string): object => ({ code: "STORE_NOT_SERVING", detail: { other } });
    await expect(put(mirror, 0, { a: "one" })).rejects.toMatchObject(refused(MIGRATION.sourceId));
    await expect(read(mirror, "a")).rejects.toMatchObject(refused(MIGRATION.sourceId));
    await put(states, 0, { a: "one" });
    await switchStores(both.source, both.target, MIGRATION);
    await expect(put(states, 0, { a: "two" })).rejects.toMatchObject(refused(MIGRATION.targetId));
    await expect(read(states, "a")).rejects.toMatchObject(refused(MIGRATION.targetId));
    expect(await read(mirror, "a")).toBe("one");
  });

  it("whose process was killed at any moment is carried over before anybody reads it, writes the contract, or finds it there", async () => {
    const others: ((states: ContractStates) => Promise<unknown>)[] = [
      (states) => read(states, "a"),
      (states) => put(states, 0, { z: "another" }),
      (states) => put(states, 0, { a: "new" }),
      (states) => put(states, 0, { nothing: null }),
    ];
    for (const other of others) {
      let between = 0;
      for (let use = 0; ; use++) {
        const both = await mirrored(generations, 0, 0);
        using before = sourceStates(both);
        await put(before, 0, { a: "old", b: "old" });
        const own = dying(both, use);
        using states = sourceStates(own);
        await put(states, 0, { a: "new", b: null }).catch((error: Error) => expect(error.message).toBe("killed"));
        const [was, is] = [await readAll(both.source, generations), await readAll(both.target, generations)];
        if (plain(was).get(nameOf(0, "a")) !== plain(is).get(nameOf(0, "a"))) between++;
        using later = sourceStates(both);
        const value = await other(later);
        await expectMirrored(both);
        if (value !== undefined) expect(plain(await readAll(both.target, generations)).get(nameOf(0, "a"))).toBe(value);
        if (!own.isDead()) break;
      }
      expect(between).toBeGreaterThan(0);
    }
  });

  it("of what another one has just written, who was killed at any moment, is done when the mirror has it", async () => {
    let ends = 0;
    for (let use = 0; ends === 0; use++) {
      for (let killed = 0; ; killed++) {
        const both = await mirrored(generations, 0, 0);
        using before = sourceStates(both);
        await put(before, 0, { a: "old", b: "old" });
        const other = dying(both, killed);
        const own = interrupted(both, use, async () => {
          using states = sourceStates(other);
          await put(states, 0, { a: "new" }).catch((error: Error) => expect(error.message).toBe("killed"));
        });
        using states = sourceStates(own);
        await put(states, 0, { a: "new" });
        await expectMirrored(both);
        expect(plain(await readAll(both.target, generations)).get(nameOf(0, "a"))).toBe("new");
        if (own.isOver()) ends++;
        if (!other.isDead()) break;
      }
    }
  });

  it("that the switch comes between is done, or is to be done where it serves now, and then is", async () => {
    let [done, again] = [0, 0];
    for (let use = 0; ; use++) {
      const both = await mirrored(generations, 0, 0);
      using before = sourceStates(both);
      await put(before, 0, { a: "old", b: "old" });
      let closed: unknown = null;
      const own = interrupted(both, use, async () => {
        await switchStores(both.source, both.target, MIGRATION);
        closed = await both.source.scan({ from: null, to: null }, null, 1e9);
      });
      using states = sourceStates(own);
      await put(states, 0, { a: "new", b: null, c: "x" }).then(
        () => done++,
        async (error: unknown) => {
          again++;
          expect(error).toMatchObject({ code: "STORE_NOT_SERVING", detail: { other: MIGRATION.targetId } });
          using after = statesOf(both.target, generations);
          await put(after, 0, { a: "new", b: null, c: "x" });
        },
      );
      expect(plain(await readAll(both.target, generations))).toEqual(
        new Map([[nameOf(0, "a"), "new"], [nameOf(0, "c"), "x"]]), // prettier-ignore
      );
      if (own.isOver()) break;
      expect(await both.source.scan({ from: null, to: null }, null, 1e9)).toEqual(closed);
    }
    expect([done > 0, again > 0]).toEqual([true, true]);
  });

  it("that a beginning or an end of the mirror comes between is in the store that serves, and in what mirrors it", async () => {
    for (let use = 0; ; use++) {
      const source = new MemoryStore();
      await initialiseStore(source);
      const target = new MemoryStore();
      await initialiseStore(target);
      await switchOver(target, generations);
      const both = { generations, source, target };
      const own = interrupted(both, use, async () => {
        await beginMirror(source, target, MIGRATION);
        await copyToEnd(await copyContext(both, 1));
      });
      using states = sourceStates(own);
      await put(states, 0, { a: "new" });
      if (own.isOver()) break;
      await expectMirrored(both);
      expect(plain(await readAll(target, generations))).toEqual(new Map([[nameOf(0, "a"), "new"]]));
    }
    for (let use = 0; ; use++) {
      const both = await mirrored(generations, 0, 0);
      const own = interrupted(both, use, () => endMirror(both.source, both.target, MIGRATION));
      using states = sourceStates(own);
      await put(states, 0, { a: "new" });
      await put(states, 0, { a: "newer", b: null });
      expect(plain(await readAll(both.source, generations))).toEqual(new Map([[nameOf(0, "a"), "newer"]]));
      if (own.isOver()) break;
    }
  });

  /**
   * Writes while something comes between, at each use of the stores in turn: what is refused for now is so until a ledger has the
   * mirror's end, and is done then. @returns whether a write was done, and whether one was refused, ever.
   */
  async function interruptedEverywhere(
    between: (both: Mirrored) => Promise<void>,
  ): Promise<[done: boolean, refused: boolean]> {
    let [isDone, isRefused] = [false, false];
    for (let use = 0; ; use++) {
      const both = await mirrored(generations, 0, 0);
      const own = interrupted(both, use, () => between(both));
      using states = sourceStates(own);
      await put(states, 0, { a: "new" }).then(
        () => (isDone = true),
        async (error: unknown) => {
          isRefused = true;
          expect(error).toMatchObject({ code: "STORE_NOT_SERVING" });
          await endMirror(both.source, both.target, MIGRATION);
          await put(states, 0, { a: "new" });
        },
      );
      expect(plain(await readAll(both.source, generations))).toEqual(new Map([[nameOf(0, "a"), "new"]]));
      if (own.isOver()) return [isDone, isRefused];
    }
  }

  it("that a rotation where states are comes between, the mirror's end before it or after, is under the newer key or refused for now", async () => {
    for (const isEnded of [true, false]) {
      const between = async ({ source, target }: Mirrored): Promise<void> => {
        if (isEnded) await endMirror(source, target, MIGRATION);
        await switchOver(source, generations);
        await raiseMinimum(source, MIGRATION.rotationId);
      };
      expect(await interruptedEverywhere(between)).toEqual([true, !isEnded]);
    }
  });

  it("that its mirror has another MasterKey meanwhile is refused for now, or done where states are", async () => {
    const between = ({ target }: Mirrored): Promise<void> => raiseMinimum(target, MIGRATION.rotationId + 1);
    expect(await interruptedEverywhere(between)).toEqual([true, true]);
  });

  it("is applied whole or not at all, so that its keys are remembered", async () => {
    const both = await mirrored(generations, 2, 300);
    const before = plain(await readAll(both.source, generations));
    let commits = 0;
    const source = hooked(both.source, {
      before: async (method) => {
        if (method !== "commit" || commits++ > 0) return;
        await cutAt(both.source, { contract: contractOf(1).id, lowerBound: text("key 00150") });
      },
      after: (method) => {
        if (method === "commit") throw new Error("killed");
      },
    });
    using states = sourceStates({ ...both, source });
    const edits = [{ key: text("key 00149"), value: text("new") }];
    const write = states.write([0, 1].map((number) => ({ contract: contractOf(number), edits })));
    await expect(write).rejects.toThrow("killed");
    expect(plain(await readAll(both.source, generations))).toEqual(before);
  });

  it("is cut where its keys are too many for a cell", async () => {
    const both = await mirrored(generations, 0, 0);
    const commits: Commit[] = [];
    const source = hooked(both.source, {
      before: (method, args) => {
        if (method === "commit") commits.push(args[0] as Commit);
      },
    });
    using states = sourceStates({ ...both, source });
    const edits = Array.from({ length: 300 }, (_, index) => {
      return { key: text(String(index).padStart(4_000, "0")), value: text(`${index}`) };
    });
    expect(await states.write([{ contract: contractOf(0), edits }])).toMatchObject({ written: 300 });
    const cells = commits.map((commit) => commit.cells!.map(({ value }) => value!.length));
    expect(cells).toEqual([[262 * 4_002], [38 * 4_002]]);
    await expectMirrored(both);
  });

  it("names a state that can't be read any more right after it was written", async () => {
    const both = await mirrored(generations, 0, 0);
    const rotten = new Proxy(both.source, {
      get: (target, name) =>
        name === "commit"
          ? async (commit: Commit) =>
              target.commit({
                ...commit,
                groups: commit.groups.map((group) =>
                  group.map((write) => {
                    const body = write.body.slice();
                    body[body.length - 1]! ^= 1;
                    return { ...write, body };
                  }),
                ),
              })
          : (Reflect.get(target, name) as StateStore["close"]).bind(target),
    });
    using states = sourceStates({ ...both, source: rotten });
    await expect(put(states, 0, { a: "one" })).rejects.toMatchObject({ code: "TAG_MISMATCH", detail: { key: "0x61" } });
  });
});

describe("the cells of what was written", () => {
  it("name keys, and nothing else is one", async () => {
    const keys = fc.uniqueArray(fc.uint8Array({ maxLength: 40 }), {
      selector: (key) => Buffer.from(key).toString("hex"),
    });
    fc.assert(
      fc.property(keys, fc.nat(), fc.integer({ min: 0, max: 255 }), (some, at, byte) => {
        const sorted = some.sort(compareBytes);
        const value = encodeWrittenKeys(sorted);
        const decode = (bytes: Uint8Array): Uint8Array[] => decodeWrittenKeys({ name: "n", version: 1, value: bytes });
        expect(decode(value)).toEqual(sorted);
        const other = value.slice();
        if (other.length > 0) other[at % other.length] = byte;
        for (const bytes of [other, other.slice(0, at % (other.length + 1))]) {
          try {
            expect(encodeWrittenKeys(decode(bytes))).toEqual(bytes);
          } catch (error) {
            expect(error).toMatchObject({ code: "STORE_CORRUPT" });
          }
        }
      }),
    );
  });

  it("are removed when a migration was given up, and not before", async () => {
    const both = await mirrored(generations, 0, 0);
    using states = sourceStates(both);
    for (const contract of [0, 1, 2]) await put(states, contract, { a: "one" });
    expect(await both.source.cell(writtenKeysCell(CONTRACT))).not.toBeNull();
    await expect(removeWrittenKeys(both.source)).rejects.toMatchObject({ code: "ROTATION_STATE" });
    await endMirror(both.source, both.target, MIGRATION);
    await removeWrittenKeys(both.source);
    expect(await both.source.cells("mirror/", null, 9)).toEqual([]);
    // A next migration goes well.
    const target = new MemoryStore();
    await beginMirror(both.source, target, { ...MIGRATION, targetId: "0x99", height: 30 });
    await expect(put(states, 0, { a: "two" })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  });
});
