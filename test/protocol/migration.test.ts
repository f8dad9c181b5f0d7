import { describe, expect, test } from "vitest";
import { type Action, type Call, actionCodec } from "../../src/protocol/call.ts";
import { decode } from "../../src/protocol/scale.ts";
import { type Migration, missingForMigration } from "../../src/protocol/migration.ts";
import { sealedUnder } from "../../src/protocol/rotation.ts";
import { type Network, idOf, identity, measurementOf, outcomes } from "./network.ts";
import { NAMES, keyOf, kinds, order, rotate, rotationCall, running, say } from "./rotators.ts";

const HERE = `0x${"5a".repeat(32)}` as const;
const THERE = `0x${"7b".repeat(32)}` as const;
const cancel: Action = { tag: "cancelMigration", value: undefined };

function migrate(network: Network, changes: Partial<Migration> = {}): Action {
  const stays = {
    measurement: null,
    envelopeVersion: 1,
    cipherSuite: "aes-256-gcm",
    keySuite: 1,
    store: null,
  } as const;
  return { tag: "migrate", value: { ...stays, height: network.state.height + 4, ...changes } };
}

describe("a migration in its store", () => {
  test("is a rotation to other suites, which the next one keeps", () => {
    const { network, rotators } = running();
    const before = network.state.sharings[0]!;
    expect(before).toMatchObject({ keySuite: 1, cipherSuite: "aes-256-gcm" });
    order(network, migrate(network, { cipherSuite: "chacha20-poly1305", keySuite: 2 }));
    const [started] = rotators.until("RotationStarted").filter(({ kind }) => kind === "RotationStarted");
    expect(started).toMatchObject({ ordered: true, migration: { keySuite: 2, cipherSuite: "chacha20-poly1305" } });
    expect(network.state).toMatchObject({ migrationOrdered: null, rotation: { source: null } });
    rotators.until("SharingAdopted");
    expect(network.state.sharings.map(({ keySuite, cipherSuite }) => [keySuite, cipherSuite])).toEqual([
      [1, "aes-256-gcm"],
      [2, "chacha20-poly1305"],
    ]);
    rotators.until("MasterPubkeyRotated");
    expect(sealedUnder(network.state)).toBe(1);
    expect(outcomes(order(network, cancel))).toContain("NothingToDo");
    rotators.until("MasterKeyAbandoned");
    order(network, rotate);
    rotators.until("MasterKeyAbandoned", undefined, undefined, 200);
    expect(network.state.stateStore).toBe(HERE);
    expect(network.state.sharings).toMatchObject([{ rotationId: 2, keySuite: 2, cipherSuite: "chacha20-poly1305" }]);
  });

  test("keeps the suites of a MasterKey that is reshared or refreshed while another is made", () => {
    const masterKey = { keySuite: 1, threshold: 2, phaseBlocks: 3, refreshBlocks: 14 } as const;
    const { network, rotators } = running({ masterKey });
    order(network, migrate(network, { cipherSuite: "chacha20-poly1305", keySuite: 2 }));
    rotators.until("MasterPubkeyRotated");
    for (let block = 0, seen = 0; seen < 2; block++) {
      expect(block).toBeLessThan(60);
      seen += kinds(rotators.block(() => null)).filter((kind) => kind === "SharingAdopted").length;
    }
    expect(network.state.sharings.map(({ keySuite, cipherSuite }) => [keySuite, cipherSuite])).toEqual([
      [1, "aes-256-gcm"],
      [2, "chacha20-poly1305"],
    ]);
  });
});

