/** `KILL_MINUTES` (30) and `KILL_SEED` (1) choose what is done; only the machine's speed is not repeatable. */
import { expect, test } from "vitest";
import { killRotatingNetwork } from "../cli/rotation-kills.ts";
import { useFolder } from "../pruntime/folder.ts";

const at = useFolder();
const MINUTES = Number(process.env["KILL_MINUTES"] ?? 30);
const SEED = Number(process.env["KILL_SEED"] ?? 1);

test(
  `kill -9 of chain, nodes and pRuntimes at random for ${MINUTES} minutes of rotations: nothing that was acknowledged is lost`,
  { timeout: (MINUTES + 15) * 60_000 },
  async () => {
    const came = await killRotatingNetwork(at("network"), {
      port: 7_700,
      seed: SEED,
      milliseconds: MINUTES * 60_000,
      pauseMilliseconds: 6_000,
      migrates: true,
    });
    process.stdout.write(`${JSON.stringify(came)}\n`);
    expect(came.rotations).toBeGreaterThan(0);
  },
);
