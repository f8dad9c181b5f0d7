import { fstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { spool } from "../../../src/gatekeeper/import/spool.ts";
import { rejectionOf } from "./parse.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gatekeeper-spool-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const TEXT = Buffer.from("plaintext state that must not reach the disk; ".repeat(10_000));

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const list: Uint8Array[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return Buffer.concat(list);
}

/** Descriptors of this process that are open on a spool in `folder`. */
function openSpools(): number[] {
  const at = (fd: string): string => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch (error) {
      return `closed meanwhile: ${String(error)}`;
    }
  };
  return readdirSync("/proc/self/fd")
    .filter((fd) => at(fd).startsWith(`${folder}/import-`))
    .map(Number);
}

describe("spool", () => {
  test("gives back what it read, as often as asked, also two passes at once", async () => {
    const spooled = await spool("in", Readable.from([TEXT.subarray(0, 1), TEXT.subarray(1)]), folder);
    expect(Buffer.from(spooled.head)).toEqual(TEXT.subarray(0, 2));
    const first = bytesOf(spooled.chunks());
    const second = bytesOf(spooled.chunks());
    expect((await first).equals(TEXT)).toBe(true);
    expect((await second).equals(TEXT)).toBe(true);
    await spooled.close();
  });

  test("an empty input is an empty spool", async () => {
    const spooled = await spool("in", Readable.from([]), folder);
    expect(spooled.head).toHaveLength(0);
    expect(await bytesOf(spooled.chunks())).toHaveLength(0);
    await spooled.close();
  });

  test.skipIf(process.platform !== "linux")("its file has no name, mode 0600 and no plaintext", async () => {
    const spooled = await spool("in", Readable.from([TEXT]), folder);
    expect(readdirSync(folder)).toEqual([]);
    const [fd, ...others] = openSpools();
    expect(others).toEqual([]);
    expect(fstatSync(fd!).mode & 0o777).toBe(0o600);
    expect(fstatSync(fd!).size).toBe(TEXT.length);
    const stored = readFileSync(`/proc/self/fd/${fd}`);
    expect(stored).toHaveLength(TEXT.length);
    for (const part of ["plaintext", "state", "disk"]) expect(stored.includes(part)).toBe(false);
    await spooled.close();
    expect(openSpools()).toEqual([]);
  });

  test.skipIf(process.platform !== "linux")("two spools of the same bytes share no key", async () => {
    const spools = await Promise.all([1, 2].map(() => spool("in", Readable.from([TEXT]), folder)));
    const [a, b] = openSpools().map((fd) => readFileSync(`/proc/self/fd/${fd}`));
    expect(a!.equals(b!)).toBe(false);
    await Promise.all(spools.map((spooled) => spooled.close()));
  });

  test("is of no use once closed", async () => {
    const spooled = await spool("in", Readable.from([TEXT]), folder);
    await spooled.close();
    await expect(bytesOf(spooled.chunks())).rejects.toThrow("wiped");
  });

  test("names the input and the folder when it fails, and leaves nothing", async () => {
    const absent = join(folder, "absent");
    expect((await rejectionOf(spool("in", Readable.from([TEXT]), absent))).toWire()).toMatchObject({
      code: "IO_FAILED",
      detail: { file: "in", folder: absent, code: "ENOENT" },
    });
    const failing = new Readable({
      read(): void {
        this.destroy(Object.assign(new Error("pulled"), { code: "EIO" }));
      },
    });
    expect((await rejectionOf(spool("in", failing, folder))).detail["code"]).toBe("EIO");
    expect(readdirSync(folder)).toEqual([]);
    expect(statSync(folder).isDirectory()).toBe(true);
  });
});
