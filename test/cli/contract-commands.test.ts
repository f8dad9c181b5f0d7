/** `contract put`, `get` and `delete`: a user's commands, over HTTP, to pRuntimes in processes of their own. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { execute } from "../../src/cli/contract-commands.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { MessageClient } from "../../src/gatekeeper/message-client.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { TestNode, chainOf, produceUntil } from "../gatekeeper/http-nodes.ts";
import { asking, get, recipientOf } from "../pruntime/contract-user.ts";
import { useFolder } from "../pruntime/folder.ts";
import { contractOf } from "../pruntime/provisioning-parties.ts";
import { type Run, runProgram } from "./transcript.ts";

const at = useFolder();
const NEVER = new AbortController().signal;
const SHOP = contractOf("shop");

/** A gatekeeper and a pRuntime that runs a contract, whose EcdhKey is on the chain. */
async function setUp(stack: AsyncDisposableStack) {
  const nodes = [await TestNode.create(stack, at("gatekeeper")), await TestNode.create(stack, at("worker"))] as const;
  const [gatekeeper, worker] = nodes;
  const chain = chainOf(stack, nodes, {
    gatekeepers: { tag: "listed", value: [gatekeeper.keys.identityKey] },
    masterKey: { keySuite: 1, threshold: 1, phaseBlocks: 4, refreshBlocks: 1_000 },
    ecdhKeys: { interval: 1_000, overlap: 3 },
    sessionBlocks: 100,
  });
  const running = nodes.map((node) => node.run(stack, chain));
  const launch = { round: 0, action: { tag: "launch", value: undefined } } as const;
  for (const member of ["g1", "g2"]) chain.chain.submit(chain.message(member, 0, { tag: "govern", value: launch }));
  const value = { name: Buffer.from("shop"), worker: worker.keys.identityKey };
  chain.chain.submit(chain.message("rich", 0, { tag: "deployContract", value }));
  const until = (holds: () => boolean): Promise<void> => produceUntil(chain, nodes, running, holds);
  return { nodes, chain, until };
}

/** Runs the command on a chain. */
function user(chain: FolderChain, ...args: string[]): Promise<Run> {
  const [verb, ...rest] = args;
  return runProgram("gatekeeper", ["contract", verb!, SHOP, ...rest, "--home", chain.folder], { cwd: chain.folder });
}

function published({ replica }: FolderChain): boolean {
  return replica.ledger.state.contracts.get(SHOP)?.ecdhKey != null;
}

