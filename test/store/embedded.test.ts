import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/store/embedded.ts";
import { recordsOf } from "../../src/store/page.ts";
import type { StateStore } from "../../src/store/store.ts";
import { storeContract } from "./contract.ts";
import { freshPath, withStore } from "./embedded-files.ts";
import {
  ALL,
  ALL_BYTES,
  applyEdits,
  bodyOf,
  commitOf,
  contractId,
  NO_KEY,
  pageWrite,
  sealedState,
  text,
} from "./records.ts";

const ID = contractId(1);
const CHILD = fileURLToPath(new URL("embedded-child.ts", import.meta.url));

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
  it("holds no replaced or deleted record once it was compacted", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      const marked = (name: string, i: number, bytes = 300): Uint8Array => {
        const sealed = sealedState(1, i & 0xff, bytes);
        sealed.set(text(`${name}-mark-${String(i).padStart(5, "0")}`), 60);
        return sealed;
      };
      const put = (contract: number, name: string, keys: number[], bytes?: number) =>
        applyEdits(
          store,
          contractId(contract),
          keys.map((i) => ({ key: text(`k${i}`), sealed: name === "" ? null : marked(name, i, bytes) })),
          1,
        );
      const range = (n: number) => Array.from({ length: n }, (_, i) => i);
      // Small pages that share a database page, split pages, large ones with overflow chains; then all replaced.
      for (let contract = 0; contract < 60; contract++) await put(contract, "old", range(3));
      await put(70, "old", range(400));
      await put(71, "old", range(4), 100_000);
      const pages = await store.scan(ALL, null, ALL_BYTES);
      for (let contract = 0; contract < 60; contract++) {
        await put(contract, contract % 3 === 0 ? "" : "new", range(3), 200 + 17 * (contract % 7));
      }
      await put(70, "new", range(400), 250);
      await put(71, "new", range(4), 90_000);
      const onDisk = (): string =>
        ["", "-wal"].map((end) => (existsSync(path + end) ? readFileSync(path + end, "latin1") : "")).join("");
      expect(pages.length).toBeGreaterThan(70);
      // The control: before compacting, the log still has them.
      expect(onDisk()).toContain("old-mark-");
      await store.compact();
      expect(onDisk()).toContain("new-mark-00399");
      expect(onDisk().match(/old-mark-\d+/g)).toBeNull();
    });
  });

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

/** Runs a job of embedded-child.ts. */
function child(job: string, path: string, ...rest: string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, job, path, ...rest], { stdio: ["ignore", "pipe", "inherit"] });
}

function exitOf(process: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return new Promise((resolve) => process.on("exit", (code, signal) => resolve(signal ?? code)));
}

describe("several at once on an embedded store", () => {
  const counterAt = async (store: StateStore): Promise<number> => {
    const { body } = (await store.find(ID, NO_KEY))!;
    return new DataView(body.buffer, body.byteOffset).getUint32(50, true);
  };

  it("two processes and two threads lose no update to one page", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      await store.commit(commitOf([[{ ...pageWrite(ID, NO_KEY), body: bodyOf([[NO_KEY, sealedState(0, 0, 60)]]) }]]));
      const each = "40";
      const threads = [1, 2].map(() => new Worker(CHILD, { argv: ["increment", path, each] }));
      const processes = [1, 2].map(() => child("increment", path, each));
      const exits = [
        ...processes.map(exitOf),
        ...threads.map((thread) => new Promise<number>((resolve) => thread.on("exit", resolve))),
      ];
      expect(await Promise.all(exits)).toEqual([0, 0, 0, 0]);
      expect(await counterAt(store)).toBe(160);
      expect((await store.find(ID, NO_KEY))!.version).toBe(161);
    });
  });

  it("keeps what it acknowledged, and nothing torn, when its process is killed", async () => {
    const path = freshPath();
    await withStore(path, true, async () => undefined);
    let acknowledged = 0;
    for (const wait of [1, 40, 90, 15, 60]) {
      const process = child("commit", path);
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
      await withStore(path, false, async (store) => {
        const n = Number(Buffer.from((await store.cell("n"))!.value).toString());
        expect(n).toBeGreaterThanOrEqual(acknowledged);
        const pages = await store.scan(ALL, null, ALL_BYTES);
        expect(pages.map(({ version }) => version)).toEqual([n, n]);
        for (const page of pages) {
          for (const { sealed } of recordsOf(page)) {
            expect(new DataView(sealed.buffer, sealed.byteOffset).getUint32(20, true)).toBe(n);
          }
        }
        expect(await store.countByRotationId()).toEqual(new Map([[0, 2]]));
      });
    }
    expect(acknowledged).toBeGreaterThan(5);
  });

  it.skipIf(process.platform === "win32")("keeps what it acknowledged when the disk takes no more", async () => {
    const path = freshPath();
    await withStore(path, true, async () => undefined);
    // The shell's limit on the size of a file, in blocks of 512 or 1,024 bytes, stands for a full disk.
    const command = `ulimit -f 8192; exec "$0" "$1" fill "$2"`;
    const limited = spawn("sh", ["-c", command, process.execPath, CHILD, path], {
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
      expect((await store.scan(ALL, null, ALL_BYTES)).length).toBe(Number(durable));
      expect(await store.countByRotationId()).toEqual(new Map([[0, Number(durable)]]));
    });
  });
});
