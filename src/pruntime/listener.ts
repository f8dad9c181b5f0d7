/**
 * Lets a host connect to a pRuntime by a socket: each connection is given a pRuntime of its own, one at a time, and this
 * process only carries bytes between the two. It never has a secret, so that it can outlive those that end themselves.
 */
import { once } from "node:events";
import { unlinkSync } from "node:fs";
import { type Server, type Socket, connect, createServer } from "node:net";
import { GatekeeperError } from "../errors.ts";
import type { SocketAddress } from "../socket-address.ts";
import { startPRuntime } from "../start-pruntime.ts";

/**
 * Listens until the process ends. Whoever can connect is the host: a Unix socket is its owner's alone; of a TCP address the
 * network has to see to it.
 * @param argv - of the pRuntimes that are started.
 * @param passphrase - a descriptor that is passed on to them, or null.
 * @throws GatekeeperError IO_FAILED when it can't listen there.
 */
export async function listen(
  address: SocketAddress,
  argv: readonly string[],
  passphrase: number | null,
): Promise<void> {
  process.umask(0o077);
  let busy = false;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    if (busy) {
      socket.destroy();
      return;
    }
    busy = true;
    void carry(socket, argv, passphrase).finally(() => {
      busy = false;
    });
  });
  try {
    await listening(server, address);
    await once(server, "close");
  } catch (cause) {
    const systemCode = String((cause as NodeJS.ErrnoException).code);
    const where = "path" in address ? address.path : `${address.host}:${address.port}`;
    throw new GatekeeperError("IO_FAILED", `${where} can't be listened at: ${systemCode}`, { systemCode }, { cause });
  }
}

async function carry(socket: Socket, argv: readonly string[], passphrase: number | null): Promise<void> {
  const child = startPRuntime(argv, passphrase);
  const ended = once(child, "exit").catch(() => undefined);
  child.stdin!.on("error", () => socket.destroy());
  child.stdout!.on("error", () => undefined);
  socket.on("close", () => child.stdin!.end());
  socket.pipe(child.stdin!);
  child.stdout!.pipe(socket);
  await ended;
  socket.end();
}

/** A socket that a killed process left is in the way of nobody but the next. */
async function listening(server: Server, address: SocketAddress): Promise<void> {
  server.listen(address);
  try {
    await once(server, "listening");
  } catch (error) {
    if (!("path" in address) || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    if (await isAnswered(address)) throw error;
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
