import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { keyFilePath } from "../../src/store/home.ts";
import { ContractStates } from "../../src/pruntime/contract-states.ts";
import { readRotation } from "../../src/rotation/control.ts";
import { rotate } from "../../src/rotation/rotation.ts";
import { openStoreAt } from "../../src/store/location.ts";
import { useFolder } from "../pruntime/folder.ts";
import { put, text, contractOf } from "../rotation/sealed-store.ts";

const inFolder = useFolder();

function statesOf(home: LocalHome): ContractStates {
  const { store, suite } = home;
  return new ContractStates({ store, engine: new Engine(), suite, masterKey: (id) => home.masterKey(id) });
}

describe("a new home", () => {
  it.each(["aes-256-gcm", "chacha20-poly1305"] as const)(
    "has a key file, MasterKey 0 and an idle store: %s",
    async (suite) => {
      const folder = inFolder("deep", "home");
      await LocalHome.init(folder, suite);
      expect(readdirSync(inFolder("deep"))).toEqual(["home"]);
      expect(readdirSync(folder).sort()).toEqual(["key", "master-key", "store.sqlite"]);
      if (process.platform !== "win32") {
        expect(statSync(folder).mode & 0o777).toBe(0o700);
        expect(statSync(keyFilePath(folder)).mode & 0o777).toBe(0o600);
        expect(statSync(`${folder}/store.sqlite`).mode & 0o777).toBe(0o600);
      }
      await using home = await LocalHome.open(folder);
      expect(home.suite).toBe(suite);
      expect(readdirSync(`${folder}/master-key`)).toEqual(["0.sealed"]);
      expect((await readRotation(home.store)).value).toMatchObject({ rotationId: 0, phase: "idle" });
      using key = await home.masterKey(0);
      expect(key.rotationId).toBe(0);
      await expect(home.masterKey(1)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    },
  );

  it("takes the place of an empty folder, and of nothing else", async () => {
    mkdirSync(inFolder("empty"));
    await LocalHome.init(inFolder("empty"), "aes-256-gcm");
    const key = readFileSync(keyFilePath(inFolder("empty")));
    mkdirSync(inFolder("full"));
    writeFileSync(inFolder("full", "mine"), "mine");
    writeFileSync(inFolder("file"), "mine");
    for (const name of ["empty", "full", "file"]) {
      await expect(LocalHome.init(inFolder(name), "aes-256-gcm")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    }
    expect(readFileSync(keyFilePath(inFolder("empty")))).toEqual(key);
    expect(readdirSync(inFolder("full"))).toEqual(["mine"]);
    expect(readFileSync(inFolder("file"), "utf8")).toBe("mine");
    expect(readdirSync(inFolder()).sort()).toEqual(["empty", "file", "full"]);
  });

  it("is not kept from its place by what a killed one left", async () => {
    for (const name of [`.home.new-${process.pid}`, ".home.new-abcdef"]) {
      mkdirSync(inFolder(name));
      writeFileSync(inFolder(name, "key"), "half");
    }
    await LocalHome.init(inFolder("home"), "aes-256-gcm");
    await using home = await LocalHome.open(inFolder("home"));
    expect(readdirSync(`${home.folder}/master-key`)).toEqual(["0.sealed"]);
  });

  it("is made by one of several at once", async () => {
    const made = await Promise.allSettled(
      Array.from({ length: 4 }, () => LocalHome.init(inFolder("home"), "aes-256-gcm")),
    );
    expect(made.filter(({ status }) => status === "fulfilled").length).toBe(1);
    for (const one of made) if (one.status === "rejected") expect(one.reason.code).toBe("ALREADY_EXISTS");
    expect(readdirSync(inFolder())).toEqual(["home"]);
    await using home = await LocalHome.open(inFolder("home"));
    using key = await home.masterKey(0);
    expect(key.rotationId).toBe(0);
  });

  it.skipIf(process.platform === "win32")("that can't be made says why, and leaves nothing", async () => {
    writeFileSync(inFolder("file"), "");
    await expect(LocalHome.init(inFolder("file", "home"), "aes-256-gcm")).rejects.toMatchObject({
      code: expect.stringMatching(/^(IO_FAILED|ALREADY_EXISTS)$/),
    });
    expect(readdirSync(inFolder())).toEqual(["file"]);
  });
});

describe("opening a home", () => {
  it("says what is missing", async () => {
    await expect(LocalHome.open(inFolder("none"))).rejects.toMatchObject({ code: "NOT_FOUND" });
    await LocalHome.init(inFolder("home"), "aes-256-gcm");
    const key = readFileSync(keyFilePath(inFolder("home")));
    rmSync(keyFilePath(inFolder("home")));
    await expect(LocalHome.open(inFolder("home"))).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    writeFileSync(keyFilePath(inFolder("home")), key, { mode: 0o600 });
    await using home = await LocalHome.open(inFolder("home"));
    expect(readdirSync(`${home.folder}/master-key`)).toEqual(["0.sealed"]);
  });

  it("refuses a store that does not say whose it is", async () => {
    await LocalHome.init(inFolder("home"), "aes-256-gcm");
    const location = await LocalHome.open(inFolder("home")).then(async (home) => {
      await home[Symbol.asyncDispose]();
      return home.location;
    });
    for (const value of [
      "",
      "{}",
      '{"id":"0x00","suite":"aes-256-gcm"}',
      `{"id":"0x${"00".repeat(16)}","suite":"rot13"}`,
    ]) {
      const store = await openStoreAt(location);
      const cell = (await store.cell("home"))!;
      const cells = [{ name: "home", expected: cell.version, value: text(value) }];
      await store.commit({ groups: [], sealedUnder: null, cells });
      await store.close();
      await expect(LocalHome.open(inFolder("home"))).rejects.toMatchObject({ code: "STORE_CORRUPT" });
    }
  });

  it("refuses MasterKeys of another home", async () => {
    for (const name of ["one", "two"]) await LocalHome.init(inFolder(name), "aes-256-gcm");
    const foreign = readFileSync(inFolder("two", "master-key", "0.sealed"));
    rmSync(inFolder("one", "master-key", "0.sealed"));
    writeFileSync(inFolder("one", "master-key", "0.sealed"), foreign);
    await using home = await LocalHome.open(inFolder("one"));
    await expect(home.masterKey(0)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
  });

  it.skipIf(process.platform === "win32")("follows a link", async () => {
    await LocalHome.init(inFolder("home"), "aes-256-gcm");
    symlinkSync(inFolder("home"), inFolder("link"));
    await using home = await LocalHome.open(inFolder("link"));
    (await home.masterKey(0))[Symbol.dispose]();
  });
});

describe("a home that is rotated", () => {
  it("keeps its states and loses its old key, also from the disk", async () => {
    await LocalHome.init(inFolder("home"), "aes-256-gcm");
    await using home = await LocalHome.open(inFolder("home"));
    using states = statesOf(home);
    await put(states, 1, { a: "one", b: "two" });
    const oldFile = readFileSync(inFolder("home", "master-key", "0.sealed"));
    const oldPage = (await home.store.find(contractOf(1).id, text("a")))!.body;
    const summary = await rotate({
      store: home.location,
      suite: home.suite,
      threads: 1,
      masterKey: (id) => home.masterKey(id),
      newMasterKey: (id) => home.createMasterKey(id),
      abandon: (id) => home.destroyMasterKey(id),
    });
    expect(summary).toMatchObject({ rotationId: 1, records: 2, failed: 0 });
    expect(readdirSync(`${home.folder}/master-key`)).toEqual(["1.sealed"]);
    await expect(home.masterKey(0)).rejects.toMatchObject({ code: "KEY_UNAVAILABLE" });
    expect(await states.get(contractOf(1).id, text("b"))).toEqual(text("two"));
    const files = readdirSync(inFolder("home"), { recursive: true, withFileTypes: true }).filter((file) =>
      file.isFile(),
    );
    for (const file of files) {
      const bytes = readFileSync(`${file.parentPath}/${file.name}`);
      expect(bytes.includes(oldFile.subarray(8))).toBe(false);
      expect(bytes.includes(Buffer.from(oldPage.subarray(16))), file.name).toBe(false);
    }
  });
});
