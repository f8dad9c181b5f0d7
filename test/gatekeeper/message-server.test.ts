/** What takes messages by HTTP, as others see it that behave well, and that do not. */
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { CLOSE_MILLISECONDS } from "../../src/gatekeeper/bounded-server.ts";
import { MessageClient } from "../../src/gatekeeper/message-client.ts";
import { MessageServer, type PublicStatus } from "../../src/gatekeeper/message-server.ts";
import {
  ADDRESS_CONNECTIONS_MAX,
  ADDRESS_REQUESTS_MAX,
  HELD_BYTES_MAX,
  REQUESTS_MAX,
} from "../../src/gatekeeper/request-limits.ts";
import { COMMAND_MESSAGE_BYTES_MAX, PEER_MESSAGE_BYTES_MAX } from "../../src/pruntime/boundary.ts";
import { until } from "../until.ts";

const NEVER = new AbortController().signal;
const STATUS = {
  identityKey: `0x02${"ab".repeat(32)}`,
  genesisHash: `0x${"01".repeat(32)}`,
  height: 7,
  registered: true,
  gatekeeper: true,
} as const satisfies PublicStatus;

/** What came to the pRuntime, and what it says. */
let taken: Uint8Array[] = [];
let faults: unknown[] = [];
let deliver: (bytes: Uint8Array) => Promise<Uint8Array | null>;
let execute: (bytes: Uint8Array) => Promise<Uint8Array>;
let status: PublicStatus | null = STATUS;
let server: MessageServer;
const sockets: Socket[] = [];

beforeEach(async () => {
  taken = [];
  faults = [];
  status = STATUS;
  deliver = async () => null;
  execute = async (bytes) => bytes;
  server = await MessageServer.listen(
    { host: "127.0.0.1", port: 0 },
    {
      deliver: (bytes) => {
        taken.push(bytes);
        return deliver(bytes);
      },
      execute: (bytes) => {
        taken.push(bytes);
        return execute(bytes);
      },
      status: () => status,
      onFault: (error) => void faults.push(error),
    },
  );
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server[Symbol.asyncDispose]();
});

const endpoint = (): string => `http://127.0.0.1:${server.port}`;

function post(body: Uint8Array<ArrayBuffer> | string): Promise<Response> {
  return fetch(`${endpoint()}/v1/messages`, { method: "POST", body });
}

/** A connection of one's own, with what came over it so far. */
function open(from = "127.0.0.1"): { readonly socket: Socket; heard: string; readonly closed: Promise<unknown> } {
  const socket = connect({ port: server.port, host: "127.0.0.1", localAddress: from });
  sockets.push(socket);
  socket.on("error", () => undefined);
  const one = { socket, heard: "", closed: once(socket, "close").catch(() => undefined) };
  socket.on("data", (chunk) => (one.heard += chunk.toString("latin1")));
  return one;
}

function head(...headers: string[]): string {
  return ["POST /v1/messages HTTP/1.1", "Host: h", ...headers, "", ""].join("\r\n");
}

/** A request that waits for its pRuntime until `answer` is called. */
function waiting(): { answer: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  deliver = async () => {
    await promise;
    return null;
  };
  return { answer: resolve };
}

