/**
 * The node's part in how contracts come by their keys: it carries what its pRuntime asks of others, and what they answer.
 * The pRuntime decides whom to ask, and believes nobody; the node has the clock, and says who is late, so that others are
 * asked in his place, while his answer still counts when it comes. Nothing here holds up the following of the chain.
 *
 * - Messages to one pRuntime go one after the other: it opens none whose sequence is far below that of another.
 * - One that is not answered within a second of when it could go out, or of the last answer to one before it, is late: who has
 *   much to answer, and does, is no slower by being asked for the same in another's place. Where there is nobody else to ask, it
 *   is asked again, and given twice as long each time, until it has answered.
 * - So many messages are under way at a time. One that is late makes way for others, up to so many.
 */
import { GatekeeperError } from "../errors.ts";
import type { PublicKey } from "../protocol/account.ts";
import type { Delivered, Provisioned } from "../pruntime/boundary.ts";
import type { Destination, Transport } from "./message-transport.ts";

/** How long an answer is waited for before others are asked; twice as long after each time that none came, up to so long. */
export const LATE_MILLISECONDS = 1_000;
export const LATE_MILLISECONDS_MAX = 32_000;
/** Messages under way that are not late, at most; and late ones. */
export const MESSAGES_AT_ONCE = 32;
export const LATE_AT_ONCE = 64;
/** Messages that wait for an earlier one to the same pRuntime, at most: of more, the oldest are not sent. */
export const QUEUED_MAX = 16;

/** What is asked of the pRuntime that is here: both as pruntime/boundary.ts says. */
interface Provisionable {
  readonly provision: (late: readonly PublicKey[]) => Promise<Provisioned>;
  readonly deliver: (bytes: Uint8Array) => Promise<Delivered>;
}

/** What there is to tell of it. Peers are IdentityKeys. */
export type ProvisionEvent =
  /** Contracts that have no keys yet: told when their number changes. */
  | { readonly kind: "Provisioned"; readonly missing: number }
  /** It has not answered in time, and may yet. */
  | { readonly kind: "PeerLate"; readonly peer: PublicKey }
  /** Its host did not take a message, or had no answer. */
  | { readonly kind: "PeerFailed"; readonly peer: PublicKey; readonly reason: string }
  /** It gives no partials, by what it knows of the chain at a height. */
  | { readonly kind: "PeerRefused"; readonly peer: PublicKey; readonly reason: string; readonly height: number }
  /** What it answered is wrong: it lies, or its host does. */
  | { readonly kind: "PeerWrong"; readonly peer: PublicKey; readonly reason: string };

/** What it is made of. */
export interface ProvisionerOptions {
  readonly pruntime: Provisionable;
  readonly transport: Transport;
  readonly tell: (event: ProvisionEvent) => Promise<void>;
}

/** A message to be answered. */
interface Question extends Destination {
  readonly bytes: Uint8Array;
  /** How often in a row nothing good had come of whom it is for. */
  readonly level: number;
  readonly stop: AbortController;
  /** Until its time is over, which does not begin before there is a place for its lane. */
  timer: NodeJS.Timeout | null;
  state: "queued" | "sent" | "late" | "over";
}

/** What is for one pRuntime. */
interface Lane {
  readonly queue: Question[];
  sent: Question | null;
  level: number;
}

/** Does it for one pRuntime. */
export class Provisioner {
  readonly #options: ProvisionerOptions;
  #lanes = new Map<PublicKey, Lane>();
  /** Who is to be named late. */
  readonly #late = new Set<PublicKey>();
  /** Those that are late and not over, the oldest first. */
  readonly #lateQuestions = new Set<Question>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #running = new Set<Promise<void>>();
  #sent = 0;
  #missing = 0;
  #isWoken = false;
  #wake = (): void => undefined;
  #fault: unknown = null;
  #stopped = false;

  constructor(options: ProvisionerOptions) {
    this.#options = options;
  }

