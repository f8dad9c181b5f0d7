/** Where the hosts of other pRuntimes are found: their operators say so on the chain, and this host follows it for that. */
import { setImmediate as turn } from "node:timers/promises";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { beginReplica } from "../chain/follow.ts";
import { type PublicKey, accountOf } from "../protocol/account.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Replica } from "../protocol/replica.ts";
import type { MessageClient } from "./message-client.ts";
import { type Transport, peerFailed } from "./message-transport.ts";

/** Follows a chain as far as it is there, whenever it is asked. */
export class PeerEndpoints {
  readonly #chain: EmbeddedChain;
  /** Made with the first question: a node that brings nobody anything need not follow. */
  #replica: Replica | null = null;
  #following: Promise<Replica> | null = null;

  constructor(chain: EmbeddedChain) {
    this.#chain = chain;
  }

  /**
   * The URL of a pRuntime's host as of the last block; null where there is none.
   * @throws GatekeeperError STORE_*, BLOCK_INVALID, GENESIS_INVALID.
   */
  async of(identityKey: PublicKey): Promise<string | null> {
    this.#following ??= this.#follow().finally(() => {
      this.#following = null;
    });
    const { ledger } = await this.#following;
    const endpoint = ledger.state.workers.get(accountOf(identityKey))?.endpoint ?? null;
    // The ledger takes printable ASCII only.
    return endpoint === null ? null : Buffer.from(endpoint).toString("latin1");
  }

  /** A few MiB of blocks at a time, so that nothing else here waits for long. */
  async #follow(): Promise<Replica> {
    this.#replica ??= beginReplica(this.#chain, replicaCurve());
    const replica = this.#replica;
    for (;;) {
      const blocks = this.#chain.blocks(replica.ledger.state.height + 1);
      if (blocks.length === 0) return replica;
      replica.follow(blocks);
      await turn();
    }
  }
}

/**
 * The transport by HTTP, to where the chain says that hosts are found.
 * @param client, endpoints - lent for as long as it is used.
 */
export function httpTransport(client: MessageClient, endpoints: PeerEndpoints): Transport {
  return async (to, bytes, signal) => {
    const endpoint = await endpoints.of(to);
    if (endpoint === null) throw peerFailed("NoEndpoint", `nobody has said where that of ${to} is found`);
    return await client.post(endpoint, bytes, signal);
  };
}