describe("a message", () => {
  it("is given to the pRuntime as it came, and the answer to whoever brought it", async () => {
    const answer = Uint8Array.of(0, 255, 13, 10);
    deliver = async () => answer;
    using client = new MessageClient();
    for (const bytes of [Uint8Array.of(1, 2, 0), new Uint8Array(PEER_MESSAGE_BYTES_MAX).fill(9), new Uint8Array(0)]) {
      const got = await client.post(endpoint(), bytes, NEVER);
      expect(Buffer.compare(got!, answer)).toBe(0);
      expect(Buffer.compare(taken.at(-1)!, bytes)).toBe(0);
    }
    deliver = async () => null;
    expect(await client.post(endpoint(), Uint8Array.of(1), NEVER)).toBe(null);
    const { status: code, headers } = await post("x");
    expect([code, headers.get("connection")]).toEqual([204, "keep-alive"]);
  });

  it("that the pRuntime does not open is said so by its reason, and where it can't be used now by another status", async () => {
    const refusals: [GatekeeperError, number, object][] = [
      [
        new GatekeeperError("MESSAGE_INVALID", "secret words", { reason: "BadSignature" }),
        400,
        { code: "MESSAGE_INVALID", reason: "BadSignature" },
      ],
      [
        new GatekeeperError("PRUNTIME_UNAVAILABLE", "exit code 1"),
        503,
        { code: "PRUNTIME_UNAVAILABLE", reason: "PRUNTIME_UNAVAILABLE" },
      ],
      [
        new GatekeeperError("PRUNTIME_UNAVAILABLE", "exit code 1", { reason: "NotJoined" }),
        503,
        { code: "PRUNTIME_UNAVAILABLE", reason: "NotJoined" },
      ],
      [new GatekeeperError("NOT_FOUND", "not yet"), 503, { code: "PRUNTIME_UNAVAILABLE", reason: "NOT_FOUND" }],
    ];
    for (const [error, code, document] of refusals) {
      deliver = () => Promise.reject(error);
      const response = await post("x");
      expect([response.status, await response.json()]).toEqual([code, document]);
    }
    expect(faults).toEqual([]);
  });

  it("that something unforeseen comes of is a fault, of which nothing is told", async () => {
    const error = new TypeError("x.y is not a function at /home/operator/secret.ts");
    deliver = () => Promise.reject(error);
    const response = await post("x");
    expect([response.status, await response.text()]).toEqual([500, '{"code":"INTERNAL","reason":"Fault"}']);
    expect(faults).toEqual([error]);
  });

  it("that is too long is refused before it is read, or as soon as it is, and never comes to the pRuntime", async () => {
    const declared = open();
    declared.socket.write(head(`Content-Length: ${PEER_MESSAGE_BYTES_MAX + 1}`));
    await declared.closed;
    expect(declared.heard).toMatch(/^HTTP\/1.1 413 [\s\S]*\r\nconnection: close\r\n[\s\S]*"reason":"TooLong"\}/i);
    const chunked = open();
    const bytes = PEER_MESSAGE_BYTES_MAX + 1;
    chunked.socket.write(`${head("Transfer-Encoding: chunked")}${bytes.toString(16)}\r\n`);
    chunked.socket.write(new Uint8Array(bytes));
    await chunked.closed;
    expect(chunked.heard).toMatch(/^HTTP\/1.1 413 [\s\S]*"reason":"TooLong"\}/);
    const endless = open();
    endless.socket.write(head("Transfer-Encoding: chunked"));
    const piece = `100000\r\n${"x".repeat(1 << 20)}\r\n`;
    while (!endless.socket.destroyed) await new Promise((resolve) => endless.socket.write(piece, resolve));
    expect(taken).toEqual([]);
  });

  it("that is cut off never comes to the pRuntime, and its place is free again", async () => {
    for (let round = 0; round < 2 * ADDRESS_REQUESTS_MAX; round++) {
      const { socket, closed } = open();
      await new Promise((resolve) => socket.write(`${head("Content-Length: 100")}only a part`, resolve));
      socket.destroy();
      await closed;
    }
    await until(async () => (await post("whole")).status === 204);
    expect(taken.map((bytes) => Buffer.from(bytes).toString())).toEqual(["whole"]);
    expect(faults).toEqual([]);
  });
});

describe("a command", () => {
  const command = (body: Uint8Array<ArrayBuffer> | string): Promise<Response> =>
    fetch(`${endpoint()}/v1/commands`, { method: "POST", body });

  it("is given to the pRuntime as it came, up to its length, and its answer to whoever brought it", async () => {
    const answer = Uint8Array.of(0, 255, 13, 10);
    execute = async () => answer;
    using client = new MessageClient();
    for (const bytes of [Uint8Array.of(1, 2, 0), new Uint8Array(COMMAND_MESSAGE_BYTES_MAX).fill(9)]) {
      expect(Buffer.compare(await client.execute(endpoint(), bytes, NEVER), answer)).toBe(0);
      expect(Buffer.compare(taken.at(-1)!, bytes)).toBe(0);
    }
    const { length } = taken;
    const tooLong = await command(new Uint8Array(COMMAND_MESSAGE_BYTES_MAX + 1));
    expect([tooLong.status, await tooLong.json()]).toEqual([413, { code: "COMMAND_INVALID", reason: "TooLong" }]);
    const chunked = open();
    chunked.socket.write("POST /v1/commands HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    chunked.socket.write(`${(COMMAND_MESSAGE_BYTES_MAX + 1).toString(16)}\r\n`);
    chunked.socket.write(new Uint8Array(COMMAND_MESSAGE_BYTES_MAX + 1));
    await chunked.closed;
    expect(chunked.heard).toMatch(/^HTTP\/1.1 413 [\s\S]*"reason":"TooLong"\}/);
    expect(taken).toHaveLength(length);
  });

  it("that can't be opened, or not be done now, is said so, and a fault without its words", async () => {
    const refusals: [Error, number, object][] = [
      [
        new GatekeeperError("COMMAND_INVALID", "secret words", { reason: "BadTag" }),
        400,
        { code: "COMMAND_INVALID", reason: "BadTag" },
      ],
      [
        new GatekeeperError("KEY_NOT_PROVISIONED", "secret words"),
        503,
        { code: "PRUNTIME_UNAVAILABLE", reason: "KEY_NOT_PROVISIONED" },
      ],
      [new TypeError("secret words"), 500, { code: "INTERNAL", reason: "Fault" }],
    ];
    for (const [error, code, document] of refusals) {
      execute = () => Promise.reject(error);
      const response = await command("x");
      expect([response.status, await response.json()]).toEqual([code, document]);
    }
    expect(faults).toHaveLength(1);
  });

  it("takes a place as a message does", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    execute = async (bytes) => {
      await promise;
      return bytes;
    };
    const flood = Array.from({ length: ADDRESS_REQUESTS_MAX }, () => command("x"));
    await until(() => taken.length === ADDRESS_REQUESTS_MAX);
    expect((await command("x")).status).toBe(429);
    expect((await post("x")).status).toBe(429);
    resolve();
    expect((await Promise.all(flood)).map(({ status: code }) => code)).toEqual(flood.map(() => 200));
  });
});

