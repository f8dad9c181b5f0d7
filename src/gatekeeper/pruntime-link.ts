/** The bytes between a host and its pRuntime: those of a process that the host starts, or of a socket. */
import { once } from "node:events";
import { connect } from "node:net";
import type { Readable, Writable } from "node:stream";
import type { SocketAddress } from "../socket-address.ts";
import { startPRuntime } from "../start-pruntime.ts";

/** A connection that is there, or about to be. */
export interface PRuntimeLink {
  readonly input: Readable;
  readonly output: Writable;
  /** Its exit code, where it was started here and ended by itself; else what is known of its end. */
  readonly ended: Promise<number | string>;
  /** Lets it end, when it has answered. */
  readonly close: () => void;
  /** Ends it at once. */
  readonly kill: () => void;
}

/** Starts a pRuntime. @param argv, passphrase - as startPRuntime takes them. */
export function startedLink(argv: readonly string[], passphrase: number | null): PRuntimeLink {
  const child = startPRuntime(argv, passphrase);
  const ended = once(child, "exit").then(
    ([code, signal]) => (code as number | null) ?? `it was ended by ${String(signal)}`,
    (error: Error) => `it can't be started: ${error.message}`,
  );
  return {
    input: child.stdout!,
    output: child.stdin!,
    ended,
    close: () => void child.stdin!.end(),
    kill: () => void child.kill("SIGKILL"),
  };
}

/** How long one at a socket is given to end its half of a connection, once this side has ended its own. */
export const CLOSE_MILLISECONDS = 10_000;

/** Connects to a pRuntime that somebody else has started. */
export function socketLink(address: SocketAddress): PRuntimeLink {
  const socket = connect(address);
  let why = "it ended the connection";
  let limit: NodeJS.Timeout | undefined;
  socket.on("close", () => clearTimeout(limit));
  socket.on("error", (error: NodeJS.ErrnoException) => {
    why = `the connection failed: ${error.code ?? error.message}`;
  });
  return {
    input: socket,
    output: socket,
    ended: once(socket, "close").then(
      () => why,
      () => why,
    ),
    close: () => {
      socket.end();
      // Nobody's memory is at stake here: it goes on elsewhere, or is out of reach.
      limit ??= setTimeout(() => socket.destroy(), CLOSE_MILLISECONDS);
    },
    kill: () => void socket.destroy(),
  };
}
