/** Nodes with pRuntimes in processes of their own, whose messages go over HTTP to where the chain says. */
import { setTimeout as sleep } from "node:timers/promises";
import { ChainWatch } from "../../src/gatekeeper/chain-watch.ts";
import { MessageClient } from "../../src/gatekeeper/message-client.ts";
import { MessageServer } from "../../src/gatekeeper/message-server.ts";
import type { CommandHandler, MessageHandler } from "../../src/gatekeeper/message-transport.ts";
import { GatekeeperNode, type NodeEvent } from "../../src/gatekeeper/node.ts";
import { httpTransport } from "../../src/gatekeeper/http-transport.ts";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { idOf } from "../protocol/network.ts";
import { type Keys, enclaveGenesis } from "../pruntime/authority.ts";
import { until } from "../until.ts";

const HERE = { host: "127.0.0.1", port: 0 };

/** A pRuntime and its host. */
export class TestNode {
  readonly told: NodeEvent[] = [];
  readonly faults: unknown[] = [];
  readonly pruntime: PRuntime;
  readonly keys: Keys;
  node: GatekeeperNode | null = null;
  endpoint = "";
  /** What it does with messages that come by HTTP. */
  hear: MessageHandler = (bytes) => this.node!.receive(bytes);
  /** And with commands. */
  execute: CommandHandler = (bytes) => this.node!.execute(bytes);

  private constructor(pruntime: PRuntime, keys: Keys) {
    this.pruntime = pruntime;
    this.keys = keys;
  }

  /** @param home - where its pRuntime is made. */
  static async create(stack: AsyncDisposableStack, home: string): Promise<TestNode> {
    const pruntime = stack.use(new PRuntime({ home }));
    await pruntime.ask("createIdentity", undefined);
    const { identityKey, ecdhKey } = await pruntime.ask("status", undefined);
    const node = new TestNode(pruntime, { identityKey, ecdhKey });
    const server = stack.use(
      await MessageServer.listen(HERE, {
        deliver: (bytes) => node.hear(bytes),
        execute: (bytes) => node.execute(bytes),
        status: () => node.node!.status,
        onFault: (error) => void node.faults.push(error),
      }),
    );
    node.endpoint = `http://127.0.0.1:${server.port}/`;
    return node;
  }

  /** Runs it until the stack is disposed. */
  run(stack: AsyncDisposableStack, chain: FolderChain): Promise<void> {
    const client = stack.use(new MessageClient());
    const own = stack.use(chain.reopened());
    const watch = new ChainWatch(own);
    const transport = httpTransport(client);
    this.node = new GatekeeperNode({
      chain: own,
      pruntime: this.pruntime,
      operator: null,
      transport,
      watch,
      tell: async (event) => void this.told.push(event),
    });
    const stop = new AbortController();
    const running = this.node.run(stop.signal);
    stack.defer(async () => {
      stop.abort();
      await running;
    });
    return running;
  }
}

/** A chain that has them from its genesis on. */
export function chainOf(
  stack: AsyncDisposableStack,
  nodes: readonly TestNode[],
  changes: Partial<Genesis>,
): FolderChain {
  const workers = nodes.map(({ keys, endpoint }) => ({
    ...keys,
    operator: idOf("rich"),
    endpoint: Buffer.from(endpoint),
  }));
  const keys = nodes.map((node) => node.keys);
  return stack.use(new FolderChain(enclaveGenesis(keys, { workers, ...changes })));
}

/** Makes blocks until it holds, each when all nodes have said to the one before what they have to say. */
export async function produceUntil(
  chain: FolderChain,
  nodes: readonly TestNode[],
  running: readonly Promise<void>[],
  holds: () => boolean,
): Promise<void> {
  for (let now = 1; !holds(); now++) {
    if (now > 200) throw new Error(`it did not come to that: ${JSON.stringify(nodes.map(({ told }) => told))}`);
    const isThere = (): boolean => nodes.every(({ node }) => node!.status?.height === chain.chain.height());
    await Promise.race([Promise.all(running), until(isThere)]);
    // What they say is handed in behind that.
    await sleep(50);
    chain.producer.produce(now, true);
  }
}
