/** What nodes bring each other over HTTP. */
import { describe, expect, test } from "vitest";
import { MessageClient } from "../../src/gatekeeper/message-client.ts";
import { httpTransport } from "../../src/gatekeeper/http-transport.ts";
import { useFolder } from "../pruntime/folder.ts";
import { TestNode, chainOf, produceUntil } from "./http-nodes.ts";

const at = useFolder();
const NEVER = new AbortController().signal;

/** Has the first of these nodes that is asked for something not answer, then and later. @returns which one that is. */
function silenceFirst(stack: AsyncDisposableStack, nodes: readonly TestNode[]): () => string | null {
  let silent: TestNode | null = null;
  const end = Promise.withResolvers<null>();
  stack.defer(() => end.resolve(null));
  for (const each of nodes) {
    const { hear } = each;
    each.hear = (bytes) => {
      silent ??= each;
      return silent === each ? end.promise : hear(bytes);
    };
  }
  return () => silent?.keys.identityKey ?? null;
}

describe("nodes", () => {
  test("bring their pRuntimes' questions and answers to each other, and say what is public", async () => {
    await using stack = new AsyncDisposableStack();
    const nodes = [await TestNode.create(stack, at("a")), await TestNode.create(stack, at("b"))] as const;
    const [a, b] = nodes;
    const chain = chainOf(stack, nodes, {});
    const running = nodes.map((node) => node.run(stack, chain));
    await produceUntil(chain, nodes, running, () => nodes.every(({ node }) => (node!.status?.height ?? 0) > 1));
    const client = stack.use(new MessageClient());
    const transport = httpTransport(client);
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const question = await from.pruntime.ask("ping", to.keys.identityKey);
      const destination = { to: to.keys.identityKey, endpoint: Buffer.from(to.endpoint) };
      const answer = await transport(destination, question, NEVER);
      expect(await from.pruntime.ask("deliver", answer!)).toMatchObject({
        tag: "pong",
        value: { from: to.keys.identityKey },
      });
      // It opens once.
      const again = { code: "PEER_FAILED", detail: { reason: "Refused", status: 400, why: "Replayed" } };
      await expect(transport(destination, question, NEVER)).rejects.toMatchObject(again);
    }
    const response = await fetch(`${a.endpoint}v1/status`);
    expect(await response.json()).toEqual({
      identityKey: a.keys.identityKey,
      genesisHash: a.node!.status!.genesisHash,
      height: a.node!.status!.height,
      registered: true,
      gatekeeper: true,
    });
    await expect(transport({ to: a.keys.identityKey, endpoint: null }, Uint8Array.of(1), NEVER)).rejects.toMatchObject({
      code: "PEER_FAILED",
      detail: { reason: "NoEndpoint" },
    });
  });

  test("bring partials to a pRuntime that runs a contract, from others in the place of one whose host is silent", async () => {
    await using stack = new AsyncDisposableStack();
    const nodes: TestNode[] = [];
    for (const name of ["g1", "g2", "g3", "worker"]) nodes.push(await TestNode.create(stack, at(name)));
    const worker = nodes[3]!;
    const gatekeepers = nodes.slice(0, 3);
    const silent = silenceFirst(stack, gatekeepers);
    const chain = chainOf(stack, nodes, {
      gatekeepers: { tag: "listed", value: gatekeepers.map(({ keys }) => keys.identityKey) },
      masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 4, refreshBlocks: 1_000 },
      ecdhKeys: { interval: 1_000, overlap: 3 },
      sessionBlocks: 100,
    });
    const running = nodes.map((node) => node.run(stack, chain));
    const launch = { round: 0, action: { tag: "launch", value: undefined } } as const;
    for (const member of ["g1", "g2"]) chain.chain.submit(chain.message(member, 0, { tag: "govern", value: launch }));
    const names = ["one", "two", "three"];
    for (const [sequence, name] of names.entries()) {
      const value = { name: Buffer.from(name), worker: worker.keys.identityKey };
      chain.chain.submit(chain.message("rich", sequence, { tag: "deployContract", value }));
    }
    const missing = (): number[] =>
      worker.told.flatMap((event) => (event.kind === "Provisioned" ? [event.missing] : []));
    await produceUntil(chain, nodes, running, () => missing().at(-1) === 0);
    expect(missing()[0]).toBe(names.length);
    expect(worker.told).toContainEqual({ kind: "PeerLate", peer: silent() });
    // Others may have been late, or behind by a block, on a machine that is busy; wrong was nobody.
    expect(worker.told.filter(({ kind }) => kind === "PeerWrong" || kind === "PeerFailed")).toEqual([]);
    expect(nodes.flatMap(({ faults }) => faults)).toEqual([]);
  });
});
