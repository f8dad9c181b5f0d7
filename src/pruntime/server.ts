/**
 * Answers a host's requests: reads frames, refuses what breaks the rules of the boundary, and never more than so many
 * requests and bytes at a time. A host that sends faster than it reads, or than work is done, waits.
 */
import type { Readable, Writable } from "node:stream";
import { GatekeeperError, type WireError } from "../errors.ts";
import { OVERSIZED, readFrames, writeFrame } from "../frames.ts";
import {
  type Answer,
  BOUNDARY_VERSION,
  type BoundaryRefusal,
  FRAME_BYTES_MAX,
  NO_REQUEST,
  type Numbered,
  REQUESTS_MAX,
  REQUEST_BYTES_MAX,
  type Reply,
  type Request,
  type RotationProgress,
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
const ANSWER_BYTES: Partial<Record<Request["tag"], number>> = { get: FRAME_BYTES_MAX };

const REFUSALS: Readonly<Record<BoundaryRefusal, string>> = {
  Malformed: "a request is malformed",
  Oversized: `a request has more than ${FRAME_BYTES_MAX} bytes`,
  Unknown: "a request is not known",
  Replayed: "a request has the number of one before",
  OutOfOrder: "requests are missing before one",
  NoHello: "hello comes first, and once",
  NoVersion: `none of the host's versions is spoken here, which is version ${BOUNDARY_VERSION}`,
};

/**
 * Serves one host until its stream ends, it is stopped, or this process is to be replaced.
 * @param stop - fires when nothing more is to be read.
 * @returns whether it is to be replaced: all that was begun is answered then, and what came later was not begun.
 * @throws what the output ends with.
 */
export async function serve(input: Readable, output: Writable, stop: AbortSignal, answer: Answerer): Promise<boolean> {
  const session = new Session(output, answer);
  const end = (): void => void input.destroy();
  stop.addEventListener("abort", end, { once: true });
  try {
    for await (const frame of readFrames(input, FRAME_BYTES_MAX)) {
      await session.take(frame);
      if (session.isOver) break;
    }
  } catch (error) {
    // Destroyed, it ends too early for its reader.
    if (!stop.aborted) throw error;
  } finally {
    stop.removeEventListener("abort", end);
  }
  await session.end();
  return session.isOver;
}

class Session {
  readonly #output: Writable;
  readonly #answer: Answerer;
  /** Number of the next request. */
  #expected = 0;
  #bytes = 0;
  readonly #running = new Map<number, AbortController>();
  readonly #tasks = new Set<Promise<void>>();
  /** Whether no more requests are taken. */
  isOver = false;

  constructor(output: Writable, answer: Answerer) {
    this.#output = output;
    this.#answer = answer;
  }

  async take(frame: Uint8Array | typeof OVERSIZED): Promise<void> {
    const { id, body }: Numbered<Request | BoundaryRefusal> =
      frame === OVERSIZED ? { id: NO_REQUEST, body: "Oversized" } : decodeRequest(frame);
    const refusal = typeof body === "string" ? body : this.#refusalOf(id, body);
    if (refusal !== null || typeof body === "string") {
      return await this.#reply(id, { tag: "failed", value: refused(refusal ?? "Malformed") });
    }
    this.#expected++;
    if (body.tag === "hello") return await this.#done(id, { tag: "hello", value: BOUNDARY_VERSION });
    if (body.tag === "cancel") {
      this.#running.get(body.value)?.abort();
      return await this.#done(id, { tag: "cancel", value: undefined });
    }
    const cost = (frame as Uint8Array).length + (ANSWER_BYTES[body.tag] ?? 0);
    this.#bytes += cost;
    const task = this.#run(id, body).finally(() => {
      this.#bytes -= cost;
      this.#tasks.delete(task);
    });
    this.#tasks.add(task);
    // Before there is room again, nothing more is read.
    while (this.#tasks.size >= REQUESTS_MAX || this.#bytes >= REQUEST_BYTES_MAX) await Promise.race(this.#tasks);
  }

  /** Stops what runs, unless it is to be answered before the process ends. */
  async end(): Promise<void> {
    if (!this.isOver) for (const controller of this.#running.values()) controller.abort();
    await Promise.all(this.#tasks);
  }

  #refusalOf(id: number, request: Request): BoundaryRefusal | null {
    if (id !== this.#expected) return id < this.#expected ? "Replayed" : "OutOfOrder";
    if ((request.tag === "hello") !== (id === 0)) return "NoHello";
    return request.tag === "hello" && !request.value.includes(BOUNDARY_VERSION) ? "NoVersion" : null;
  }

  async #run(id: number, task: Task): Promise<void> {
    const controller = new AbortController();
    this.#running.set(id, controller);
    const context: TaskContext = {
      signal: controller.signal,
      report: (progress) => this.#report(id, progress),
      replaceProcess: () => {
        this.isOver = true;
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

  #reply(id: number, body: Reply): Promise<void> {
    return writeFrame(this.#output, encodeReply({ id, body }));
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
