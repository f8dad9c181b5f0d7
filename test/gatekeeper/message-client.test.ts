/** What brings messages to other hosts by HTTP: of hosts that behave well, and that do not. */
import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import {
  type AddressInfo,
  type Server as SocketServer,
  type Socket,
  createServer as createSocketServer,
} from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ANSWER_MILLISECONDS, MessageClient } from "../../src/gatekeeper/message-client.ts";
import { COMMAND_MESSAGE_BYTES_MAX, PEER_MESSAGE_BYTES_MAX } from "../../src/pruntime/boundary.ts";
import { until } from "../until.ts";

const NEVER = new AbortController().signal;
const MESSAGE = Uint8Array.of(1, 2, 3);
let client: MessageClient;
const servers: (Server | SocketServer)[] = [];
const sockets = new Set<Socket>();

beforeEach(() => {
  client = new MessageClient();
});

afterEach(async () => {
  client[Symbol.dispose]();
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) {
    server.close();
    await once(server, "close");
  }
});

async function listening(server: Server | SocketServer): Promise<string> {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A host that answers requests so. */
function host(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  return listening(createServer(answer));
}

/** A host that says these bytes to whoever has asked it, and then what `then` does. */
function saying(bytes: string, then: (socket: Socket) => void = (socket) => socket.end()): Promise<string> {
  return listening(
    createSocketServer((socket) => {
      socket.once("data", () => {
        socket.write(bytes, "latin1");
        then(socket);
      });
    }),
  );
}

const failed = (reason: string, detail: object = {}): object => ({
  code: "PEER_FAILED",
  detail: expect.objectContaining({ reason, ...detail }),
});
const post = (endpoint: string, signal = NEVER): Promise<Uint8Array | null> => client.post(endpoint, MESSAGE, signal);

describe("the client", () => {
  it("posts a message below an endpoint, as it is, over a connection that is kept", async () => {
    const asked: string[] = [];
    const connections = new Set<Socket>();
    const endpoint = await host((request, response) => {
      connections.add(request.socket);
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        const { method, url, headers } = request;
        const type = headers["content-type"];
        asked.push(`${method} ${url} ${type} ${Buffer.concat(pieces).toString("hex")} ${headers.authorization}`);
        if (asked.length === 2) response.writeHead(204).end();
        else response.end(Uint8Array.of(9, 8));
      });
    });
    expect([...(await post(endpoint))!]).toEqual([9, 8]);
    expect(await post(`${endpoint}/`)).toBe(null);
    expect([...(await post(`${endpoint}/some/where///?a=b#c`))!]).toEqual([9, 8]);
    const line = (path: string): string => `POST ${path} application/octet-stream 010203 undefined`;
    expect(asked).toEqual([line("/v1/messages"), line("/v1/messages"), line("/some/where/v1/messages")]);
    expect(connections.size).toBe(1);
  });

  it("takes an answer as long as a message may be, and none that is longer, however it comes", async () => {
    const answer = new Uint8Array(PEER_MESSAGE_BYTES_MAX).fill(5);
    let more = 0;
    let length = true;
    const endpoint = await host((_, response) => {
      if (length) response.setHeader("Content-Length", answer.length + more);
      response.write(answer);
      response.end(new Uint8Array(more));
    });
    for (length of [true, false]) {
      more = 0;
      expect(Buffer.compare((await post(endpoint))!, answer)).toBe(0);
      more = 1;
      await expect(post(endpoint)).rejects.toMatchObject(failed("TooLong"));
    }
  });

  it("reads no more of an answer without end", async () => {
    let written = 0;
    const endpoint = await host((_, response) => {
      const write = (): void => {
        while (!response.destroyed && response.write(new Uint8Array(65_536))) written += 65_536;
        written += 65_536;
      };
      response.on("drain", write);
      write();
    });
    await expect(post(endpoint)).rejects.toMatchObject(failed("TooLong"));
    await until(() => sockets.size === 0);
    // What the system holds in between comes on top.
    expect(written).toBeLessThan(PEER_MESSAGE_BYTES_MAX + (32 << 20));
  });

  it.each([301, 302, 303, 307, 308])("follows no redirect: %i", async (status) => {
    let asked = 0;
    const endpoint = await host((request, response) => {
      asked++;
      response.writeHead(status, { Location: `http://${request.headers.host}/elsewhere` }).end("{}");
    });
    await expect(post(endpoint)).rejects.toMatchObject(failed("Refused", { status }));
    expect(asked).toBe(1);
  });

  it("repeats of a refusal what is a word, and nothing else", async () => {
    let body = "";
    const endpoint = await host((_, response) => response.writeHead(400).end(body));
    body = '{"code":"MESSAGE_INVALID","reason":"BadSignature"}';
    await expect(post(endpoint)).rejects.toMatchObject(
      failed("Refused", { status: 400, code: "MESSAGE_INVALID", why: "BadSignature" }),
    );
    for (body of [
      "",
      "no JSON",
      "[]",
      '{"code":"MESSAGE_INVALID"}',
      '{"code":"a\\u001b[31m","reason":"Red"}',
      '{"code":"MESSAGE_INVALID","reason":"two words"}',
      `{"code":"MESSAGE_INVALID","reason":"${"x".repeat(100)}"}`,
      `{"code":"MESSAGE_INVALID","reason":"Long"}${" ".repeat(10_000)}`,
    ]) {
      const error = (await post(endpoint).catch((thrown: unknown) => thrown)) as { message: string; detail: object };
      expect(error).toMatchObject(failed("Refused"));
      expect(error.detail).toEqual({ reason: "Refused", status: 400 });
      expect(error.message).toMatch(/HTTP status 400$/);
    }
  });

  it.each([
    "",
    "nowhere",
    "127.0.0.1:80",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "unix:/tmp/socket",
    "http://user:word@127.0.0.1/",
    "http://user@127.0.0.1/",
    "http://",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "javascript:alert(1)",
  ])("connects to nothing for %j", async (endpoint) => {
    await expect(post(endpoint)).rejects.toMatchObject(failed("BadEndpoint"));
  });

  it.each<[string, string, object]>([
    ["says nothing", "", failed("Unreachable")],
    ["speaks no HTTP", "SSH-2.0-OpenSSH\r\n", failed("Unreachable")],
    ["breaks off in its headers", "HTTP/1.1 200 OK\r\nContent-", failed("Unreachable")],
    ["breaks off in its answer", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", failed("Unreachable")],
    ["breaks off in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nx", failed("Unreachable")],
    ["wants another protocol", "HTTP/1.1 101 Up\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", failed("Unreachable")],
    ["has headers without end", `HTTP/1.1 200 OK\r\nA: ${"x".repeat(100_000)}`, failed("Unreachable")],
    ["has no status", "HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n", failed("Refused", { status: 0 })],
  ])("says so of a host that %s, and outlives it", async (_, bytes, error) => {
    await expect(post(await saying(bytes))).rejects.toMatchObject(error);
    expect(await post(await host((_request, response) => response.writeHead(204).end()))).toBe(null);
  });

  it("says so where nobody listens", async () => {
    const endpoint = await host(() => undefined);
    const gone = servers.pop()!;
    gone.close();
    await once(gone, "close");
    await expect(post(endpoint)).rejects.toMatchObject(failed("Unreachable", { systemCode: "ECONNREFUSED" }));
  });

  it.each<[string, () => Promise<string>]>([
    ["does not answer", () => saying("", () => undefined)],
    ["answers drop by drop", () => saying("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", () => undefined)],
  ])("waits so long for a host that %s, and not longer", async (_, slow) => {
    const endpoint = await slow();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const asked = expect(post(endpoint)).rejects.toMatchObject(failed("TimedOut"));
      await until(() => [...sockets].some(({ bytesRead }) => bytesRead > 0));
      vi.advanceTimersByTime(ANSWER_MILLISECONDS);
      await asked;
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
    await until(() => sockets.size === 0);
  });

  it("stops when it is told to: before it has begun, while it waits, while it reads", async () => {
    const aborted = { code: "ABORTED" };
    const quick = await host((_, response) => response.writeHead(204).end());
    await expect(post(quick, AbortSignal.abort())).rejects.toMatchObject(aborted);
    for (const bytes of ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]) {
      const controller = new AbortController();
      const asked = post(await saying(bytes, () => setImmediate(() => controller.abort())), controller.signal);
      await expect(asked).rejects.toMatchObject(aborted);
      await until(() => sockets.size === 0);
    }
  });

  it("sends again what met the end of a kept connection, over another", async () => {
    let asked = 0;
    const endpoint = await listening(
      createSocketServer((socket) => {
        socket.on("data", () => {
          asked++;
          // The second comes over the connection of the first, which is ended then.
          if (asked === 2) socket.resetAndDestroy();
          else socket.write("HTTP/1.1 204 No Content\r\n\r\n");
        });
      }),
    );
    expect(await post(endpoint)).toBe(null);
    expect(await post(endpoint)).toBe(null);
    expect(asked).toBe(3);
  });

  it("has no connections left when it is disposed", async () => {
    const endpoint = await host((_, response) => response.writeHead(204).end());
    await post(endpoint);
    expect(sockets.size).toBe(1);
    client[Symbol.dispose]();
    await until(() => sockets.size === 0);
  });
});

