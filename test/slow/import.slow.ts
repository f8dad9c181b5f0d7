/** A 2 GB chain spec through the command line: everything arrives, in less than 300 MB of memory. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Seeded } from "./seeded.ts";

const SPEC_BYTES = 2_000_000_000;
const PEAK_BYTES_MAX = 300_000_000;
const STATES_OF_A_PALLET = 20_000;
const PROGRAM = fileURLToPath(new URL("../../dist/cli/gatekeeper.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gatekeeper-import-"));

/** Writes a raw spec of pallets with values of 8 to 168 bytes. @returns the number of its states. */
async function writeSpec(path: string): Promise<number> {
  const seeded = new Seeded(1);
  const digits = Array.from({ length: 4_096 }, () => seeded.below(16).toString(16)).join("");
  const out = createWriteStream(path);
  let bytes = 0;
  const write = async (text: string): Promise<void> => {
    bytes += text.length;
    if (!out.write(text)) await once(out, "drain");
  };
  await write('{"name":"large","id":"large","genesis":{"raw":{"top":{');
  let states = 0;
  while (bytes < SPEC_BYTES) {
    const pallet = Math.floor(states / STATES_OF_A_PALLET)
      .toString(16)
      .padStart(32, "a");
    const lines = Array.from({ length: 1_000 }, () => {
      const key = pallet + states.toString(16).padStart(32, "0");
      const value = digits.slice(seeded.below(2_000)).slice(0, 16 + 8 * seeded.below(41));
      return `${states++ === 0 ? "" : ","}"0x${key}":"0x${value}"`;
    });
    await write(lines.join(""));
  }
  out.end('},"childrenDefault":{}}}}');
  await finished(out);
  return states;
}

/** The most memory that a process, and those that it has started, held at once, each by itself (Linux: VmHWM). */
function peakOfAll(pid: number): number {
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  return 1_024 * Number(peak?.[1] ?? 0) + children.reduce((sum, child) => sum + peakOfAll(child), 0);
}

/** Runs a command to its end. @returns what it printed, and the most memory that it and its pRuntime held. */
async function peakOf(args: readonly string[]): Promise<{ printed: string; peakBytes: number }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  let peakBytes = 0;
  let printed = "";
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const sampling = setInterval(() => {
    peakBytes = Math.max(peakBytes, peakOfAll(child.pid!));
  }, 200);
  const [code] = await once(child, "exit");
  clearInterval(sampling);
  expect(code).toBe(0);
  return { printed, peakBytes };
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(process.platform !== "linux")("the import of 2 GB", () => {
  it("takes less than 300 MB of memory", async () => {
    const spec = join(folder, "spec.json");
    const home = join(folder, "home");
    const states = await writeSpec(spec);
    execFileSync(process.execPath, [PROGRAM, "init", "--home", home, "--json"]);
    const begin = performance.now();
    const { printed, peakBytes } = await peakOf(["import", spec, "--home", home, "--json"]);
    const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
    process.stdout.write(`${states} states: ${seconds} s, at most ${(peakBytes / 1e6).toFixed(0)} MB\n`);
    expect(JSON.parse(printed)).toMatchObject({ records: states, unchanged: 0 });
    expect(peakBytes).toBeGreaterThan(0);
    expect(peakBytes).toBeLessThan(PEAK_BYTES_MAX);
  });
});
