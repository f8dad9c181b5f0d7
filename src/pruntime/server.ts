/**
 * Answers a host's requests: reads frames, refuses what breaks the rules of the boundary, and never more than so many
 * requests and bytes at a time. A host that sends faster than it reads, or than work is done, waits.
 */
import type { Readable, Writable } from "node:stream";
import { freeBytes } from "../bytes.ts";
import { GatekeeperError, type WireError } from "../errors.ts";
import { OVERSIZED, readFrames, writeFrame } from "../frames.ts";
import {
  type Answer,
  BOUNDARY_VERSIONS,
  type BoundaryRefusal,
  COMMAND_MESSAGE_BYTES_MAX,
  FRAME_BYTES_MAX,
  NO_REQUEST,
  type Numbered,
  REQUESTS_MAX,
  REQUEST_BYTES_MAX,
  type Reply,
  type Request,
  type RotationProgress,
  commonVersion,
  decodeRequest,
  encodeReply,
} from "./boundary.ts";

/** The requests that have to do with what is asked for, not with how. */
export type Task = Exclude<Request, { readonly tag: "hello" | "cancel" }>;

/** What a request is answered with besides itself. */
export interface TaskContext {
  /** Fires when the host wants it to stop. */
  readonly signal: AbortSignal;
  /** Tells the host how far it is. */
  readonly report: (progress: RotationProgress) => void;
  /** Ends this process once what is being answered is answered, so that its memory goes. */
  readonly replaceProcess: () => void;
}

/** Answers one request. @throws what the host is told instead. */
export type Answerer = (task: Task, context: TaskContext) => Promise<Answer>;

/** What an answer may have in memory, whatever its request has. */
const ANSWER_BYTES: Partial<Record<Request["tag"], number>> = {
  get: FRAME_BYTES_MAX,
  execute: COMMAND_MESSAGE_BYTES_MAX,
};

const REFUSALS: Readonly<Record<BoundaryRefusal, string>> = {
  Malformed: "a request is malformed",
  Oversized: `a request has more than ${FRAME_BYTES_MAX} bytes`,
  Unknown: "a request is not known",
  Replayed: "a request has the number of one before",
  OutOfOrder: "requests are missing before one",
  NoHello: "hello comes first, and once",
  NoVersion: `none of the host's versions is spoken here, which are ${BOUNDARY_VERSIONS.join(", ")}`,
};

/**
 * Serves one host until either of its streams ends, it is stopped, or this process is to be replaced. What was begun is
 * answered before it returns, and the answers are written, unless nobody reads them any more.
 * @param stop - fires when nothing more is to be read.
 * @returns whether this process is to be replaced: what came later was not begun.
 */
export async function serve(input: Readable, output: Writable, stop: AbortSignal, answer: Answerer): Promise<boolean> {
  let ended = false;
  const session = new Session(output, answer, () => end());
  const end = (): void => {
    ended = true;
    session.stop();
    input.destroy();
  };
  stop.addEventListener("abort", end, { once: true });
  // A host that reads no answers is gone, even if it goes on asking.
  output.once("close", end);
  if (stop.aborted) end();
  for await (const frame of framesOf(input)) {
    if (ended) break;
    await session.take(frame);
  }
  stop.removeEventListener("abort", end);
  session.stop();
  await session.end();
  return session.isOver;
}

/** What a host sends until it is gone. */
async function* framesOf(input: Readable): ReturnType<typeof readFrames> {
  try {
    yield* readFrames(input, FRAME_BYTES_MAX);
  } catch {
    // A stream that fails or is destroyed has ended.
  }
}

class Session {
  readonly #output: Writable;
  readonly #answer: Answerer;
  /** Number of the next request. */
  #expected = 0;
  #bytes = 0;
  readonly #running = new Map<number, AbortController>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #onOver: () => void;
  #onRoom = (): void => undefined;
  /** Whether this process is to be replaced. */
  isOver = false;

