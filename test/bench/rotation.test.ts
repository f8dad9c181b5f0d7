import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { rotationResult } from "../../bench/rotation.ts";

it("rotates a small store three ways, checks it, and leaves no file behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-rotation-"));
  vi.stubEnv("TMPDIR", folder);
  try {
    const result = await rotationResult({ contracts: 3, recordsEach: 100, rounds: 2 });
    expect(result).toMatchObject({
      rows: ["300 records", "its sweep"],
      columns: ["1 thread", "2 threads", "node:crypto loop"],
    });
    expect(result.cases.map(({ times }) => times.length)).toEqual([2, 2, 2, 2, 2]);
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  }
});
