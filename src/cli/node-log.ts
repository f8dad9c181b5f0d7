/** A node's events as a log that programs read: NDJSON, a line each, with time and level. */
import { appendFileSync, closeSync, openSync } from "node:fs";
import { type Level, type Logger, pino, stdTimeFunctions } from "pino";
import { GatekeeperError } from "../errors.ts";
import type { NodeEvent } from "../gatekeeper/node.ts";
import { plainJson } from "./plain-json.ts";
import type { Terminal } from "./terminal.ts";

/** What it stands for where a log's file is asked for. */
export const STDOUT = "-";

/** Somebody has to look at it, or may want to: something failed, or is late, or somebody was found out. */
const WARNINGS: ReadonlySet<NodeEvent["kind"]> = new Set([
  ...(["PeerFailed", "PeerWrong", "Convicted"] as const),
  ...(["KeySessionAborted", "HandoverFailed", "SharesOutstanding", "RotationAborted", "RotationLate"] as const),
  ...(["RotationRestarted", "AbandonmentClosed"] as const),
  ...(["LeaseExpired", "PartitionBlocked", "PartitionReopened"] as const),
]);

/** A log that is open; whoever opened it disposes it. */
export class NodeLog implements Disposable {
  readonly #terminal: Terminal;
  readonly #file: { readonly path: string; readonly descriptor: number } | null;
  readonly #logger: Logger;
  #line = "";
  #fails = false;

  /**
   * Opens one.
   * @param path - of a file, which is made or appended to; or STDOUT.
   * @throws GatekeeperError IO_FAILED.
   */
  constructor(terminal: Terminal, path: string) {
    this.#terminal = terminal;
    this.#file = path === STDOUT ? null : { path, descriptor: opened(path) };
    const formatters = { level: (level: string) => ({ level }) };
    const options = { base: null, timestamp: stdTimeFunctions.isoTime, formatters };
    this.#logger = pino(options, { write: (line) => (this.#line = line) });
  }

  /** Adds an event; waits while the reader of standard output is behind. A file that can't be written stops no node. */
  async add(event: NodeEvent): Promise<void> {
    this.#logger[levelOf(event)](plainJson(event));
    const line = this.#line;
    if (this.#file === null) {
      await this.#terminal.write(line);
      return;
    }
    try {
      appendFileSync(this.#file.descriptor, line);
      this.#fails = false;
    } catch (error) {
      if (!this.#fails) this.#terminal.note(failed(this.#file.path, error).message);
      this.#fails = true;
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file.descriptor);
  }
}

/** How much it matters. */
function levelOf(event: NodeEvent): Level {
  switch (event.kind) {
    case "Fault":
      return "error";
    case "Interrupted":
      return event.ended ? "warn" : "info";
    case "Started":
    case "Changed":
      return event.status.rotationFault === null ? "info" : "warn";
    case "PartitionJudged":
      return event.verdict === "sound" || event.verdict === "overwritten" ? "info" : "warn";
    default:
      return WARNINGS.has(event.kind) ? "warn" : "info";
  }
}

function opened(path: string): number {
  try {
    return openSync(path, "a");
  } catch (error) {
    throw failed(path, error);
  }
}

function failed(file: string, cause: unknown): GatekeeperError {
  const systemCode = String((cause as NodeJS.ErrnoException).code);
  return new GatekeeperError(
    "IO_FAILED",
    `the log ${file} can't be written: ${systemCode}`,
    { file, systemCode },
    { cause },
  );
}
