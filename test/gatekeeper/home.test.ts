import { existsSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Home, checkHome } from "../../src/gatekeeper/home.ts";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import type { Request } from "../../src/pruntime/boundary.ts";
import { useFolder } from "../pruntime/folder.ts";

const inFolder = useFolder();
const NOTHING = { words: new Uint8Array(0), bytes: new Uint8Array(0) };

describe("a local home", () => {
  it("is made once, and opened as it was made", async () => {
    await Home.init(inFolder("home"), "chacha20-poly1305");
    await expect(Home.init(inFolder("home"), "aes-256-gcm")).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await using home = await Home.open(inFolder("home"));
    expect(home).toMatchObject({ folder: inFolder("home"), suite: "chacha20-poly1305" });
    expect(await home.store.contracts(null, 10)).toEqual([]);
    expect(await home.pruntime.ask("write", NOTHING)).toMatchObject({ written: 0 });
    expect(checkHome(inFolder("home"))).toBe(inFolder("home"));
  });

  it("becomes none of a network", async () => {
    await Home.init(inFolder("home"), "aes-256-gcm");
    const before = readdirSync(inFolder("home"));
    await using pruntime = new PRuntime({ home: inFolder("home") });
    await expect(pruntime.ask("createIdentity", undefined)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
    await expect(pruntime.ask("status", undefined)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(readdirSync(inFolder("home"))).toEqual(before);
    expect(await pruntime.ask("write", NOTHING)).toMatchObject({ written: 0 });
  });

  it("is not where there is none", async () => {
    await expect(Home.open(inFolder("none"))).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(() => checkHome(inFolder("none"))).toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
    expect(existsSync(inFolder("none"))).toBe(false);
  });
});

describe("a home of a network", () => {
  it("gives and takes no state or key, to its host or by its pRuntime", async () => {
    await using pruntime = new PRuntime({ home: inFolder("home") });
    await pruntime.ask("createIdentity", undefined);
    expect(() => checkHome(inFolder("home"))).toThrow(expect.objectContaining({ code: "NOT_LOCAL" }));
    await expect(Home.open(inFolder("home"))).rejects.toMatchObject({ code: "NOT_LOCAL" });
    const local: Request[] = [
      { tag: "createHome", value: "aes-256-gcm" },
      { tag: "exportKey", value: inFolder("exported") },
      { tag: "importKey", value: inFolder("exported") },
      { tag: "get", value: { contract: new Uint8Array(32), key: new Uint8Array(0) } },
      { tag: "write", value: NOTHING },
      { tag: "import", value: { threads: 1, batch: NOTHING } },
      { tag: "rotate", value: { threads: 1, begin: true } },
      { tag: "verify", value: { threads: 1 } },
    ];
    for (const { tag, value } of local) {
      await expect(pruntime.ask(tag, value as never), tag).rejects.toMatchObject({ code: "NOT_LOCAL" });
    }
    expect(existsSync(inFolder("exported"))).toBe(false);
    expect(await pruntime.ask("status", undefined)).toMatchObject({ software: true, height: 0, genesisHash: null });
    await expect(pruntime.ask("createIdentity", undefined)).rejects.toMatchObject({ code: "ALREADY_EXISTS" });
  });
});
