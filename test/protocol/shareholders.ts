/** Honest pRuntimes that do what the ledger asks for in key sessions, over the small network of tests. */
import { Shareholder } from "../../src/pruntime/shareholder.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { type Network, genesisOf, identity, publicOf } from "./network.ts";

/** A genesis with a threshold of 2 among four gatekeepers, and phases of three blocks. */
export function keyGenesis(changes: Partial<Genesis> = {}, staking: Partial<Genesis["staking"]> = {}): Genesis {
  return genesisOf(
    {
      gatekeepers: { tag: "elected", value: { seats: 4, minimum: 3, balancing: 2 } },
      masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 3, refreshBlocks: 1_000 },
      ...changes,
    },
    staking,
  );
}

/** What a gatekeeper of this name says instead of what an honest one would: null says nothing. */
export type Says = (name: string, call: Call | null) => Call | null;

/** One for each stash's pRuntime. */
export class Shareholders {
  readonly held: Map<string, Shareholder>;
  readonly #network: Network;

  constructor(network: Network, names: readonly string[]) {
    this.#network = network;
    this.held = new Map(names.map((name) => [name, new Shareholder(publicOf(identity(name)))]));
  }

  /** The calls that are due, by name. */
  due(): (readonly [name: string, call: Call | null])[] {
    const { ledger } = this.#network;
    return [...this.held].map(([name, shareholder]) => {
      shareholder.follow(ledger);
      return [name, this.#replaced(name, shareholder).dueCall(ledger)] as const;
    });
  }

  /** Where it remembers what is abandoned, another takes its place, from what was sealed. */
  #replaced(name: string, shareholder: Shareholder): Shareholder {
    if (!shareholder.remembersAbandoned(this.#network.ledger)) return shareholder;
    using sealed = shareholder.encode();
    shareholder[Symbol.dispose]();
    const other = Shareholder.decode(publicOf(identity(name)), sealed);
    this.held.set(name, other);
    return other;
  }

  /** A block with what all of them say. */
  block(says: Says = (_, call) => call): readonly Effect[] {
    const messages = this.due().flatMap(([name, call]) => {
      const said = says(name, call);
      return said === null ? [] : [this.#network.unsigned(identity(name), said)];
    });
    return this.#network.blockOf(messages);
  }

  /** Blocks until something is told; the effects of the last one. */
  until(kind: Effect["kind"], says?: Says, most = 100): readonly Effect[] {
    for (let block = 0; block < most; block++) {
      const effects = this.block(says);
      if (effects.some((effect) => effect.kind === kind)) return effects;
    }
    throw new Error(`${kind} was not told in ${most} blocks`);
  }
}

/** Governance has the first MasterKey made. */
export function launch(network: Network): void {
  for (const member of ["g1", "g2"]) {
    const value = { round: network.state.governanceRound, action: { tag: "launch", value: undefined } } as const;
    network.blockOf([network.unsigned(member, { tag: "govern", value })]);
  }
}
