import { spawn } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { openStore } from "../../src/store/embedded.ts";
import { type PageRecord, recordsOf } from "../../src/store/page.ts";
import type { Page, StateStore } from "../../src/store/store.ts";
import { storeContract } from "./contract.ts";
import { CHILD, child, exitOf, freshPath, withStore } from "./embedded-files.ts";
import { ALL, ALL_BYTES, bodyOf, commitOf, contractId, NO_KEY, pageWrite, sealedState, text } from "./records.ts";

const ID = contractId(1);

storeContract("the embedded store", async () => {
  const path = freshPath();
  const opened = [await openStore({ path, create: true })];
  return {
    store: opened[0]!,
    second: async () => {
      const store = await openStore({ path });
      opened.push(store);
      return store;
    },
    dispose: async () => {
      for (const store of opened) await store.close();
      rmSync(path);
    },
  };
});

describe("an embedded store on disk", () => {
  it("is not kept from being compacted by a scan that was left in the middle", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      const writes = Array.from({ length: 50 }, (_, i) => [pageWrite(ID, text(`k${i}`))]);
      await store.commit(commitOf(writes));
      await withStore(path, false, async (reader) => {
        expect((await reader.scan(ALL, null, 1)).length).toBe(1);
        await reader.cells("", null, 1);
        await reader.contracts(null, 1);
        await store.commit(commitOf([[pageWrite(ID, text("k1"), { expected: 1 })]]));
        await store.compact();
        expect(statSync(`${path}-wal`).size).toBe(0);
      });
    });
  });

  it("waits for the disk with each commit but those that may be lost, also when one fails", async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, "exec");
    const levels = (): string[] => {
      const said = exec.mock.calls.map(([sql]) => sql).filter((sql) => /^(?:PRAGMA synchronous|COMMIT)/.test(sql));
      exec.mockClear();
      return said.map((sql) => sql.split(" ").at(-1)!);
    };
    try {
      await withStore(freshPath(), true, async (store) => {
        levels();
        const write = (number: number) => commitOf([[pageWrite(contractId(number), NO_KEY)]]);
        await store.commit({ ...write(1), mayBeLost: true });
        expect(levels()).toEqual(["NORMAL", "COMMIT", "FULL"]);
        await store.commit(write(2));
        await store.commit({ ...write(3), mayBeLost: false });
        expect(levels()).toEqual(["COMMIT", "COMMIT"]);
        await store.commit({ groups: [], sealedUnder: null, minimumRotationId: 2 });
        levels();
        const low = store.commit({ ...write(4), mayBeLost: true });
        await expect(low).rejects.toMatchObject({ code: "ROTATION_ID_RETIRED" });
        expect(levels()).toEqual(["NORMAL", "FULL"]);
        expect((await store.scan(ALL, null, ALL_BYTES)).length).toBe(3);
      });
    } finally {
      exec.mockRestore();
    }
  });

  it("syncs its log without SQLite's lock", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      const other = new DatabaseSync(path);
      other.exec("BEGIN IMMEDIATE");
      await store.sync();
      other.exec("ROLLBACK");
      other.close();
    });
  });

  it("keeps its log bounded while somebody holds an old snapshot, and cuts it off afterwards", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf([[pageWrite(ID, NO_KEY)], [pageWrite(contractId(2), NO_KEY)]]));
      let version = 1;
      const write = async (times: number): Promise<void> => {
        for (let i = 0; i < times; i++, version++) {
          // SQLite writes nothing for bytes that stay the same.
          const body = bodyOf([[NO_KEY, sealedState(0, version, 16 * 1_024 * 1_024)]]);
          await store.commit(commitOf([[{ ...pageWrite(ID, NO_KEY, { expected: version }), body }]]));
        }
      };
      const reader = new DatabaseSync(path);
      const rows = reader.prepare("SELECT version FROM page").iterate();
      rows.next();
      await write(6);
      const held = statSync(`${path}-wal`).size;
      expect(held).toBeGreaterThan(64 * 1_024 * 1_024);
      rows.return?.();
      reader.close();
      await write(6);
      expect(statSync(`${path}-wal`).size).toBeLessThan(held);
    });
  });
});

