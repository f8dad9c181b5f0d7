import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { PARTS } from "../../bench/observed-store.ts";
import { rotationResults } from "../../bench/rotation.ts";
import { cellOf } from "../../bench/table.ts";

it("rotates a small store every way, checks it, and leaves no file behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-rotation-"));
  vi.stubEnv("TMPDIR", folder);
  try {
    const [whole, parts, ...more] = await rotationResults({
      contracts: 3,
      recordsEach: 100,
      rowContracts: 2,
      rounds: 2,
    });
    expect(whole).toMatchObject({
      rows: ["300 records"],
      columns: ["1 thread", "2 threads", "copy, 1 thread", "copy, 2 threads", "paged loop", "node:crypto loop"],
    });
    expect(whole!.cases.map(({ times }) => times.length)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(parts).toMatchObject({ rows: PARTS, columns: ["1 thread", "2 threads"] });
    // The parts are all there is, but for what lies before the store is opened and after it is closed.
    for (const column of parts!.columns) {
      const sum = PARTS.reduce((all, part) => all + cellOf(parts!, part, column)!, 0);
      const total = cellOf(whole!, "300 records", column)!;
      expect(sum / total).toBeGreaterThan(0.5);
      expect(sum / total).toBeLessThan(1.1);
    }
    expect(more).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  }
});
