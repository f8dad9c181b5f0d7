/** Where a passphrase comes from: a file that is passed on unread, or a terminal, here one that `script` gives. */
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, readSync, rmSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { passphraseDescriptor } from "../../src/cli/passphrase-descriptor.ts";
import { readKeyFile } from "../../src/pruntime/key-file.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { useFolder } from "../pruntime/folder.ts";
import { hasScript, onTerminal } from "./pseudo-terminal.ts";
import { programFile, runProgram } from "./transcript.ts";

const inFolder = useFolder();

describe("passphraseDescriptor", () => {
  it("opens a file, and reads nothing of it", () => {
    writeFileSync(inFolder("passphrase"), "secret");
    const descriptor = passphraseDescriptor(inFolder("passphrase"));
    const bytes = Buffer.alloc(10);
    // From where the descriptor stands: at its beginning.
    expect(bytes.toString("utf8", 0, readSync(descriptor, bytes))).toBe("secret");
    closeSync(descriptor);
  });

  it("says which file can't be opened, and why", () => {
    expect(() => passphraseDescriptor(inFolder("none"))).toThrow(
      expect.objectContaining({ code: "IO_FAILED", detail: { file: inFolder("none"), systemCode: "ENOENT" } }),
    );
  });

  it("asks for no terminal where there is none", () => {
    const isTTY = Object.getOwnPropertyDescriptor(process.stdin, "isTTY");
    Object.defineProperty(process.stdin, "isTTY", { value: false, configurable: true });
    try {
      expect(() => passphraseDescriptor(undefined)).toThrow(expect.objectContaining({ code: "USAGE" }));
    } finally {
      if (isTTY === undefined) Reflect.deleteProperty(process.stdin, "isTTY");
      else Object.defineProperty(process.stdin, "isTTY", isTTY);
    }
  });
});

describe.skipIf(!hasScript())("a passphrase on a terminal (where there is `script`)", () => {
  it("is asked for by the pRuntime, not shown, and opens what it closed", async () => {
    const home = inFolder("home");
    await LocalHome.init(home, "aes-256-gcm");
    using key = readKeyFile(inFolder("home", "key"));
    const secret = "hörse battery";
    const exported = await onTerminal(
      inFolder(),
      ["export-key", "exported", "--home", home],
      [
        ["New passphrase: ", `${secret}\r`],
        ["The same again: ", `${secret}\r`],
      ],
    );
    expect(exported.shown).toMatch(/New passphrase: [\r\n]+The same again: [\r\n]+exported the key of /);
    expect(exported.shown).not.toContain("battery");
    expect(exported.code).toBe(0);

    rmSync(inFolder("home", "key"));
    const wrong = await onTerminal(
      inFolder(),
      ["import-key", "exported", "--home", home],
      [["Passphrase: ", "horse battery\r"]],
    );
    expect(wrong.shown).toContain("PASSPHRASE_WRONG");
    expect(wrong.code).toBe(1);
    const right = await onTerminal(
      inFolder(),
      ["import-key", "exported", "--home", home],
      [["Passphrase: ", `${secret}\r`]],
    );
    expect(right.shown).toContain("restored ");
    using restored = readKeyFile(inFolder("home", "key"));
    const copy = key.use((bytes) => Buffer.from(bytes));
    expect(restored.use((bytes) => Buffer.compare(bytes, copy))).toBe(0);
  });

  it("may be refused by who is asked", async () => {
    await LocalHome.init(inFolder("home"), "aes-256-gcm");
    const args = ["export-key", "exported", "--home", inFolder("home")];
    const cancelled = await onTerminal(inFolder(), args, [["New passphrase: ", "abc\x03"]]);
    expect(cancelled.code).not.toBe(0);
    expect(cancelled.shown).toContain("ABORTED");
    const differing = await onTerminal(inFolder(), args, [
      ["New passphrase: ", "abc\r"],
      ["The same again: ", "abd\r"],
    ]);
    expect(differing.shown).toContain("the two passphrases differ");
    expect(differing.code).toBe(2);
  });
});

describe.skipIf(process.platform === "win32")("a passphrase from a pipe", () => {
  it("is read by the pRuntime through the host's descriptor", async () => {
    mkdirSync(inFolder("work"));
    await LocalHome.init(inFolder("work", "home"), "aes-256-gcm");
    const command = `printf 'from a pipe\\n' | "$0" "$1" export-key exported --home home --passphrase-file /dev/stdin`;
    const words = ["-c", command, process.execPath, programFile("gatekeeper")];
    execFileSync("sh", words, { cwd: inFolder("work"), stdio: ["ignore", "ignore", "inherit"] });
    rmSync(inFolder("work", "home", "key"));
    writeFileSync(inFolder("work", "passphrase"), "from a pipe");
    const back = ["import-key", "exported", "--home", "home", "--passphrase-file", "passphrase"];
    expect(await runProgram("gatekeeper", back, { cwd: inFolder("work") })).toMatchObject({ code: 0, stderr: "" });
  });
});
