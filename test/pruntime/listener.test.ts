/** `pruntime --listen`, as hosts see it that behave well, and that do not. */
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type Socket, connect, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { contractId } from "../../src/contract-id.ts";
import { readFrames, writeFrame } from "../../src/frames.ts";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";
import { StatePacker } from "../../src/gatekeeper/state-packer.ts";
import {
  BOUNDARY_VERSIONS,
  FRAME_BYTES_MAX,
  type Request,
  decodeReply,
  encodeRequest,
} from "../../src/pruntime/boundary.ts";
import type { SocketAddress } from "../../src/socket-address.ts";
import { useFolder } from "./folder.ts";
import { PRUNTIME, Running } from "./running.ts";

const inFolder = useFolder();
const NAME = new Uint8Array(20).fill(1);
const GET: Request = { tag: "get", value: { contract: contractId(1, NAME), key: Buffer.from("large") } };

function listening(address: string): Running {
  return new Running([process.execPath, PRUNTIME, "--home", inFolder("home"), "--listen", address]);
}

/** One that is connected to when somebody is ready to. */
async function started(address: SocketAddress): Promise<Running> {
  const running = listening("path" in address ? `unix:${address.path}` : `tcp:${address.host}:${address.port}`);
  while (!/^pruntime: listening at /m.test(running.stderr)) {
    if (running.process.exitCode !== null) throw new Error(`it ended early: ${running.stderr}`);
    await sleep(20);
  }
  return running;
}

/** Waits until the pRuntime of the last host is gone and another is taken. */
async function whenFree<T>(address: SocketAddress, use: (pruntime: PRuntime) => Promise<T>): Promise<T> {
  for (;;) {
    try {
      await using pruntime = new PRuntime({ address });
      return await use(pruntime);
    } catch (error) {
      if ((error as { code?: string }).code !== "PRUNTIME_UNAVAILABLE") throw error;
      await sleep(20);
    }
  }
}

async function fillHome(address: SocketAddress): Promise<Uint8Array> {
  const value = new Uint8Array(4 << 20).fill(7);
  await whenFree(address, async (pruntime) => {
    await pruntime.ask("createHome", "aes-256-gcm");
    const packer = new StatePacker();
    packer.add({ kind: 1, name: NAME, key: Buffer.from("large"), value });
    await pruntime.ask("write", packer.take());
  });
  return value;
}

/** Connects, and asks without reading. */
async function asking(address: SocketAddress, ...requests: readonly Request[]): Promise<Socket> {
  for (;;) {
    const socket = connect(address);
    socket.on("error", () => undefined).pause();
    const all: Request[] = [{ tag: "hello", value: BOUNDARY_VERSIONS }, ...requests];
    for (const [id, body] of all.entries()) writeFrame(socket, encodeRequest({ id, body })).catch(() => undefined);
    await new Promise((resolve) => socket.once("readable", resolve).once("close", resolve));
    // Another's time is not over yet.
    if (!socket.destroyed && socket.readableLength > 0) return socket;
    socket.destroy();
    await sleep(20);
  }
}

async function createIdentity(): Promise<void> {
  await using pruntime = new PRuntime({ home: inFolder("home") });
  await pruntime.ask("createIdentity", undefined);
}

