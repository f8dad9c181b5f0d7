/**
 * Random frames, and altered ones of valid conversations, against pRuntimes that really run: none of them may crash one,
 * make it grow, or have it say a secret; and it answers what is valid afterwards.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { expect } from "vitest";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { contractId } from "../../src/contract-id.ts";
import { readFrames, writeFrame } from "../../src/frames.ts";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import { StatePacker } from "../../src/gatekeeper/state-packer.ts";
import { encodeBlock } from "../../src/protocol/block.ts";
import { encodeGenesis } from "../../src/protocol/genesis.ts";
import {
  BOUNDARY_VERSIONS,
  EXIT_REPLACED,
  FRAME_BYTES_MAX,
  type Numbered,
  type Reply,
  type Request,
  decodeReply,
  decodeRequest,
  encodeRequest,
} from "../../src/pruntime/boundary.ts";
import { startPRuntime } from "../../src/start-pruntime.ts";
import { Seeded } from "../slow/seeded.ts";
import { request } from "./boundary-values.ts";
import { localSecrets, networkSecrets } from "./home-secrets.ts";
import { type Secrets, foundIn } from "./known-secrets.ts";
import { makeNetworkHome } from "./network-home.ts";

/** Far more than a pRuntime of these homes needs, and far less than frames that are kept would take. */
const MEMORY_KIB_MAX = 1_200_000;
const NAME = new Uint8Array(20).fill(0xaa);
const HELLO: Request = { tag: "hello", value: BOUNDARY_VERSIONS };

/** A home, and what is asked of it where all is well. */
export interface Target {
  readonly home: string;
  readonly conversation: readonly Request[];
  readonly secrets: Secrets;
}

export async function localTarget(home: string): Promise<Target> {
  const contract = contractId(1, NAME);
  const get: Request = { tag: "get", value: { contract, key: Buffer.from("key") } };
  const packed = (key: string, value: string | null) => {
    const packer = new StatePacker();
    packer.add({ kind: 1, name: NAME, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) });
    return packer.take();
  };
  await using pruntime = new PRuntime({ home });
  await pruntime.ask("createHome", "aes-256-gcm");
  const secrets = await localSecrets(home, [0], contract);
  const conversation: Request[] = [
    { tag: "createHome", value: "aes-256-gcm" },
    { tag: "write", value: packed("key", "value") },
    get,
    { tag: "write", value: packed("other", null) },
    { tag: "import", value: { threads: 1, batch: packed("more", "of it") } },
    { tag: "exportKey", value: join(home, "exported") },
    { tag: "importKey", value: join(home, "exported") },
    { tag: "rotate", value: { threads: 1, begin: true } },
    { tag: "rotate", value: { threads: 1, begin: false } },
    { tag: "verify", value: { threads: 1 } },
    { tag: "cancel", value: 3 },
    { tag: "status", value: undefined },
    get,
  ];
  return { home, conversation, secrets };
}

/** @param work - an empty folder. */
export async function networkTarget(work: string): Promise<Target> {
  const { identityKey, ecdhKey } = await makeNetworkHome(work);
  const home = join(work, "node");
  const secrets = await networkSecrets(home, ecdhKey);
  using chain = EmbeddedChain.open(join(work, "chain", "chain.sqlite"));
  const blocks = chain.blocks(1).map(encodeBlock);
  const operator = `0x${"07".repeat(32)}`;
  const before: Request[] = [
    { tag: "join", value: encodeGenesis(chain.genesis) },
    { tag: "follow", value: { blocks: blocks.slice(0, 1), more: true } },
    { tag: "follow", value: { blocks: blocks.slice(1), more: false } },
  ];
  await using pruntime = new PRuntime({ home });
  for (const { tag, value } of before) await pruntime.ask(tag, value as never);
  const message = await pruntime.ask("ping", identityKey);
  const conversation: Request[] = [
    ...before,
    { tag: "status", value: undefined },
    { tag: "register", value: { operator, collateral: null } },
    { tag: "ping", value: identityKey },
    { tag: "deliver", value: message },
    { tag: "provision", value: { late: [identityKey] } },
    { tag: "createIdentity", value: undefined },
    { tag: "get", value: { contract: new Uint8Array(32), key: new Uint8Array(3) } },
    { tag: "cancel", value: 1 },
  ];
  return { home, conversation, secrets };
}

