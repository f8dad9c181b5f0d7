import { createHash } from "node:crypto";
import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { DstackClient } from "dstack-sdk-with-noble-1";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { DstackAgent } from "../../src/pruntime/dstack.ts";
import { runChild } from "./child.ts";
import { agentKey, agentQuote, startAgent, startRawAgent } from "./dstack-agent.ts";
import { useFolder } from "./folder.ts";

const at = useFolder();
const agentAt = (): DstackAgent => new DstackAgent(at("dstack.sock"));
const failed = (why: string | RegExp): unknown =>
  expect.objectContaining({ code: "DSTACK_FAILED", message: expect.stringMatching(why) });
const keyOf = async (path = "a/path"): Promise<string> => {
  using key = await agentAt().getKey(path, "purpose");
  return key.use((bytes) => Buffer.from(bytes).toString("hex"));
};
const KEY = agentKey("a/path").toString("hex");
const REPORT_DATA = createHash("sha512").update("report data").digest();
const CHAIN = `["${"ab".repeat(65)}"]`;
const GOOD = `{"key":"${KEY}","signature_chain":${CHAIN}}`;
/** Starts an agent that answers every request with this body and status 200, or another. */
const answering = (body: string | Uint8Array, status = 200): ReturnType<typeof startAgent> =>
  startAgent(at("dstack.sock"), (_, response) => response.writeHead(status).end(body));
const raw = (answer: (socket: Socket) => void): ReturnType<typeof startRawAgent> =>
  startRawAgent(at("dstack.sock"), answer);

