import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { type Keyboard, askNewPassphrase, askPassphrase, readPassphrase } from "../../src/pruntime/passphrase.ts";
import type { Secret } from "../../src/secret.ts";
import { useFolder } from "./folder.ts";

/** A terminal on which these chunks are typed, what it shows, and whether it is raw. */
function keyboard(...typed: (string | Uint8Array)[]): Keyboard & { shown(): string; raw: boolean[] } {
  const raw: boolean[] = [];
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => raw.push(on) });
  const prompts = new PassThrough();
  for (const chunk of typed) input.write(Buffer.from(chunk));
  return { input, prompts, raw, shown: () => String(prompts.read() ?? "") };
}

const text = (secret: Secret): string => secret.use((bytes) => Buffer.from(bytes).toString());

describe("askPassphrase", () => {
  test.each([
    ["a line", ["pässword\r"], "pässword"],
    ["keystrokes", ["a", "b", "\r"], "ab"],
    ["a line feed", ["ab\n"], "ab"],
    ["Ctrl-D", ["ab\x04"], "ab"],
    ["a character rubbed out", ["ab\x7fc\r"], "ac"],
    ["one of several bytes rubbed out", ["aä€\x7f\x08b\r"], "ab"],
    ["more rubbed out than there is", ["a\x7f\x7f\x7fb\r"], "b"],
    ["a line cleared", ["wrong\x15right\r"], "right"],
    ["nothing", ["\r"], ""],
    ["1,024 bytes", ["x".repeat(1_024), "\r"], "x".repeat(1_024)],
  ])("takes %s", async (_, typed, wanted) => {
    const terminal = keyboard(...typed);
    using passphrase = await askPassphrase(terminal);
    expect(text(passphrase)).toBe(wanted);
    expect(terminal.shown()).toBe("Passphrase: \n");
    expect(terminal.raw).toEqual([true, false]);
  });

  test.each([
    ["Ctrl-C", "ab\x03", { code: "ABORTED", detail: { signal: "SIGINT" } }],
    ["too many bytes", "x".repeat(1_025), { code: "USAGE" }],
  ])("gives up on %s", async (_, typed, error) => {
    const terminal = keyboard(typed);
    await expect(askPassphrase(terminal)).rejects.toMatchObject(error);
    expect(terminal.raw).toEqual([true, false]);
    expect(terminal.shown()).toBe("Passphrase: \n");
  });

  test("gives up when the terminal closes", async () => {
    const terminal = keyboard("ab");
    (terminal.input as PassThrough).end();
    await expect(askPassphrase(terminal)).rejects.toMatchObject({ code: "ABORTED" });
  });

  test.each([
    ["taken", "secret\r"],
    ["cancelled", "secret\x03"],
    ["too long", `${"secret".repeat(200)}\r`],
  ])("wipes what was typed when it is %s", async (_, typed) => {
    const terminal = keyboard();
    const chunk = Buffer.from(typed);
    (terminal.input as PassThrough).push(chunk);
    await askPassphrase(terminal).then(
      (passphrase) => passphrase[Symbol.dispose](),
      () => undefined,
    );
    expect(chunk.every((byte) => byte === 0)).toBe(true);
  });

  test("asks no pipe", async () => {
    const terminal = keyboard("ab\r");
    Object.assign(terminal.input, { isTTY: false });
    await expect(askPassphrase(terminal)).rejects.toMatchObject({ code: "USAGE" });
    expect(terminal.raw).toEqual([]);
  });
});

describe("askNewPassphrase", () => {
  test("takes two that agree, also pasted at once", async () => {
    const terminal = keyboard("same\rsame\r");
    using passphrase = await askNewPassphrase(terminal);
    expect(text(passphrase)).toBe("same");
    expect(terminal.shown()).toBe("New passphrase: \nThe same again: \n");
  });

  test("refuses two that differ", async () => {
    await expect(askNewPassphrase(keyboard("same\r", "sane\r"))).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("readPassphrase", () => {
  const inFolder = useFolder();

  function opened(content: string | Uint8Array): number {
    writeFileSync(inFolder("passphrase"), content);
    return openSync(inFolder("passphrase"), "r");
  }

  test.each([
    ["as it is", "correct horse", "correct horse"],
    ["without a line feed at its end", "correct horse\n", "correct horse"],
    ["without the line end of another system", "correct horse\r\n", "correct horse"],
    ["without a carriage return", "correct horse\r", "correct horse"],
    ["with all line ends but the last", "correct\nhorse\n\n", "correct\nhorse\n"],
    ["with its spaces and beyond ASCII", " pässword \n", " pässword "],
    ["empty", "", ""],
    ["of a line end alone", "\r\n", ""],
    ["of 1,024 bytes and a line end", `${"x".repeat(1_024)}\r\n`, "x".repeat(1_024)],
  ])("takes a file's %s", (_, content, wanted) => {
    const descriptor = opened(content);
    using passphrase = readPassphrase(descriptor);
    expect(text(passphrase)).toBe(wanted);
    closeSync(descriptor);
  });

  test("takes bytes that are no text", () => {
    const descriptor = opened(Uint8Array.of(0xff, 0, 0xfe, 10));
    using passphrase = readPassphrase(descriptor);
    expect(passphrase.use((bytes) => [...bytes])).toEqual([0xff, 0, 0xfe]);
    closeSync(descriptor);
  });

  test("takes a file from its beginning, however often", () => {
    const descriptor = opened("again\n");
    for (let times = 0; times < 3; times++) {
      using passphrase = readPassphrase(descriptor);
      expect(text(passphrase)).toBe("again");
    }
    closeSync(descriptor);
  });

  test.each([
    ["a byte too many", "x".repeat(1_025)],
    ["a byte too many and a line end", `${"x".repeat(1_025)}\r\n`],
    ["far too many", "x".repeat(100_000)],
    ["a line end too many", `${"x".repeat(1_024)}\n\n\n`],
  ])("refuses %s", (_, content) => {
    const descriptor = opened(content);
    expect(() => readPassphrase(descriptor)).toThrow(expect.objectContaining({ code: "USAGE" }));
    closeSync(descriptor);
  });

  test("refuses what can't be read, and says why", () => {
    const folder = openSync(inFolder(), "r");
    expect(() => readPassphrase(folder)).toThrow(
      expect.objectContaining({ code: "IO_FAILED", detail: { systemCode: "EISDIR" } }),
    );
    closeSync(folder);
    const closed = opened("x");
    closeSync(closed);
    expect(() => readPassphrase(closed)).toThrow(
      expect.objectContaining({ code: "IO_FAILED", detail: { systemCode: "EBADF" } }),
    );
  });

  test.skipIf(process.platform === "win32")("takes all that a pipe has, in however many pieces it comes", async () => {
    const program = `
      import { readPassphrase } from ${JSON.stringify(new URL("../../src/pruntime/passphrase.ts", import.meta.url).href)};
      using passphrase = readPassphrase(0);
      console.log(passphrase.length);
    `;
    const pieces =
      '(printf a; sleep 0.1; printf bc; sleep 0.1; printf \'d\\n\') | "$0" --input-type=module --eval "$1"';
    const child = spawn("sh", ["-c", pieces, process.execPath, program], { stdio: ["ignore", "pipe", "inherit"] });
    const [said] = (await once(child.stdout, "data")) as [Buffer];
    expect(said.toString()).toBe("4\n");
  });
});
