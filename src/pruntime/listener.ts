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
import { FolderLock } from "./folder-lock.ts";

/** What is done there. */
export interface ListenOptions {
  /** Of the pRuntimes that are started. */
  readonly argv: readonly string[];
  /** A descriptor that is passed on to them, or null. */
  readonly passphrase: number | null;
  /** Ends the connection that there is, too, and waits for its pRuntime. */
  readonly stop: AbortSignal;
  /** Called when hosts can connect. */
  readonly onListening: () => void;
}

/**
 * Listens until it is stopped. Whoever can connect is the host: a Unix socket is its owner's alone; of a TCP address the
 * network has to see to it.
 *
 * At a Unix socket one listens at a time, which the lock of a file beside it sees to (`PATH.lock`, which stays): what lies
 * there while one has the lock, a process has left that is gone. So none takes another's socket away, whenever both begin.
 * @throws GatekeeperError IO_FAILED when it can't listen there; STORE_BUSY when another does.
 */
export async function listen(address: SocketAddress, options: ListenOptions): Promise<void> {
  const { argv, passphrase, stop, onListening } = options;
  process.umask(0o077);
  using _ = "path" in address ? lockAt(address.path) : null;
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
    onListening();
    await once(server, "close");
  } catch (cause) {
    throw failed(address, String((cause as NodeJS.ErrnoException).code), cause);
  }
  await serving;
}

/** @throws GatekeeperError STORE_BUSY, IO_FAILED. */
function lockAt(path: string): FolderLock {
  const file = `${path}.lock`;
  try {
    return new FolderLock(file);
  } catch (cause) {
    if (cause instanceof GatekeeperError && cause.code === "STORE_BUSY") throw cause;
    throw failed({ path }, `${file} can't be made`, cause);
  }
}

function failed(address: SocketAddress, why: string, cause: unknown): GatekeeperError {
  const where = "path" in address ? address.path : `${address.host}:${address.port}`;
  return new GatekeeperError("IO_FAILED", `${where} can't be listened at: ${why}`, { address: where }, { cause });
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

/** A socket that a killed process left is in the way of nobody but the next; one that a stranger listens at stays. */
async function listening(server: Server, address: SocketAddress): Promise<void> {
  server.listen(address);
  try {
    await once(server, "listening");
  } catch (error) {
    if (!("path" in address) || (error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    if (!lstatSync(address.path).isSocket() || !(await isLeft(address))) throw error;
    unlinkSync(address.path);
    server.listen(address);
    await once(server, "listening");
  }
}

/** Whether nobody listens there. Somebody who is only too busy to answer is said so by another code. */
async function isLeft(address: SocketAddress): Promise<boolean> {
  const socket = connect(address);
  try {
    await once(socket, "connect");
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ECONNREFUSED";
  } finally {
    socket.destroy();
  }
}
