/**
 * What a node can be watched by, for Prometheus: what it does, by its events and by what passes through it, and where the
 * network stands, by its own replica of the chain. Labels have a few values each, known beforehand; no identity is among them.
 */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { GatekeeperError } from "../errors.ts";
import type { PRuntimeStatus } from "../pruntime/boundary.ts";
import type { ChainWatch } from "./chain-watch.ts";
import type { CommandHandler, MessageHandler, Transport } from "./message-transport.ts";
import { NETWORK_GAUGES } from "./network-gauges.ts";
import type { NodeEvent } from "./node.ts";
import type { PRuntime } from "./pruntime.ts";

const COMMAND_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20];
/** Events that are counted, as what they say of a peer. */
const TROUBLES = { PeerLate: "late", PeerFailed: "failed", PeerRefused: "refused", PeerWrong: "wrong" } as const;
/** The pRuntime has taken it; it opens no such thing; it could not do it now. */
const OUTCOMES = ["taken", "refused", "failed"] as const;

/** What it is read from; all of it is lent. */
export interface MetricSources {
  readonly chain: Pick<EmbeddedChain, "height">;
  readonly watch: Pick<ChainWatch, "state">;
  readonly pruntime: Pick<PRuntime, "begun">;
  /** Of the node's pRuntime; null while it is not known. */
  readonly status: () => PRuntimeStatus | null;
}

/** The metrics of one node. */
export class NodeMetrics {
  readonly #registry = new Registry();
  readonly #sources: MetricSources;
  readonly #commands: Histogram<"outcome">;
  readonly #received: Counter<"outcome">;
  readonly #sent: Counter;
  readonly #troubles: Counter<"trouble">;
  #missing = 0;

  constructor(sources: MetricSources) {
    this.#sources = sources;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#commands = new Histogram({
      registers,
      name: "gatekeeper_command_duration_seconds",
      help: "Commands to contracts that came here, from their last byte to their answer.",
      labelNames: ["outcome"],
      buckets: COMMAND_SECONDS,
    });
    this.#received = new Counter({
      registers,
      name: "gatekeeper_messages_received_total",
      help: "Messages of other pRuntimes that came here.",
      labelNames: ["outcome"],
    });
    this.#sent = new Counter({
      registers,
      name: "gatekeeper_messages_sent_total",
      help: "Messages to other pRuntimes that went out from here.",
    });
    this.#troubles = new Counter({
      registers,
      name: "gatekeeper_message_troubles_total",
      help: "What came of messages to other pRuntimes in the place of a good answer in time.",
      labelNames: ["trouble"],
    });
    // What has not happened yet is 0, and not absent: a rate of it can be told.
    for (const outcome of OUTCOMES) {
      this.#commands.zero({ outcome });
      this.#received.inc({ outcome }, 0);
    }
    for (const trouble of Object.values(TROUBLES)) this.#troubles.inc({ trouble }, 0);
    this.#addNode();
    this.#addPRuntime();
    this.#addNetwork();
  }

  /** Takes note of what the node tells. */
  observe(event: NodeEvent): void {
    if (event.kind === "Provisioned") this.#missing = event.missing;
    else if (event.kind in TROUBLES) this.#troubles.inc({ trouble: TROUBLES[event.kind as keyof typeof TROUBLES] });
  }

  /** The transport, whose messages are counted. */
  sending(transport: Transport): Transport {
    return (to, bytes, signal) => {
      this.#sent.inc();
      return transport(to, bytes, signal);
    };
  }

  /** The handler, whose messages are counted. */
  receiving(deliver: MessageHandler): MessageHandler {
    return (bytes) => judged(deliver(bytes), (outcome) => this.#received.inc({ outcome }));
  }

  /** The handler, whose commands are timed. */
  executing(execute: CommandHandler): CommandHandler {
    return (bytes) => {
      const end = this.#commands.startTimer();
      return judged(execute(bytes), (outcome) => end({ outcome }));
    };
  }

  /**
   * All of them, as of now, in Prometheus' text format.
   * @throws GatekeeperError as ChainWatch.
   */
  async read(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  #addNode(): void {
    const registers = [this.#registry];
    const { chain, pruntime } = this.#sources;
    const height: Gauge = new Gauge({
      registers,
      name: "gatekeeper_chain_height_blocks",
      help: "Height of the chain's last block.",
      collect: () => height.set(chain.height()),
    });
    const begun: Counter = new Counter({
      registers,
      name: "gatekeeper_pruntime_starts_total",
      help: "How often the pRuntime was started or connected to, the first time included.",
      collect: () => {
        begun.reset();
        begun.inc(pruntime.begun);
      },
    });
    const missing: Gauge = new Gauge({
      registers,
      name: "gatekeeper_contracts_without_keys",
      help: "Contracts of the pRuntime whose keys gatekeepers have not given it yet.",
      collect: () => missing.set(this.#missing),
    });
  }

  #addPRuntime(): void {
    const add = (name: string, help: string, value: (status: PRuntimeStatus) => number): void => {
      const gauge: Gauge = new Gauge({
        registers: [this.#registry],
        name: `gatekeeper_pruntime_${name}`,
        help: `${help}; absent while the pRuntime is not there.`,
        collect: () => {
          const status = this.#sources.status();
          if (status === null) gauge.remove();
          else gauge.set(value(status));
        },
      });
    };
    add("height_blocks", "Height that the pRuntime has followed the chain to", ({ height }) => height);
    add("acting", "1 where the pRuntime acts as a gatekeeper", ({ gatekeeper }) => Number(gatekeeper));
    add("rotation_failing", "1 where its part in the rotation fails", ({ rotationFault }) =>
      Number(rotationFault !== null),
    );
  }

  #addNetwork(): void {
    const { watch, status } = this.#sources;
    for (const { name, help, label, values } of NETWORK_GAUGES) {
      const gauge: Gauge = new Gauge({
        registers: [this.#registry],
        name,
        help,
        labelNames: label === undefined ? [] : [label],
        collect: async () => {
          const now = values(await watch.state(), status()?.identityKey ?? null);
          if (typeof now === "number") gauge.set(now);
          else for (const [value, count] of Object.entries(now)) gauge.set({ [label!]: value }, count);
        },
      });
    }
  }
}

/** Says what came of it, whatever that is. */
async function judged<T>(answer: Promise<T>, tell: (outcome: (typeof OUTCOMES)[number]) => void): Promise<T> {
  try {
    const value = await answer;
    tell("taken");
    return value;
  } catch (error) {
    const invalid = error instanceof GatekeeperError && ["MESSAGE_INVALID", "COMMAND_INVALID"].includes(error.code);
    tell(invalid ? "refused" : "failed");
    throw error;
  }
}