describe("the documented agent", () => {
  test("gives the key of a path, the same each time", async () => {
    await using _ = await startAgent(at("dstack.sock"));
    expect(await keyOf()).toBe(KEY);
    expect(await keyOf()).toBe(KEY);
    expect(await keyOf("another")).toBe(agentKey("another").toString("hex"));
  });

  test("gives a quote over report data of 64 bytes, which other lengths never reach it for", async () => {
    await using agent = await startAgent(at("dstack.sock"));
    const quote = await agentAt().getQuote(REPORT_DATA);
    expect(Buffer.from(quote)).toEqual(agentQuote(REPORT_DATA));
    for (const length of [0, 32, 63, 65]) {
      await expect(agentAt().getQuote(new Uint8Array(length))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    expect(agent.requests.length).toBe(1);
  });

  test("is asked by the SDK of dstack with the same requests, and the SDK reads the same from it", async () => {
    await using agent = await startAgent(at("dstack.sock"));
    const sdk = new DstackClient(at("dstack.sock"));
    const sdkKey = await sdk.getKey("a/path", "purpose");
    const sdkQuote = await sdk.getQuote(REPORT_DATA);
    using key = await agentAt().getKey("a/path", "purpose");
    const quote = await agentAt().getQuote(REPORT_DATA);

    const [keyAsked, quoteAsked, ourKeyAsked, ourQuoteAsked] = agent.requests.map(({ method, url, headers, body }) => ({
      line: `${method} ${url} ${headers["content-type"]}`,
      body: JSON.parse(body) as unknown,
    }));
    expect(ourKeyAsked).toEqual(keyAsked);
    expect(ourQuoteAsked).toEqual(quoteAsked);
    expect(keyAsked!.line).toBe("POST /GetKey application/json");
    expect(quoteAsked!.line).toBe("POST /GetQuote application/json");
    expect(key.use((bytes) => Buffer.from(bytes))).toEqual(Buffer.from(sdkKey.key));
    expect(Buffer.from(quote).toString("hex")).toBe(sdkQuote.quote);
  });

  test("is heard when it refuses, in its own words, on one line and not at length", async () => {
    await using _ = await answering('{\n  "error": "Failed to get quote:\\n\\u001b[2J no TDX"\n}', 400);
    const message = "failed at GetQuote: HTTP status 400: Failed to get quote: [2J no TDX";
    await expect(agentAt().getQuote(REPORT_DATA)).rejects.toThrow(failed(/HTTP status 400: Failed to get quote:/));
    await expect(agentAt().getQuote(REPORT_DATA)).rejects.toThrow(message);
    await expect(keyOf()).rejects.toMatchObject({ detail: { socket: at("dstack.sock"), method: "GetKey" } });
  });

  test("is heard by the status alone when it says nothing readable, or a good answer with another status", async () => {
    const statuses: [number, string][] = [
      [404, "<html>404: Not Found</html>"],
      [500, ""],
      [502, '{"error": 5}'],
      [400, GOOD],
      [201, GOOD],
      [301, GOOD],
    ];
    for (const [status, body] of statuses) {
      await using _ = await answering(body, status);
      await expect(keyOf(), `status ${status}`).rejects.toThrow(failed(new RegExp(`HTTP status ${status}$`)));
    }
    await using _ = await answering(JSON.stringify({ error: "x".repeat(5000) }), 400);
    await expect(keyOf()).rejects.toThrow(failed(/: x{300}$/));
  });
});

describe("an answer is read", () => {
  const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  const withLength = Buffer.from(`${HEAD}Content-Length: ${GOOD.length}\r\n\r\n${GOOD}`);
  const chunkOf = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  const chunked = (size: number): typeof withLength => {
    const chunks = GOOD.match(new RegExp(`.{1,${size}}`, "gs"))!.map(chunkOf);
    return Buffer.from(`${HEAD}Transfer-Encoding: chunked\r\n\r\n${chunks.join("")}0\r\n\r\n`);
  };
  /** Sends pieces, each of which the other side has had time to read on its own. */
  const sendSplit = async (socket: Socket, bytes: Buffer, cuts: readonly number[]): Promise<void> => {
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      socket.write(bytes.subarray(from, cut));
      from = cut;
      for (let i = 0; i < 3; i++) await turn();
    }
  };

  test("with a length, in chunks of any size, or up to the end of the connection", async () => {
    const untilEnd = Buffer.from(`${HEAD}Connection: close\r\n\r\n${GOOD}`);
    for (const bytes of [withLength, chunked(1), chunked(7), chunked(1000), untilEnd]) {
      await using _ = await raw((socket) => socket.end(bytes));
      expect(await keyOf()).toBe(KEY);
    }
  });

  test("cut anywhere on its way", async () => {
    let bytes = withLength;
    let cuts: readonly number[] = [];
    await using _ = await raw((socket) => void sendSplit(socket, bytes, cuts));
    for (const whole of [withLength, chunked(40)]) {
      bytes = whole;
      const anyCuts = fc.uniqueArray(fc.integer({ min: 1, max: whole.length - 1 }), { minLength: 1, maxLength: 8 });
      const check = async (chosen: readonly number[]): Promise<void> => {
        cuts = chosen.toSorted((a, b) => a - b);
        expect(await keyOf()).toBe(KEY);
      };
      await fc.assert(fc.asyncProperty(anyCuts, check), { numRuns: 60 });
    }
  });

  test("whose quote and event log are long, and cut inside of a character", async () => {
    const quote = "5a".repeat(100_000);
    const body = Buffer.from(JSON.stringify({ event_log: "é".repeat(50_000), quote, a_new_field: null }));
    const bytes = Buffer.concat([Buffer.from(`${HEAD}Content-Length: ${body.length}\r\n\r\n`), body]);
    const inside = bytes.indexOf("é") + 1;
    await using _ = await raw((socket) => void sendSplit(socket, bytes, [inside, inside + 2001]));
    expect(Buffer.from(await agentAt().getQuote(REPORT_DATA)).toString("hex")).toBe(quote);
  });

  test("with space wherever JSON has it, fields in any order, and hex in both cases", async () => {
    const bodies = [
      `\r\n{ "signature_chain" : ${CHAIN} ,\t"key"\n:\t "${KEY.toUpperCase()}" }`,
      JSON.stringify(JSON.parse(GOOD), null, 2),
      `{"signature_chain":[],"key":"${KEY}","since 0.6":{"a":[1]}}`,
    ];
    for (const body of bodies) {
      await using _ = await answering(body);
      expect(await keyOf()).toBe(KEY);
    }
  });

  test("when it has exactly as many bytes as it may", async () => {
    await using _ = await answering(" ".repeat((1 << 20) - GOOD.length) + GOOD);
    expect(await keyOf()).toBe(KEY);
  });
});

describe("an answer is refused", () => {
  const good = { key: KEY, signature_chain: ["ab"] };
  const refusedKeys: [string, unknown][] = [
    ["no key", { signature_chain: [] }],
    ["an empty key", { ...good, key: "" }],
    ["a key with 0x", { ...good, key: `0x${KEY.slice(2)}` }],
    ["a key with 0x before all digits", { ...good, key: `0x${KEY}` }],
    ["a stray digit", { ...good, key: `${KEY.slice(0, 62)}g0` }],
    ["characters beside the digits", { ...good, key: KEY.replace(/./, "`") }],
    ["a shorter key", { ...good, key: KEY.slice(2) }],
    ["an odd key", { ...good, key: KEY.slice(1) }],
    ["a longer key", { ...good, key: `${KEY}00` }],
    ["junk behind the key", { ...good, key: `${KEY}GARBAGE` }],
    ["a key that is a number", { ...good, key: 12 }],
    ["a key that is null", { ...good, key: null }],
    ["the key in another object", { data: good }],
    ["no signature chain", { key: KEY }],
    ["a signature chain of null", { key: KEY, signature_chain: null }],
    ["signatures that are no hex", { key: KEY, signature_chain: ["ab", "zz"] }],
    ["the dashes that stand for a taken key", { ...good, key: "-".repeat(64) }],
    ["an array", [good]],
    ["null", null],
    ["an error with status 200", { error: "no" }],
  ];
  test.each(refusedKeys)("with %s", async (_name, json) => {
    await using _ = await answering(JSON.stringify(json));
    await expect(keyOf()).rejects.toThrow(failed(/its answer/));
  });

  const refusedTexts: [string, string | Uint8Array][] = [
    ["nothing", ""],
    ["two keys", `{"key":"${KEY}","key":"${KEY}","signature_chain":[]}`],
    ["the key inside of a string", `{"x":"\\"key\\":\\"${KEY}\\"","signature_chain":[]}`],
    ["something behind it", `${GOOD}x`],
    ["a comma too many", GOOD.replace("}", ",}")],
    ["bytes that are no UTF-8", Buffer.concat([Buffer.from(GOOD.slice(0, -1)), Buffer.from(',"a":"\xff"}', "latin1")])],
    ["a page", "<html>hello</html>"],
  ];
  test.each(refusedTexts)("that is no JSON of the protocol: %s", async (_name, text) => {
    await using _ = await answering(text);
    await expect(keyOf()).rejects.toThrow(failed(/its answer/));
  });

  test("cut off anywhere", async () => {
    let length = 0;
    await using _ = await startAgent(at("dstack.sock"), (_request, response) => response.end(GOOD.slice(0, length)));
    for (length = 0; length < GOOD.length; length++) {
      await expect(keyOf(), `${length} bytes`).rejects.toThrow(failed(/its answer/));
    }
    expect(await keyOf()).toBe(KEY);
  });

  test("without repeating the key, however it is malformed", async () => {
    for (const text of [`${GOOD}x`, GOOD.replace("}", ",}"), `{"key":"${KEY}"}`, `{"key":"${KEY}0","a":[]}`]) {
      await using _ = await answering(text);
      const error = (await keyOf().catch((thrown: unknown) => thrown)) as Error;
      expect(error).toMatchObject({ code: "DSTACK_FAILED" });
      expect(error.cause).toBeUndefined();
      expect(JSON.stringify([error.message, error])).not.toContain(KEY.slice(0, 8));
    }
  });

  const refusedQuotes: [string, unknown][] = [
    ["no quote", { event_log: "[]" }],
    ["an empty quote", { quote: "", event_log: "[]" }],
    ["an odd quote", { quote: "abc", event_log: "[]" }],
    ["a quote with 0x", { quote: "0xabcd", event_log: "[]" }],
    ["a quote with a line break", { quote: "abcd\n", event_log: "[]" }],
    ["a quote that is an array", { quote: [1, 2], event_log: "[]" }],
    ["no event log", { quote: "abcd" }],
    ["an event log that is parsed already", { quote: "abcd", event_log: [] }],
  ];
  test.each(refusedQuotes)("with %s", async (_name, json) => {
    await using _ = await answering(JSON.stringify(json));
    await expect(agentAt().getQuote(REPORT_DATA)).rejects.toThrow(failed(/malformed at (quote|event_log)/));
  });

  test("when it is longer than a mebibyte, without waiting for its end", async () => {
    await using _ = await startAgent(at("dstack.sock"), (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(" ".repeat(60_000)));
      };
      response.on("drain", more);
      more();
    });
    await expect(keyOf()).rejects.toThrow(failed("longer than 1048576 bytes"));
  });
});

