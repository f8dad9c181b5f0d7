/**
 * A node: it brings finalized blocks to its pRuntime, the pRuntime's messages to the chain, and what pRuntimes say to each
 * other. It knows no secret, and the pRuntime believes it nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openReplica } from "../chain/follow.ts";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { sendCall } from "../chain/send.ts";
import { toHex } from "../bytes.ts";
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import { accountOf } from "../protocol/account.ts";
import { encodeBlock } from "../protocol/block.ts";
import type { Call } from "../protocol/call.ts";
import { replicaCurve } from "../protocol/curve.ts";
import { encodeGenesis } from "../protocol/genesis.ts";
import { type Signer, readMessage } from "../protocol/message.ts";
import type { PRuntimeStatus } from "../pruntime/boundary.ts";
import type { ChainWatch, KeyEvent } from "./chain-watch.ts";
import type { Transport } from "./message-transport.ts";
import { type ProvisionEvent, Provisioner } from "./provision.ts";
import type { PRuntime } from "./pruntime.ts";

const POLL_MILLISECONDS = 20;
/**
 * Part of a block's time after which a pRuntime is asked once more what it has to say: what its threads have done since the block
 * comes into the next one then, and not into the one behind it.
 */
const AGAIN_PART = 0.75;
/** How long a pRuntime that has ended is given before it is used again. */
const RESTART_MILLISECONDS = 1_000;
/** How long an inbox is given that has no room: evidence that is made anew for each try is not cheap. */
const FULL_MILLISECONDS = 1_000;

/** Who registers the pRuntime, where it is not registered yet. */
interface Operator {
  readonly signer: Signer;
  /** What Intel says of the machine, where the pRuntime proves itself by a quote. */
  readonly collateral: Uint8Array | null;
}

/** What there is to tell; nothing of it is secret. */
export type NodeEvent =
  | { readonly kind: "Started" | "Changed"; readonly status: PRuntimeStatus }
  /** A message of the pRuntime's was handed in; its call is null where it can't be read. */
  | { readonly kind: "Sent"; readonly height: number; readonly call: Call["tag"] | null }
  | { readonly kind: "Registered"; readonly height: number }
  /** The pRuntime is begun anew: it has ended; or, where it has not, it has replaced itself, as it does after a rotation. */
  | { readonly kind: "Interrupted"; readonly reason: string; readonly ended: boolean }
  /** Something that should not have happened, which goes on all the same. */
  | { readonly kind: "Fault"; readonly reason: string }
  | ProvisionEvent
  | KeyEvent;

/** What a node is made of. */
export interface NodeOptions {
  readonly chain: EmbeddedChain;
  readonly pruntime: PRuntime;
  readonly operator: Operator | null;
  /** What brings messages to other pRuntimes. */
  readonly transport: Transport;
  /** What this host knows of the same chain; null where nobody is told of it. */
  readonly watch: ChainWatch | null;
  readonly tell: (event: NodeEvent) => Promise<void>;
}

/** Runs one node over one chain. */
export class GatekeeperNode {
  readonly #options: NodeOptions;
  /** Height that the pRuntime has followed the chain to; null before it has joined. */
  #height: number | null = null;
  /** `begun` of the pRuntime that has joined. */
  #begun = 0;
  /** Whether there is something to be done without a new block: not every chain makes one before it has messages. */
  #isDue = false;
  /** When the pRuntime is to be asked again, by `performance.now`; null where it has been. */
  #againAt: number | null = null;
  /** Names in the inbox of messages that were handed in, by their bytes. */
  #handedIn = new Map<string, number>();
  #status: PRuntimeStatus | null = null;
  readonly #provisioner: Provisioner;

