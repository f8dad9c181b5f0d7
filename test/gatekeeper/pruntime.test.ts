import { setImmediate as turn } from "node:timers/promises";
import { type Mock, afterEach, describe, expect, it, vi } from "vitest";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import { CLOSE_MILLISECONDS } from "../../src/gatekeeper/pruntime-link.ts";
import { StatePacker } from "../../src/gatekeeper/state-packer.ts";
import { contractId } from "../../src/contract-id.ts";
import {
  BOUNDARY_VERSIONS,
  EXIT_REPLACED,
  FRAME_BYTES_MAX,
  type RotationProgress,
} from "../../src/pruntime/boundary.ts";
import { startPRuntime } from "../../src/start-pruntime.ts";
import { useFolder } from "../pruntime/folder.ts";
import { ScriptedListener, ScriptedProcess } from "./scripted-pruntime.ts";

vi.mock("../../src/start-pruntime.ts", async (original) => {
  const actual = await original<{ startPRuntime: typeof startPRuntime }>();
  return { startPRuntime: vi.fn(actual.startPRuntime) };
});
const start = startPRuntime as unknown as Mock<(...args: Parameters<typeof startPRuntime>) => unknown>;
const inFolder = useFolder();
afterEach(() => {
  start.mockClear();
});

const unavailable = (why: RegExp): unknown => ({ code: "PRUNTIME_UNAVAILABLE", message: expect.stringMatching(why) });
const hello = { id: 0, body: { tag: "hello", value: BOUNDARY_VERSIONS } };

/** Has the next processes scripted. */
function scripted(count: number): ScriptedProcess[] {
  const processes = Array.from({ length: count }, () => new ScriptedProcess());
  for (const process of processes) start.mockImplementationOnce(() => process);
  return processes;
}

