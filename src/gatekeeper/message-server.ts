/**
 * Takes messages of other pRuntimes' hosts, and users' commands to contracts, by HTTP, for the pRuntime that is here:
 *
 *   POST /v1/messages   a sealed message as the body: 200 with the message that answers it, 204 where none does
 *   POST /v1/commands   a sealed command as the body: 200 with its sealed answer
 *   GET  /v1/status     what is public of the pRuntime, as JSON
 *
 * Anybody may connect, and none of it is believed: the pRuntime judges messages. So what anybody can take is limited:
 * connections, requests, bytes and time, in all and for each address. What is wrong is said by status, and as JSON
 * `{ code, reason }`: 400 what the pRuntime does not open, 404, 405, 413 too long, 429 too many of one address, 500 a
 * fault, 503 too many in all, or the pRuntime can't do it now: it has no keys of a command's contract, for one; or it ended, and
 * only then (PRUNTIME_UNAVAILABLE) may it have done something. Nothing else is told of errors.
 *
 * HTTP is in the clear: length, time and addresses show, as they would under TLS; a proxy in front may speak that.
 */
import type { IncomingMessage } from "node:http";
import type { HttpBindings } from "@hono/node-server";
import { type Context, Hono } from "hono";
import { GatekeeperError } from "../errors.ts";
import { COMMAND_MESSAGE_BYTES_MAX, PEER_MESSAGE_BYTES_MAX, type PRuntimeStatus } from "../pruntime/boundary.ts";
import type { TcpAddress } from "../socket-address.ts";
import { BoundedServer } from "./bounded-server.ts";
import {
  COMMANDS_PATH,
  type CommandHandler,
  MESSAGES_PATH,
  type MessageHandler,
  STATUS_PATH,
} from "./message-transport.ts";
import { RequestLimits, type Slot } from "./request-limits.ts";

/** What of a pRuntime anybody may know. */
export type PublicStatus = Pick<PRuntimeStatus, "identityKey" | "genesisHash" | "height" | "registered" | "gatekeeper">;

/** What a server serves. */
export interface MessageServerOptions {
  readonly deliver: MessageHandler;
  readonly execute: CommandHandler;
  /** Null while it is not known. */
  readonly status: () => PublicStatus | null;
  /** Told of what should not have happened. */
  readonly onFault: (error: unknown) => void;
}

/** What is posted to a path. */
interface Posts {
  readonly bytesMax: number;
  /** Of what is none. */
  readonly invalid: "MESSAGE_INVALID" | "COMMAND_INVALID";
  readonly handle: MessageHandler;
}

type Env = { Bindings: HttpBindings };
type Status = 400 | 404 | 405 | 413 | 429 | 500 | 503;

/** A server that listens. Dispose closes it: what is under way has some seconds. */
export class MessageServer implements AsyncDisposable {
  readonly #options: MessageServerOptions;
  readonly #limits = new RequestLimits();
  #server: BoundedServer | null = null;

  private constructor(options: MessageServerOptions) {
    this.#options = options;
  }