describe("several at once on an embedded store", () => {
  const counterAt = async (store: StateStore): Promise<number> => {
    const { body } = (await store.find(ID, NO_KEY))!;
    return new DataView(body.buffer, body.byteOffset).getUint32(50, true);
  };

  it("two processes and two threads lose no update to one page, while a third process compacts", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf([[{ ...pageWrite(ID, NO_KEY), body: bodyOf([[NO_KEY, sealedState(0, 0, 60)]]) }]]));
      const each = "40";
      const threads = [1, 2].map(() => new Worker(CHILD, { argv: ["increment", path, each] }));
      const processes = [1, 2].map(() => child("increment", path, each));
      const compacting = child("compact", path);
      const exits = [
        ...processes.map(exitOf),
        ...threads.map((thread) => new Promise<number>((resolve) => thread.on("exit", resolve))),
      ];
      expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
      const compacted = exitOf(compacting);
      compacting.kill("SIGKILL");
      expect(await compacted).toBe("SIGKILL");
      expect(await counterAt(store)).toBe(160);
      expect((await store.find(ID, NO_KEY))!.version).toBe(161);
    });
  });

  // Again where the machine itself was late: who asks seldom would have to be lucky for three rounds of four.
  it("commits soon after those are done that it has waited for, however long that was", { retry: 5 }, async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf([[{ ...pageWrite(ID, NO_KEY), body: bodyOf([[NO_KEY, sealedState(0, 0, 60)]]) }]]));
      const other = new DatabaseSync(path);
      let soon = 0;
      for (let round = 1; round <= 4; round++) {
        other.exec("BEGIN IMMEDIATE");
        const exit = new Promise((resolve) => {
          new Worker(CHILD, { argv: ["increment", path, "1"] }).on("exit", resolve);
        });
        // SQLite alone would only ask every 100 ms by now, and whoever asks more often would be first.
        await sleep(700);
        other.exec("COMMIT");
        await sleep(25);
        if ((await counterAt(store)) === round) soon++;
        expect(await exit).toBe(0);
      }
      other.close();
      expect(soon).toBeGreaterThanOrEqual(3);
    });
  });

  /** Kills a job at several moments, and looks at the store each time. Returns the last number that it acknowledged. */
  async function killed(
    job: string,
    look: (store: StateStore, acknowledged: number) => Promise<void>,
  ): Promise<number> {
    const path = freshPath();
    await withStore(path, true, async () => undefined);
    let acknowledged = 0;
    for (const wait of [1, 40, 90, 15, 60]) {
      const process = child(job, path);
      const exit = exitOf(process);
      const before = acknowledged;
      let output = "";
      await new Promise<void>((resolve) => {
        process.stdout!.on("data", (chunk: Buffer) => {
          output += chunk;
          const lines = output
            .slice(0, output.lastIndexOf("\n") + 1)
            .trim()
            .split("\n");
          acknowledged = Number(lines.at(-1)) || acknowledged;
          if (acknowledged > before) setTimeout(resolve, wait);
        });
      });
      process.kill("SIGKILL");
      expect(await exit).toBe("SIGKILL");
      await withStore(path, false, (store) => look(store, acknowledged));
    }
    return acknowledged;
  }

  const numberIn = (page: Page): number => {
    const [{ sealed }] = [...recordsOf(page)] as [PageRecord];
    return new DataView(sealed.buffer, sealed.byteOffset).getUint32(20, true);
  };

  it("keeps what it acknowledged, and nothing torn, when its process is killed", async () => {
    const last = await killed("commit", async (store, acknowledged) => {
      const n = Number(Buffer.from((await store.cell("n"))!.value).toString());
      expect(n).toBeGreaterThanOrEqual(acknowledged);
      const pages = await store.scan(ALL, null, ALL_BYTES);
      expect(pages.map(({ version }) => version)).toEqual([n, n]);
      expect(pages.map(numberIn)).toEqual([n, n]);
      expect(await store.countByRotationId()).toEqual(new Map([[0, 2]]));
    });
    expect(last).toBeGreaterThan(5);
  });

  it("keeps the bodies that were replaced, and drops those that were dropped, with the write when it is killed", async () => {
    const last = await killed("keep", async (store, acknowledged) => {
      const pages = await store.scan(ALL, null, ALL_BYTES);
      const n = pages[0]!.version;
      expect(n).toBeGreaterThanOrEqual(acknowledged);
      expect(pages.map(numberIn)).toEqual([n, n]);
      const kept = await store.kept(ALL, null, ALL_BYTES);
      const before = n === 1 ? [] : [n - 1, n - 1];
      expect(kept.map(({ version }) => version)).toEqual(before);
      expect(kept.map(numberIn)).toEqual(before);
      expect(kept.map(({ statement }) => statement[0])).toEqual(before.map(() => n & 0xff));
      expect(await store.keptCount()).toBe(before.length);
    });
    expect(last).toBeGreaterThan(5);
  });

  it.skipIf(process.platform === "win32").each([
    ["pages", "fill"],
    ["kept bodies", "fill-kept"],
  ])("keeps what it acknowledged when the disk takes no more %s", async (_, job) => {
    const path = freshPath();
    await withStore(path, true, async () => undefined);
    // The shell's limit on the size of a file, in blocks of 512 or 1,024 bytes, stands for a full disk.
    const command = `ulimit -f 8192; exec "$0" "$1" "$3" "$2"`;
    const limited = spawn("sh", ["-c", command, process.execPath, CHILD, path, job], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    limited.stdout.on("data", (chunk: Buffer) => {
      output += chunk;
    });
    expect(await exitOf(limited)).toBe(0);
    const [durable, code] = output.trim().split(" ");
    expect(["STORE_FULL", "IO_FAILED"]).toContain(code);
    expect(Number(durable)).toBeGreaterThan(10);
    await withStore(path, false, async (store) => {
      const pages = await store.scan(ALL, null, ALL_BYTES);
      const kept = await store.kept(ALL, null, ALL_BYTES);
      expect(pages.length + kept.length).toBe(Number(durable));
      expect(await store.keptCount()).toBe(kept.length);
      expect(await store.countByRotationId()).toEqual(new Map([[0, pages.length]]));
      if (job === "fill-kept") expect([...kept, ...pages].map(numberIn)).toEqual([...Array(Number(durable)).keys()]);
      else expect(kept).toEqual([]);
    });
  });
});
