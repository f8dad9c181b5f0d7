import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { type Keyboard, askNewPassphrase, askPassphrase } from "../../src/pruntime/passphrase.ts";
import type { Secret } from "../../src/secret.ts";

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
