/** What a pRuntime's process is, and has of its starter's. */
import { once } from "node:events";
import { readFileSync, readlinkSync, readdirSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { readFrames, writeFrame } from "../src/frames.ts";
import { PRuntime } from "../src/gatekeeper/pruntime.ts";
import { BOUNDARY_VERSIONS, FRAME_BYTES_MAX, decodeReply, encodeRequest } from "../src/pruntime/boundary.ts";
import { startPRuntime } from "../src/start-pruntime.ts";
import { useFolder } from "./pruntime/folder.ts";
import { runChild } from "./pruntime/child.ts";
import { PRUNTIME, Running } from "./pruntime/running.ts";

const inFolder = useFolder();

/** Says hello: when it has answered, it is what it will be. */
async function greeted(
  process: Pick<ReturnType<typeof startPRuntime>, "stdin" | "stdout">,
): Promise<() => Promise<unknown>> {
  const frames = readFrames(process.stdout!, FRAME_BYTES_MAX);
  let id = 0;
  const hello = async (): Promise<unknown> => {
    await writeFrame(process.stdin!, encodeRequest({ id: id++, body: { tag: "hello", value: BOUNDARY_VERSIONS } }));
    const { value } = await frames.next();
    return decodeReply(value as Uint8Array)!.body.tag;
  };
  expect(await hello()).toBe("done");
  return hello;
}

describe.skipIf(process.platform !== "linux")("a pRuntime that was started (on Linux)", () => {
  it("has an empty environment, no core file, nothing of its starter's in its arguments, and no debugger", async () => {
    vi.stubEnv("GATEKEEPER_TEST_SECRET", "do not pass on");
    const child = startPRuntime(["--home", inFolder("home")], null);
    vi.unstubAllEnvs();
    try {
      const hello = await greeted(child);
      const proc = (name: string): string => readFileSync(`/proc/${child.pid}/${name}`, "latin1");
      // The shell between may leave where it found the program; nothing of ours.
      expect(proc("environ").replace(/^_=[^\0]*\0/, "")).toBe("");
      expect(proc("limits")).toMatch(/^Max core file size +0 +0 /m);
      expect(proc("coredump_filter")).toBe("00000000\n");
      expect(proc("cmdline").split("\0")).toEqual([
        process.execPath,
        "--disable-sigusr1",
        PRUNTIME,
        "--home",
        inFolder("home"),
        "",
      ]);
      process.kill(child.pid!, "SIGUSR1");
      // It is refused, for it comes twice; but it is answered, and so the signal has come.
      expect(await hello()).toBe("failed");
      const listening = readdirSync(`/proc/${child.pid}/fd`).flatMap((fd) => {
        const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${child.pid}/fd/${fd}`))?.[1];
        return inode !== undefined && isListening(inode) ? [fd] : [];
      });
      expect(listening).toEqual([]);
      expect(child.exitCode).toBe(null);
      child.stdin!.end();
      expect(await once(child, "exit")).toEqual([0, null]);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("says so where a passphrase is wanted and none was passed on", async () => {
    await using pruntime = new PRuntime({ home: inFolder("home"), underPassphrase: true });
    await expect(pruntime.ask("createIdentity", undefined)).rejects.toMatchObject({
      code: "USAGE",
      message: "no passphrase was passed on",
    });
  });

  it("does not serve where its memory could be dumped", async ({ skip }) => {
    if ((await runChild("", "[ $(ulimit -H -c) != 0 ]")).code !== 0) skip("this machine allows no core dumps at all");
    await using running = new Running([process.execPath, PRUNTIME, "--home", inFolder("home")]);
    expect((await running.ended).code).toBe(1);
    expect(running.stderr).toMatch(/^pruntime: PRUNTIME_UNAVAILABLE: .*`ulimit -c 0`/m);
  });

  it("leaves Ctrl-C to its host, and ends at SIGTERM and with its host", async () => {
    for (const end of [(child: ReturnType<typeof startPRuntime>) => void child.kill("SIGTERM"), hangUp]) {
      const child = startPRuntime(["--home", inFolder("home")], null);
      const hello = await greeted(child);
      child.kill("SIGINT");
      expect(await hello()).toBe("failed");
      const ended = once(child, "exit");
      end(child);
      expect(await ended).toEqual([0, null]);
    }
  });

  it("ends when its host reads nothing more, although it goes on asking", async () => {
    const child = startPRuntime(["--home", inFolder("home")], null);
    const hello = await greeted(child);
    child.stdin!.on("error", () => undefined);
    child.stdout!.destroy();
    const ended = once(child, "exit");
    void hello().catch(() => undefined);
    expect(await ended).toEqual([0, null]);
  });

  it("says how it is used: on standard output who asks, on standard error who does not know", async () => {
    await using helped = new Running([process.execPath, PRUNTIME, "--home", "h", "--help"]);
    let said = "";
    helped.process.stdout!.on("data", (chunk) => (said += chunk));
    await once(helped.process, "close");
    expect([helped.process.exitCode, helped.stderr]).toEqual([0, ""]);
    for (const option of ["home", "listen", "dstack", "passphrase", "help"]) expect(said).toContain(`  --${option} `);
    for (const argv of [[], ["--home"], ["--home", "h", "--verbose"], ["--home", "h", "more"]]) {
      await using running = new Running([process.execPath, PRUNTIME, ...argv]);
      expect((await running.ended).code).toBe(2);
      expect(running.stderr).toMatch(/^pruntime: USAGE: /m);
    }
  });
});

/** As the system does for a host that has died. */
function hangUp(child: ReturnType<typeof startPRuntime>): void {
  child.stdin!.destroy();
  child.stdout!.destroy();
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // It was the listing's own.
    return "";
  }
}

/** Whether a TCP socket of this inode waits for connections (state 0A). */
function isListening(inode: string): boolean {
  const sockets = ["tcp", "tcp6"].flatMap((table) => readFileSync(`/proc/net/${table}`, "latin1").split("\n"));
  return sockets.some((line) => {
    const fields = line.trim().split(/ +/);
    return fields[3] === "0A" && fields[9] === inode;
  });
}