describe("the host's side, of a socket", () => {
  const at = (): string => inFolder("socket");
  const connected = (): PRuntime => new PRuntime({ address: { path: at() } });

  it("says hello first, and gives each answer to whom it belongs, whatever their order", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const asked = ["a", "b", "c"].map((name) => pruntime.ask("join", Buffer.from(name)));
    const talk = await listener.talk(0);
    await talk.request(4);
    expect(talk.asked[0]).toEqual(hello);
    expect(talk.asked.map(({ id }) => id)).toEqual([0, 1, 2, 3]);
    for (const { id, body } of talk.asked.slice(1).reverse()) {
      talk.done(id, { tag: "join", value: (body.value as Uint8Array)[0]! });
    }
    expect(await Promise.all(asked)).toEqual([97, 98, 99]);
    await (await listener.connection(0)).destroy();
  });

  it("hears of progress, and of errors as they were", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const heard: RotationProgress[] = [];
    const asked = pruntime.ask("verify", { threads: 1 }, { onProgress: (progress) => void heard.push(progress) });
    const talk = await listener.talk(0);
    const { id } = await talk.request(2);
    const progress = { phase: "verification", done: 1, total: 2 } as const;
    talk.say(id, { tag: "progress", value: progress });
    talk.say(id, { tag: "progress", value: { ...progress, done: 2 } });
    talk.say(id, { tag: "failed", value: { code: "STORE_BUSY", message: "wait", detail: { page: 3 } } });
    await expect(asked).rejects.toMatchObject({ code: "STORE_BUSY", message: "wait", detail: { page: 3 } });
    expect(heard).toEqual([progress, { ...progress, done: 2 }]);
  });

  it.each<[string, (id: number) => Uint8Array]>([
    ["answers what was not asked", (id) => Uint8Array.of(id + 1, 0, 0, 0, 0, 1)],
    ["is malformed", (id) => Uint8Array.of(id, 0, 0, 0, 0, 99)],
    ["is nothing", () => new Uint8Array(0)],
    ["refuses what has no number", () => Uint8Array.of(255, 255, 255, 255, 0, 1)],
    ["is too long", () => new Uint8Array(FRAME_BYTES_MAX + 1)],
  ])("ends a conversation in which a reply %s, and begins another with the next request", async (_, reply) => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const asked = [pruntime.ask("status", undefined), pruntime.ask("status", undefined)];
    const talk = await listener.talk(0);
    await talk.request(3);
    talk.sayBytes(reply(2));
    for (const one of asked) await expect(one).rejects.toMatchObject(unavailable(/breaks the rules/) as object);
    await talk.ended;
    const again = pruntime.ask("join", new Uint8Array(0));
    const next = await listener.talk(1);
    const { id } = await next.request(2);
    next.done(id, { tag: "join", value: 3 });
    expect(await again).toBe(3);
  });

  it("takes no answer of another kind than was asked for", async () => {
    await using listener = await ScriptedListener.at(at());
    const asked = connected().ask("status", undefined);
    const talk = await listener.talk(0);
    talk.done((await talk.request(2)).id, { tag: "join", value: 1 });
    await expect(asked).rejects.toMatchObject(unavailable(/answered status with join/) as object);
  });

  it("loses what is not answered when the connection ends, and connects again", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    for (const index of [0, 1]) {
      const asked = pruntime.ask("status", undefined);
      const talk = await listener.talk(index);
      await talk.request(2);
      (await listener.connection(index)).end();
      await expect(asked).rejects.toMatchObject(unavailable(/ended the connection/) as object);
    }
  });

  it("says so when nobody listens", async () => {
    const pruntime = connected();
    await expect(pruntime.ask("status", undefined)).rejects.toMatchObject(unavailable(/ENOENT/) as object);
    const port = { host: "127.0.0.1", port: 1 };
    await expect(new PRuntime({ address: port }).ask("status", undefined)).rejects.toMatchObject(
      unavailable(/ECONNREFUSED/) as object,
    );
  });

  it("outlives one that ends while a large request is on its way", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const asked = [1, 2, 3].map(() => pruntime.ask("join", new Uint8Array(16 << 20)));
    (await listener.connection(0)).destroy();
    // Nothing else rejects either: that would fail this file.
    for (const one of asked) await expect(one).rejects.toMatchObject({ code: "PRUNTIME_UNAVAILABLE" });
  });

  it("does not send what is out of its bounds, and is in step afterwards", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const wrong = [
      pruntime.ask("verify", { threads: 1_000 }),
      pruntime.ask("ping", "0x00"),
      pruntime.ask("write", { words: new Uint8Array(16 << 20), bytes: new Uint8Array(16 << 20) }),
    ];
    for (const one of wrong) await expect(one).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    const asked = pruntime.ask("join", new Uint8Array(1));
    const talk = await listener.talk(0);
    expect(await talk.request(2)).toMatchObject({ id: 1, body: { tag: "join" } });
    talk.done(1, { tag: "join", value: 0 });
    expect(await asked).toBe(0);
  });

  it("cancels what is aborted, before and after it was sent, and no sooner or later", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const controller = new AbortController();
    const aborted = { code: "ABORTED", message: "stopped", detail: {} } as const;
    const before = pruntime.ask("verify", { threads: 1 }, { signal: AbortSignal.abort() });
    const other = pruntime.ask("verify", { threads: 1 });
    const asked = pruntime.ask("verify", { threads: 1 }, { signal: controller.signal });
    const talk = await listener.talk(0);
    await talk.request(5);
    expect(talk.asked.map(({ body }) => body.tag)).toEqual(["hello", "verify", "cancel", "verify", "verify"]);
    expect(talk.asked[2]!.body.value).toBe(1);
    controller.abort();
    expect(await talk.request(6)).toEqual({ id: 5, body: { tag: "cancel", value: 4 } });
    for (const id of [2, 5]) talk.done(id, { tag: "cancel", value: undefined });
    for (const id of [1, 3, 4]) talk.say(id, { tag: "failed", value: aborted });
    for (const one of [before, other, asked]) await expect(one).rejects.toMatchObject({ code: "ABORTED" });
    const late = new AbortController();
    const quick = pruntime.ask("join", new Uint8Array(0), { signal: late.signal });
    talk.done((await talk.request(7)).id, { tag: "join", value: 1 });
    await quick;
    late.abort();
    await turn();
    expect(talk.asked).toHaveLength(7);
  });

  it("lets it answer what was asked before it is disposed, and asks nothing afterwards", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const asked = pruntime.ask("join", new Uint8Array(0));
    const talk = await listener.talk(0);
    await talk.request(2);
    const disposed = pruntime[Symbol.asyncDispose]();
    await talk.ended;
    talk.done(1, { tag: "join", value: 4 });
    (await listener.connection(0)).end();
    expect(await asked).toBe(4);
    await disposed;
    await expect(pruntime.ask("join", new Uint8Array(0))).rejects.toMatchObject(unavailable(/closed/) as object);
  });

  it("is disposed although the other end of its connection says nothing, and goes on", async () => {
    await using listener = await ScriptedListener.at(at());
    const pruntime = connected();
    const asked = pruntime.ask("status", undefined);
    const talk = await listener.talk(0);
    await talk.request(2);
    expect(pruntime.ended).toBe(null);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      let over = false;
      const disposed = pruntime[Symbol.asyncDispose]().then(() => (over = true));
      const lost = expect(asked).rejects.toMatchObject(unavailable(/ended the connection/) as object);
      await talk.ended;
      vi.advanceTimersByTime(CLOSE_MILLISECONDS - 1);
      for (let turns = 0; turns < 10; turns++) await turn();
      expect(over).toBe(false);
      vi.advanceTimersByTime(1);
      await disposed;
      await lost;
      expect(pruntime.ended).toMatchObject(unavailable(/ended the connection/) as object);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("is disposed although it was never used", async () => {
    await connected()[Symbol.asyncDispose]();
  });
});

