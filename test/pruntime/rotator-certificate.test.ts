import { expect, test } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import type { Action } from "../../src/protocol/call.ts";
import type { KeySession } from "../../src/protocol/key-session.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";
import { Provisioning } from "../../src/pruntime/provisioning.ts";
import { Rotator } from "../../src/pruntime/rotator.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { beginMirror, endMirror } from "../../src/store/service.ts";
import { hooked } from "../rotation/sealed-store.ts";
import type { Says } from "../protocol/shareholders.ts";
import { honest, keyOf, order, running } from "../protocol/rotators.ts";

const HERE = `0x${"5a".repeat(32)}`;
const THERE = `0x${"7b".repeat(32)}`;

const stays = { measurement: null, envelopeVersion: 1, cipherSuite: "aes-256-gcm", keySuite: 1 } as const;

/** A network whose rotation, or migration to another store, is verified, and certified by nobody. */
function verified(action?: Action) {
  const { network, rotators } = running();
  const height = network.state.height + 4;
  order(network, action ?? { tag: "migrate", value: { ...stays, store: THERE, height } });
  const says: Says = (_, call) => (call?.tag === "certifyRotation" ? null : call);
  for (let block = 0; network.state.rotation?.verified !== network.state.rotation?.partitions || block < 9; block++) {
    expect(block).toBeLessThan(100);
    rotators.block(honest, says);
  }
  return network.ledger;
}

test.each([true, false])("a copy is certified while the store that it is in is a mirror: %s", async (isMirror) => {
  const ledger = verified();
  const { rotation } = ledger.state;
  expect(rotation).toMatchObject({ phase: "verification", source: HERE });
  const [source, target] = [new MemoryStore(), new MemoryStore()];
  const { height: now } = ledger.state;
  const migration = { rotationId: 1, sourceId: HERE, targetId: THERE, height: rotation!.switchHeight!, now };
  await beginMirror(source, target, migration);
  // As whoever does says so that has heard of a later block.
  if (!isMirror) await endMirror(source, target, { ...migration, now: now + 1 });
  using keys = new ProvisionedKeys();
  using provisioning = new Provisioning(keyOf("a"), keys);
  await using rotator = new Rotator({
    stores: [
      { store: source, location: { module: "", options: null }, id: HERE },
      { store: target, location: { module: "", options: null }, id: THERE },
    ],
    startThreads: () => {
      throw new Error("all is verified");
    },
    keys,
    identityKey: keyOf("a"),
    pace: { threads: 1, bytesPerSecond: null },
  });
  for (let block = 0; block < 3; block++) {
    rotator.follow(ledger, provisioning);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  }
  expect(rotator.dueCall(ledger)?.tag ?? null).toBe(isMirror ? "certifyRotation" : null);
  expect(rotator.fault).toBe(isMirror ? null : "ROTATION_STATE");
});

test("a copy is not certified while its store has no room to serve, and is once there is", async () => {
  const ledger = verified();
  const { height: now, rotation } = ledger.state;
  const [source, target] = [new MemoryStore(), new MemoryStore()];
  await beginMirror(source, target, {
    rotationId: 1,
    sourceId: HERE,
    targetId: THERE,
    height: rotation!.switchHeight!,
    now,
  });
  let isFull = true;
  const small = hooked(target, {
    before: (method) => {
      if (isFull && method === "commit") throw new GatekeeperError("STORE_FULL", "no space is left");
    },
  });
  using keys = new ProvisionedKeys();
  using provisioning = new Provisioning(keyOf("a"), keys);
  await using rotator = new Rotator({
    stores: [
      { store: source, location: { module: "", options: null }, id: HERE },
      { store: small, location: { module: "", options: null }, id: THERE },
    ],
    startThreads: () => {
      throw new Error("all is verified");
    },
    keys,
    identityKey: keyOf("a"),
    pace: { threads: 1, bytesPerSecond: null },
  });
  const follow = async (): Promise<string | null> => {
    for (let block = 0; block < 3; block++) {
      rotator.follow(ledger, provisioning);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    }
    return rotator.dueCall(ledger)?.tag ?? null;
  };
  expect(await follow()).toBeNull();
  expect(rotator.fault).toBe("STORE_FULL");
  isFull = false;
  expect(await follow()).toBe("certifyRotation");
});

test("a rotation is certified before a key session is answered when it would be too late else, and the session is not", async () => {
  const ledger = verified({ tag: "rotate", value: undefined });
  const { state } = ledger;
  const store = new MemoryStore();
  await store.commit({ groups: [], sealedUnder: null, minimumRotationId: 1 });
  using keys = new ProvisionedKeys();
  using provisioning = new Provisioning(keyOf("a"), keys);
  await using rotator = new Rotator({
    stores: [{ store, location: { module: "", options: null }, id: HERE }],
    startThreads: () => {
      throw new Error("all is verified");
    },
    keys,
    identityKey: keyOf("a"),
    pace: { threads: 1, bytesPerSecond: null },
  });
  const keySession = { deadline: state.height + 4 } as KeySession;
  const pressing = (blocks: number, session: KeySession | null = keySession, phase = state.rotation!.phase) => {
    const rotation = { ...state.rotation!, phase, deadline: state.height + blocks };
    return rotator.pressingCall(ledger.with({ ...state, rotation, keySession: session }))?.tag ?? null;
  };
  expect(pressing(3)).toBeNull();
  rotator.follow(ledger, provisioning);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  expect([1, 2, 3].map((blocks) => pressing(blocks))).toEqual(Array(3).fill("certifyRotation"));
  expect([4, 5].map((blocks) => pressing(blocks, null))).toEqual([null, null]);
  expect(pressing(3, { ...keySession, deadline: state.height + 3 })).toBeNull();
  // Others have certified it.
  expect(pressing(3, keySession, "abandonment")).toBeNull();
});
