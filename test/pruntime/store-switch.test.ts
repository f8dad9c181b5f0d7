/** What pRuntimes do to the stores of a migration whose ledgers are not at the same block, or who do not have both. */
import { describe, expect, test } from "vitest";
import type { Rotation } from "../../src/protocol/rotation.ts";
import type { Hex } from "../../src/protocol/scale.ts";
import type { State } from "../../src/protocol/state.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { agrees, StoreSwitch } from "../../src/pruntime/store-switch.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { NetworkStore } from "../../src/store/network-store.ts";
import { readService, type StoreMigration, switchStores } from "../../src/store/service.ts";
import { hooked } from "../rotation/sealed-store.ts";

/** A store of an id of one byte. */
const storeOf = (byte: string): NetworkStore => ({
  store: new MemoryStore(),
  location: { module: "", options: null },
  id: `0x${byte.repeat(32)}`,
});

const [OLD, NEW] = [0, 1];
/** As far as a ledger matters here. */
const stateAt = (height: number, stateStore: NetworkStore, rotation: object | null, newest = OLD): State =>
  ({
    height,
    stateStore: stateStore.id,
    rotation,
    sharings: [{ rotationId: newest }],
    closedAbandonments: [],
  }) as unknown as State;

/** A migration that copies from this block on. */
const rotationOf = (
  source: NetworkStore,
  target: NetworkStore,
  switchHeight: number,
  phase: Rotation["phase"] = "reencryption",
) => ({ from: OLD, source: source.id, migration: { store: target.id }, switchHeight, phase });

/** One pRuntime's, which has these stores. */
class Party {
  readonly #switch: StoreSwitch;
  readonly errors: unknown[] = [];

  constructor(...stores: readonly NetworkStore[]) {
    this.#switch = new StoreSwitch(stores, (error) => this.errors.push(error));
  }

  async follow(...states: readonly State[]): Promise<void> {
    for (const state of states) {
      this.#switch.follow(state);
      for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    }
  }

  isSwitched(rotation: object): boolean {
    return this.#switch.isSwitched(rotation as Rotation);
  }
}

const statesOf = async (...stores: readonly NetworkStore[]): Promise<string> => {
  const services = await Promise.all(stores.map(({ store }) => readService(store)));
  return services.map(({ state }) => state).join(" ");
};

/** Two stores of which one mirrors the other from block 20 on. */
async function mirrored() {
  const [source, target] = [storeOf("50"), storeOf("7a")];
  const rotation = rotationOf(source, target, 20);
  const party = new Party(source, target);
  await party.follow(stateAt(20, source, rotation));
  expect(await statesOf(source, target)).toBe("mirrored mirror");
  return { source, target, rotation, party };
}

describe("a migration that is under way", () => {
  test("is not ended by who has not heard of it yet", async () => {
    const { source, target } = await mirrored();
    const late = new Party(source, target);
    await late.follow(stateAt(18, source, null), stateAt(19, source, rotationOf(source, target, 20, "keyGeneration")));
    expect(await statesOf(source, target)).toBe("mirrored mirror");
    await late.follow(stateAt(20, source, rotationOf(source, target, 20)));
    expect(late.errors).toEqual([]);
  });
});

