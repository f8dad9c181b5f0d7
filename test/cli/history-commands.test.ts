/** `rotations` and `audit` on chains with real blocks. */
import { expect, test } from "vitest";
import { rotating } from "../chain/chain-network.ts";
import type { FolderChain } from "../chain/folder-chain.ts";
import { identity, publicOf } from "../protocol/network.ts";
import { NAMES, order, rotate } from "../protocol/rotators.ts";
import { keyGenesis } from "../protocol/shareholders.ts";
import { runProgram } from "./transcript.ts";

const key = (name: string): string => publicOf(identity(name));
const asked = (chain: FolderChain, ...args: string[]) =>
  runProgram("gatekeeper", [...args, "--home", chain.folder], { cwd: chain.folder });

test("rotations and an audit tell who did what, and that all of it was done", { timeout: 180_000 }, async () => {
  const { chain, once, rotators, network } = rotating(keyGenesis({ sessionBlocks: 1_000 }), NAMES);
  using _ = chain;
  expect((await asked(chain, "rotations")).stdout).toBe("no rotation has begun on this chain\n");
  expect(await asked(chain, "audit", "--json")).toMatchObject({
    code: 0,
    stdout: '{"rotations":[],"complete":0,"incomplete":0}\n',
  });
  once();
  once((name, call) => (name === "d" && call?.tag === "declareAbandoned" ? null : call));
  order(network, rotate);
  rotators.until("RotationStarted");
  // What was kept of the state is not what is audited.
  chain.producer.keepSnapshot();

  const { stdout: rows } = await asked(chain, "rotations");
  expect(rows.match(/^rotation /gm)).toHaveLength(3);
  expect(rows).toMatch(/^rotation 1: complete, blocks \d+ to \d+, switch at \d+, ordered by 0x/m);
  expect(rows).toMatch(/4 partitions, 40 records, 4,000 bytes; swept by 0x.*verified by 0x.*certified by 0x/);
  expect(rows).toMatch(/^rotation 2: .*outstanding: 0x/m);
  expect(rows).toMatch(/^rotation 3: under way, since block \d+, ordered by/m);
  const { stdout: receipts } = await asked(chain, "rotations", "--receipts");
  expect(receipts.match(/^ {2}partition \d, attempt 0, block \d+: 10 records/gm)).toHaveLength(8);

  const { rotations } = JSON.parse((await asked(chain, "rotations", "--receipts", "--json")).stdout);
  expect(rotations).toHaveLength(3);
  expect(rotations[1]).toMatchObject({ rotationId: 2, outcome: "complete", outstanding: [key("d")], records: 40 });
  expect(rotations[0].receipts).toHaveLength(4);

  const audit = await asked(chain, "audit");
  expect(audit).toMatchObject({ code: 0, stderr: "" });
  expect(audit.stdout).toMatch(/^rotation 1 \(blocks \d+ to \d+, switch at \d+\) is complete: swept by 0x/m);
  expect(audit.stdout).toMatch(/^rotation 2 .* is complete: .*keys of contracts: 0x/m);
  expect(audit.stdout).toMatch(/^rotation 3 \(since block \d+\) is under way\n2 rotations complete\n$/m);
  expect(JSON.parse((await asked(chain, "audit", "--json")).stdout)).toMatchObject({
    complete: 2,
    incomplete: 0,
    rotations: [
      { rotationId: 1, findings: [], owing: { keys: [] } },
      { rotationId: 2, findings: [], owing: { keys: [key("d")] } },
      { rotationId: 3, outcome: "under way" },
    ],
  });
});

test("an audit fails where nobody but the sweeper has verified", { timeout: 180_000 }, async () => {
  const alone = keyGenesis({
    sessionBlocks: 1_000,
    gatekeepers: { tag: "listed", value: [key("a")] },
    masterKey: { keySuite: 2, threshold: 1, phaseBlocks: 3, refreshBlocks: 1_000 },
    stakers: [],
  });
  const { chain, once } = rotating({ ...alone, workers: alone.workers.slice(0, 1) }, ["a"]);
  using _ = chain;
  once();
  const audit = await asked(chain, "audit");
  expect(audit.code).toBe(1);
  expect(audit.stdout).toMatch(/^rotation 1 .* is not shown to have been complete:$/m);
  expect(audit.stdout).toContain(`  partition 3 was verified by ${key("a")}, who had swept it\n`);
  expect(audit.stderr).toBe("1 rotation of this chain can't be shown to have been complete\n");
  const { code, stdout } = await asked(chain, "audit", "--json");
  expect({ code, incomplete: JSON.parse(stdout).incomplete }).toEqual({ code: 1, incomplete: 1 });
});

test("a rotation that governance closed is complete for nobody", { timeout: 180_000 }, async () => {
  const { chain, rotators, network } = rotating(keyGenesis({ sessionBlocks: 1_000 }), NAMES);
  using _ = chain;
  order(network, rotate);
  rotators.until("RotationLate", undefined, (name, call) =>
    "cd".includes(name) && call?.tag === "declareDestroyed" ? { tag: "declareAbandoned", value: 1 } : call,
  );
  expect((await asked(chain, "status")).stdout).toContain("gatekeeper govern close-abandonment 1\n");
  order(network, { tag: "closeAbandonment", value: 1 });

  const owing = "0x[0-9a-f]{10}…, 0x[0-9a-f]{10}…";
  const unproved =
    "its forward secrecy is not proved; shares of key session 0 not declared destroyed, 2 where 2 stand for it";
  const { stdout: row } = await asked(chain, "rotations");
  expect(row).toMatch(/^rotation 1: closed, blocks \d+ to \d+, switch at \d+, ordered by 0x/);
  expect(row).toMatch(
    new RegExp(`; outstanding: ${owing}; closed by ${owing}: MasterKey 0: ${unproved}, enough for it: ${owing}\n$`),
  );
  const audit = await asked(chain, "audit");
  expect(audit.code).toBe(1);
  expect(audit.stdout).toMatch(/^rotation 1 \(.*\) is not shown to have been complete:$/m);
  expect(audit.stdout).toMatch(
    new RegExp(
      `^  governance closed it, by ${owing}: the forward secrecy of what was under MasterKey 0 is not proved$`,
      "m",
    ),
  );
  expect(audit.stderr).toBe("1 rotation of this chain can't be shown to have been complete\n");
  const { stdout: status } = await asked(chain, "status");
  expect(status).toMatch(
    new RegExp(`^MasterKey 0, whose abandonment governance closed in block \\d+: ${unproved}`, "m"),
  );
});
