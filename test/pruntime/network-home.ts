/** A chain, and the home of a gatekeeper of it, made by the commands as its users do. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { runProgram } from "../cli/transcript.ts";

/**
 * Makes WORK/node, WORK/chain with three blocks, and WORK/account, which is everybody.
 * @returns the node's public keys, as it tells them.
 */
export async function makeNetworkHome(work: string): Promise<{ identityKey: string; ecdhKey: string }> {
  const run = async (...args: string[]): Promise<Record<string, string>> => {
    const { code, stdout, stderr } = await runProgram("gatekeeper", [...args, "--json"], { cwd: work });
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout) as Record<string, string>;
  };
  const { identityKey, ecdhKey } = await run("pruntime", "init", "--home", "node");
  await run("account", "new", "account");
  const { publicKey } = await run("account", "show", "account");
  const genesis = {
    name: "network",
    sessionBlocks: 1_000,
    existentialDeposit: "10",
    attestation: { software: true },
    gatekeepers: { seats: 4, minimum: 1 },
    staking: { bondingDuration: 2, slashDeferDuration: 1 },
    governance: { members: [publicKey] },
    accounts: [{ account: publicKey, free: "1000000000" }],
    workers: [{ identityKey, ecdhKey, operator: publicKey }],
    stakers: [{ stash: publicKey, bond: "500000000", validate: { identityKey, commission: 0.1 } }],
  };
  writeFileSync(join(work, "genesis.json"), JSON.stringify(genesis));
  await run("chain", "init", "--genesis", "genesis.json", "--authority", "account", "--home", "chain");
  await run("chain", "start", "--authority", "account", "--interval", "1", "--blocks", "3", "--home", "chain");
  return { identityKey: identityKey!, ecdhKey: ecdhKey! };
}
