import { describe, expect, it } from "vitest";
import { runChild } from "./child.ts";

const SCRIPT = `
  import { readFileSync } from "node:fs";
  import { forbidCoreDumps } from "SRC/pruntime/process.ts";
  try {
    forbidCoreDumps();
    console.log("forbidden", readFileSync("/proc/self/coredump_filter", "utf8").trim());
  } catch (error) {
    console.log(error.code, error.message);
  }
`;

describe.skipIf(process.platform !== "linux")("forbidCoreDumps (on Linux)", () => {
  it("takes a process whose limits are 0, and lets a dump hold nothing", async () => {
    expect((await runChild(SCRIPT, "ulimit -c 0")).stdout).toBe("forbidden 00000000\n");
  });

  it.for([
    ["soft limit", "ulimit -S -c 8"],
    ["hard limit", "ulimit -S -c 0"],
  ])("refuses one whose %s allows dumps", async ([, before], { skip }) => {
    const { code } = await runChild("", "[ $(ulimit -H -c) != 0 ]");
    if (code !== 0) {
      skip("this machine allows no core dumps at all");
    }
    expect((await runChild(SCRIPT, before)).stdout).toMatch(/^PRUNTIME_UNAVAILABLE .*`ulimit -c 0`/);
  });
});