/** What came of a run. */
export interface Fuzzed {
  readonly frames: number;
  /** Frames that were taken as requests. */
  readonly taken: number;
  readonly refused: number;
}

/** Sends frames one by one, each under the number that is expected, or seldom another; and waits for its answer. */
export async function fuzzInStep(target: Target, frames: number, seed: number): Promise<Fuzzed> {
  const source = new Frames(target, seed);
  let [sent, taken, refused] = [0, 0, 0];
  while (sent < frames) {
    await using talk = await Talk.begun(target);
    while (sent < frames && !talk.isOver) {
      const bytes = source.next(talk.expected);
      const reply = await talk.ask(bytes);
      sent++;
      if (reply === null) break;
      if (isRefusal(reply)) refused++;
      else taken++;
    }
    await talk.checkedEnd(sent);
  }
  return { frames: sent, taken, refused };
}

/** Sends frames at once, whose lengths are wrong now and then, and cuts the last one off. @returns frames sent. */
export async function fuzzAtOnce(target: Target, frames: number, seed: number): Promise<number> {
  const source = new Frames(target, seed);
  const chance = new Seeded(seed + 1);
  for (let sent = 0; sent < frames; sent += 200) {
    await using talk = await Talk.begun(target);
    const parts: Buffer[] = [];
    for (let at = 0; at < 200; at++) {
      const payload = source.next(talk.expected + Math.floor(at / 2));
      const length = Buffer.alloc(4);
      const wrong = chance.fraction() < 0.02;
      length.writeUInt32LE(
        wrong ? chance.of([0, payload.length + 1, FRAME_BYTES_MAX + 1, 2 ** 32 - 1]) : payload.length,
      );
      parts.push(length, Buffer.from(payload));
      if (at % 50 === 49 && chance.fraction() < 0.5) parts.push(parts.at(-2)!, parts.at(-1)!);
    }
    const stream = Buffer.concat(parts);
    talk.send(stream.subarray(0, stream.length - chance.below(6)));
    await talk.checkedEnd(sent);
  }
  return frames;
}

/** Frames: of the conversation, altered or not; random requests; and random bytes. */
class Frames {
  readonly #chance: Seeded;
  readonly #conversation: readonly Request[];
  readonly #random: readonly Request[];
  #at = 0;

  constructor({ conversation }: Target, seed: number) {
    this.#chance = new Seeded(seed);
    this.#conversation = conversation;
    this.#random = fc.sample(request, { numRuns: 500, seed });
  }

