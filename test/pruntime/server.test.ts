import { PassThrough, Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { readFrames, writeFrame } from "../../src/frames.ts";
import {
  BOUNDARY_VERSIONS,
  FRAME_BYTES_MAX,
  NO_REQUEST,
  type Numbered,
  REQUESTS_MAX,
  REQUEST_BYTES_MAX,
  type Reply,
  type Request,
  decodeReply,
  encodeRequest,
} from "../../src/pruntime/boundary.ts";
import { type Answerer, type Task, type TaskContext, serve } from "../../src/pruntime/server.ts";
import { faults, faulty } from "../protocol/faults.ts";
import { REQUEST_KINDS, numberedRequest } from "./boundary-values.ts";

/** Where answers go: kept until the host reads them, as the system does; a host that is behind leaves them. */
class Host extends Writable {
  /** Whether what is written is taken. */
  reads = true;
  readonly taken: Buffer[] = [];
  #waiting: { readonly chunk: Buffer; readonly done: (error?: Error) => void } | null = null;

  constructor() {
    super({ highWaterMark: 1_024 });
  }

  override _write(chunk: Buffer, _: unknown, done: (error?: Error) => void): void {
    this.#waiting = { chunk, done };
    if (this.reads) this.take();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waiting?.done(new Error("nobody reads this"));
    done(error);
  }

  take(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) return;
    this.taken.push(Buffer.from(waiting.chunk));
    waiting.done();
  }

  /** Reads all that comes from now on. */
  resume(): void {
    this.reads = true;
    this.take();
  }
}

/** A server and its host, in one process. */
class Conversation {
  readonly input = new PassThrough({ highWaterMark: 64 << 20 });
  readonly output = new Host();
  readonly stop = new AbortController();
  /** What was begun. */
  readonly begun: { readonly task: Task; readonly context: TaskContext }[] = [];
  readonly served: Promise<boolean>;
  #next = 0;

  constructor(answer: (task: Task, context: TaskContext) => unknown = done) {
    const answerer: Answerer = async (task, context) => {
      this.begun.push({ task, context });
      return (await answer(task, context)) as never;
    };
    this.served = serve(this.input, this.output, this.stop.signal, answerer);
  }

  hello(): void {
    this.ask({ tag: "hello", value: BOUNDARY_VERSIONS });
  }

  /** @returns its number. */
  ask(body: Request, id = this.#next++): number {
    this.send(encodeRequest({ id, body }));
    return id;
  }

  send(payload: Uint8Array): void {
    writeFrame(this.input, payload).catch(() => undefined);
  }

  async replies(): Promise<Numbered<Reply>[]> {
    const replies: Numbered<Reply>[] = [];
    const chunks = new PassThrough();
    chunks.end(Buffer.concat(this.output.taken));
    for await (const frame of readFrames(chunks, FRAME_BYTES_MAX)) replies.push(decodeReply(frame as Uint8Array)!);
    return replies;
  }

  /** All replies, when the host has sent all that it has. */
  async end(): Promise<Numbered<Reply>[]> {
    this.input.end();
    await this.served;
    return await this.replies();
  }
}

const done = (task: Task): unknown => ({ tag: task.tag, value: task.tag === "get" ? null : 7 });
const JOIN = { tag: "join", value: new Uint8Array(0) } as const;
const GET = { tag: "get", value: { contract: new Uint8Array(32), key: new Uint8Array(0) } } as const;

const refusal = (id: number, reason: string): unknown => ({
  id,
  body: { tag: "failed", value: { code: "BOUNDARY_REFUSED", detail: { reason } } },
});
const joined = (id: number): unknown => ({ id, body: { tag: "done", value: { tag: "join", value: 7 } } });
const greeted = { id: 0, body: { tag: "done", value: { tag: "hello", value: BOUNDARY_VERSIONS.at(-1)! } } };

