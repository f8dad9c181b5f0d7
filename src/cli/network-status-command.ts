/** `status` where a network's chain is: once, or whenever it changes until the command is interrupted. */
import { clearScreenDown, cursorTo } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { catchUp, openReplica } from "../chain/follow.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Replica } from "../protocol/replica.ts";
import { openChain } from "./chain-home.ts";
import type { CommonOptions } from "./command-line.ts";
import { untilInterrupted } from "./interruption.ts";
import { type NetworkStatus, describeNetwork, networkStatus, summaryOf } from "./network-status.ts";
import { plainJson } from "./plain-json.ts";
import type { Terminal } from "./terminal.ts";

const POLL_MILLISECONDS = 50;

/** Says where the network stands whose chain a home has. @throws GatekeeperError as openReplica. */
export async function showNetwork(terminal: Terminal, options: CommonOptions, watch: boolean): Promise<void> {
  using chain = openChain(options);
  const replica = openReplica(chain, replicaCurve());
  const times = new Map<number, number>();
  const timeOf = (height: number): number => {
    if (!times.has(height)) times.set(height, readTime(chain, replica, height));
    return times.get(height)!;
  };
  const look = (): NetworkStatus => networkStatus(replica.ledger.state, timeOf);
  if (!watch) {
    const status = look();
    await terminal.answer(plainJson(status) as Record<string, unknown>, describeNetwork(status));
    return;
  }
  const shown = new StatusTeller(terminal);
  try {
    await untilInterrupted(terminal, "stopping; the network goes on", async (signal) => {
      while (!signal.aborted) {
        for (const _ of catchUp(chain, replica));
        await shown.tell(look());
        await sleep(POLL_MILLISECONDS, undefined, { signal }).catch(() => undefined);
      }
    });
  } finally {
    await shown.end();
  }
}

/** The genesis has no block, and no time of its own that a rotation could begin at. */
function readTime(chain: EmbeddedChain, { ledger }: Replica, height: number): number {
  return height === 0 ? ledger.state.timestamp : chain.blocks(height)[0]!.header.timestamp;
}

/** Says what has changed: drawn anew where a terminal shows it, else a line each, or the elements of one JSON array. */
class StatusTeller {
  readonly #terminal: Terminal;
  readonly #draws: boolean;
  #before: string | null = null;
  #separator = "[";

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#draws = !terminal.json && process.stdout.isTTY;
  }

  async tell(status: NetworkStatus): Promise<void> {
    const news = this.#draws ? String(status.height) : summaryOf(status);
    if (news === this.#before) return;
    this.#before = news;
    if (this.#terminal.json) {
      await this.#terminal.write(`${this.#separator}${JSON.stringify(plainJson(status))}`);
      this.#separator = ",\n";
      return;
    }
    if (this.#draws) {
      cursorTo(process.stdout, 0, 0);
      clearScreenDown(process.stdout);
    }
    await this.#terminal.write(`${this.#draws ? describeNetwork(status) : `block ${status.height}: ${news}`}\n`);
  }

  async end(): Promise<void> {
    if (this.#terminal.json && this.#separator !== "[") await this.#terminal.write("]\n");
  }
}
