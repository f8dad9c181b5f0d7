/**
 * Where Prometheus reads a node's metrics, by HTTP: GET /metrics. Nothing there is secret, and whoever may connect may read it:
 * the address says who that is. What can be taken is limited as where messages are taken (message-server.ts).
 */
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import type { TcpAddress } from "../socket-address.ts";
import { BoundedServer } from "./bounded-server.ts";
import type { NodeMetrics } from "./metrics.ts";
import { RequestLimits } from "./request-limits.ts";

type Env = { Bindings: HttpBindings };

/** A server that listens; dispose closes it. */
export class MetricsServer implements AsyncDisposable {
  readonly #limits = new RequestLimits();
  readonly #metrics: Pick<NodeMetrics, "read">;
  readonly #onFault: (error: unknown) => void;
  #server: BoundedServer | null = null;

  private constructor(metrics: Pick<NodeMetrics, "read">, onFault: (error: unknown) => void) {
    this.#metrics = metrics;
    this.#onFault = onFault;
  }

  /**
   * Listens there.
   * @param address - port 0 is any that is free.
   * @param onFault - told why metrics could not be read; who asked for them is not.
   * @throws GatekeeperError IO_FAILED when it can't.
   */
  static async listen(
    address: TcpAddress,
    metrics: Pick<NodeMetrics, "read">,
    onFault: (error: unknown) => void,
  ): Promise<MetricsServer> {
    const server = new MetricsServer(metrics, onFault);
    server.#server = await BoundedServer.listen(address, server.#limits, server.#app().fetch);
    return server;
  }

  get port(): number {
    return this.#server!.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #app(): Hono<Env> {
    const app = new Hono<Env>();
    app.get("/metrics", (context) => this.#tell(context));
    app.all("/metrics", (context) => context.text("Method", 405, { Allow: "GET, HEAD" }));
    app.onError((error, context) => {
      this.#onFault(error);
      return context.text("Fault", 500);
    });
    return app;
  }

  async #tell(context: Context<Env>): Promise<Response> {
    const { incoming, outgoing } = context.env;
    const slot = this.#limits.enter(incoming.socket.remoteAddress ?? "");
    if (typeof slot === "string") return context.text("TooMany", slot === "all" ? 503 : 429, { "Retry-After": "1" });
    // An answer that nobody reads is held, too.
    outgoing.once("close", slot.release);
    const { contentType, text } = await this.#metrics.read();
    const closing = this.#server?.isClosing ? { Connection: "close" } : {};
    return context.body(text, 200, { "Content-Type": contentType, ...closing });
  }
}
