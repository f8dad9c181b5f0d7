/** Networks of the ledger's tests whose blocks are those of a chain in a folder. */
import type { AuthenticMessage, Unreadable } from "../../src/protocol/authenticate.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { Network, identity, publicOf } from "../protocol/network.ts";
import { NAMES, Rotators, order, rotate, say } from "../protocol/rotators.ts";
import { type Says, Shareholders, launch } from "../protocol/shareholders.ts";
import { FolderChain } from "./folder-chain.ts";

const SIGNERS = new Map([...NAMES.map(identity), "g1", "g2"].map((name) => [publicOf(name), name]));

/** What a network does, in blocks of a chain. */
class ChainNetwork extends Network {
  readonly #chain: FolderChain;

  constructor(chain: FolderChain) {
    super(chain.genesis, () => undefined);
    this.#chain = chain;
  }

  override blockOf(messages: readonly (AuthenticMessage | Unreadable)[]): readonly Effect[] {
    const { chain, producer, replica } = this.#chain;
    for (const message of messages) {
      if (typeof message === "string") throw new Error(`a message that is ${message}`);
      const { signer, sequence, call } = message;
      chain.submit(this.#chain.message(SIGNERS.get(signer)!, sequence, call));
    }
    const { effects } = producer.produce(this.state.timestamp + 6_000, true)!;
    this.ledger = replica.ledger;
    this.effects = effects;
    return effects;
  }
}

/** A chain on which a MasterKey was made, and a store announced; with what rotates it. */
export function rotating(genesis: Genesis, names: readonly string[]) {
  const chain = new FolderChain(genesis);
  const network = new ChainNetwork(chain);
  launch(network);
  const all = new Shareholders(network, names);
  all.until("SharingAdopted");
  say(network, names[0]!, { tag: "announceStore", value: `0x${"5a".repeat(32)}` });
  const rotators = new Rotators(network, all);
  const once = (says?: Says): void => {
    order(network, rotate);
    rotators.until("MasterKeyAbandoned", undefined, says, 100);
  };
  return { chain, rotators, network, once };
}