describe("the host's side, of a process", () => {
  it("is told when none of its versions is spoken", async () => {
    const process = new ScriptedProcess(false);
    start.mockImplementationOnce(() => process);
    await expect(new PRuntime({ home: "h" }).ask("status", undefined)).rejects.toMatchObject(
      unavailable(/another version$/) as object,
    );
    expect(process.killed).toBe(true);
  });

  it("asks again, in their order, what one that replaced itself had not begun; and nobody's requests not", async () => {
    const [first, second] = scripted(2) as [ScriptedProcess, ScriptedProcess];
    const pruntime = new PRuntime({ home: "h" });
    const controller = new AbortController();
    const rotated = pruntime.ask("rotate", { threads: 1, begin: true });
    await first.talk.request(2);
    const asked = [1, 2, 3].map((value) =>
      pruntime.ask("join", Uint8Array.of(value), value === 2 ? { signal: controller.signal } : {}),
    );
    await first.talk.request(5);
    controller.abort();
    await first.talk.request(6);
    first.talk.done(1, { tag: "rotate", value: null });
    expect(await rotated).toBe(null);
    first.exit(EXIT_REPLACED);
    await second.talk.request(5);
    expect(second.talk.asked).toEqual([
      hello,
      { id: 1, body: { tag: "join", value: Uint8Array.of(1) } },
      { id: 2, body: { tag: "join", value: Uint8Array.of(2) } },
      // It is still to be cancelled, under the number that it has now.
      { id: 3, body: { tag: "cancel", value: 2 } },
      { id: 4, body: { tag: "join", value: Uint8Array.of(3) } },
    ]);
    second.talk.done(3, { tag: "cancel", value: undefined });
    for (const id of [1, 2, 4]) second.talk.done(id, { tag: "join", value: id });
    expect(await Promise.all(asked)).toEqual([1, 2, 4]);
    expect(first.killed).toBe(false);
    second.exit(0);
  });

  it("starts one that replaced itself only when something is asked", async () => {
    const [first, second] = scripted(2) as [ScriptedProcess, ScriptedProcess];
    const pruntime = new PRuntime({ home: "h" });
    const asked = pruntime.ask("join", new Uint8Array(0));
    first.talk.done((await first.talk.request(2)).id, { tag: "join", value: 1 });
    await asked;
    first.exit(EXIT_REPLACED);
    await turn();
    expect(start).toHaveBeenCalledTimes(1);
    const again = pruntime.ask("join", new Uint8Array(0));
    second.talk.done((await second.talk.request(2)).id, { tag: "join", value: 2 });
    expect(await again).toBe(2);
    second.exit(0);
  });

  it("does not ask again when it was closed, or when it ended in another way", async () => {
    const [first, second, third] = scripted(3) as ScriptedProcess[];
    const closing = new PRuntime({ home: "h" });
    const asked = closing.ask("status", undefined);
    await first!.talk.request(2);
    const closed = closing[Symbol.asyncDispose]();
    first!.exit(EXIT_REPLACED);
    await expect(asked).rejects.toMatchObject(unavailable(/exit code 75/) as object);
    await closed;
    const other = new PRuntime({ home: "h" });
    const failing = other.ask("status", undefined);
    await second!.talk.request(2);
    second!.exit(70);
    await expect(failing).rejects.toMatchObject(unavailable(/exit code 70/) as object);
    const absent = other.ask("status", undefined);
    third!.stdout.destroy();
    third!.emit("error", new Error("spawn ENOMEM"));
    await expect(absent).rejects.toMatchObject(unavailable(/can't be started: spawn ENOMEM/) as object);
  });

  it("starts it with what its home needs, and no more", async () => {
    const options = [
      [{ home: "h" }, ["--home", "h"], null],
      [{ home: "h", dstack: "/s" }, ["--home", "h", "--dstack", "/s"], null],
      [{ home: "h", underPassphrase: true, passphrase: 7 }, ["--home", "h", "--passphrase"], 7],
    ] as const;
    for (const [given, argv, passphrase] of options) {
      const [process] = scripted(1) as [ScriptedProcess];
      const asked = new PRuntime(given).ask("status", undefined);
      process.exit(1);
      await expect(asked).rejects.toThrow();
      expect(start).toHaveBeenLastCalledWith(argv, passphrase);
    }
  });
});

describe("a pRuntime that really runs", () => {
  const account = (number: number): Uint8Array => new Uint8Array(20).fill(number);

  function batch(number: number): ReturnType<StatePacker["take"]> {
    const packer = new StatePacker();
    packer.add({
      kind: 1,
      name: account(number % 5),
      key: Buffer.from(`${number}`),
      value: Buffer.from(`v ${number}`),
    });
    return packer.take();
  }

  it("does each request once, although it replaces itself in the midst of them", async () => {
    await using pruntime = new PRuntime({ home: inFolder("home") });
    await pruntime.ask("createHome", "chacha20-poly1305");
    let rotating = true;
    const rotated = pruntime.ask("rotate", { threads: 1, begin: true }).finally(() => {
      rotating = false;
    });
    const written: Promise<unknown>[] = [];
    for (let number = 0; rotating && number < 400; number++) {
      written.push(pruntime.ask("write", batch(number)));
      // Some are answered before, and some come when it is over.
      await Promise.race([written[number - 4], rotated]);
      await turn();
    }
    expect(await rotated).toMatchObject({ rotationId: 1, failed: 0 });
    written.push(pruntime.ask("write", batch(401)));
    // One that was done twice would have found its state there.
    const once = { written: 1, unchanged: 0, deleted: 0 };
    expect(await Promise.all(written)).toMatchObject(written.map(() => once));
    expect(start).toHaveBeenCalledTimes(2);
    const get = { contract: contractId(1, account(0)), key: Buffer.from("0") };
    expect(Buffer.from((await pruntime.ask("get", get))!).toString()).toBe("v 0");
    expect(await pruntime.ask("verify", { threads: 1 })).toMatchObject({ failed: 0, remainingOld: 0 });
  });

  it("that is killed loses what was asked, and is started again", async () => {
    await using pruntime = new PRuntime({ home: inFolder("home") });
    await pruntime.ask("createHome", "aes-256-gcm");
    const asked = pruntime.ask("rotate", { threads: 1, begin: true });
    (start.mock.results[0]!.value as { kill(signal: string): void }).kill("SIGKILL");
    await expect(asked).rejects.toMatchObject(unavailable(/SIGKILL/) as object);
    expect(await pruntime.ask("write", batch(1))).toMatchObject({ written: 1 });
    expect(start).toHaveBeenCalledTimes(2);
  });

  it("goes on when its host asks for what no answer can name whole", async () => {
    await using pruntime = new PRuntime({ home: inFolder("home") });
    await pruntime.ask("createHome", "aes-256-gcm");
    const packer = new StatePacker();
    packer.add({ kind: 1, name: account(1), key: new Uint8Array(100_000), value: null });
    await expect(pruntime.ask("write", packer.take())).rejects.toMatchObject({ code: "RECORD_TOO_LARGE" });
    expect(await pruntime.ask("write", batch(1))).toMatchObject({ written: 1 });
    expect(start).toHaveBeenCalledTimes(1);
  });
});
