/** `status` where a network's chain is: once, or whenever it changes until the command is interrupted. */
import { setTimeout as sleep } from "node:timers/promises";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { catchUp, openReplica } from "../chain/follow.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Replica } from "../protocol/replica.ts";
import { openChain } from "./chain-home.ts";
import type { CommonOptions } from "./command-line.ts";
import { untilInterrupted } from "./interruption.ts";
import { type Listing, listWhile } from "./listing.ts";
import { type NetworkStatus, describeNetwork, networkStatus, summaryOf } from "./network-status.ts";
import { plainJson } from "./plain-json.ts";
import { Redrawn } from "./redrawn.ts";
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
  await listWhile(terminal, async (list) => {
    const shown = new StatusTeller(terminal, list);
    await untilInterrupted(terminal, "stopping; the network goes on", async (signal) => {
      while (!signal.aborted) {
        for (const _ of catchUp(chain, replica));
        await shown.tell(look());
        await sleep(POLL_MILLISECONDS, undefined, { signal }).catch(() => undefined);
      }
    });
  });
}

/** The genesis has no block, and no time of its own that a rotation could begin at. */
function readTime(chain: EmbeddedChain, { ledger }: Replica, height: number): number {
  return height === 0 ? ledger.state.timestamp : chain.blocks(height)[0]!.header.timestamp;
}

/** Says what has changed: in a list, whose text is the news alone; where a terminal shows it, in its place. */
class StatusTeller {
  readonly #list: Listing;
  readonly #terminal: Terminal;
  readonly #drawn = new Redrawn();
  #before: string | null = null;

  constructor(terminal: Terminal, list: Listing) {
    this.#terminal = terminal;
    this.#list = list;
  }

  async tell(status: NetworkStatus): Promise<void> {
    const draws = !this.#terminal.json && process.stdout.isTTY;
    const news = draws ? String(status.height) : summaryOf(status);
    if (news === this.#before) return;
    this.#before = news;
    if (draws) {
      const { columns, rows } = process.stdout;
      await this.#terminal.write(this.#drawn.frame(describeNetwork(status), { columns, rows }));
    } else await this.#list.add({ document: status, text: `block ${status.height}: ${news}` });
  }
}
