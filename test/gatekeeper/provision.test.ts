/** What a node carries for its pRuntime, of peers that answer, are slow, silent, down, and lie; on a clock of the test's. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { localTransport } from "../../src/gatekeeper/local-transport.ts";
import { type MessageHandler, type Transport, peerFailed } from "../../src/gatekeeper/message-transport.ts";
import {
  LATE_AT_ONCE,
  LATE_MILLISECONDS,
  LATE_MILLISECONDS_MAX,
  MESSAGES_AT_ONCE,
  type ProvisionEvent,
  Provisioner,
  QUEUED_MAX,
} from "../../src/gatekeeper/provision.ts";
import type { PublicKey } from "../../src/protocol/account.ts";
import type { Delivered, Provisioned } from "../../src/pruntime/boundary.ts";

const [A, B, C] = ["0x0a", "0x0b", "0x0c"] as const;

/** A pRuntime that asks what a test says, and is told what came. */
class Asking {
  /** What it was told of who is late, each time that it was asked. */
  readonly late: (readonly PublicKey[])[] = [];
  /** Answers that were delivered. */
  readonly delivered: string[] = [];
  /** What it asks, one for each time that it is asked; nothing after that. */
  readonly asks: Provisioned[] = [];
  /** What it makes of an answer. */
  judge: (answer: string) => Delivered | Promise<Delivered> = (answer) => taken(`0x${answer.split(" ")[0]}`);

  provision = async (late: readonly PublicKey[]): Promise<Provisioned> => {
    this.late.push(late);
    return this.asks.shift() ?? { messages: [], missing: 0 };
  };

  deliver = async (bytes: Uint8Array): Promise<Delivered> => {
    const answer = Buffer.from(bytes).toString();
    this.delivered.push(answer);
    return await this.judge(answer);
  };

  /** The next time, it asks these. */
  ask(...peers: readonly PublicKey[]): void {
    this.asks.push({
      messages: peers.map((to) => ({ to, endpoint: null, bytes: Buffer.from(`for ${to.slice(2)}`) })),
      missing: 1,
    });
  }
}

function taken(from: PublicKey, blamed: string | null = null): Delivered {
  return { tag: "taken", value: { from, contracts: 1, blamed } };
}

/** A peer whose answers come when the test says so. */
class Peer {
  readonly name: string;
  readonly heard: string[] = [];
  readonly #waiting: PromiseWithResolvers<Uint8Array | null>[] = [];

  constructor(key: PublicKey) {
    this.name = key.slice(2);
  }

  handle: MessageHandler = (bytes) => {
    this.heard.push(Buffer.from(bytes).toString());
    const answer = Promise.withResolvers<Uint8Array | null>();
    this.#waiting.push(answer);
    return answer.promise;
  };

  answer(text: string | null = `${this.name} answers`): void {
    this.#waiting.shift()!.resolve(text === null ? null : Buffer.from(text));
  }

  refuse(error: GatekeeperError): void {
    this.#waiting.shift()!.reject(error);
  }
}

let pruntime: Asking;
let told: ProvisionEvent[];
let stop: AbortController;
let provisioner: Provisioner;
let running: Promise<void>;
const peers = new Map<PublicKey, Peer>();
const peer = (key: PublicKey): Peer => peers.get(key)!;

function begin(transport: Transport): void {
  provisioner = new Provisioner({ pruntime, transport, tell: async (event) => void told.push(event) });
  stop = new AbortController();
  running = provisioner.run(stop.signal);
  running.catch(() => undefined);
}