describe("a migration to another store", () => {
  test("copies under the old MasterKey, switches when the copy is certified, and then abandons", () => {
    const { network, rotators } = running();
    order(network, migrate(network, { store: THERE }));
    rotators.until("PartitionLeased");
    expect(network.state).toMatchObject({ stateStore: HERE, rotation: { source: HERE, phase: "reencryption" } });
    expect(sealedUnder(network.state)).toBe(0);
    rotators.until("PartitionJudged");
    expect(network.state).toMatchObject({ stateStore: HERE, rotation: { phase: "verification" } });
    expect(sealedUnder(network.state)).toBe(0);
    const told = kinds(rotators.until("MasterPubkeyRotated"));
    expect(told.indexOf("StoreSet")).toBeGreaterThan(told.indexOf("RotationCertified"));
    expect(network.state).toMatchObject({ stateStore: THERE, rotation: { source: HERE, phase: "abandonment" } });
    expect(sealedUnder(network.state)).toBe(1);
    expect(outcomes(order(network, cancel))).toContain("NothingToDo");
    rotators.until("MasterKeyAbandoned");
    expect(network.state.sharings.map(({ rotationId }) => rotationId)).toEqual([1]);
  });

  test("is called off at any time before its switch: all is as it was, and the MasterKey that was made is destroyed", () => {
    const untils = [
      null,
      "RotationStarted",
      "SharingAdopted",
      "PartitionsRecorded",
      "PartitionSwept",
      "PartitionJudged",
    ] as const;
    for (const until of untils) {
      const { network, rotators } = running();
      const before = network.state.sharings;
      order(network, migrate(network, { store: THERE, height: network.state.height + (until === null ? 50 : 4) }));
      if (until !== null) rotators.until(until);
      const told = kinds(order(network, cancel));
      expect(told).toContain("MigrationCancelled");
      expect(told.includes("RotationAborted")).toBe(until !== null);
      expect(network.state).toMatchObject({
        stateStore: HERE,
        rotation: null,
        migrationOrdered: null,
        sharings: before,
      });
      expect(sealedUnder(network.state)).toBe(0);
      expect(network.state.partitions.size).toBe(0);
      for (let block = 0; block < 10; block++) rotators.block();
      expect(network.state.retired.filter(({ owing }) => owing.length > 0)).toEqual([]);
      // Another is made of the same number, by other dealings.
      order(network, migrate(network, { store: THERE }));
      rotators.until("MasterKeyAbandoned", undefined, undefined, 200);
      expect(network.state).toMatchObject({ stateStore: THERE, rotation: null });
    }
  });

  test("that was called off leaves shares to be destroyed, which are told apart from those of the next MasterKey of its number", () => {
    const { network, all, rotators } = running();
    const [owing, late] = ["d", "a"];
    /** They keep their shares, and take part in key sessions as if they owed nothing. */
    const silent = (names: readonly string[]) => (name: string, call: Call | null) =>
      names.includes(name) && call?.tag === "declareDestroyed"
        ? all.held.get(name)!.dueCall(network.ledger.with({ ...network.state, retired: [] }))
        : call;
    order(network, migrate(network, { store: THERE }));
    rotators.until("PartitionsRecorded");
    const { epoch } = network.state.sharings[1]!;
    order(network, cancel);
    order(network, migrate(network, { store: THERE }));
    rotators.until("SharingAdopted", undefined, silent([owing, late]));
    expect(network.state.retired).toMatchObject([{ epoch, rotationId: 1, owing: [late, owing].map(keyOf) }]);
    const told = rotators.until("SharesOutstanding", undefined, silent([owing]));
    expect(told).toContainEqual(expect.objectContaining({ kind: "SharesOutstanding", epoch, owing: [keyOf(owing)] }));
    expect(told).toContainEqual(
      expect.objectContaining({ kind: "OffenceReported", offence: "undestroyed", stash: idOf(owing) }),
    );
  });

  test("that was called off holds up no later abandonment, however many keep its shares", () => {
    const { network, rotators } = running();
    order(network, migrate(network, { store: THERE }));
    rotators.until("PartitionsRecorded");
    order(network, cancel);
    const gone = ["e", "f"].map(keyOf);
    const { state } = network;
    network.ledger = network.ledger.with({
      ...state,
      retired: state.retired.map((each) => ({ ...each, owing: gone })),
    });
    for (const rotationId of [1, 2]) {
      order(network, rotate);
      const told = rotators.until("MasterKeyAbandoned", undefined, undefined, 200);
      expect(told).toContainEqual(expect.objectContaining({ rotationId: rotationId - 1, outstanding: [] }));
    }
    expect(network.state.retired).toMatchObject([{ rotationId: 1, fate: "calledOff", owing: gone }]);
  });

  test("that was called off leaves no certificates for the next one, which has its rotation id", () => {
    const { network, rotators } = running();
    const uncertified = (_: string, call: Call | null) => (call?.tag === "certifyRotation" ? null : call);
    const untilVerified = (): void => {
      order(network, migrate(network, { store: THERE }));
      for (let block = 0; network.state.rotation?.verified !== 4; block++) {
        expect(block).toBeLessThan(60);
        rotators.block(undefined, uncertified);
      }
    };
    untilVerified();
    // Its host has not brought it to the chain before it was called off.
    const late = rotationCall(network, identity("b"))!;
    expect(late.tag).toBe("certifyRotation");
    order(network, cancel);
    untilVerified();
    expect(say(network, "b", late)).toBe("NoRotation");
    expect(network.state.rotation?.certifiers).toEqual([]);
    expect(say(network, "b", rotationCall(network, identity("b"))!)).toBe("done");
  });

  test("where the network has no store yet, says which one is to be", () => {
    const { network, rotators } = running({}, null);
    order(network, migrate(network, { store: THERE }));
    rotators.until("MasterPubkeyRotated");
    expect(network.state).toMatchObject({ stateStore: THERE, rotation: { source: null } });
    rotators.until("MasterKeyAbandoned");
  });

  test("copies from a store that is announced while its MasterKey is made", () => {
    for (const [store, source] of [
      [HERE, HERE],
      [THERE, null],
    ] as const) {
      const { network, rotators } = running({}, null);
      order(network, migrate(network, { store: THERE }));
      rotators.until("SwitchPlanned");
      expect(say(network, "a", { tag: "announceStore", value: store })).toBe("done");
      rotators.until("PartitionSwept");
      expect(network.state).toMatchObject({ stateStore: store, rotation: { source } });
      rotators.until("MasterKeyAbandoned");
      expect(network.state.stateStore).toBe(THERE);
    }
  });

  test("goes on when a phase is late, with the same MasterKey, and can still be called off", () => {
    const { network, rotators } = running();
    order(network, migrate(network, { store: THERE }));
    rotators.until("PartitionsRecorded");
    rotators.until("RotationLate", () => null, undefined, 200);
    rotators.until("RotationLate", () => null, undefined, 200);
    expect(network.state.sharings.map(({ rotationId }) => rotationId)).toEqual([0, 1]);
    expect(kinds(order(network, cancel))).toContain("MigrationCancelled");
  });
});