describe("an agent that", () => {
  afterEach(() => void vi.useRealTimers());

  test("is not there, or does not listen, can't be reached", async () => {
    await expect(keyOf()).rejects.toThrow(failed(/can't be reached, or broke off \(ENOENT\)$/));
    const leave = `
      import { createServer } from "node:net";
      createServer().listen(${JSON.stringify(at("dstack.sock"))}, () => process.kill(process.pid, "SIGKILL"));
    `;
    expect((await runChild(leave)).signal).toBe("SIGKILL");
    await expect(keyOf()).rejects.toThrow(failed(/can't be reached, or broke off \(ECONNREFUSED\)$/));
  });

  test("breaks off anywhere is told so", async () => {
    const whole = `HTTP/1.1 200 OK\r\nContent-Length: ${GOOD.length}\r\n\r\n${GOOD}`;
    let length = 0;
    await using _ = await raw((socket) => socket.end(whole.slice(0, length)));
    for (; length < whole.length; length += 3) {
      await expect(keyOf(), `${length} bytes`).rejects.toThrow(failed(/broke off \(ECONNRESET\)|its answer/));
    }
  });

  test("breaks off between chunks is told so", async () => {
    const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (const rest of ["", "2\r\n{}\r\n", `${GOOD.length.toString(16)}\r\n${GOOD}\r\n`]) {
      await using _ = await raw((socket) => socket.end(head + rest));
      await expect(keyOf()).rejects.toThrow(failed(/broke off/));
    }
  });

  test("speaks no HTTP is told so", async () => {
    for (const said of ["hello\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", GOOD]) {
      await using _ = await raw((socket) => socket.end(said));
      const error = (await keyOf().catch((thrown: unknown) => thrown)) as Error;
      expect(error).toEqual(failed(/broke off \(HPE_/));
      expect(error.cause, "it would hold the bytes").toBeUndefined();
    }
  });

  test("wants another protocol is told so", async () => {
    const said = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    await using _ = await raw((socket) => socket.write(said));
    await expect(keyOf()).rejects.toThrow(failed(/broke off/));
  });

  const stalls: [string, string][] = [
    ["never answers", ""],
    ["stops in the head", "HTTP/1.1 200 OK\r\nContent-"],
    ["stops in the body", `HTTP/1.1 200 OK\r\nContent-Length: ${GOOD.length}\r\n\r\n${GOOD.slice(0, 20)}`],
  ];
  test.each(stalls)("%s is given up after 30 seconds", async (_name, said) => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    await using _ = await raw((socket) => socket.write(said, () => resolve()));
    const answer = keyOf().catch((error: unknown) => error);
    await asked;
    for (let i = 0; i < 20; i++) await turn();
    let settled = false;
    void answer.then(() => (settled = true));
    vi.advanceTimersByTime(29_999);
    for (let i = 0; i < 20; i++) await turn();
    expect(settled).toBe(false);
    vi.advanceTimersByTime(1);
    expect(await answer).toEqual(failed("did not answer within 30 s"));
  });

  test("was asked leaves no timer behind, and is asked to close the connection", async () => {
    await using agent = await startAgent(at("dstack.sock"));
    const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    await keyOf();
    expect(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length).toBe(before);
    expect(agent.requests[0]!.headers.connection).toBe("close");
  });
});