describe("a listening pRuntime", () => {
  it("gives no local home's plaintexts to whoever can connect", async () => {
    await using refused = listening("tcp:127.0.0.1:29999");
    expect(await refused.ended).toEqual({ code: 2, signal: null });
    expect(refused.stderr).toMatch(/^pruntime: USAGE: .* is no home of a network/);
  });

  it.each<[string, () => SocketAddress]>([
    ["a Unix socket", () => ({ path: inFolder("socket") })],
    ["a TCP port", () => ({ host: "127.0.0.1", port: 30_000 + (process.pid % 10_000) })],
  ])("serves one host at a time at %s, and the next after it", async (_, at) => {
    await createIdentity();
    const address = at();
    await using running = await started(address);
    const status = (pruntime: PRuntime): Promise<unknown> => pruntime.ask("status", undefined);
    const first = await whenFree(address, async (pruntime) => {
      const answer = await status(pruntime);
      await expect(status(new PRuntime({ address }))).rejects.toMatchObject({ code: "PRUNTIME_UNAVAILABLE" });
      expect(await status(pruntime)).toEqual(answer);
      return answer;
    });
    expect(await whenFree(address, status)).toEqual(first);
    if ("path" in address) expect(statSync(address.path).mode & 0o077).toBe(0);
    expect(running.process.exitCode).toBe(null);
  });

  it("passes on all that was answered to a host that reads late", async () => {
    const address = { path: inFolder("socket") };
    await using _ = await started(address);
    const value = await fillHome(address);
    const socket = await asking(address, GET, GET, GET);
    socket.end();
    // Its pRuntime has ended long before this reads.
    await sleep(500);
    const answers: number[] = [];
    for await (const frame of readFrames(socket, FRAME_BYTES_MAX)) {
      const reply = decodeReply(frame as Uint8Array)!;
      // Compared by hand: the test library looks at each byte as an object.
      if (reply.id > 0) expect(Buffer.compare((reply.body.value as { value: Uint8Array }).value, value)).toBe(0);
      answers.push(reply.id);
    }
    expect(answers).toEqual([0, 1, 2, 3]);
  });

  it("has room for another host when one went away without reading", async () => {
    const address = { path: inFolder("socket") };
    await using _ = await started(address);
    await fillHome(address);
    const socket = await asking(address, GET, GET, GET, GET, GET, GET);
    socket.destroy();
    expect((await whenFree(address, (pruntime) => pruntime.ask("get", GET.value as never)))?.length).toBe(4 << 20);
  });

  it.each(["SIGTERM", "SIGINT"] as const)("ends at %s, and its host's pRuntime too", async (signal) => {
    const address = { path: inFolder("socket") };
    await using running = await started(address);
    const socket = await asking(address);
    const closed = new Promise((resolve) => socket.resume().once("close", resolve));
    running.process.kill(signal);
    expect(await running.ended).toEqual({ code: 0, signal: null });
    await closed;
    expect(existsSync(address.path)).toBe(false);
  });

  it("takes the place of one that was killed, and of nobody and nothing else", async () => {
    const address = { path: inFolder("socket") };
    await using killed = await started(address);
    killed.process.kill("SIGKILL");
    await killed.ended;
    expect(existsSync(address.path)).toBe(true);
    await using next = await started(address);
    await using refused = listening(`unix:${address.path}`);
    expect((await refused.ended).code).toBe(1);
    expect(refused.stderr).toMatch(/^pruntime: STORE_BUSY: another pRuntime runs here: .*socket\.lock$/m);
    expect(next.process.exitCode).toBe(null);
    writeFileSync(inFolder("precious"), "not a socket");
    await using other = listening(`unix:${inFolder("precious")}`);
    expect((await other.ended).code).toBe(1);
    expect(other.stderr).toMatch(/^pruntime: IO_FAILED: .*EADDRINUSE$/m);
    expect(readFileSync(inFolder("precious"), "utf8")).toBe("not a socket");
  });

  it("begins once where many begin at a time over a socket that was left, and nobody's is taken away", async () => {
    const address = { path: inFolder("socket") };
    await createIdentity();
    await using killed = await started(address);
    killed.process.kill("SIGKILL");
    await killed.ended;
    const all = Array.from({ length: 3 }, () => listening(`unix:${address.path}`));
    try {
      const begun = async (running: Running): Promise<boolean> => {
        while (running.process.exitCode === null && !running.stderr.includes("listening at")) await sleep(20);
        return running.process.exitCode === null;
      };
      const winners = await Promise.all(all.map(begun));
      expect(winners.filter(Boolean)).toHaveLength(1);
      expect(await whenFree(address, (pruntime) => pruntime.ask("status", undefined))).toBeDefined();
    } finally {
      for (const running of all) await running[Symbol.asyncDispose]();
    }
  });

  it("leaves alone what a stranger listens at", async () => {
    const stranger = createServer();
    stranger.listen(inFolder("socket"));
    await once(stranger, "listening");
    await using refused = listening(`unix:${inFolder("socket")}`);
    expect((await refused.ended).code).toBe(1);
    expect(refused.stderr).toMatch(/^pruntime: IO_FAILED: .*EADDRINUSE$/m);
    expect(existsSync(inFolder("socket"))).toBe(true);
    stranger.close();
  });

  it("does not begin where it can't listen, or what it was given is no address", async () => {
    await using nowhere = listening(`unix:${inFolder("none", "socket")}`);
    expect((await nowhere.ended).code).toBe(1);
    expect(nowhere.stderr).toMatch(/^pruntime: IO_FAILED: .*socket.lock can't be made$/m);
    await using wrong = listening("udp:host:1");
    expect((await wrong.ended).code).toBe(2);
    expect(wrong.stderr).toMatch(/^pruntime: USAGE: /m);
  });
});