describe("a migration to another pRuntime", () => {
  test("waits until all who hold shares run it", () => {
    const { network, rotators } = running();
    const mine = measurementOf("next");
    expect(outcomes(order(network, migrate(network, { measurement: mine })))).toContain("MeasurementNotAllowed");
    order(network, { tag: "allow", value: mine });
    order(network, migrate(network, { measurement: mine }));
    for (let block = 0; block < 20; block++) expect(kinds(rotators.block())).not.toContain("RotationStarted");
    const { migrationOrdered } = network.state;
    expect(missingForMigration(network.state, migrationOrdered!)).toHaveLength(NAMES.length);
    // Rotations go on meanwhile.
    order(network, rotate);
    expect(rotators.until("RotationStarted")).toContainEqual(
      expect.objectContaining({ kind: "RotationStarted", migration: null }),
    );
    rotators.until("MasterKeyAbandoned");
    expect(network.state.migrationOrdered).toEqual(migrationOrdered);
  });
});

describe("an order to migrate", () => {
  test("is replaced by another, but not once the migration has begun", () => {
    const { network, rotators } = running();
    expect(outcomes(order(network, cancel))).toContain("NothingToDo");
    order(network, migrate(network, { height: network.state.height + 50 }));
    order(network, migrate(network, { store: THERE }));
    expect(network.state.migrationOrdered?.store).toBe(THERE);
    rotators.until("RotationStarted");
    expect(outcomes(order(network, migrate(network)))).toContain("RotationUnderWay");
  });

  test("is refused as malformed where it names what there is not", () => {
    const value = {
      measurement: null,
      envelopeVersion: 1,
      cipherSuite: "aes-256-gcm",
      keySuite: 1,
      store: null,
      height: 9,
    } as const;
    const bytes = actionCodec.enc({ tag: "migrate", value });
    expect(decode(actionCodec, bytes)).toEqual({ tag: "migrate", value });
    // Behind the tag and the absent measurement: version, cipher suite, key suite.
    for (const [at, byte] of [
      [2, 0],
      [2, 2],
      [3, 0],
      [3, 3],
      [4, 0],
      [4, 3],
    ] as const) {
      const wrong = Uint8Array.from(bytes);
      wrong[at] = byte;
      expect(decode(actionCodec, wrong)).toBeNull();
    }
  });
});