test("a contract keeps what its user puts, for him alone to read, until it is given to another pRuntime", async () => {
  await using stack = new AsyncDisposableStack();
  const { nodes, chain, until } = await setUp(stack);
  const [gatekeeper, worker] = nodes;
  await until(() => chain.replica.ledger.state.contracts.has(SHOP));
  expect((await user(chain, "get", "name", "--wait", "0")).stderr).toMatch(/^gatekeeper: KEY_NOT_PROVISIONED: /);
  const waits = Promise.withResolvers<void>();
  const early = execute({ home: chain.folder, wait: 120 }, SHOP, get("name"), NEVER, waits.resolve);
  await waits.promise;
  await until(() => published(chain));
  expect(await early).toEqual({ tag: "nothing", value: undefined });

  const crossed: Uint8Array[] = [];
  const executed = worker.execute;
  worker.execute = async (bytes) => {
    const answer = await executed(bytes);
    crossed.push(bytes, answer);
    return answer;
  };
  const secret = "a value that is nobody else's";
  expect(await user(chain, "put", "name", secret)).toMatchObject({ code: 0, stdout: "put 29 bytes\n" });
  expect(await user(chain, "get", "name")).toMatchObject({ code: 0, stdout: `${secret}\n` });
  const json = JSON.parse((await user(chain, "get", "0x6e616d65", "--json")).stdout) as object;
  const value = `0x${Buffer.from(secret).toString("hex")}`;
  expect(json).toEqual({ contract: SHOP, key: "0x6e616d65", value });
  expect(await user(chain, "put", "bytes", "0x00ff")).toMatchObject({ code: 0 });
  expect((await user(chain, "get", "bytes")).stdout).toBe("0x00ff\n");
  expect(await user(chain, "delete", "bytes")).toMatchObject({ code: 0, stdout: "deleted\n" });
  for (const verb of ["get", "delete"]) {
    const { code, stderr } = await user(chain, verb, "bytes");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^gatekeeper: NOT_FOUND: /)]);
  }
  expect((await user(chain, "put", "name", "0x0")).code).toBe(2);
  expect((await user(chain, "put", "k".repeat(1_025), "x")).code).toBe(2);

  // Neither what crossed nor what lies in its home has it in the clear.
  expect(crossed).toHaveLength(16);
  for (const bytes of crossed) expect(Buffer.from(bytes).includes(secret)).toBe(false);
  const files = readdirSync(at("worker")).filter((name) => name.startsWith("contract-states.sqlite"));
  expect(files).toContain("contract-states.sqlite");
  for (const name of files) expect(readFileSync(join(at("worker"), name)).includes(secret)).toBe(false);

  // An answer that somebody altered on its way is none, nor is that to another command.
  worker.execute = async (bytes) => {
    const answer = Uint8Array.from(await executed(bytes));
    answer[answer.length - 1]! ^= 1;
    return answer;
  };
  expect((await user(chain, "get", "name")).stderr).toMatch(/^gatekeeper: COMMAND_INVALID: .*BadTag/);
  worker.execute = async () => crossed[3]!;
  expect((await user(chain, "get", "name")).stderr).toMatch(/^gatekeeper: COMMAND_INVALID: .*BadTag/);
  worker.execute = executed;

  const { identityKey } = gatekeeper.keys;
  const recipient = recipientOf(chain.replica.ledger.state, SHOP);
  chain.chain.submit(
    chain.message("rich", 1, { tag: "assignContract", value: { contract: SHOP, worker: identityKey } }),
  );
  await until(() => chain.replica.ledger.state.contracts.get(SHOP)!.worker === identityKey);
  const client = stack.use(new MessageClient());
  const late = asking(recipient, get("name"));
  await vi.waitUntil(() => worker.node!.status?.height === chain.chain.height(), 30_000);
  await expect(client.execute(worker.endpoint, late.sealed, NEVER)).rejects.toMatchObject({
    code: "PEER_FAILED",
    detail: { status: 503, why: "KEY_NOT_PROVISIONED" },
  });
  // The chain names who runs it now, with the same key; but the states are in the store that the first one announced.
  await vi.waitFor(async () => {
    const asked = client.execute(gatekeeper.endpoint, asking(recipient, get("name")).sealed, NEVER);
    await expect(asked).rejects.toMatchObject({
      code: "PEER_FAILED",
      detail: { status: 503, why: "STORE_UNAVAILABLE" },
    });
  }, 30_000);
  expect(nodes.flatMap(({ faults }) => faults)).toEqual([]);
}, 180_000);

test("a command is tried again only where its host says that it was not begun, and as long as its user waits", async () => {
  await using stack = new AsyncDisposableStack();
  const { nodes, chain, until } = await setUp(stack);
  const worker = nodes[1];
  await until(() => published(chain));
  const executed = worker.execute;
  let tries = 0;
  /** How often it comes when the first tries end like this, and what comes of it. */
  const after = async (error: GatekeeperError, ...options: string[]) => {
    tries = 0;
    worker.execute = (bytes) => (tries++ < 2 ? Promise.reject(error) : executed(bytes));
    const { code, stderr } = await user(chain, "put", "name", "v", ...options);
    return { tries, code, stderr };
  };
  const waits = { tries: 3, code: 0, stderr: "waiting for the contract's keys\n" };
  const notYet = new GatekeeperError("KEY_NOT_PROVISIONED", "no keys yet");
  expect(await after(notYet)).toEqual(waits);
  expect(await after(new GatekeeperError("KEY_UNAVAILABLE", "of the generation before"))).toEqual(waits);
  const away = new GatekeeperError("PRUNTIME_UNAVAILABLE", "it was not given to it", { reason: "NotJoined" });
  expect(await after(away)).toEqual(waits);
  expect(await after(notYet, "--wait", "0")).toMatchObject({
    tries: 1,
    code: 1,
    stderr: expect.stringMatching(/KEY_NOT_PROVISIONED\n$/),
  });
  // It may have been executed.
  for (const code of ["PRUNTIME_UNAVAILABLE", "INTERNAL"] as const) {
    expect(await after(new GatekeeperError(code, "it ended"))).toMatchObject({ tries: 1, code: 1 });
  }
  expect(tries).toBe(1);
}, 180_000);

test("the command says what the chain lacks", async () => {
  using chain = new FolderChain();
  expect((await user(chain, "get", "a")).stderr).toMatch(/^gatekeeper: NOT_FOUND: there is no contract/);
  const elsewhere = await runProgram("gatekeeper", ["contract", "get", SHOP, "a", "--home", at("none")], {
    cwd: chain.folder,
  });
  expect(elsewhere).toMatchObject({ code: 1, stderr: expect.stringMatching(/^gatekeeper: NOT_FOUND: /) });
});
