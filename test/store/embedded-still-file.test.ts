import { readFileSync, statSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openDatabase } from "../../src/store/embedded-database.ts";
import { StructureUnexpected, standStill } from "../../src/store/embedded-still-file.ts";
import { freshPath, withStore } from "./embedded-files.ts";
import { DATABASE_PAGE_BYTES } from "./planted.ts";
import { commitOf, contractId, pageWrite, text } from "./records.ts";

describe.skipIf(process.platform === "win32")("a store's file that stands still", () => {
  it("is read byte for byte, and does not change while others commit and would cut off their log", async () => {
    const path = freshPath();
    await withStore(path, true, (store) => store.commit(commitOf([[pageWrite(contractId(1), text(""))]])));
    // Now, as reading it while it is open would lose SQLite's locks.
    const before = readFileSync(path);
    await withStore(path, false, async (store) => {
      const reader = openDatabase(path);
      reader.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      const file = standStill(reader, path, DATABASE_PAGE_BYTES)!;
      const bytes = (): Uint8Array => {
        const pages = Array.from({ length: file.pages }, (_, i) => file.read(i + 1, 0, DATABASE_PAGE_BYTES).slice());
        return Buffer.concat(pages);
      };
      expect(before.equals(bytes())).toBe(true);
      await store.commit(commitOf([[pageWrite(contractId(2), text(""))]]));
      const other = new DatabaseSync(path);
      other.exec("PRAGMA busy_timeout = 0");
      expect(other.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()).toMatchObject({ busy: 1 });
      other.close();
      expect(before.equals(bytes())).toBe(true);
      expect(() => file.read(file.pages + 1, 0, 1)).toThrowError(StructureUnexpected);
      reader.close();
    });
  });

  it("is refused when somebody has written to the log since it was cut off, and when its pages have another size", async () => {
    const path = freshPath();
    await withStore(path, true, async (store) => {
      const reader = openDatabase(path);
      expect(() => standStill(reader, path, 4_096)).toThrowError(StructureUnexpected);
      reader.exec("ROLLBACK");
      await store.commit(commitOf([[pageWrite(contractId(1), text(""))]]));
      expect(standStill(reader, path, DATABASE_PAGE_BYTES)).toBeNull();
      expect(reader.isTransaction).toBe(false);
      reader.close();
    });
  });
});

it.skipIf(process.platform !== "linux")("compacting keeps the locks that SQLite has on the file", async () => {
  const path = freshPath();
  await withStore(path, true, async (store) => {
    await store.commit(commitOf([[pageWrite(contractId(1), text(""))]]));
    const inode = statSync(path).ino;
    const locks = (): number =>
      readFileSync("/proc/locks", "utf8")
        .split("\n")
        .filter((line) => line.includes(` ${process.pid} `) && line.includes(`:${inode} `)).length;
    const before = locks();
    expect(before).toBeGreaterThan(0);
    await store.compact();
    expect(locks()).toBe(before);
  });
});