  /**
   * Listens there.
   * @param address - port 0 is any that is free.
   * @throws GatekeeperError IO_FAILED when it can't.
   */
  static async listen(address: TcpAddress, options: MessageServerOptions): Promise<MessageServer> {
    const server = new MessageServer(options);
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
    const { deliver, execute } = this.#options;
    const messages: Posts = { bytesMax: PEER_MESSAGE_BYTES_MAX, invalid: "MESSAGE_INVALID", handle: deliver };
    const commands: Posts = { bytesMax: COMMAND_MESSAGE_BYTES_MAX, invalid: "COMMAND_INVALID", handle: execute };
    app.post(MESSAGES_PATH, (context) => this.#take(context, messages));
    app.post(COMMANDS_PATH, (context) => this.#take(context, commands));
    app.get(STATUS_PATH, (context) => this.#tell(context));
    for (const [path, allowed] of [
      [MESSAGES_PATH, "POST"],
      [COMMANDS_PATH, "POST"],
      [STATUS_PATH, "GET, HEAD"],
    ] as const) {
      app.all(path, (context) => this.#refuse(context, 405, "NOT_FOUND", "Method", { Allow: allowed }));
    }
    app.notFound((context) => this.#refuse(context, 404, "NOT_FOUND", "Path"));
    app.onError((error, context) => this.#failed(context, error));
    return app;
  }

  async #take(context: Context<Env>, { bytesMax, invalid, handle }: Posts): Promise<Response> {
    const { incoming, outgoing } = context.env;
    const slot = this.#limits.enter(incoming.socket.remoteAddress ?? "");
    if (slot === "address") return this.#busy(context, 429, "TooManyOfAddress");
    if (slot === "all") return this.#busy(context, 503, "TooMany");
    // An answer that nobody reads is held, too.
    outgoing.once("close", slot.release);
    const body = await readBody(incoming as IncomingMessage, slot, bytesMax);
    if (body === "TooLong") return this.#refuse(context, 413, invalid, body);
    // Nobody reads what it is answered with.
    if (body === "BrokenOff") return this.#refuse(context, 400, invalid, body);
    if (body === "NoRoom") return this.#busy(context, 503, "TooMany");
    const answer = await handle(body);
    if (answer === null) return this.#answer(context.body(null, 204));
    return this.#answer(
      context.body(answer as Uint8Array<ArrayBuffer>, 200, { "Content-Type": "application/octet-stream" }),
    );
  }

  #tell(context: Context<Env>): Response {
    const status = this.#options.status();
    if (status === null) return this.#refuse(context, 503, "PRUNTIME_UNAVAILABLE", "Unknown");
    const { identityKey, genesisHash, height, registered, gatekeeper } = status;
    return this.#answer(context.json({ identityKey, genesisHash, height, registered, gatekeeper }));
  }

  #failed(context: Context<Env>, error: unknown): Response {
    if (!(error instanceof GatekeeperError)) {
      this.#options.onFault(error);
      return this.#refuse(context, 500, "INTERNAL", "Fault");
    }
    if (error.code !== "MESSAGE_INVALID" && error.code !== "COMMAND_INVALID") {
      const { code, detail } = error;
      // What was not given to the pRuntime is told from what it may have done before it ended.
      return this.#busy(context, 503, detail["reason"] === "NotJoined" ? "NotJoined" : code);
    }
    return this.#refuse(context, 400, error.code, String(error.detail["reason"] ?? "Malformed"));
  }

  #busy(context: Context<Env>, status: 429 | 503, reason: string): Response {
    return this.#refuse(context, status, "PRUNTIME_UNAVAILABLE", reason, { "Retry-After": "1" });
  }

  #refuse(
    context: Context<Env>,
    status: Status,
    code: string,
    reason: string,
    headers: Readonly<Record<string, string>> = {},
  ): Response {
    const response = context.json({ code, reason }, status, { ...headers });
    // The rest of a request that was not read would be taken for the next.
    if (!context.env.incoming.complete) response.headers.set("Connection", "close");
    return this.#answer(response);
  }

  #answer(response: Response): Response {
    if (this.#server?.isClosing) response.headers.set("Connection", "close");
    return response;
  }
}

/** The whole body of a request, no more of which is held than it may have; or why there is none. */
async function readBody(
  incoming: IncomingMessage,
  { hold }: Slot,
  bytesMax: number,
): Promise<Uint8Array | "TooLong" | "NoRoom" | "BrokenOff"> {
  if (Number(incoming.headers["content-length"] ?? 0) > bytesMax) return "TooLong";
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    // Destroyed, it could not be answered any more.
    for await (const piece of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
      length += piece.length;
      if (length > bytesMax) return "TooLong";
      if (!hold(piece.length)) return "NoRoom";
      pieces.push(piece);
    }
  } catch {
    return "BrokenOff";
  }
  return Buffer.concat(pieces, length);
}