  next(expected: number): Uint8Array {
    for (;;) {
      const bytes = this.#made(expected);
      if (this.#isBearable(bytes)) return bytes;
    }
  }

  #made(expected: number): Uint8Array {
    const chance = this.#chance;
    const kind = chance.below(10);
    if (kind === 0) return Uint8Array.from({ length: chance.below(200) }, () => chance.below(256));
    const id = chance.fraction() < 0.05 ? chance.below(expected + 3) : expected;
    if (kind === 1) return encodeRequest({ id, body: chance.of(this.#random) });
    const inOrder = this.#conversation[this.#at++ % this.#conversation.length]!;
    const body = kind < 4 ? inOrder : chance.of(this.#conversation);
    let bytes: Uint8Array = encodeRequest({ id, body });
    if (kind === 2) return bytes;
    for (let times = 1 + chance.below(3); times > 0; times--) bytes = this.#altered(bytes);
    return bytes;
  }

  /** The number stays, for what has another is not looked at. */
  #altered(bytes: Uint8Array): Uint8Array {
    const chance = this.#chance;
    const at = 4 + chance.below(Math.max(1, bytes.length - 3));
    const altered = Buffer.from(bytes);
    switch (chance.below(5)) {
      case 0:
        if (at < altered.length) altered[at]! ^= 1 << chance.below(8);
        return altered;
      case 1:
        if (at < altered.length) altered[at] = chance.below(256);
        return altered;
      case 2:
        return altered.subarray(0, at);
      case 3:
        return Buffer.concat([altered.subarray(0, at), Buffer.of(chance.below(256)), altered.subarray(at)]);
      default: {
        const other = encodeRequest({ id: 0, body: chance.of(this.#conversation) });
        return Buffer.concat([altered.subarray(0, at), other.subarray(4 + chance.below(other.length - 3))]);
      }
    }
  }

  /** Work on threads is right, but slow: of that, not much, and on no more threads than there are here. */
  #isBearable(bytes: Uint8Array): boolean {
    const { body } = decodeRequest(bytes);
    if (typeof body === "string" || !["rotate", "verify", "import"].includes(body.tag)) return true;
    const { threads } = body.value as { threads: number | null };
    return threads !== null && threads <= 2 && this.#chance.fraction() < 0.05;
  }
}

/** One connection: a process, what it says, and how it ends. */
class Talk implements AsyncDisposable {
  readonly #target: Target;
  readonly #process: ChildProcess;
  readonly #frames: ReturnType<typeof readFrames>;
  readonly #ended: Promise<unknown[]>;
  readonly #said: Buffer[] = [];
  expected = 0;
  isOver = false;

  private constructor(target: Target) {
    this.#target = target;
    this.#process = startPRuntime(["--home", target.home], null);
    this.#process.stdin!.on("error", () => undefined);
    this.#ended = once(this.#process, "exit");
    this.#frames = readFrames(this.#process.stdout!, FRAME_BYTES_MAX);
  }

  static async begun(target: Target): Promise<Talk> {
    const talk = new Talk(target);
    await talk.ask(encodeRequest({ id: 0, body: HELLO }));
    return talk;
  }

  send(bytes: Uint8Array): void {
    this.#process.stdin!.write(bytes);
  }

  /** @returns the last word on this request; null when there is none, because it is replaced. */
  async ask(payload: Uint8Array): Promise<Numbered<Reply> | null> {
    writeFrame(this.#process.stdin!, payload).catch(() => undefined);
    for (;;) {
      const reply = await this.#reply();
      if (reply === null) this.isOver = true;
      if (reply?.body.tag === "progress") continue;
      if (reply !== null && !isRefusal(reply)) this.expected++;
      return reply;
    }
  }

  /** Asks what is valid, ends it, and looks at how it was and what it said. */
  async checkedEnd(where: number): Promise<void> {
    const status = readStatus(this.#process.pid!);
    const last = encodeRequest({ id: this.expected, body: { tag: "cancel", value: 0 } });
    if (!this.isOver) writeFrame(this.#process.stdin!, last).catch(() => undefined);
    this.#process.stdin!.end();
    for (let reply = await this.#reply(); reply !== null;) reply = await this.#reply();
    const [code, signal] = await this.#ended;
    expect([0, EXIT_REPLACED], `frame ${where}: ${String(code)} ${String(signal)}`).toContain(code);
    expect(foundIn(Buffer.concat(this.#said), this.#target.secrets)).toEqual([]);
    const peak = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
    expect(peak).toBeLessThan(MEMORY_KIB_MAX);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }

  async #reply(): Promise<Numbered<Reply> | null> {
    const { value } = await this.#frames.next();
    if (value === undefined) return null;
    this.#said.push(Buffer.from(value as Uint8Array));
    const reply = decodeReply(value as Uint8Array);
    expect(reply).not.toBe(null);
    return reply;
  }
}

function isRefusal({ body }: Numbered<Reply>): boolean {
  return body.tag === "failed" && body.value.code === "BOUNDARY_REFUSED";
}

/** Empty where there is none, or it has ended. */
function readStatus(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return "";
  }
}

/** Asks in a new process what is valid. @throws unless it is answered as it should be. */
export async function answersStill({ home, conversation }: Target): Promise<void> {
  await using pruntime = new PRuntime({ home });
  const [first] = conversation;
  if (first!.tag === "join") {
    expect(await pruntime.ask("join", first!.value)).toBe(3);
    expect(await pruntime.ask("status", undefined)).toMatchObject({ height: 3, gatekeeper: true });
  } else {
    const found = await pruntime.ask("verify", { threads: 1 });
    expect(found).toMatchObject({ failed: 0, remainingOld: 0 });
  }
}
