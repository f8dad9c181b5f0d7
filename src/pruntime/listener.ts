/**
 * Lets a host connect to a pRuntime by a socket: each connection is given a pRuntime of its own, one at a time, and this
 * process only carries bytes between the two. It never has a secret, so that it can outlive those that end themselves.
 */
import { once } from "node:events";
import { lstatSync, unlinkSync } from "node:fs";
import { type Server, type Socket, connect, createServer } from "node:net";
import type { Readable, Writable } from "node:stream";
import { GatekeeperError } from "../errors.ts";
import type { SocketAddress } from "../socket-address.ts";
import { startPRuntime } from "../start-pruntime.ts";

/**
 * Listens until it is stopped. Whoever can connect is the host: a Unix socket is its owner's alone; of a TCP address the
 * network has to see to it.
 * @param argv - of the pRuntimes that are started.
 * @param passphrase - a descriptor that is passed on to them, or null.
 * @param stop - ends the connection that there is, too, and waits for its pRuntime.
 * @throws GatekeeperError IO_FAILED when it can't listen there.
 */
export async function listen(
  address: SocketAddress,
  argv: readonly string[],
  passphrase: number | null,
  stop: AbortSignal,
): Promise<void> {
  process.umask(0o077);
  let serving: Promise<void> | null = null;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    if (serving !== null) {
      socket.destroy();
      return;
    }
    serving = carry(socket, argv, passphrase).finally(() => {
      serving = null;
    });
  });
  const end = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  stop.addEventListener("abort", end, { once: true });
  try {
    await listening(server, address);
    await once(server, "close");
  } catch (cause) {
    const systemCode = String((cause as NodeJS.ErrnoException).code);
    const where = "path" in address ? address.path : `${address.host}:${address.port}`;
    throw new GatekeeperError("IO_FAILED", `${where} can't be listened at: ${systemCode}`, { systemCode }, { cause });
  }
  await serving;
}

/** Until the pRuntime has ended and all that it said has been passed on, or the host is gone. */
async function carry(socket: Socket, argv: readonly string[], passphrase: number | null): Promise<void> {
  const child = startPRuntime(argv, passphrase);
  const { stdin, stdout } = child as { stdin: Writable; stdout: Readable };
  const ended = once(child, "close").catch(() => undefined);
  stdin.on("error", () => undefined);
  stdout.on("error", () => undefined);
  socket.pipe(stdin);
  stdout.pipe(socket);
  socket.on("close", () => {
    stdin.end();
    // Or it would wait forever for somebody to read what it answers.
    stdout.destroy();
  });
  await ended;
  // What was said goes out; a host that keeps its half of the connection open keeps nothing here.
  socket.destroySoon();
}

/** A socket that a killed process left is in the way of nobody but the next. */
async function listening(server: Server, address: SocketAddress): Promise<void> {
  server.listen(address);
  try {
    await once(server, "listening");
  } catch (error) {
    if (!("path" in address) || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    if (!lstatSync(address.path).isSocket() || (await isAnswered(address))) throw error;
    unlinkSync(address.path);
    server.listen(address);
    await once(server, "listening");
  }
}

async function isAnswered(address: SocketAddress): Promise<boolean> {
  const socket = connect(address);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
