/**
 * A guest agent on a Unix socket, that answers as the documentation of dstack and its SDK say (sdk/curl/api.md, status
 * 400 with `error` for what it refuses), and that a test can make answer anything else.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createPlainServer, type Server, type Socket } from "node:net";

/** A request as the agent read it. */
export interface AgentRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** An agent that listens until it is disposed. */
export interface Agent extends AsyncDisposable {
  readonly requests: readonly AgentRequest[];
}

/** The key of an app at a path: any 32 bytes that depend on it. */
export function agentKey(path: string): Buffer {
  return createHash("sha256").update(`an app's key at ${path}`).digest();
}

/** A quote over report data: what a quote begins with (version 4, TDX), and the report data where it stands in one. */
export function agentQuote(reportData: Buffer): Buffer {
  const quote = Buffer.alloc(5000, 0x5a);
  quote.set([4, 0, 2, 0, 0x81, 0, 0, 0]);
  quote.set(Buffer.concat([reportData, Buffer.alloc(64)]).subarray(0, 64), 48 + 520);
  return quote;
}

/** What the documented agent answers. */
export function documentedAnswer({ url, body }: AgentRequest): { readonly status: number; readonly json: object } {
  const asked = JSON.parse(body) as Record<string, string>;
  if (url === "/GetKey") {
    const signature_chain = ["ab".repeat(65), "cd".repeat(65)];
    return { status: 200, json: { key: agentKey(asked["path"]!).toString("hex"), signature_chain } };
  }
  if (url === "/GetQuote") {
    const reportData = Buffer.from(asked["report_data"]!, "hex");
    if (reportData.length > 64) return { status: 400, json: { error: "Report data is too long" } };
    const quote = agentQuote(reportData).toString("hex");
    const json = { quote, event_log: "[]", report_data: reportData.toString("hex"), vm_config: "{}" };
    return { status: 200, json };
  }
  return { status: 400, json: { error: `Service not found: ${url}` } };
}

/** @param answer - what is documented, with Content-Length, if it is left out. */
export async function startAgent(
  path: string,
  answer: (request: AgentRequest, response: ServerResponse) => void = (request, response) => {
    const { status, json } = documentedAnswer(request);
    const text = JSON.stringify(json);
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text) };
    response.writeHead(status, headers).end(text);
  },
): Promise<Agent> {
  const requests: AgentRequest[] = [];
  const server = createServer((incoming: IncomingMessage, response) => {
    let body = "";
    incoming.setEncoding("utf8").on("data", (text) => (body += text));
    incoming.on("end", () => {
      const request = { method: incoming.method, url: incoming.url, headers: incoming.headers, body };
      requests.push(request);
      answer(request, response);
    });
  });
  await listening(server, path);
  return {
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

/** An agent that speaks no HTTP of its own: whatever it is asked, `answer` writes to the connection. */
export async function startRawAgent(path: string, answer: (socket: Socket) => void): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createPlainServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("data", () => answer(socket));
  });
  await listening(server, path);
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await closed(server);
    },
  };
}

async function listening(server: Server, path: string): Promise<void> {
  server.listen(path);
  await once(server, "listening");
}

async function closed(server: Server): Promise<void> {
  server.close();
  await once(server, "close");
}