/** Until nothing goes on but timers. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
}

async function passes(milliseconds: number): Promise<void> {
  vi.advanceTimersByTime(milliseconds);
  await settle();
}

async function wake(): Promise<void> {
  provisioner.wake();
  await settle();
}

const problems = (): ProvisionEvent[] => told.filter(({ kind }) => kind !== "Provisioned");

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  pruntime = new Asking();
  told = [];
  peers.clear();
  for (const key of [A, B, C]) peers.set(key, new Peer(key));
  begin(localTransport(new Map([A, B, C].map((key) => [key, peer(key).handle]))));
});

afterEach(async () => {
  stop.abort();
  await running.catch(() => undefined);
  // Nothing is left behind that fires later.
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("what a pRuntime asks", () => {
  it("is carried to all at once, their answers to it, and it is asked again after each", async () => {
    pruntime.ask(A, B);
    await wake();
    expect([...peer(A).heard, ...peer(B).heard]).toEqual(["for 0a", "for 0b"]);
    pruntime.ask(C);
    peer(B).answer();
    await settle();
    expect(pruntime.delivered).toEqual(["0b answers"]);
    expect(peer(C).heard).toEqual(["for 0c"]);
    peer(A).answer();
    peer(C).answer();
    await settle();
    expect(pruntime.delivered).toEqual(["0b answers", "0a answers", "0c answers"]);
    expect(pruntime.late.every((late) => late.length === 0)).toBe(true);
    expect(told).toEqual([
      { kind: "Provisioned", missing: 1 },
      { kind: "Provisioned", missing: 0 },
    ]);
  });

  it("is not asked for while nothing happens", async () => {
    await settle();
    expect(pruntime.late).toEqual([]);
    await wake();
    await passes(100 * LATE_MILLISECONDS);
    expect(pruntime.late).toEqual([[]]);
  });

  it("goes to one peer one by one, in its order", async () => {
    pruntime.ask(A, A, A);
    await wake();
    for (const count of [1, 2, 3]) {
      expect(peer(A).heard).toHaveLength(count);
      peer(A).answer();
      await settle();
    }
    expect(pruntime.delivered).toHaveLength(3);
  });

  it("is under way to so many at a time, and all have their turn", async () => {
    stop.abort();
    await running;
    let under = 0;
    let most = 0;
    const answers: (() => void)[] = [];
    const sent: PublicKey[] = [];
    begin(async ({ to }) => {
      sent.push(to);
      most = Math.max(most, ++under);
      await new Promise<void>((resolve) => answers.push(resolve));
      under--;
      return Buffer.from(to.slice(2));
    });
    const keys = Array.from({ length: 3 * MESSAGES_AT_ONCE }, (_, number): PublicKey => `0x${1_000 + number}`);
    pruntime.ask(...keys, ...keys);
    await wake();
    expect(under).toBe(MESSAGES_AT_ONCE);
    while (answers.length > 0) {
      answers.shift()!();
      await settle();
    }
    expect(most).toBe(MESSAGES_AT_ONCE);
    expect(sent.slice(0, keys.length)).toEqual(keys);
    expect(sent.slice(keys.length)).toEqual(keys);
    expect(pruntime.delivered).toEqual(sent.map((key) => key.slice(2)));
  });
});

describe("a peer", () => {
  it("that is slow is named late after a second, no sooner and once, and its answer counts when it comes", async () => {
    pruntime.ask(A);
    await wake();
    await passes(LATE_MILLISECONDS - 1);
    expect(pruntime.late).toEqual([[]]);
    pruntime.ask(B);
    await passes(1);
    expect(pruntime.late).toEqual([[], [A]]);
    expect(problems()).toEqual([{ kind: "PeerLate", peer: A }]);
    peer(B).answer();
    await settle();
    peer(A).answer();
    await settle();
    expect(pruntime.delivered).toEqual(["0b answers", "0a answers"]);
    expect(pruntime.late.slice(2).flat()).toEqual([]);
    expect(problems()).toHaveLength(1);
  });

  it("that has much to answer is not late while it answers, and late a second after its last answer", async () => {
    pruntime.ask(A, A, A, A);
    await wake();
    for (let answered = 0; answered < 2; answered++) {
      await passes(LATE_MILLISECONDS - 1);
      peer(A).answer();
      await settle();
    }
    expect(pruntime.late.flat()).toEqual([]);
    await passes(LATE_MILLISECONDS - 1);
    expect(pruntime.late.flat()).toEqual([]);
    await passes(1);
    expect(pruntime.late.flat()).toEqual([A]);
    // An answer then gives what was late no other second.
    peer(A).answer();
    await settle();
    await passes(LATE_MILLISECONDS);
    expect(pruntime.late.flat()).toEqual([A]);
    peer(A).answer();
    await settle();
    expect(pruntime.delivered).toHaveLength(4);
  });

  it("that is silent, where there is nobody else, is asked again after twice as long each time", async () => {
    pruntime.ask(A);
    await wake();
    const waits: number[] = [];
    for (let round = 0; round < 8; round++) {
      // Its lane is held by the first; those behind it are late, too.
      pruntime.ask(A);
      const before = pruntime.late.length;
      let waited = 0;
      for (; pruntime.late.length === before; waited += 500) await passes(500);
      expect(pruntime.late.at(-1)).toEqual([A]);
      waits.push(waited);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 32, 32].map((seconds) => 1_000 * seconds));
    expect(waits.at(-1)).toBe(LATE_MILLISECONDS_MAX);
    // What waits behind it is nothing new to tell.
    expect(problems()).toEqual([{ kind: "PeerLate", peer: A }]);
    expect(peer(A).heard).toHaveLength(1);
    peer(A).answer();
    await settle();
    // Then what waited behind it goes out, and it has its second again.
    expect(peer(A).heard).toHaveLength(2);
    peer(A).answer();
    pruntime.ask(A);
    await settle();
    for (let more = 0; more < 20; more++) {
      if (peer(A).heard.length > pruntime.delivered.length) peer(A).answer();
      await settle();
    }
    pruntime.ask(A);
    await wake();
    const before = pruntime.late.length;
    await passes(LATE_MILLISECONDS);
    expect(pruntime.late.slice(before)).toEqual([[A]]);
    peer(A).answer();
  });

  it.each<[string, (one: Peer) => void, string]>([
    ["is down", (one) => one.refuse(peerFailed("Unreachable", "down")), "Refused: Unreachable"],
    [
      "does not open what it gets",
      (one) => one.refuse(new GatekeeperError("MESSAGE_INVALID", "no", { reason: "UnknownEcdhKey" })),
      "Refused: UnknownEcdhKey",
    ],
    ["has no answer", (one) => one.answer(null), "NoAnswer"],
  ])("that %s is named late at once, and others are asked", async (_, fail, reason) => {
    pruntime.ask(A);
    await wake();
    pruntime.ask(B);
    fail(peer(A));
    await settle();
    expect(pruntime.late).toEqual([[], [A]]);
    expect(problems()).toEqual([{ kind: "PeerFailed", peer: A, reason }]);
    expect(peer(B).heard).toEqual(["for 0b"]);
    await passes(LATE_MILLISECONDS);
    peer(B).answer();
    await settle();
  });

  it("that is down, where there is nobody else, is tried again at longer and longer intervals", async () => {
    pruntime.ask(A);
    await wake();
    const down = async (): Promise<void> => {
      peer(A).refuse(peerFailed("Unreachable", "down"));
      await settle();
    };
    pruntime.ask(A);
    await down();
    expect(peer(A).heard).toHaveLength(2);
    for (const seconds of [2, 4, 8, 16, 32, 32]) {
      const heard = peer(A).heard.length;
      pruntime.ask(A);
      await down();
      await passes(1_000 * seconds - 1);
      expect(peer(A).heard).toHaveLength(heard);
      await passes(1);
      expect(peer(A).heard).toHaveLength(heard + 1);
    }
    peer(A).answer();
    await settle();
  });

  it.each<[string, Delivered | GatekeeperError, ProvisionEvent]>([
    [
      "proves its partials wrongly",
      taken(A, "the proof does not hold"),
      { kind: "PeerWrong", peer: A, reason: "the proof does not hold" },
    ],
    [
      "answers what can't be opened",
      new GatekeeperError("MESSAGE_INVALID", "no", { reason: "BadSignature" }),
      { kind: "PeerWrong", peer: A, reason: "BadSignature" },
    ],
    ["brings another's answer", taken(B), { kind: "PeerWrong", peer: A, reason: "NoAnswer" }],
    [
      "brings a question",
      { tag: "answer", value: Uint8Array.of(1) },
      { kind: "PeerWrong", peer: A, reason: "NoAnswer" },
    ],
    [
      "says that it lives",
      { tag: "pong", value: { from: A, height: 3 } },
      { kind: "PeerWrong", peer: A, reason: "NoAnswer" },
    ],
    [
      "refuses",
      { tag: "refused", value: { from: A, reason: "NotInForce", height: 4 } },
      { kind: "PeerRefused", peer: A, reason: "NotInForce", height: 4 },
    ],
  ])("that %s is told of, and others are asked at once; again, only after a while", async (_, outcome, event) => {
    pruntime.judge = () => {
      if (outcome instanceof GatekeeperError) throw outcome;
      return outcome;
    };
    pruntime.ask(A);
    await wake();
    pruntime.ask(A);
    peer(A).answer();
    await settle();
    expect(problems()).toEqual([event]);
    expect(pruntime.late).toHaveLength(2);
    peer(A).answer();
    await settle();
    expect(problems()).toEqual([event, event]);
    expect(pruntime.late).toHaveLength(2);
    await passes(2 * LATE_MILLISECONDS);
    expect(pruntime.late).toHaveLength(3);
  });

  it("that is late makes way for others, and of many that are, the first are given up", async () => {
    stop.abort();
    await running;
    const under: PublicKey[] = [];
    begin(({ to }, _, signal) => {
      under.push(to);
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          under.splice(under.indexOf(to), 1);
          reject(new GatekeeperError("ABORTED", "given up"));
        });
      });
    });
    const keys = Array.from({ length: MESSAGES_AT_ONCE + LATE_AT_ONCE + 5 }, (_, number): PublicKey => `0x${number}`);
    pruntime.ask(...keys);
    await wake();
    expect(under).toEqual(keys.slice(0, MESSAGES_AT_ONCE));
    // The others have their second when there is a place for them.
    for (const count of [2 * MESSAGES_AT_ONCE, 3 * MESSAGES_AT_ONCE]) {
      await passes(LATE_MILLISECONDS);
      expect(under).toEqual(keys.slice(0, count));
    }
    await passes(LATE_MILLISECONDS);
    expect(under).toEqual(keys.slice(-LATE_AT_ONCE - 5));
    await passes(LATE_MILLISECONDS);
    expect(under).toEqual(keys.slice(-LATE_AT_ONCE));
    expect(problems()).toEqual(keys.map((key) => ({ kind: "PeerLate", peer: key })));
    stop.abort();
    await running;
    expect(under).toEqual([]);
  });

  it("has so many messages waiting for it, the last ones", async () => {
    pruntime.asks.push({
      messages: Array.from({ length: QUEUED_MAX + 5 }, (_, number) => ({
        to: A,
        endpoint: null,
        bytes: Buffer.from(`${number}`),
      })),
      missing: 1,
    });
    await wake();
    for (let count = 0; count <= QUEUED_MAX; count++) {
      peer(A).answer();
      await settle();
    }
    const numbers = Array.from({ length: QUEUED_MAX }, (_, number) => `${number + 5}`);
    expect(peer(A).heard).toEqual(["0", ...numbers]);
  });
});

describe("the pRuntime that is here", () => {
  it.each(["PRUNTIME_UNAVAILABLE", "NOT_FOUND", "SEALED_STATE_OLD"] as const)(
    "may be out of reach (%s): what was under way is lost, and asked anew when it is back",
    async (code) => {
      const gone = new GatekeeperError(code, "not now");
      pruntime.ask(A);
      await wake();
      pruntime.judge = () => Promise.reject(gone);
      const { provision } = pruntime;
      pruntime.provision = () => Promise.reject(gone);
      peer(A).answer();
      await wake();
      pruntime.provision = provision;
      pruntime.judge = () => taken(A);
      provisioner.reset();
      pruntime.ask(A);
      await wake();
      expect(peer(A).heard).toHaveLength(2);
      peer(A).answer();
      await settle();
      expect(problems()).toEqual([]);
    },
  );

  it("is not given answers to what the one before it asked, nor told who was late then", async () => {
    pruntime.ask(A, A, B);
    await wake();
    const { promise, resolve } = Promise.withResolvers<void>();
    const { provision } = pruntime;
    pruntime.provision = async (late) => {
      const answer = await provision(late);
      await promise;
      return answer;
    };
    pruntime.ask(C);
    await passes(LATE_MILLISECONDS);
    provisioner.reset();
    resolve();
    await settle();
    peer(A).answer();
    peer(B).answer();
    await wake();
    expect(pruntime.delivered).toEqual([]);
    expect(peer(A).heard).toHaveLength(1);
    // It was the one before it, too, that wanted this.
    expect(peer(C).heard).toEqual([]);
    expect(pruntime.late).toEqual([[], [A, B], []]);
  });

  it.each(["provision", "deliver"] as const)("that fails at %s ends it with its error", async (where) => {
    const fault = new GatekeeperError("INTERNAL", "this should not have happened");
    pruntime.ask(A);
    if (where === "provision") pruntime.provision = () => Promise.reject(fault);
    else pruntime.judge = () => Promise.reject(fault);
    await wake();
    if (where === "deliver") peer(A).answer();
    await expect(running).rejects.toBe(fault);
  });

  it("is left alone when it is stopped, whatever is under way", async () => {
    pruntime.ask(A, B);
    await wake();
    stop.abort();
    await running;
    peer(A).answer();
    await passes(10 * LATE_MILLISECONDS);
    expect(pruntime.delivered).toEqual([]);
    expect(pruntime.late).toHaveLength(1);
  });
});
