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

/** A process and those that it has started. */
function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(familyOf)];
}

/** Runs a command to its end. @returns what it printed, and the most memory that it, and its pRuntime, held (VmHWM). */
async function peaksOf(args: readonly string[]): Promise<{ printed: string; peaks: readonly number[] }> {
  const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const peaks = new Map<number, number>();
  let printed = "";
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = chunk.toString();
  });
  child.stdout.on("data", (chunk: Buffer) => {
    printed += chunk.toString();
  });
  const sampling = setInterval(() => {
    for (const pid of familyOf(child.pid!)) {
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
      if (peak !== null) peaks.set(pid, 1_024 * Number(peak[1]));
    }
  }, 200);
  const [code] = await once(child, "exit");
  clearInterval(sampling);
  expect(code, said).toBe(0);
  return { printed, peaks: [...peaks.values()] };
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(process.platform !== "linux")("the import of 2 GB", () => {
  it("takes less than 300 MB of memory in each of its two processes", async () => {
    const spec = join(folder, "spec.json");
    const home = join(folder, "home");
    const states = await writeSpec(spec);
    execFileSync(process.execPath, [PROGRAM, "init", "--home", home, "--json"]);
    const begin = performance.now();
    const { printed, peaks } = await peaksOf(["import", spec, "--home", home, "--json"]);
    const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
    const told = peaks.map((bytes) => `${(bytes / 1e6).toFixed(0)} MB`).join(" and ");
    process.stdout.write(`${states} states: ${seconds} s, at most ${told}\n`);
    expect(JSON.parse(printed)).toMatchObject({ records: states, unchanged: 0 });
    expect(peaks).toHaveLength(2);
    expect(Math.max(...peaks)).toBeLessThan(PEAK_BYTES_MAX);
  });
});