/** Until nothing more happens by itself. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 30; turn++) await new Promise(setImmediate);
}

describe("a host that keeps to the rules", () => {
  it("is answered, in whatever order things are done", async () => {
    const release = new Map<Task, (value: unknown) => void>();
    const talk = new Conversation((task) => new Promise((resolve) => release.set(task, resolve)));
    talk.hello();
    for (let ask = 0; ask < 3; ask++) talk.ask(JOIN);
    await settled();
    for (const [at, { task }] of [...talk.begun].reverse().entries()) {
      release.get(task)!({ tag: "join", value: at });
      await settled();
    }
    const replies = await talk.end();
    expect(replies.map(({ id }) => id)).toEqual([0, 3, 2, 1]);
    expect(replies[3]!.body).toEqual({ tag: "done", value: { tag: "join", value: 2 } });
  });

  it("hears how far a request is, unless it does not read", async () => {
    const talk = new Conversation((task, { report }) => {
      talk.output.reads = false;
      for (let at = 0; at < 10_000; at++) report({ phase: "reencryption", done: at, total: 10_000 });
      expect(talk.output.writableLength).toBeLessThan(2_048);
      talk.output.resume();
      return done(task);
    });
    talk.hello();
    talk.ask(JOIN);
    const replies = await talk.end();
    const progress = replies.filter(({ body }) => body.tag === "progress");
    expect(progress.length).toBeGreaterThan(1);
    expect(progress.length).toBeLessThan(100);
    expect(progress[0]).toEqual({
      id: 1,
      body: { tag: "progress", value: { phase: "reencryption", done: 0, total: 10_000 } },
    });
    expect(replies.at(-1)).toMatchObject(joined(1) as object);
  });

  it("is told what went wrong; of what nobody foresaw, its kind alone", async () => {
    const errors = [
      new GatekeeperError("NOT_FOUND", "no such thing", { file: "/x" }),
      new TypeError("the key is 0123456789abcdef"),
      "the key is 0123456789abcdef",
    ];
    const talk = new Conversation(() => {
      throw errors[talk.begun.length - 1]!;
    });
    talk.hello();
    for (const _ of errors) talk.ask(JOIN);
    const [, ...replies] = await talk.end();
    expect(replies[0]!.body.value).toEqual({ code: "NOT_FOUND", message: "no such thing", detail: { file: "/x" } });
    expect(replies[1]!.body.value).toMatchObject({ code: "INTERNAL", message: expect.stringMatching(/TypeError$/) });
    expect(replies[2]!.body.value).toMatchObject({ code: "INTERNAL", message: expect.stringMatching(/string$/) });
    expect(Buffer.concat(talk.output.taken).includes("0123456789abcdef")).toBe(false);
  });

  it("is told of an error that names something long, and goes on", async () => {
    const talk = new Conversation(() => {
      throw new GatekeeperError("RECORD_TOO_LARGE", "x".repeat(20_000), { key: "00".repeat(20_000) });
    });
    talk.hello();
    talk.ask(JOIN);
    talk.ask(JOIN);
    expect((await talk.end()).map(({ body }) => body.tag)).toEqual(["done", "failed", "failed"]);
  });

  it("may cancel what runs, and nothing besides", async () => {
    const talk = new Conversation(
      (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(new GatekeeperError("ABORTED", "stopped")), { once: true });
        }),
    );
    talk.hello();
    talk.ask(JOIN);
    const second = talk.ask(JOIN);
    talk.ask({ tag: "cancel", value: 99 });
    talk.ask({ tag: "cancel", value: second });
    talk.ask({ tag: "cancel", value: second });
    await settled();
    expect(talk.begun.map(({ context }) => context.signal.aborted)).toEqual([false, true]);
    const replies = await talk.end();
    const cancelled = (id: number): unknown => ({ id, body: { tag: "done", value: { tag: "cancel" } } });
    const aborted = (id: number): unknown => ({ id, body: { tag: "failed", value: { code: "ABORTED" } } });
    expect(replies).toHaveLength(6);
    for (const reply of [cancelled(3), cancelled(4), cancelled(5), aborted(second), aborted(1)]) {
      expect(replies).toContainEqual(expect.objectContaining(asymmetric(reply)));
    }
  });
});

/** Also what is inside may have more than is wanted. */
function asymmetric(value: unknown): never {
  if (typeof value !== "object" || value === null) return value as never;
  const entries = Object.entries(value).map(([name, inner]) => [
    name,
    typeof inner === "object" && inner !== null ? expect.objectContaining(asymmetric(inner)) : inner,
  ]);
  return Object.fromEntries(entries) as never;
}

