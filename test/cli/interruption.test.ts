/** Commands that are stopped, and readers that stop reading: on a home that takes some seconds to rotate. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Run, programFile, runProgram, workFolder } from "./transcript.ts";

const ACCOUNTS = 20_000;
const work = workFolder();
const gatekeeper = (...args: string[]): Promise<Run> => runProgram("gatekeeper", args, { cwd: work });
const status = async (home: string): Promise<Record<string, unknown>> =>
  JSON.parse((await gatekeeper("status", "--home", home, "--json")).stdout);

beforeAll(async () => {
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => [
    `0x${index.toString(16).padStart(40, "0")}`,
    { balance: "0x1" },
  ]);
  const input = Buffer.from(JSON.stringify({ alloc: Object.fromEntries(accounts) }));
  await gatekeeper("init", "--home", "h");
  const { code } = await runProgram("gatekeeper", ["import", "--home", "h"], { cwd: work, input });
  expect(code).toBe(0);
}, 60_000);

afterAll(() => rmSync(work, { recursive: true }));

/** Starts `rotate`, and sends it a signal when the rotation has begun. */
async function interrupted(home: string, signal: NodeJS.Signals, ...args: string[]): Promise<Run> {
  cpSync(join(work, "h"), join(work, home), { recursive: true });
  const command = [programFile("gatekeeper"), "rotate", "--home", home, "--threads", "1", ...args];
  const child = spawn(process.execPath, command, { cwd: work });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => (stdout += chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  const closed = new Promise<Run>((done) => {
    child.on("close", (code, by) => done({ code, signal: by, stdout, stderr }));
  });
  while ((await status(home))["phase"] === "idle") await sleep(20);
  child.kill(signal);
  return closed;
}

describe("a rotation", () => {
  test("stops at Ctrl-C, says how to go on, and is finished by a worker", async () => {
    const { code, stdout, stderr } = await interrupted("a", "SIGINT");
    expect([code, stdout]).toEqual([130, ""]);
    expect(stderr).toMatch(/^stopping[\s\S]*\ngatekeeper: ABORTED: interrupted: run gatekeeper rotate again.*\n$/);
    expect(await status("a")).toMatchObject({ rotationId: 1, records: ACCOUNTS, phase: "reencryption" });
    const worker = await runProgram("rotation-worker", ["--home", "a", "--json"], { cwd: work });
    expect(JSON.parse(worker.stdout)).toMatchObject({ rotationId: 1, records: ACCOUNTS, failed: 0 });
    expect(await status("a")).toEqual({ rotationId: 1, records: ACCOUNTS, remainingOld: 0, phase: "idle" });
  }, 60_000);

  test("stops at SIGTERM with one JSON document, and goes on when it is run again", async () => {
    const { code, stdout, stderr } = await interrupted("b", "SIGTERM", "--json");
    expect([code, stderr]).toEqual([143, ""]);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "ABORTED", detail: { signal: "SIGTERM" } } });
    const again = await gatekeeper("rotate", "--home", "b", "--json");
    expect(JSON.parse(again.stdout)).toMatchObject({ rotationId: 1, records: ACCOUNTS, failed: 0 });
  }, 60_000);
});

test.each([[["list"]], [["list", "--json"]]])("%j into a reader that has read enough is quiet", (args) => {
  const command = [process.execPath, programFile("gatekeeper"), ...args, "--home", "h"];
  const shell = `${command.map((word) => `'${word}'`).join(" ")} | head -c 5`;
  const { stdout, stderr } = spawnSync("sh", ["-c", shell], { cwd: work, encoding: "utf8" });
  expect(stdout).toHaveLength(5);
  expect(stderr).toBe("");
});

test.skipIf(process.platform !== "linux")("a stdout that can't be written is an error", () => {
  const shell = `'${process.execPath}' '${programFile("gatekeeper")}' status --home h > /dev/full`;
  const { status: code, stderr } = spawnSync("sh", ["-c", shell], { cwd: work, encoding: "utf8" });
  expect(code).toBe(1);
  expect(stderr).toBe("gatekeeper: IO_FAILED: standard output can't be written: ENOSPC\n");
});

test("list is one JSON document, however many contracts there are", async () => {
  const { stdout } = await gatekeeper("list", "--home", "h", "--json");
  const contracts = JSON.parse(stdout) as { contract: string; name: string; records: number }[];
  expect(contracts).toHaveLength(ACCOUNTS);
  expect(new Set(contracts.map(({ name }) => name)).size).toBe(ACCOUNTS);
  expect(contracts.every(({ contract, records }) => /^0x[0-9a-f]{64}$/.test(contract) && records === 1)).toBe(true);
});