  /** @param onOver - called when no more requests are to be taken, because this process is to be replaced. */
  constructor(output: Writable, answer: Answerer, onOver: () => void) {
    this.#output = output;
    this.#answer = answer;
    this.#onOver = onOver;
  }

  async take(frame: Uint8Array<ArrayBuffer> | typeof OVERSIZED): Promise<void> {
    const { id, body }: Numbered<Request | BoundaryRefusal> =
      frame === OVERSIZED ? { id: NO_REQUEST, body: "Oversized" } : decodeRequest(frame);
    const { length } = frame === OVERSIZED ? [] : frame;
    // Left to the garbage collector, those of an import pile up to a hundred megabytes.
    if (frame !== OVERSIZED) freeBytes(frame);
    const refusal = typeof body === "string" ? body : this.#refusalOf(id, body);
    if (refusal !== null || typeof body === "string") {
      return await this.#reply(id, { tag: "failed", value: refused(refusal ?? "Malformed") });
    }
    this.#expected++;
    if (body.tag === "hello") return await this.#done(id, { tag: "hello", value: commonVersion(body.value)! });
    if (body.tag === "cancel") {
      this.#running.get(body.value)?.abort();
      return await this.#done(id, { tag: "cancel", value: undefined });
    }
    const cost = length + (ANSWER_BYTES[body.tag] ?? 0);
    this.#bytes += cost;
    const task = this.#run(id, body).finally(() => {
      this.#bytes -= cost;
      this.#tasks.delete(task);
      this.#onRoom();
    });
    this.#tasks.add(task);
    // Before there is room again, nothing more is read.
    while (this.#tasks.size >= REQUESTS_MAX || this.#bytes >= REQUEST_BYTES_MAX) {
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve;
      });
    }
  }

  /** Asks what runs to stop, unless it is to be answered before the process is replaced. */
  stop(): void {
    if (!this.isOver) for (const controller of this.#running.values()) controller.abort();
  }

  /** Waits for what runs. */
  async end(): Promise<void> {
    await Promise.all(this.#tasks);
  }

  #refusalOf(id: number, request: Request): BoundaryRefusal | null {
    if (id !== this.#expected) return id < this.#expected ? "Replayed" : "OutOfOrder";
    if ((request.tag === "hello") !== (id === 0)) return "NoHello";
    return request.tag === "hello" && commonVersion(request.value) === null ? "NoVersion" : null;
  }

  async #run(id: number, task: Task): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const context: TaskContext = {
      signal: controller.signal,
      report: (progress) => this.#report(id, progress),
      replaceProcess: () => {
        this.isOver = true;
        this.#onOver();
      },
    };
    const reply = await this.#answer(task, context).then(
      (value): Reply => ({ tag: "done", value }),
      (error: unknown): Reply => ({ tag: "failed", value: wireErrorOf(error) }),
    );
    this.#running.delete(id);
    await this.#reply(id, reply);
  }

  /** Told at once or not at all: who does not read misses it. */
  #report(id: number, progress: RotationProgress): void {
    if (this.#output.writableNeedDrain) return;
    void this.#reply(id, { tag: "progress", value: progress });
  }

  #done(id: number, value: Answer): Promise<void> {
    return this.#reply(id, { tag: "done", value });
  }

  /** Waits while the host is behind; one that is gone misses it. */
  async #reply(id: number, body: Reply): Promise<void> {
    const payload = encodeReply({ id, body });
    await writeFrame(this.#output, payload).catch(() => undefined);
  }
}

function refused(reason: BoundaryRefusal): WireError {
  return { code: "BOUNDARY_REFUSED", message: `the pRuntime refused: ${REFUSALS[reason]}`, detail: { reason } };
}

/** What nobody foresaw is not told in its own words: they may hold anything. */
function wireErrorOf(error: unknown): WireError {
  if (error instanceof GatekeeperError) return error.toWire();
  const name = error instanceof Error ? error.constructor.name : typeof error;
  return { code: "INTERNAL", message: `this should not have happened in a pRuntime: ${name}`, detail: {} };
}