describe("a host that breaks the rules", () => {
  it.each<[string, (talk: Conversation) => void, unknown[]]>([
    ["says something else before hello", (talk) => talk.ask(JOIN, 0), [refusal(0, "NoHello")]],
    [
      "says hello twice",
      (talk) => {
        talk.hello();
        talk.ask({ tag: "hello", value: BOUNDARY_VERSIONS }, 1);
      },
      [greeted, refusal(1, "NoHello")],
    ],
    [
      "speaks no version of ours",
      (talk) => talk.ask({ tag: "hello", value: [0, BOUNDARY_VERSIONS.at(-1)! + 1] }, 0),
      [refusal(0, "NoVersion")],
    ],
    [
      "replays",
      (talk) => {
        talk.hello();
        talk.ask(JOIN);
        talk.ask(JOIN, 1);
        talk.ask({ tag: "hello", value: BOUNDARY_VERSIONS }, 0);
      },
      [greeted, joined(1), refusal(1, "Replayed"), refusal(0, "Replayed")],
    ],
    [
      "leaves a number out",
      (talk) => {
        talk.hello();
        talk.ask(JOIN, 2);
      },
      [greeted, refusal(2, "OutOfOrder")],
    ],
    ["sends what is malformed", (talk) => talk.send(Uint8Array.of(0, 0, 0, 0, 3, 9)), [refusal(0, "Malformed")]],
    [
      "sends what is not known",
      (talk) => talk.send(Uint8Array.of(0, 0, 0, 0, REQUEST_KINDS.length)),
      [refusal(0, "Unknown")],
    ],
    ["sends what has no number", (talk) => talk.send(Uint8Array.of(1, 2, 3)), [refusal(NO_REQUEST, "Malformed")]],
    ["sends nothing in a frame", (talk) => talk.send(new Uint8Array(0)), [refusal(NO_REQUEST, "Malformed")]],
    [
      "sends what is too long",
      (talk) => talk.send(new Uint8Array(FRAME_BYTES_MAX + 1)),
      [refusal(NO_REQUEST, "Oversized")],
    ],
  ])("is refused when it %s, and can go on", async (_, misbehave, wanted) => {
    const talk = new Conversation();
    misbehave(talk);
    await settled();
    const before = talk.begun.length;
    const greetedAlready = (await talk.replies()).some(({ body }) => body.tag === "done");
    if (!greetedAlready) talk.hello();
    const id = 1 + before;
    talk.ask(JOIN, id);
    const rest = greetedAlready ? [joined(id)] : [greeted, joined(id)];
    expect(await talk.end()).toMatchObject([...wanted, ...rest]);
    expect(talk.begun).toHaveLength(before + 1);
  });

  it("ends in the middle of a frame: it is passed over, and the server ends", async () => {
    const talk = new Conversation();
    talk.hello();
    talk.input.write(Buffer.from([9, 0, 0, 0, 1, 0]));
    expect(await talk.end()).toMatchObject([greeted]);
    expect(talk.begun).toEqual([]);
    expect(await talk.served).toBe(false);
  });

  it("changes nothing by bytes that are none of a request's", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(numberedRequest, faults), { minLength: 1, maxLength: 12 }),
        async (requests) => {
          const talk = new Conversation();
          for (const [request, wrong] of requests) {
            talk.send(wrong.reduce<Uint8Array>(faulty, encodeRequest({ ...request, id: request.id % 3 })));
          }
          const replies = await talk.end();
          // Each frame is answered once; none is begun before hello.
          expect(replies).toHaveLength(requests.length);
          const greetedAt = replies.findIndex(({ body }) => body.tag === "done" && body.value.tag === "hello");
          if (greetedAt < 0) expect(talk.begun).toEqual([]);
          for (const { body } of replies.slice(0, Math.max(0, greetedAt))) expect(body.tag).toBe("failed");
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("a host that does not wait", () => {
  it("has so many requests begun at a time, and no more read", async () => {
    const release: (() => void)[] = [];
    const talk = new Conversation((task) => new Promise((resolve) => release.push(() => resolve(done(task)))));
    talk.hello();
    for (let ask = 0; ask < REQUESTS_MAX + 100; ask++) talk.ask(JOIN);
    await settled();
    expect(talk.begun).toHaveLength(REQUESTS_MAX);
    for (const one of release.splice(0, 10)) one();
    await settled();
    expect(talk.begun).toHaveLength(REQUESTS_MAX + 10);
    const ended = talk.end();
    while (release.length > 0) {
      for (const one of release.splice(0)) one();
      await settled();
    }
    expect(await ended).toHaveLength(1 + REQUESTS_MAX + 100);
  });

  it("has so many bytes of requests begun at a time, and of answers", async () => {
    const release: (() => void)[] = [];
    const talk = new Conversation((task) => new Promise((resolve) => release.push(() => resolve(done(task)))));
    talk.hello();
    const large = { tag: "join", value: new Uint8Array(16 << 20) } as const;
    for (let ask = 0; ask < 6; ask++) talk.ask(large);
    await settled();
    expect(talk.begun).toHaveLength(Math.ceil(REQUEST_BYTES_MAX / (16 << 20)));
    const ended = talk.end();
    while (release.length > 0) {
      for (const one of release.splice(0)) one();
      await settled();
    }
    expect(await ended).toHaveLength(7);
    // An answer to `get` may be as large as a frame: so many are room for.
    const gets = new Conversation((task) => new Promise((resolve) => release.push(() => resolve(done(task)))));
    gets.hello();
    for (let ask = 0; ask < 20; ask++) gets.ask(GET);
    await settled();
    expect(gets.begun).toHaveLength(Math.ceil(REQUEST_BYTES_MAX / FRAME_BYTES_MAX));
    const all = gets.end();
    while (release.length > 0) {
      for (const one of release.splice(0)) one();
      await settled();
    }
    expect(await all).toHaveLength(21);
  });

  it("and never reads is not answered without bound", async () => {
    const value = new Uint8Array(1 << 20);
    const talk = new Conversation((task) => ({ tag: task.tag, value }));
    talk.hello();
    await settled();
    talk.output.reads = false;
    for (let ask = 0; ask < 200; ask++) talk.ask(GET);
    await settled();
    expect(talk.begun).toHaveLength(Math.ceil(REQUEST_BYTES_MAX / FRAME_BYTES_MAX));
    expect(talk.output.writableLength).toBeLessThan(5 << 20);
    talk.output.resume();
    expect(await talk.end()).toHaveLength(201);
  });

  it("and sends what is refused is not answered without bound", async () => {
    const talk = new Conversation();
    talk.hello();
    await settled();
    talk.output.reads = false;
    for (let ask = 0; ask < 1_000; ask++) talk.send(Uint8Array.of(1));
    await settled();
    expect(talk.output.writableLength).toBeLessThan(1_024);
    talk.output.resume();
    expect(await talk.end()).toHaveLength(1_001);
  });
});

describe("the end", () => {
  const untilAborted: Answerer = (_, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener("abort", () => reject(new GatekeeperError("ABORTED", "stopped")), { once: true });
    });

  it.each<[string, (talk: Conversation) => unknown]>([
    ["the host has sent all", (talk) => talk.input.end()],
    ["the host is gone", (talk) => talk.input.destroy()],
    ["reading fails", (talk) => talk.input.destroy(new Error("ECONNRESET"))],
    ["it is stopped", (talk) => talk.stop.abort()],
    [
      "it is stopped although it reads nothing for want of room",
      (talk) => {
        for (let ask = 0; ask < REQUESTS_MAX; ask++) talk.ask(JOIN);
        setImmediate(() => setImmediate(() => setImmediate(() => talk.stop.abort())));
      },
    ],
  ])("comes when %s: what runs is stopped, and answered", async (_, end) => {
    const talk = new Conversation(untilAborted);
    talk.hello();
    talk.ask(JOIN);
    await settled();
    end(talk);
    expect(await talk.served).toBe(false);
    const replies = await talk.replies();
    expect(replies).toHaveLength(1 + talk.begun.length);
    expect(replies[1]).toMatchObject({ body: { tag: "failed", value: { code: "ABORTED" } } });
  });

  it("comes when nobody reads the answers any more, without a word", async () => {
    const talk = new Conversation(untilAborted);
    talk.output.on("error", () => undefined);
    talk.hello();
    talk.ask(JOIN);
    await settled();
    talk.output.destroy(new Error("EPIPE"));
    expect(await talk.served).toBe(false);
  });

  it("comes although an answer is being written that nobody will read", async () => {
    const talk = new Conversation();
    talk.output.on("error", () => undefined);
    talk.hello();
    await settled();
    talk.output.reads = false;
    for (let ask = 0; ask < 5; ask++) talk.ask(JOIN);
    await settled();
    talk.output.destroy(new Error("EPIPE"));
    expect(await talk.served).toBe(false);
  });

  it("is there from the beginning where it was stopped before", async () => {
    const input = new PassThrough();
    const served = serve(input, new Host(), AbortSignal.abort(), untilAborted);
    expect(await served).toBe(false);
    expect(input.destroyed).toBe(true);
  });

  it("waits until every answer is written", async () => {
    const talk = new Conversation();
    talk.hello();
    await settled();
    talk.output.reads = false;
    talk.ask(JOIN);
    talk.input.end();
    await settled();
    let over = false;
    void talk.served.then(() => {
      over = true;
    });
    await settled();
    expect(over).toBe(false);
    talk.output.resume();
    expect(await talk.served).toBe(false);
    expect(await talk.replies()).toMatchObject([greeted, joined(1)]);
  });
});

describe("a process that is to be replaced", () => {
  it("ends by itself, answers what was begun, stops none of it, and begins nothing more", async () => {
    const release: (() => void)[] = [];
    const talk = new Conversation((task, { replaceProcess }) => {
      if (talk.begun.length === 2) replaceProcess();
      return talk.begun.length === 2 ? done(task) : new Promise((resolve) => release.push(() => resolve(done(task))));
    });
    talk.hello();
    const first = talk.ask(JOIN);
    const second = talk.ask(JOIN);
    for (let later = 0; later < 3; later++) talk.ask(JOIN);
    await settled();
    expect(talk.begun).toHaveLength(2);
    expect(talk.begun[0]!.context.signal.aborted).toBe(false);
    expect(await talk.replies()).toMatchObject([greeted, joined(second)]);
    release[0]!();
    // The host says nothing more, and does not end.
    expect(await talk.served).toBe(true);
    expect(await talk.replies()).toMatchObject([greeted, joined(second), joined(first)]);
  });

  it("ends although the host waits, and begins nothing that comes meanwhile", async () => {
    let release = (): void => undefined;
    const talk = new Conversation(async (task, { replaceProcess }) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      replaceProcess();
      talk.ask(JOIN);
      return done(task);
    });
    talk.hello();
    talk.ask(JOIN);
    await settled();
    release();
    expect(await talk.served).toBe(true);
    expect(await talk.replies()).toMatchObject([greeted, joined(1)]);
    expect(talk.begun).toHaveLength(1);
  });

  it("has its last answer written before it ends", async () => {
    const talk = new Conversation((task, { report, replaceProcess }) => {
      talk.output.reads = false;
      for (let at = 0; at < 3; at++) report({ phase: "idle", done: at, total: 3 });
      replaceProcess();
      return done(task);
    });
    talk.hello();
    talk.ask(JOIN);
    await settled();
    let over = false;
    void talk.served.then(() => {
      over = true;
    });
    await settled();
    expect(over).toBe(false);
    talk.output.resume();
    expect(await talk.served).toBe(true);
    expect((await talk.replies()).at(-1)).toMatchObject(joined(1) as object);
  });
});