describe("a migration that was called off", () => {
  test("is ended where the other store is lost", async () => {
    const { source, target } = await mirrored();
    const party = new Party(source);
    await party.follow(stateAt(30, source, null));
    expect(await statesOf(source, target)).toBe("serves mirror");
    // Whoever has it after all closes it.
    await new Party(source, target).follow(stateAt(31, source, null));
    expect(await statesOf(source, target)).toBe("serves closed");
    expect(party.errors).toEqual([]);
  });

  test("is ended where the other store is here, and can't be read", async () => {
    const { source, target } = await mirrored();
    const gone = hooked(target.store, {
      before: () => {
        throw new GatekeeperError("STORE_CORRUPT", "the disk is gone");
      },
    });
    const party = new Party(source, { ...target, store: gone });
    await party.follow(stateAt(30, source, null));
    expect((await readService(source.store)).state).toBe("serves");
    expect(party.errors).toMatchObject([{ code: "STORE_CORRUPT" }]);
  });

  test("is ended, too, when one that has not heard of that begins it later", async () => {
    const [source, target] = [storeOf("50"), storeOf("7a")];
    const party = new Party(source, target);
    await party.follow(stateAt(29, source, rotationOf(source, target, 20, "keyGeneration")), stateAt(30, source, null));
    expect(await statesOf(source, target)).toBe("serves serves");
    await new Party(source, target).follow(stateAt(21, source, rotationOf(source, target, 20)));
    expect(await statesOf(source, target)).toBe("mirrored mirror");
    await party.follow(stateAt(31, source, null));
    expect(await statesOf(source, target)).toBe("serves closed");
  });

  test("is not believed to be under way by who knows that it is not, whoever has begun it since", async () => {
    const [source, target] = [storeOf("50"), storeOf("7a")];
    await new Party(source, target).follow(stateAt(21, source, rotationOf(source, target, 20)));
    const service = await readService(source.store);
    expect(service).toMatchObject({ state: "mirrored", since: 21 });
    const isBelieved = (state: State): boolean => agrees(state, source.id, service);
    const inPlace = { from: OLD, source: null, migration: null, switchHeight: 46, phase: "reencryption" };
    // Of the rotation id that it was to have, there is another MasterKey by now.
    for (const rotation of [null, inPlace]) expect(isBelieved(stateAt(50, source, rotation))).toBe(false);
    expect(isBelieved(stateAt(21, source, rotationOf(source, target, 20, "keyGeneration")))).toBe(false);
    // Who has it, or has not come so far.
    expect(isBelieved(stateAt(30, source, rotationOf(source, target, 20)))).toBe(true);
    expect(isBelieved(stateAt(20, source, null))).toBe(true);
  });

  test("is ended where the next one has begun", async () => {
    for (const phase of ["keyGeneration", "reencryption"] as const) {
      const { source, target } = await mirrored();
      const third = storeOf("33");
      const party = new Party(source, target, third);
      await party.follow(stateAt(40, source, rotationOf(source, third, 40, phase)));
      const isBegun = phase === "reencryption";
      expect(await statesOf(source, target, third)).toBe(isBegun ? "mirrored closed mirror" : "serves closed serves");
      expect(party.errors).toEqual([]);
    }
  });
});

describe("a migration that is certified", () => {
  const migrationOf = (source: Hex, target: Hex): StoreMigration => {
    return { rotationId: NEW, sourceId: source, targetId: target, height: 20, now: 30 };
  };

  test("is said to be switched when the new store serves, not before", async () => {
    const { source, target, rotation, party } = await mirrored();
    const abandonment = { ...rotation, phase: "abandonment" };
    expect(party.isSwitched(abandonment)).toBe(false);
    await party.follow(stateAt(30, target, abandonment, NEW));
    expect(await statesOf(source, target)).toBe("closed serves");
    expect(party.isSwitched(abandonment)).toBe(true);
  });

  test("is switched by whoever comes later, if nobody could for as long as it lasted", async () => {
    const { source, target } = await mirrored();
    let commits = 0;
    const dying = hooked(target.store, {
      before: (method) => {
        if (method === "commit" && commits++ === 1) throw new Error("killed");
      },
    });
    const isKilled = switchStores(source.store, dying, migrationOf(source.id, target.id));
    await expect(isKilled).rejects.toThrow("killed");
    expect(await statesOf(source, target)).toBe("closed mirror");
    // Of a store that governance has put in the place of the other nobody knows that it is complete.
    const party = new Party(source, target);
    await party.follow(stateAt(50, target, null, OLD));
    expect(await statesOf(source, target)).toBe("closed mirror");
    await party.follow(stateAt(51, target, null, NEW));
    expect(await statesOf(source, target)).toBe("closed serves");
    expect(party.errors).toEqual([]);
  });
});

describe("a migration whose old store was lost when it was certified", () => {
  const closedAt = (height: number, target: NetworkStore, compacted: boolean): State => ({
    ...stateAt(height, target, null, NEW),
    closedAbandonments: [{ rotationId: OLD, height, compacted }],
  });

  test("is switched without it once governance has closed the abandonment", async () => {
    const { source, target } = await mirrored();
    const party = new Party(target);
    await party.follow(stateAt(30, target, rotationOf(source, target, 20, "abandonment"), NEW));
    await party.follow(stateAt(40, target, null, NEW), closedAt(50, target, true));
    expect(await statesOf(source, target)).toBe("mirrored mirror");
    await party.follow(closedAt(50, target, false));
    expect(await statesOf(source, target)).toBe("mirrored serves");
    expect(party.errors).toEqual([]);
    // Where it turns up after all, it is closed.
    const both = new Party(source, target);
    await both.follow(closedAt(51, target, false));
    expect(await statesOf(source, target)).toBe("closed serves");
    expect(both.errors).toEqual([]);
  });
});
