/** An HTTP server that anybody may connect to: time, headers and connections are limited, in all and for each address. */
import { once } from "node:events";
import { type Server, createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { GatekeeperError } from "../errors.ts";
import type { TcpAddress } from "../socket-address.ts";
import type { RequestLimits } from "./request-limits.ts";

/** How long a request that is under way is waited for when the server closes. */
export const CLOSE_MILLISECONDS = 5_000;
/** From the first byte of a request to the last of its headers, and of its body. */
const HEADERS_MILLISECONDS = 5_000;
const REQUEST_MILLISECONDS = 10_000;
/** How long a connection is kept on which nothing is asked, and one on which nothing moves. */
const KEPT_MILLISECONDS = 30_000;
const STILL_MILLISECONDS = 60_000;
const HEADER_BYTES_MAX = 8_192;
const CONNECTIONS_MAX = 256;
/** Requests of a connection, before another has to be made. */
const CONNECTION_REQUESTS_MAX = 1_000;

/** What answers requests: that of a Hono app with HttpBindings. */
type Fetch = Parameters<typeof createAdaptorServer>[0]["fetch"];

/** A server that listens. Dispose closes it: what is under way has some seconds. */
export class BoundedServer implements AsyncDisposable {
  readonly #limits: RequestLimits;
  readonly #server: Server;
  #closing: Promise<void> | null = null;

  private constructor(limits: RequestLimits, fetch: Fetch) {
    this.#limits = limits;
    this.#server = createAdaptorServer({
      fetch,
      createServer,
      // Nothing here needs the adapter's in their place.
      overrideGlobalObjects: false,
      serverOptions: {
        maxHeaderSize: HEADER_BYTES_MAX,
        headersTimeout: HEADERS_MILLISECONDS,
        requestTimeout: REQUEST_MILLISECONDS,
        connectionsCheckingInterval: 1_000,
        keepAliveTimeout: KEPT_MILLISECONDS,
      },
    }) as Server;
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.maxRequestsPerSocket = CONNECTION_REQUESTS_MAX;
    this.#server.timeout = STILL_MILLISECONDS;
    this.#server.on("connection", (socket) => this.#count(socket));
  }

  /**
   * Listens there.
   * @param address - port 0 is any that is free.
   * @param limits - which count its connections; lent.
   * @throws GatekeeperError IO_FAILED when it can't.
   */
  static async listen({ host, port }: TcpAddress, limits: RequestLimits, fetch: Fetch): Promise<BoundedServer> {
    const server = new BoundedServer(limits, fetch);
    server.#server.listen(port, host);
    try {
      await once(server.#server, "listening");
    } catch (cause) {
      const systemCode = String((cause as NodeJS.ErrnoException).code);
      const message = `${host}:${port} can't be listened at: ${systemCode}`;
      throw new GatekeeperError("IO_FAILED", message, { address: `${host}:${port}`, systemCode }, { cause });
    }
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Whether it takes no more connections: answers end those that they go over. */
  get isClosing(): boolean {
    return this.#closing !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #close(): Promise<void> {
    const closed = once(this.#server, "close");
    // Those that are idle it closes itself.
    this.#server.close();
    const limit = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MILLISECONDS);
    await closed;
    clearTimeout(limit);
  }

  #count(socket: Socket): void {
    const address = socket.remoteAddress ?? "";
    if (this.#limits.connected(address)) socket.once("close", () => this.#limits.disconnected(address));
    else socket.destroy();
  }
}
