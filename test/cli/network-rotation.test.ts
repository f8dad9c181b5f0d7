/** `gatekeeper rotate` where a network is: its own processes make a new MasterKey and re-encrypt its store, while a user writes. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { readAccountKey } from "../../src/chain/account-key.ts";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { sendCall } from "../../src/chain/send.ts";
import { execute } from "../../src/cli/contract-commands.ts";
import { runNetwork } from "../../src/cli/network-command.ts";
import { rotateNetwork } from "../../src/cli/network-rotation.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import { createLocalNetwork, storePath } from "../../src/gatekeeper/local-network.ts";
import type { Call } from "../../src/protocol/call.ts";
import { replicaCurve } from "../../src/protocol/curve.ts";
import { accountSigner } from "../../src/protocol/message.ts";
import { openStore } from "../../src/store/embedded.ts";
import { rotating } from "../chain/chain-network.ts";
import { NAMES, order, rotate } from "../protocol/rotators.ts";
import { keyGenesis } from "../protocol/shareholders.ts";
import { useFolder } from "../pruntime/folder.ts";
import { until } from "../until.ts";
import { runProgram } from "./transcript.ts";

const at = useFolder();
const SIZE = {
  gatekeepers: 3,
  threshold: 2,
  candidates: 0,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 200,
  refreshBlocks: 100_000,
  rotationBlocks: 0,
  port: 7_530,
};

type Told = { readonly kind: string; readonly [name: string]: unknown };

/** Sends a call of the operator of a node, and waits for its block. */
async function send(folder: string, node: string, call: (genesis: EmbeddedChain["genesis"]) => Call): Promise<void> {
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  using key = readAccountKey(join(folder, node, "operator.key"));
  const replica = openReplica(chain, replicaCurve());
  await sendCall(chain, replica, accountSigner(key), call(chain.genesis), AbortSignal.timeout(30_000));
}

test("a network rotates its MasterKey when it is told to, and what users have put is there", async () => {
  const folder = at("network");
  await createLocalNetwork(folder, SIZE, Date.now());
  const told: Told[] = [];
  const stop = new AbortController();
  const running = runNetwork(
    folder,
    async ({ document }) => {
      told.push(document as Told);
    },
    stop.signal,
  );
  const tells = (kind: string): Promise<unknown> => until(() => told.some((each) => each.kind === kind));
  try {
    await tells("SharingAdopted");
    await send(folder, "worker-1", ({ workers }) => ({
      tag: "deployContract",
      value: { name: Buffer.from("shop", "utf8"), worker: workers.at(-1)!.identityKey },
    }));
    await tells("ContractKeyPublished");
    const contract = told.find(({ kind }) => kind === "ContractKeyPublished")!["contract"] as string;
    const signal = AbortSignal.timeout(100_000);
    const put = (key: string, value: string) =>
      execute(
        { home: folder },
        contract,
        { tag: "put", value: { key: Buffer.from(key), value: Buffer.from(value) } },
        signal,
      );
    for (let key = 0; key < 20; key++) await put(`key ${key}`, `before ${key}`);
    const rotation = runProgram("gatekeeper", ["rotate", "--home", folder, "--json"], { cwd: folder });
    let over = false;
    void rotation.finally(() => {
      over = true;
    });
    // What may be read of each key: of a put that failed, because a pRuntime was replaced for one, nobody knows whether it was done.
    const possible = new Map(Array.from({ length: 20 }, (_, key) => [`key ${key}`, [`before ${key}`]]));
    let written = 0;
    for (let turn = 0; !over; turn++) {
      const [key, value] = [`key ${turn % 20}`, `during ${turn}`];
      const done = await put(key, value).catch(() => null);
      possible.set(key, done === null ? [...possible.get(key)!, value] : [value]);
      if (done !== null) written++;
    }
    const { code, stdout, stderr } = await rotation;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(JSON.parse(stdout)).toMatchObject({ ordered: true, rotationId: 1, outstanding: [] });
    expect(written).toBeGreaterThan(0);
    const read = async (key: string): Promise<string> => {
      const answer = await execute({ home: folder }, contract, { tag: "get", value: Buffer.from(key) }, signal);
      return answer.tag === "value" ? Buffer.from(answer.value).toString() : answer.tag;
    };
    await until(() => read("key 0").then(Boolean, () => false));
    for (const [key, values] of possible) expect(values).toContain(await read(key));
    const store = await openStore({ path: storePath(folder) });
    expect([...(await store.countByRotationId()).keys()]).toEqual([1]);
    expect(await store.keptCount()).toBe(0);
    await store.close();
  } finally {
    stop.abort();
    await running;
  }
}, 180_000);

test("who waits for a rotation that governance closes is told that nothing is proved", async () => {
  const { chain, rotators, network } = rotating(keyGenesis({ sessionBlocks: 1_000 }), NAMES);
  using _ = chain;
  order(network, rotate);
  rotators.until("RotationLate", undefined, (name, call) =>
    "cd".includes(name) && call?.tag === "declareDestroyed" ? { tag: "declareAbandoned", value: 1 } : call,
  );
  const waiting = rotateNetwork(new Terminal("gatekeeper", false), { home: chain.folder });
  order(network, { tag: "closeAbandonment", value: 1 });
  await expect(waiting).rejects.toMatchObject({
    code: "ROTATION_STATE",
    message: expect.stringContaining("closed the abandonment of MasterKey 0: its forward secrecy is not proved"),
  });
});
