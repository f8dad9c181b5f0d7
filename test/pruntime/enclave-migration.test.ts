/** A network's states go to another store while a contract writes: its pRuntimes as they are, their stores embedded ones. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { fromHex } from "../../src/bytes.ts";
import { CONTRACT_KIND, deployedName } from "../../src/contract-id.ts";
import { decodeHeader } from "../../src/engine/sealed-state.ts";
import { GatekeeperError } from "../../src/errors.ts";
import type { Migration } from "../../src/protocol/migration.ts";
import { isEmptied } from "../../src/rotation/empty-store.ts";
import { recordsOf } from "../../src/store/page.ts";
import { readService } from "../../src/store/service.ts";
import type { ContractName, StateStore } from "../../src/store/store.ts";
import { idOf } from "../protocol/network.ts";
import type { EnclaveHome } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { contractOf } from "./provisioning-parties.ts";
import { RotatingNetwork } from "./rotating-network.ts";

const at = useFolder();
const NAMES = Array.from({ length: 8 }, (_, index) => `contract ${index}`);
const KEYS = 40;
const FILES = ["states.sqlite", "states-2.sqlite"];
/** What a write fails with at a switch: it is done again. */
const PASSING = ["STORE_NOT_SERVING", "KEY_NOT_PROVISIONED", "KEY_UNAVAILABLE"];
const text = (value: string) => Buffer.from(value, "utf8");

function nameOf(name: string): ContractName {
  const native = deployedName(fromHex(idOf("rich"), "an account id"), text(name));
  return { id: fromHex(contractOf(name), "an id"), kind: CONTRACT_KIND.deployed, name: native };
}

/** Who writes contracts, one write after the other, and knows what must be there. */
class Writer {
  readonly #rotating: RotatingNetwork;
  readonly #home: EnclaveHome;
  readonly #expected = new Map<string, string | null>();
  #stopped = false;
  written = 0;

  constructor(rotating: RotatingNetwork, home: EnclaveHome) {
    this.#rotating = rotating;
    this.#home = home;
  }