describe("of a command, the client", () => {
  const execute = (endpoint: string): Promise<Uint8Array> => client.execute(endpoint, MESSAGE, NEVER);

  it("posts it below an endpoint, and takes an answer as long as it may be, and no other", async () => {
    let url: string | undefined;
    let length = COMMAND_MESSAGE_BYTES_MAX;
    const endpoint = await host((request, response) => {
      url = request.url;
      response.end(new Uint8Array(length).fill(5));
    });
    expect(await execute(endpoint)).toHaveLength(length);
    expect(url).toBe("/v1/commands");
    length++;
    await expect(execute(endpoint)).rejects.toMatchObject(failed("TooLong"));
    const silent = await host((_, response) => response.writeHead(204).end());
    await expect(execute(silent)).rejects.toMatchObject(failed("Refused", { status: 204 }));
    await expect(execute("nowhere")).rejects.toMatchObject(failed("BadEndpoint"));
  });

  it("says why it was not taken", async () => {
    const body = '{"code":"PRUNTIME_UNAVAILABLE","reason":"KEY_NOT_PROVISIONED"}';
    const endpoint = await host((_, response) => response.writeHead(503).end(body));
    const error = failed("Refused", { status: 503, code: "PRUNTIME_UNAVAILABLE", why: "KEY_NOT_PROVISIONED" });
    await expect(execute(endpoint)).rejects.toMatchObject(error);
  });

  it("sends it once, also over a connection that was kept and ends", async () => {
    let asked = 0;
    const endpoint = await listening(
      createSocketServer((socket) => {
        socket.on("data", () => {
          asked++;
          if (asked === 2) socket.resetAndDestroy();
          else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx");
        });
      }),
    );
    expect(await execute(endpoint)).toHaveLength(1);
    await expect(execute(endpoint)).rejects.toMatchObject(failed("Unreachable"));
    expect(asked).toBe(2);
  });
});