  /** There may be something to be asked: the pRuntime knows of more blocks. */
  wake(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** The pRuntime is another, which has asked nothing: what was under way is of no use to it. */
  reset(): void {
    for (const { sent } of this.#lanes.values()) sent?.stop.abort();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#lanes = new Map();
    this.#late.clear();
  }

  /**
   * Runs until the signal fires.
   * @throws what the pRuntime answers with, but for what the following of the chain meets, too: PRUNTIME_UNAVAILABLE,
   * NOT_FOUND before it has joined, SEALED_STATE_OLD.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#stopped = false;
    const wake = (): void => this.wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted) {
        await this.#woken();
        if (this.#fault !== null) throw this.#fault;
        if (!signal.aborted) await this.#ask();
      }
    } finally {
      this.#stopped = true;
      signal.removeEventListener("abort", wake);
      this.reset();
      await Promise.all(this.#running);
    }
  }

  async #woken(): Promise<void> {
    while (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#isWoken = false;
  }

  async #ask(): Promise<void> {
    const { pruntime, tell } = this.#options;
    const late = [...this.#late];
    this.#late.clear();
    const lanes = this.#lanes;
    try {
      const { messages, missing } = await pruntime.provision(late);
      // Another has taken its place meanwhile: it does not know of these.
      if (lanes !== this.#lanes) return;
      for (const { bytes, ...destination } of messages) this.#queue(destination, bytes);
      if (missing === this.#missing) return;
      this.#missing = missing;
      await tell({ kind: "Provisioned", missing });
    } catch (error) {
      if (!isNotHere(error)) throw error;
    }
  }

  #queue(destination: Destination, bytes: Uint8Array): void {
    const { to } = destination;
    const lane = this.#lanes.get(to) ?? { queue: [], sent: null, level: 0 };
    this.#lanes.set(to, lane);
    const { level } = lane;
    const stop = new AbortController();
    const question: Question = { ...destination, bytes, level, stop, timer: null, state: "queued" };
    lane.queue.push(question);
    if (lane.queue.length > QUEUED_MAX) this.#untime(lane.queue.shift()!);
    if (lane.sent !== null) this.#time(lane, question);
    this.#send();
  }

  #time(lane: Lane, question: Question): void {
    const milliseconds = Math.min(LATE_MILLISECONDS * 2 ** question.level, LATE_MILLISECONDS_MAX);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#overdue(lane, question);
    }, milliseconds);
    this.#timers.add(timer);
    question.timer = timer;
  }

  #untime({ timer }: Question): void {
    if (timer === null) return;
    clearTimeout(timer);
    this.#timers.delete(timer);
  }

  /** Sends what is next, of each lane where nothing is under way. */
  #send(): void {
    for (const lane of this.#lanes.values()) {
      if (this.#sent >= MESSAGES_AT_ONCE) return;
      if (lane.sent !== null || lane.queue.length === 0) continue;
      for (const waiting of lane.queue) if (waiting.timer === null) this.#time(lane, waiting);
      const question = lane.queue.shift()!;
      lane.sent = question;
      question.state = "sent";
      this.#sent++;
      const running = this.#carry(lane, question)
        .catch((error: unknown) => this.#fail(error))
        .finally(() => {
          this.#over(lane, question);
          this.#running.delete(running);
          if (!this.#stopped) this.#send();
        });
      this.#running.add(running);
    }
  }

  #fail(error: unknown): void {
    this.#fault ??= error;
    this.wake();
  }

  /** It takes no place any more; whom it was for comes behind the others. */
  #over(lane: Lane, question: Question): void {
    lane.sent = null;
    if (this.#lanes.get(question.to) === lane) {
      this.#lanes.delete(question.to);
      this.#lanes.set(question.to, lane);
    }
    if (question.state === "sent") this.#sent--;
    question.state = "over";
    this.#lateQuestions.delete(question);
  }

  /** The time of a question is over: others are asked, or the same again. */
  #overdue(lane: Lane, question: Question): void {
    lane.level = Math.max(lane.level, question.level + 1);
    this.#late.add(question.to);
    this.wake();
    if (question.state !== "sent") return;
    question.state = "late";
    this.#sent--;
    this.#lateQuestions.add(question);
    if (this.#lateQuestions.size > LATE_AT_ONCE) {
      const [oldest] = this.#lateQuestions;
      this.#lateQuestions.delete(oldest!);
      oldest!.stop.abort();
    }
    this.#send();
    void this.#options.tell({ kind: "PeerLate", peer: question.to }).catch((error: unknown) => this.#fail(error));
  }

  /** Brings a question to whom it is for, and the answer to the pRuntime. */
  async #carry(lane: Lane, question: Question): Promise<void> {
    const { to: peer, bytes, stop } = question;
    const { pruntime, transport } = this.#options;
    let answer: Uint8Array | null;
    try {
      answer = await transport(question, bytes, stop.signal);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof GatekeeperError)) throw error;
      return await this.#failed(lane, question, { kind: "PeerFailed", peer, reason: reasonOf(error) });
    }
    if (stop.signal.aborted) return;
    if (answer === null) return await this.#failed(lane, question, { kind: "PeerFailed", peer, reason: "NoAnswer" });
    let delivered: Delivered;
    try {
      delivered = await pruntime.deliver(answer);
    } catch (error) {
      if (isNotHere(error)) return;
      if (!(error instanceof GatekeeperError) || error.code !== "MESSAGE_INVALID") throw error;
      return await this.#failed(lane, question, { kind: "PeerWrong", peer, reason: reasonOf(error) });
    }
    // A message that is right, and no answer to this one: a host may bring what it likes.
    if (delivered.tag === "answer" || delivered.tag === "pong" || delivered.value.from !== peer) {
      return await this.#failed(lane, question, { kind: "PeerWrong", peer, reason: "NoAnswer" });
    }
    if (delivered.tag === "refused") {
      const { reason, height } = delivered.value;
      return await this.#useless(lane, question, { kind: "PeerRefused", peer, reason, height });
    }
    const { blamed } = delivered.value;
    if (blamed !== null) return await this.#useless(lane, question, { kind: "PeerWrong", peer, reason: blamed });
    this.#untime(question);
    lane.level = 0;
    for (const waiting of lane.queue) {
      // One that was late is so until it is answered.
      if (waiting.timer === null || !this.#timers.has(waiting.timer)) continue;
      this.#untime(waiting);
      this.#time(lane, waiting);
    }
    this.wake();
  }

  /** The pRuntime waits for an answer still: where others are asked at once, it has to be told that none comes. */
  #failed(lane: Lane, question: Question, event: ProvisionEvent): Promise<void> {
    if (question.level === 0) this.#late.add(question.to);
    return this.#useless(lane, question, event);
  }

  /** Nothing came of it. Others are asked at once the first time, and when its time is over where it was so before. */
  async #useless(lane: Lane, question: Question, event: ProvisionEvent): Promise<void> {
    lane.level = Math.max(lane.level, question.level + 1);
    if (question.level === 0) {
      this.#untime(question);
      this.wake();
    }
    await this.#options.tell(event);
  }
}

/** What the following of the chain meets, too, and sees to. */
function isNotHere(error: unknown): boolean {
  return (
    error instanceof GatekeeperError && ["PRUNTIME_UNAVAILABLE", "NOT_FOUND", "SEALED_STATE_OLD"].includes(error.code)
  );
}

function reasonOf({ code, detail }: GatekeeperError): string {
  const { reason, why } = detail;
  if (typeof reason !== "string") return code;
  return typeof why === "string" ? `${reason}: ${why}` : reason;
}