  async write(): Promise<void> {
    for (let turn = 0; !this.#stopped; turn++) {
      const name = NAMES[turn % NAMES.length]!;
      const key = `key ${(turn * 7) % (KEYS + 20)}`;
      await this.put(name, key, turn % 9 === 8 ? null : `written ${turn}`);
      this.written++;
      await sleep(1);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async put(name: string, key: string, value: string | null): Promise<void> {
    await this.#again(() =>
      this.#rotating.worker(this.#home).put(nameOf(name), text(key), value === null ? null : text(value)),
    );
    this.#expected.set(`${name}/${key}`, value);
  }

  /** @throws Error unless all is as it was written. */
  async check(): Promise<void> {
    for (const [place, value] of this.#expected) {
      const [name, key] = place.split("/");
      const read = await this.#again(() => this.#rotating.worker(this.#home).get(nameOf(name!).id, text(key!)));
      expect([place, read === null ? null : Buffer.from(read).toString("utf8")]).toEqual([place, value]);
    }
  }

  async #again<T>(run: () => Promise<T>): Promise<T> {
    for (;;) {
      const { enclave } = this.#home;
      try {
        if (this.#rotating.isUp(this.#home)) return await run();
      } catch (error) {
        // Of a process in whose place there is another, any.
        const isReplaced = this.#home.enclave !== enclave || !this.#rotating.isUp(this.#home);
        const isPassing = error instanceof GatekeeperError && PASSING.includes(error.code);
        if (!isReplaced && !isPassing) throw error;
      }
      await sleep(2);
    }
  }
}

/** Headers of the records in a store. */
async function headersIn(store: StateStore): Promise<{ readonly suites: string[]; readonly rotationIds: number[] }> {
  const [suites, rotationIds] = [new Set<string>(), new Set<number>()];
  const everything = { from: null, to: null };
  for (let pages = await store.scan(everything, null, 1 << 20); pages.length > 0;) {
    for (const page of pages) {
      for (const { sealed } of recordsOf(page)) {
        const { suite, rotationId } = decodeHeader(sealed);
        suites.add(suite);
        rotationIds.add(rotationId);
      }
    }
    pages = await store.scan(everything, pages.at(-1)!, 1 << 20);
  }
  return { suites: [...suites], rotationIds: [...rotationIds] };
}

/** A network with states, and who writes them. */
async function written() {
  const rotating = await RotatingNetwork.create(at, {}, FILES);
  const home = rotating.network.homes.at(-1)!;
  rotating.network.give(NAMES, home);
  await rotating.until(() => NAMES.every((name) => rotating.worker(home).isReady(nameOf(name).id)));
  const writer = new Writer(rotating, home);
  for (const name of NAMES) {
    for (let key = 0; key < KEYS; key += 8) await writer.put(name, `key ${key}`, `${key} of ${name}`);
  }
  return { rotating, writer };
}

function migrate(rotating: RotatingNetwork, changes: Partial<Migration>): Promise<void> {
  const stays = {
    measurement: null,
    envelopeVersion: 1,
    cipherSuite: "aes-256-gcm",
    keySuite: 1,
    store: null,
  } as const;
  return rotating.order({ tag: "migrate", value: { ...stays, height: rotating.state.height + 4, ...changes } });
}

const tells = (rotating: RotatingNetwork, kind: string) => () => rotating.told.some((told) => told.kind === kind);

describe("a network's states", () => {
  test("go to another store, under other suites, while a contract writes; and the old one is empty", async () => {
    const { rotating, writer } = await written();
    await using _ = rotating;
    const [source, target] = [rotating.store(0), rotating.store(1)];
    const writing = writer.write();
    await migrate(rotating, { store: target.id, cipherSuite: "chacha20-poly1305", keySuite: 2 });
    await rotating.until(tells(rotating, "PartitionSwept"));
    expect(rotating.state.stateStore).toBe(source.id);
    expect((await headersIn(rotating.store(0).store)).rotationIds).toEqual([0]);
    const before = writer.written;
    await rotating.until(tells(rotating, "MasterKeyAbandoned"));
    writer.stop();
    await writing;
    expect(before).toBeGreaterThan(5);
    expect(writer.written).toBeGreaterThan(before);
    expect(rotating.state).toMatchObject({ stateStore: target.id, rotation: null });
    expect(rotating.state.sharings).toMatchObject([{ rotationId: 1, keySuite: 2, cipherSuite: "chacha20-poly1305" }]);
    await writer.check();
    expect(await headersIn(rotating.store(1).store)).toEqual({ suites: ["chacha20-poly1305"], rotationIds: [1] });
    expect((await readService(rotating.store(0).store)).state).toBe("closed");
    expect(await headersIn(rotating.store(0).store)).toEqual({ suites: [], rotationIds: [] });
    expect(await rotating.store(0).store.countByRotationId()).toEqual(new Map());
    expect(rotating.told.filter(({ kind }) => kind === "Convicted")).toEqual([]);
    // What comes next is an ordinary rotation of the new store.
    await rotating.order({ tag: "rotate", value: undefined });
    await rotating.until(() => rotating.state.sharings[0]!.rotationId === 2 && rotating.state.rotation === null);
    await writer.check();
    expect(await headersIn(rotating.store(1).store)).toEqual({ suites: ["chacha20-poly1305"], rotationIds: [2] });
  });

  test("stay where they are when their migration is called off, and go to the same other one with the next, once that is empty", async () => {
    const { rotating, writer } = await written();
    await using _ = rotating;
    const [source, target] = [rotating.store(0), rotating.store(1)];
    const writing = writer.write();
    await migrate(rotating, { store: target.id });
    await rotating.until(tells(rotating, "PartitionSwept"));
    await rotating.order({ tag: "cancelMigration", value: undefined });
    const before = writer.written;
    await rotating.until(() => writer.written > before + 20);
    expect((await readService(rotating.store(0).store)).state).toBe("serves");
    expect((await readService(rotating.store(1).store)).state).toBe("closed");
    expect(rotating.state).toMatchObject({ stateStore: source.id, rotation: null });
    let isEmpty = false;
    await rotating.until(() => {
      void isEmptied(rotating.store(1).store).then((is) => {
        isEmpty = is;
      });
      return isEmpty;
    });
    await migrate(rotating, { store: target.id });
    await rotating.until(tells(rotating, "MasterKeyAbandoned"));
    writer.stop();
    await writing;
    expect(rotating.state.stateStore).toBe(target.id);
    await writer.check();
    expect(await headersIn(rotating.store(1).store)).toEqual({ suites: ["aes-256-gcm"], rotationIds: [1] });
    expect(await headersIn(rotating.store(0).store)).toEqual({ suites: [], rotationIds: [] });
  });
});
