/** A rotation's memory does not grow with the store: 4,000,000 records take what 1,000,000 take, within 15 %. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { makeLargeStore } from "./large-store.ts";

const RECORDS_EACH = 62_500;
const CHILD = fileURLToPath(new URL("rotate-child.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gatekeeper-memory-"));

interface Measured {
  readonly records: number;
  readonly failed: number;
  readonly seconds: number;
  readonly peakKiB: number;
}

/** Peak memory of the process that rotates a store of so many contracts. */
async function rotationOf(contracts: number): Promise<Measured> {
  const path = join(folder, `${contracts}.sqlite`);
  const key = await makeLargeStore(path, contracts, RECORDS_EACH);
  const measured = JSON.parse(execFileSync(process.execPath, [CHILD, path, key], { encoding: "utf8" })) as Measured;
  rmSync(path);
  const { records, seconds, peakKiB } = measured;
  process.stdout.write(`${records} records: ${seconds.toFixed(1)} s, at most ${(peakKiB / 1_024).toFixed(0)} MiB\n`);
  return measured;
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the memory of a rotation", () => {
  it("is the same for 4,000,000 records as for 1,000,000, within 15 %", async () => {
    const small = await rotationOf(16);
    const large = await rotationOf(64);
    expect(small).toMatchObject({ records: 1_000_000, failed: 0 });
    expect(large).toMatchObject({ records: 4_000_000, failed: 0 });
    expect(large.peakKiB / small.peakKiB).toBeLessThan(1.15);
  });
});