describe("what is asked for besides", () => {
  it("is what is public of the pRuntime, and nothing else of what the host knows", async () => {
    status = { ...STATUS, ecdhKey: "0x03", measurement: "0x04", software: true } as PublicStatus;
    const response = await fetch(`${endpoint()}/v1/status`);
    expect([response.status, await response.json()]).toEqual([200, STATUS]);
    status = null;
    expect((await fetch(`${endpoint()}/v1/status`)).status).toBe(503);
  });

  it.each([
    ["GET", "/v1/messages", 405],
    ["PUT", "/v1/messages", 405],
    ["POST", "/v1/status", 405],
    ["GET", "/v1/commands", 405],
    ["POST", "/v1/commands/more", 404],
    ["GET", "/", 404],
    ["POST", "/v1/messages/more", 404],
    ["POST", "/v1//messages", 404],
    ["GET", "/../../etc/passwd", 404],
  ])("is refused: %s %s", async (method, path, code) => {
    const response = await fetch(`${endpoint()}${path}`, { method, ...(method === "GET" ? {} : { body: "x" }) });
    expect(response.status).toBe(code);
    expect(await response.json()).toMatchObject({ code: "NOT_FOUND" });
    expect(response.headers.get("allow") === null).toBe(code === 404);
    expect(taken).toEqual([]);
  });

  it.each([
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", /^HTTP\/1.1 400 /],
    ["two lengths", head("Content-Length: 3", "Content-Length: 4"), /^HTTP\/1.1 400 /],
    ["a length and chunks", head("Content-Length: 3", "Transfer-Encoding: chunked"), /^HTTP\/1.1 400 /],
    ["a length that is none", head("Content-Length: -1"), /^HTTP\/1.1 400 /],
    ["chunks that are none", `${head("Transfer-Encoding: chunked")}zz\r\n`, /^(HTTP\/1.1 400 |$)/],
    ["headers without end", `POST / HTTP/1.1\r\nA: ${"x".repeat(20_000)}`, /^HTTP\/1.1 431 /],
    ["no host", "POST /v1/messages HTTP/1.1\r\nContent-Length: 0\r\n\r\n", /^HTTP\/1.1 400 /],
  ])("garbage is refused, %s, and the next is served", async (_, bytes, answer) => {
    const one = open();
    one.socket.write(Buffer.from(bytes, "latin1"));
    one.socket.end();
    await one.closed;
    expect(one.heard).toMatch(answer);
    expect(taken).toEqual([]);
    expect((await post("x")).status).toBe(204);
  });
});