  constructor(options: NodeOptions) {
    this.#options = options;
    const { pruntime, transport, tell } = options;
    this.#provisioner = new Provisioner({
      pruntime: {
        provision: (late) => this.#ofJoined(pruntime.ask("provision", { late })),
        deliver: (bytes) => this.#ofJoined(pruntime.ask("deliver", bytes)),
      },
      transport,
      tell,
    });
  }

  /** Its pRuntime's status, as of the last block; null before it is known. */
  get status(): PRuntimeStatus | null {
    return this.#height === null ? null : this.#status;
  }

  /**
   * Takes a message of another pRuntime: a MessageHandler.
   * @throws GatekeeperError MESSAGE_INVALID; PRUNTIME_UNAVAILABLE, NOT_FOUND, SEALED_STATE_OLD: it can't be taken now.
   */
  async receive(bytes: Uint8Array): Promise<Uint8Array | null> {
    const delivered = await this.#ofJoined(this.#joined().ask("deliver", bytes));
    if (delivered.tag === "answer") return delivered.value;
    this.#provisioner.wake();
    return null;
  }

  /**
   * Takes a user's command to a contract: a CommandHandler. It gives it to the pRuntime once: whoever sent it decides whether he
   * sends another.
   * @throws GatekeeperError COMMAND_INVALID; KEY_NOT_PROVISIONED, KEY_UNAVAILABLE, NOT_FOUND, SEALED_STATE_OLD, STORE_*: the
   * pRuntime has not begun it, as it says; PRUNTIME_UNAVAILABLE: it was not given to it, where detail.reason is NotJoined;
   * else the pRuntime ended, and may have executed it.
   */
  async execute(bytes: Uint8Array): Promise<Uint8Array> {
    // Of whichever pRuntime it is: one that has not joined says so, and has executed nothing.
    return await this.#joined().ask("execute", bytes);
  }

  /**
   * Runs until the signal fires. A pRuntime that ends is used again.
   * @throws GatekeeperError what the pRuntime refuses the chain for: BLOCK_INVALID, GENESIS_INVALID, SEALED_STATE_OLD,
   * KEY_UNAVAILABLE; STORE_* of the chain; MESSAGE_REFUSED when it can't be registered.
   */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const { watch, tell } = this.#options;
    const parts = [this.#follow(either), this.#provisioner.run(either)];
    if (watch !== null) parts.push(watch.run(tell, either));
    const results = await Promise.allSettled(parts.map((each) => each.finally(() => stop.abort())));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const moved = await this.step(signal);
        if (!moved) await pause(POLL_MILLISECONDS, signal);
      } catch (error) {
        if (signal.aborted && isError(error, "ABORTED")) return;
        if (!isError(error, "PRUNTIME_UNAVAILABLE")) throw error;
        this.#height = null;
        const ended = this.#options.pruntime.ended !== null;
        await this.#options.tell({ kind: "Interrupted", reason: error.message, ended });
        // One that has replaced itself is there already.
        if (ended) await pause(RESTART_MILLISECONDS, signal);
      }
    }
  }

  /** Brings what is there, in both directions. @returns whether there was a block. @throws as `run`; PRUNTIME_UNAVAILABLE. */
  async step(signal: AbortSignal): Promise<boolean> {
    const { chain, pruntime } = this.#options;
    if (this.#height === null) {
      this.#height = await pruntime.ask("join", encodeGenesis(chain.genesis));
      this.#begun = pruntime.begun;
      this.#isDue = true;
      this.#provisioner.reset();
    }
    // On a chain that makes no blocks, nothing would be asked that shows it.
    if (pruntime.ended !== null) throw pruntime.ended;
    if (pruntime.begun !== this.#begun) throw begunAgain();
    const seen = performance.now();
    const blocks = chain.blocks(this.#height + 1);
    if (this.#againAt !== null && seen >= this.#againAt) this.#isDue = true;
    if (blocks.length === 0 && !this.#isDue) return false;
    const more = blocks.length > 0 && chain.height() > blocks.at(-1)!.header.height;
    const { height, messages } = await this.#ofJoined(
      pruntime.ask("follow", { blocks: blocks.map(encodeBlock), more }),
    );
    this.#height = height;
    this.#isDue = false;
    this.#againAt = blocks.length === 0 || more ? null : seen + AGAIN_PART * chain.genesis.blockMilliseconds;
    if (!more) this.#provisioner.wake();
    try {
      if (!more) await this.#look();
      for (const message of messages) await this.#handIn(message, height);
      if (!more) await this.#register(signal);
    } catch (error) {
      if (!isError(error, "INBOX_FULL")) throw error;
      this.#isDue = true;
      await pause(FULL_MILLISECONDS, signal);
    }
    return blocks.length > 0;
  }

  /** One that is not there is begun again where the chain is followed, not by whoever sends it something. */
  #joined(): PRuntime {
    const { pruntime } = this.#options;
    if (this.#height !== null && pruntime.ended === null) return pruntime;
    const why = pruntime.ended?.message ?? "the pRuntime has not joined yet";
    throw new GatekeeperError("PRUNTIME_UNAVAILABLE", why, { reason: "NotJoined" });
  }

  /**
   * An answer of the pRuntime that has joined the chain.
   * @throws what it answers with; PRUNTIME_UNAVAILABLE when another has begun in its place, which has joined none.
   */
  async #ofJoined<T>(answer: Promise<T>): Promise<T> {
    await answer.catch(() => undefined);
    if (this.#options.pruntime.begun === this.#begun) return await answer;
    throw begunAgain();
  }

  /** What the pRuntime says again is handed in again unless it waits already. */
  async #handIn(message: Uint8Array, height: number): Promise<void> {
    const { chain, tell } = this.#options;
    const name = toHex(message);
    const before = this.#handedIn.get(name);
    if (before !== undefined && chain.outcome(before) === "waiting") return;
    this.#handedIn = new Map([[name, chain.submit(message)]]);
    await tell({ kind: "Sent", height, call: readMessage(message)?.call.tag ?? null });
  }

  /** Tells what has changed. */
  async #look(): Promise<void> {
    const { pruntime, tell } = this.#options;
    const status = await this.#ofJoined(pruntime.ask("status", undefined));
    const before = this.#status;
    this.#status = status;
    if (before === null) await tell({ kind: "Started", status });
    else if (hasChanged(before, status)) await tell({ kind: "Changed", status });
  }

  /** Registers the pRuntime where that is to be done. */
  async #register(signal: AbortSignal): Promise<void> {
    const { chain, pruntime, tell } = this.#options;
    if (this.#options.operator === null || this.#status?.registered !== false) return;
    const { signer, collateral } = this.#options.operator;
    const operator = accountOf(signer.publicKey);
    const value = await this.#ofJoined(pruntime.ask("register", { operator, collateral }));
    const replica = openReplica(chain, replicaCurve());
    const { height } = await sendCall(chain, replica, signer, { tag: "registerWorker", value }, signal);
    await tell({ kind: "Registered", height });
  }
}

function begunAgain(): GatekeeperError {
  return new GatekeeperError("PRUNTIME_UNAVAILABLE", "the pRuntime can't be used: it ended, and has begun again");
}

function isError(error: unknown, code: ErrorCode): error is GatekeeperError {
  return error instanceof GatekeeperError && error.code === code;
}

function hasChanged(before: PRuntimeStatus, now: PRuntimeStatus): boolean {
  const fields = ["registered", "gatekeeper", "ecdhKey", "rotationFault"] as const;
  return fields.some((field) => before[field] !== now[field]);
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
}
