/** Hosts and pRuntimes of two releases, each as a process: they speak the highest version that both know. */
import { mkdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import { BOUNDARY_VERSIONS, commonVersion } from "../../src/pruntime/boundary.ts";
import { type SecondBuild, secondBuild } from "../second-build.ts";
import { useFolder } from "./folder.ts";
import { PRUNTIME, Running } from "./running.ts";

const at = useFolder();
const NEXT = BOUNDARY_VERSIONS.at(-1)! + 1;

function build(name: string, versions: readonly number[]): SecondBuild {
  mkdirSync(at(name));
  return secondBuild(at(name), versions);
}

/** A pRuntime of a release, which listens. */
async function listening(program: string, name: string) {
  const path = at(`${name} socket`);
  const running = new Running([process.execPath, program, "--home", at(name), "--listen", `unix:${path}`]);
  while (!/^pruntime: listening at /m.test(running.stderr)) {
    if (running.process.exitCode !== null) throw new Error(`it ended early: ${running.stderr}`);
    await sleep(20);
  }
  return { running, address: { path } };
}

test("the highest version that both sides speak is spoken", () => {
  expect(commonVersion(BOUNDARY_VERSIONS)).toBe(BOUNDARY_VERSIONS.at(-1));
  expect(commonVersion([0, NEXT, ...BOUNDARY_VERSIONS])).toBe(BOUNDARY_VERSIONS.at(-1));
  expect(commonVersion([NEXT])).toBeNull();
  expect(commonVersion([])).toBeNull();
});

test("hosts and pRuntimes of this release and the next work together, and those of different measurement", async () => {
  const next = build("next", [...BOUNDARY_VERSIONS, NEXT]);
  const { PRuntime: NextPRuntime } = (await import(next.module("gatekeeper/pruntime.js"))) as {
    PRuntime: typeof PRuntime;
  };
  const measurements: string[] = [];
  for (const program of [PRUNTIME, next.pruntime]) {
    for (const Host of [PRuntime, NextPRuntime]) {
      const { running, address } = await listening(program, `home ${measurements.length}`);
      await using _ = running;
      await using pruntime = new Host({ address });
      await pruntime.ask("createIdentity", undefined);
      measurements.push((await pruntime.ask("status", undefined)).measurement);
    }
  }
  const [mine, same, its, itsToo] = measurements;
  expect([same, itsToo]).toEqual([mine, its]);
  expect(its).not.toBe(mine);
});

test("a release that has left this one's versions behind says so to its host", async () => {
  const later = build("later", [NEXT]);
  const { running, address } = await listening(later.pruntime, "home");
  await using _ = running;
  await using pruntime = new PRuntime({ address });
  await expect(pruntime.ask("createIdentity", undefined)).rejects.toThrow(
    expect.objectContaining({
      code: "PRUNTIME_UNAVAILABLE",
      message: expect.stringContaining(`none of the host's versions is spoken here, which are ${NEXT}`),
    }),
  );
});
