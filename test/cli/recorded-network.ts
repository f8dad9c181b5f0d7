/**
 * A local network of real processes, of which everything is recorded that goes from node to node, or from a user to a node: each
 * node listens elsewhere, and where its genesis says that it is found stands somebody who passes on and keeps a copy.
 */
import { execFileSync } from "node:child_process";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NetworkProcesses } from "../../src/cli/network-processes.ts";
import {
  type LocalNetworkSize,
  type LocalNode,
  createLocalNetwork,
  localNodes,
  storePath,
} from "../../src/gatekeeper/local-network.ts";
import type { Action } from "../../src/protocol/call.ts";
import { processesOf } from "./network-kills.ts";
import { WatchedChain } from "./watched-chain.ts";

/** From a node's place in the genesis to where it listens. */
const PORTS_ON = 50;

/** What somebody has asked a node by HTTP. */
export interface Exchange {
  readonly path: string;
  /** The node's place in the genesis. */
  readonly to: number;
  readonly request: Buffer;
  /** Empty where there was none. */
  readonly answer: Buffer;
}

/** Dispose ends its processes. */
export class RecordedNetwork implements AsyncDisposable {
  readonly folder: string;
  readonly nodes: readonly LocalNode[];
  readonly chain: WatchedChain;
  /** Since its beginning. */
  readonly traffic: Exchange[] = [];
  readonly #processes: NetworkProcesses;
  readonly #servers: Server[] = [];

  private constructor(folder: string, port: number) {
    this.folder = folder;
    this.nodes = localNodes(folder);
    this.chain = new WatchedChain(folder);
    const chainFile = join(folder, "chain.sqlite");
    this.#processes = new NetworkProcesses(
      [
        { name: "chain", argv: ["chain", "start", "--home", folder] },
        ...this.nodes.map(({ name, home }, at) => {
          const working = ["--store", storePath(folder), "--threads", "1"];
          const listening = ["--listen", `127.0.0.1:${port + at + PORTS_ON}`];
          return { name, argv: ["run", "--home", home, "--chain", chainFile, ...working, ...listening] };
        }),
      ],
      () => undefined,
    );
  }

  /** Makes a network and starts it; its MasterKey is on its way. */
  static async start(folder: string, size: LocalNetworkSize): Promise<RecordedNetwork> {
    await createLocalNetwork(folder, size, Date.now());
    const network = new RecordedNetwork(folder, size.port);
    for (const at of network.nodes.keys()) await network.#record(size.port + at, at);
    await network.order({ tag: "launch", value: undefined });
    return network;
  }

  /** Governance has something done. */
  async order(action: Action): Promise<void> {
    const round = this.chain.state.governanceRound;
    await this.chain.send("governance.key", { tag: "govern", value: { round, action } });
    this.chain.follow();
  }

  /** Halts all of its processes, as they are. @returns their ids. */
  async halt(): Promise<number[]> {
    const halted = new Set<number>();
    // One may have started another before it was halted.
    for (;;) {
      const others = processesOf(this.folder).filter((pid) => !halted.has(pid));
      if (others.length === 0) break;
      for (const pid of others) {
        signal(pid, "SIGSTOP");
        halted.add(pid);
      }
      await sleep(20);
    }
    return processesOf(this.folder);
  }

  /** Lets them go on. */
  resume(): void {
    for (const pid of processesOf(this.folder)) signal(pid, "SIGCONT");
  }

  /**
   * Copies its folder, while all is halted. By another process: one that closes a file gives up all of its own locks on it (POSIX
   * fcntl), and what is read of databases here would be without them.
   */
  copyTo(folder: string): void {
    execFileSync("cp", ["-R", this.folder, folder]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resume();
    await this.#processes[Symbol.asyncDispose]();
    this.chain[Symbol.dispose]();
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
  }

  async #record(port: number, to: number): Promise<void> {
    const target = `http://127.0.0.1:${port + PORTS_ON}`;
    const server = createServer((request, response) => {
      this.#passOn(`${target}${request.url!}`, to, request, response).catch(() => response.destroy());
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    this.#servers.push(server);
  }

  async #passOn(url: string, to: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const body = Buffer.concat(pieces);
    // Whatever comes of it, it was sent.
    const exchange = { path: request.url!, to, request: body, answer: Buffer.alloc(0) };
    this.traffic.push(exchange);
    const type = request.headers["content-type"] ?? "application/octet-stream";
    const answered = await fetch(url, {
      method: request.method!,
      headers: { "content-type": type },
      ...(body.length === 0 ? {} : { body: Uint8Array.from(body) }),
    });
    exchange.answer = Buffer.from(await answered.arrayBuffer());
    response.writeHead(answered.status, { "content-type": answered.headers.get("content-type") ?? type });
    response.end(exchange.answer);
  }
}

function signal(pid: number, name: "SIGSTOP" | "SIGCONT"): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}