// Of one machine's addresses, Linux takes all of 127.0.0.0/8.
describe.skipIf(process.platform !== "linux")("whoever asks for too much", () => {
  it("is told to wait when so many requests of its address are under way, and others are served", async () => {
    const { answer } = waiting();
    const flood = Array.from({ length: ADDRESS_REQUESTS_MAX }, () => post("x"));
    await until(() => taken.length === ADDRESS_REQUESTS_MAX);
    const refused = await post("x");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await refused.json()).toEqual({ code: "PRUNTIME_UNAVAILABLE", reason: "TooManyOfAddress" });
    const other = open("127.0.0.2");
    other.socket.write(`${head("Content-Length: 1")}x`);
    await until(() => taken.length === ADDRESS_REQUESTS_MAX + 1);
    answer();
    expect((await Promise.all(flood)).map(({ status: code }) => code)).toEqual(flood.map(() => 204));
    await until(() => other.heard.startsWith("HTTP/1.1 204 "));
    expect((await post("x")).status).toBe(204);
  });

  it("is told to wait when so many are under way in all, from however many addresses", async () => {
    const { answer } = waiting();
    const all = Array.from({ length: REQUESTS_MAX }, (_, number) => open(`127.0.1.${1 + (number % 8)}`));
    for (const { socket } of all) socket.write(`${head("Content-Length: 1")}x`);
    await until(() => taken.length === REQUESTS_MAX);
    const refused = await post("x");
    expect([refused.status, await refused.json()]).toEqual([503, { code: "PRUNTIME_UNAVAILABLE", reason: "TooMany" }]);
    answer();
    for (const one of all) await until(() => one.heard.startsWith("HTTP/1.1 204 "));
    expect((await post("x")).status).toBe(204);
  });

  it("holds no more bytes here than there is room for", async () => {
    // All but the last byte of each: none of them comes to the pRuntime.
    const bodies = Math.floor(HELD_BYTES_MAX / (PEER_MESSAGE_BYTES_MAX - 1));
    const all = Array.from({ length: bodies }, (_, number) => open(`127.0.2.${1 + (number % 4)}`));
    for (const { socket } of all) {
      socket.write(head(`Content-Length: ${PEER_MESSAGE_BYTES_MAX}`));
      await new Promise((resolve) => socket.write(new Uint8Array(PEER_MESSAGE_BYTES_MAX - 1), resolve));
    }
    const rest = HELD_BYTES_MAX - bodies * (PEER_MESSAGE_BYTES_MAX - 1);
    await until(async () => {
      const response = await post(new Uint8Array(rest + 1));
      return response.status === 503;
    });
    for (const { socket } of all) socket.destroy();
    await until(async () => (await post(new Uint8Array(rest + 1))).status === 204);
  });

  it("has so many connections of an address, idle ones among them", async () => {
    const all = Array.from({ length: ADDRESS_CONNECTIONS_MAX }, () => open("127.0.0.3"));
    await Promise.all(all.map(({ socket }) => once(socket, "connect")));
    const more = open("127.0.0.3");
    await more.closed;
    expect(more.heard).toBe("");
    expect(all.every(({ socket }) => !socket.destroyed)).toBe(true);
    all[0]!.socket.destroy();
    await all[0]!.closed;
    await until(async () => {
      const again = open("127.0.0.3");
      again.socket.write(`${head("Content-Length: 1", "Connection: close")}x`);
      await again.closed;
      return again.heard.startsWith("HTTP/1.1 204 ");
    });
  });

  it("can't keep a connection by giving headers or a body drop by drop", async () => {
    const slow = [head().slice(0, 30), `${head("Content-Length: 1000")}x`];
    const connections = slow.map((begin) => {
      const one = open();
      one.socket.write(begin);
      return one;
    });
    const dropping = setInterval(() => {
      for (const { socket } of connections) if (socket.writable) socket.write("x");
    }, 100);
    try {
      await Promise.all(connections.map(({ closed }) => closed));
    } finally {
      clearInterval(dropping);
    }
    for (const { heard } of connections) expect(heard).toMatch(/^HTTP\/1.1 408 /);
    expect(taken).toEqual([]);
  });
});

describe("a server that closes", () => {
  it("answers what is under way, takes nothing more, and lets go of idle connections", async () => {
    const { answer } = waiting();
    using client = new MessageClient();
    await fetch(`${endpoint()}/v1/status`);
    const under = client.post(endpoint(), Uint8Array.of(1), NEVER);
    const kept = open();
    kept.socket.write(`${head("Content-Length: 1")}x`);
    await until(() => taken.length === 2);
    const there = endpoint();
    const closed = server[Symbol.asyncDispose]();
    await expect(client.post(there, Uint8Array.of(2), NEVER)).rejects.toMatchObject({
      code: "PEER_FAILED",
      detail: { reason: "Unreachable" },
    });
    answer();
    expect(await under).toBe(null);
    await kept.closed;
    expect(kept.heard).toMatch(/^HTTP\/1.1 204 [\s\S]*\r\nconnection: close\r\n/i);
    await closed;
  });

  it("ends what is not over at its deadline", async () => {
    waiting();
    const { socket, closed } = open();
    socket.write(`${head("Content-Length: 1")}x`);
    await until(() => taken.length === 1);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const disposed = server[Symbol.asyncDispose]();
      vi.advanceTimersByTime(CLOSE_MILLISECONDS - 1);
      await new Promise(setImmediate);
      expect(socket.destroyed).toBe(false);
      vi.advanceTimersByTime(1);
      await disposed;
      await closed;
    } finally {
      vi.useRealTimers();
    }
  });

  it("says where it can't listen", async () => {
    const options = { deliver, execute, status: () => null, onFault: () => undefined };
    await expect(MessageServer.listen({ host: "127.0.0.1", port: server.port }, options)).rejects.toMatchObject({
      code: "IO_FAILED",
      detail: { systemCode: "EADDRINUSE" },
    });
  });
});
