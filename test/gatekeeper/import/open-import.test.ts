import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Import, openImport } from "../../../src/gatekeeper/import/open-import.ts";
import { parse, rejectionOf, type Shown, show } from "./parse.ts";

const A = "00000000219ab540356cbb839cbe05303d7705fa";
const SPEC = JSON.stringify({
  genesis: {
    raw: { top: Object.fromEntries(Array.from({ length: 9000 }, (_, i) => [`0x${i + 10_000}0`, `0x${i + 10_000}f`])) },
  },
});
const GENESIS = JSON.stringify({ alloc: { [A]: { balance: "0x5" } } });

let folder = "";
let spoolFolder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gatekeeper-import-"));
  spoolFolder = join(folder, "spool");
  mkdirSync(spoolFolder);
});
afterAll(() => rmSync(folder, { recursive: true }));

function written(name: string, bytes: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

async function all(files: Import): Promise<Shown[]> {
  const shown: Shown[] = [];
  for await (const entries of files.read()) shown.push(...entries.map(show));
  return shown;
}

async function allOf(paths: readonly string[], stdin?: Readable): Promise<Shown[]> {
  await using files = await openImport(paths, { spoolFolder, ...(stdin === undefined ? {} : { stdin }) });
  return await all(files);
}

describe("openImport", () => {
  test("reads files twice, plain and gzipped, whatever their names", async () => {
    const paths = [written("a.gz", SPEC), written("b.json", gzipSync(GENESIS))];
    await using files = await openImport(paths, { spoolFolder });
    expect(files.name).toBe(paths.join(", "));
    const wanted = [...parse(SPEC), ...parse(GENESIS)];
    expect(wanted).toHaveLength(9001);
    expect(await all(files)).toEqual(wanted);
    expect(await all(files)).toEqual(wanted);
  });

  test("reads standard input twice, plain and gzipped, and leaves nothing behind", async () => {
    for (const bytes of [Buffer.from(SPEC), gzipSync(SPEC)]) {
      for (const chunkBytes of [1, 100_000]) {
        const cut = bytes.subarray(0, chunkBytes === 1 ? 2000 : bytes.length);
        const chunks = [...Array.from(cut.keys()).filter((at) => at % chunkBytes === 0), cut.length];
        const stdin = Readable.from([
          ...chunks.slice(1).map((end, i) => cut.subarray(chunks[i], end)),
          bytes.subarray(cut.length),
        ]);
        await using files = await openImport(["-"], { spoolFolder, stdin });
        expect(await all(files)).toEqual(parse(SPEC));
        expect(await all(files)).toEqual(parse(SPEC));
        expect(files.name).toBe("standard input");
      }
    }
    expect(readdirSync(spoolFolder)).toEqual([]);
  });

  test.skipIf(process.platform === "win32")("a pipe is read like standard input", async () => {
    const path = join(folder, "pipe");
    const script = 'mkfifo "$1" && (cat "$0" >"$1" &)';
    execFileSync("sh", ["-c", script, written("for-pipe", gzipSync(SPEC)), path], { stdio: "ignore" });
    await using files = await openImport([path], { spoolFolder });
    expect(await all(files)).toEqual(parse(SPEC));
    expect(await all(files)).toEqual(parse(SPEC));
  });

  test("can be left in the middle of a pass", async () => {
    for (const bytes of [SPEC, gzipSync(SPEC)]) {
      await using files = await openImport([written("left", bytes)], { spoolFolder });
      for await (const entries of files.read()) {
        expect(entries.length).toBeGreaterThan(0);
        break;
      }
      expect(await all(files)).toHaveLength(9000);
    }
  });

  test("names a file that is missing, a folder, or not to be read", async () => {
    const missing = join(folder, "missing.json");
    expect((await rejectionOf(openImport([missing], { spoolFolder }))).toWire()).toMatchObject({
      code: "IO_FAILED",
      detail: { file: missing, code: "ENOENT" },
    });
    expect((await rejectionOf(openImport([folder], { spoolFolder }))).toWire()).toMatchObject({
      code: "IO_FAILED",
      detail: { file: folder, code: "EISDIR" },
    });
    const good = written("good", GENESIS);
    expect((await rejectionOf(openImport([good, missing], { spoolFolder }))).detail["file"]).toBe(missing);
    expect((await rejectionOf(openImport([], { spoolFolder }))).code).toBe("USAGE");
    expect((await rejectionOf(openImport(["-", "-"], { spoolFolder }))).code).toBe("USAGE");
  });

  test("refuses gzip data that are cut short, damaged, or followed by something", async () => {
    const packed = gzipSync(SPEC);
    const damaged = Buffer.from(packed);
    damaged[packed.length >> 1]! ^= 0xff;
    const wrongSum = Buffer.from(packed);
    wrongSum[packed.length - 5]! ^= 1;
    const cases = [
      packed.subarray(0, 2),
      packed.subarray(0, 10),
      packed.subarray(0, -1),
      packed.subarray(0, packed.length >> 1),
      damaged,
      wrongSum,
      Buffer.concat([packed, Buffer.from("x")]),
      Buffer.concat([packed, Buffer.alloc(100)]),
      Buffer.concat([packed, packed]),
      gzipSync(packed),
      gzipSync(""),
    ];
    for (const bytes of cases) {
      const file = written("bad.gz", bytes);
      const error = await rejectionOf(allOf([file]));
      expect([error.code, error.detail["file"]]).toEqual(["IMPORT_INVALID", file]);
      expect(error.detail["offset"]).toBeTypeOf("number");
    }
    const parts = Buffer.concat([gzipSync(SPEC.slice(0, 500)), gzipSync(SPEC.slice(500))]);
    expect(await allOf([written("two-members.gz", parts)])).toEqual(parse(SPEC));
  });

  test("counts offsets in the decompressed bytes", async () => {
    const bad = `${SPEC}!`;
    for (const bytes of [bad, gzipSync(bad)]) {
      expect((await rejectionOf(allOf([written("offset", bytes)]))).detail["offset"]).toBe(SPEC.length);
    }
  });

  test("a small gzip that unpacks to gigabytes of blanks needs no memory", async () => {
    const blanks = gzipSync(Buffer.alloc(64 << 20, " "));
    const bomb = Buffer.concat([...Array.from({ length: 16 }, () => blanks), gzipSync(SPEC)]);
    expect(bomb.length).toBeLessThan(2 << 20);
    const before = process.memoryUsage().rss;
    expect(await allOf([written("bomb.gz", bomb)])).toHaveLength(9000);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 << 20);
  });

  test("notices a file that is changed between the passes", async () => {
    const path = written("changing", GENESIS);
    await using files = await openImport([path], { spoolFolder });
    expect(await all(files)).toHaveLength(1);
    writeFileSync(path, GENESIS.replace("0x5", "0x6"));
    utimesSync(path, 1, 1);
    const error = await rejectionOf(all(files));
    expect([error.code, error.detail["file"]]).toEqual(["IO_FAILED", path]);
  });

  test("stops when it is cancelled", async () => {
    const control = new AbortController();
    const endless = new Readable({ read: () => undefined });
    const opening = openImport(["-"], { spoolFolder, stdin: endless, signal: control.signal });
    control.abort();
    expect((await rejectionOf(opening)).code).toBe("ABORTED");
    expect(readdirSync(spoolFolder)).toEqual([]);
    const files = await openImport([written("cancelled", SPEC)], { spoolFolder, signal: control.signal });
    expect((await rejectionOf(all(files))).code).toBe("ABORTED");
    await files.close();
  });
});
