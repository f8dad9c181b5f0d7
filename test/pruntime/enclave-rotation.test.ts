import { describe, expect, test } from "vitest";
import { CONTRACT_KIND, deployedName } from "../../src/contract-id.ts";
import { fromHex } from "../../src/bytes.ts";
import { decodeHeader } from "../../src/engine/sealed-state.ts";
import type { Action } from "../../src/protocol/call.ts";
import { readMessage } from "../../src/protocol/message.ts";
import { recordsOf } from "../../src/store/page.ts";
import type { ContractName, StateStore } from "../../src/store/store.ts";
import { idOf } from "../protocol/network.ts";
import { useFolder } from "./folder.ts";
import { contractOf } from "./provisioning-parties.ts";
import { RotatingNetwork } from "./rotating-network.ts";

const at = useFolder();
const NAMES = Array.from({ length: 12 }, (_, index) => `contract ${index}`);
const text = (value: string) => Buffer.from(value, "utf8");

function nameOf(name: string): ContractName {
  const native = deployedName(fromHex(idOf("rich"), "an account id"), text(name));
  return { id: fromHex(contractOf(name), "an id"), kind: CONTRACT_KIND.deployed, name: native };
}

const stays = { measurement: null, envelopeVersion: 1, store: null, cipherSuite: "aes-256-gcm", keySuite: 1 } as const;
const orders: readonly [string, Action][] = [
  ["rotated", { tag: "rotate", value: undefined }],
  [
    "migrated to ChaCha20-Poly1305",
    { tag: "migrate", value: { ...stays, cipherSuite: "chacha20-poly1305", height: 0 } },
  ],
  ["migrated to ristretto255", { tag: "migrate", value: { ...stays, keySuite: 2, height: 0 } }],
];

/** Cipher suites of the records in a store. */
async function suitesIn(store: StateStore): Promise<string[]> {
  const suites = new Set<string>();
  const everything = { from: null, to: null };
  for (let pages = await store.scan(everything, null, 1 << 20); pages.length > 0;) {
    for (const page of pages) for (const { sealed } of recordsOf(page)) suites.add(decodeHeader(sealed).suite);
    pages = await store.scan(everything, pages.at(-1)!, 1 << 20);
  }
  return [...suites];
}

describe("a network's store", () => {
  test.each(orders)(
    "is %s by its pRuntimes while a contract writes, and every value is there under the new MasterKey alone",
    async (_, action) => {
      const migration = action.tag === "migrate" ? action.value : stays;
      await using rotating = await RotatingNetwork.create(at);
      const { network } = rotating;
      const home = network.homes.at(-1)!;
      network.give(NAMES, home);
      await rotating.until(() => NAMES.every((name) => rotating.worker(home).isReady(nameOf(name).id)));
      const expected = new Map<string, string>();
      const put = async (name: string, key: string, value: string): Promise<void> => {
        await rotating.worker(home).put(nameOf(name), text(key), text(value));
        expected.set(`${name}/${key}`, value);
      };
      const keys = Array.from({ length: 50 }, (_, key) => `key ${String(key).padStart(2, "0")}`);
      await rotating.worker(home).write(
        NAMES.map((name) => ({
          contract: nameOf(name),
          edits: keys.map((key) => ({ key: text(key), value: text(`${key} of ${name}`) })),
        })),
      );
      for (const name of NAMES) for (const key of keys) expected.set(`${name}/${key}`, `${key} of ${name}`);
      const height = rotating.state.height + 4;
      await rotating.order(action.tag === "migrate" ? { tag: "migrate", value: { ...action.value, height } } : action);
      let written = 0;
      await rotating.until(() => {
        if (rotating.worker(home).isReady(nameOf(NAMES[0]!).id)) {
          void put(NAMES[written % NAMES.length]!, `key ${written % 70}`, `written ${written++}`);
        }
        return rotating.state.rotation === null && rotating.told.some(({ kind }) => kind === "MasterKeyAbandoned");
      });
      expect(written).toBeGreaterThan(10);
      expect([...(await rotating.store().store.countByRotationId()).keys()]).toEqual([1]);
      expect(await rotating.store().store.keptCount()).toBe(0);
      expect(await suitesIn(rotating.store().store)).toEqual([migration.cipherSuite]);
      expect(rotating.state.sharings).toMatchObject([{ rotationId: 1, keySuite: migration.keySuite }]);
      await rotating.until(() => NAMES.every((name) => rotating.worker(home).isReady(nameOf(name).id)));
      for (const [place, value] of expected) {
        const [name, key] = place.split("/");
        const read = await rotating.worker(home).get(nameOf(name!).id, text(key!));
        expect(Buffer.from(read!).toString("utf8")).toBe(value);
      }
      expect(rotating.told.filter(({ kind }) => kind === "Convicted")).toEqual([]);
    },
  );

  test("is swept by pRuntimes that say what is done when they are asked again, and at first only when all of it is", async () => {
    await using rotating = await RotatingNetwork.create(at);
    const { network } = rotating;
    const home = network.homes.at(-1)!;
    network.give(NAMES, home);
    await rotating.until(() => NAMES.every((name) => rotating.worker(home).isReady(nameOf(name).id)));
    const value = new Uint8Array(12_000);
    const edits = Array.from({ length: 90 }, (_, key) => ({ key: text(`key ${key + 10}`), value }));
    for (const name of NAMES) await rotating.worker(home).write([{ contract: nameOf(name), edits }]);
    await rotating.order({ tag: "rotate", value: undefined });
    await rotating.until(() => rotating.state.partitions.size > 10);
    rotating.asksAgain = true;
    await rotating.step();
    rotating.saidAtFirst.splice(0);
    const ofWork = (messages: readonly Uint8Array[]) =>
      messages.filter((bytes) => readMessage(bytes)?.call.tag === "workPartitions").length;
    const crossed = network.crossed.length;
    while (rotating.state.rotation!.phase !== "verification") await rotating.step();
    expect(ofWork(network.crossed.slice(crossed))).toBeGreaterThan(ofWork(rotating.saidAtFirst));
    // One that has nothing left to do says so at once.
    expect(ofWork(rotating.saidAtFirst)).toBeLessThanOrEqual(network.homes.length);
  });
});
