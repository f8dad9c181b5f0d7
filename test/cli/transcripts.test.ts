/** The transcripts in transcripts/, each a test. */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { runTranscript, workFolder } from "./transcript.ts";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const folder = fileURLToPath(new URL("transcripts", import.meta.url));
const files = readdirSync(folder).filter((name) => name.endsWith(".txt"));

describe.concurrent("the command line", () => {
  test.each(files)("%s", (file) => runTranscript(join(folder, file)), 900_000);
});

describe("a transcript fails", () => {
  test.each([
    ["where a command does", "gatekeeper rotate --home $WORK/none\n"],
    ["where a command should and does not", "! gatekeeper --help\n"],
    ["where output is missing", "gatekeeper --help\nstdout 'no such text'\n"],
    ["where output is that should not be", "gatekeeper --help\n! stdout .\n"],
    ["where the exit code is another", "! gatekeeper --nonsense\nexit 1\n"],
    ["where stdout is no JSON", "gatekeeper --help\njson '{}'\n"],
    ["where a line makes no sense", "gatekeper --help\n"],
  ])("%s", async (_, text) => {
    const work = workFolder();
    const file = join(work, "transcript.txt");
    writeFileSync(file, text);
    await expect(runTranscript(file)).rejects.toThrow();
    rmSync(work, { recursive: true });
  });
});
