/** Where the hosts of other pRuntimes are found: their operators say so on the chain. */
import { type PublicKey, accountOf } from "../protocol/account.ts";
import type { ChainWatch } from "./chain-watch.ts";
import type { MessageClient } from "./message-client.ts";
import { type Transport, peerFailed } from "./message-transport.ts";

/**
 * The transport by HTTP, to where the chain says that hosts are found, as of its last block.
 * @param client, watch - lent for as long as it is used.
 */
export function httpTransport(client: MessageClient, watch: ChainWatch): Transport {
  return async (to, bytes, signal) => {
    const endpoint = await endpointOf(watch, to);
    if (endpoint === null) throw peerFailed("NoEndpoint", `nobody has said where that of ${to} is found`);
    return await client.post(endpoint, bytes, signal);
  };
}

/**
 * The URL of a pRuntime's host; null where there is none.
 * @throws GatekeeperError as ChainWatch.
 */
export async function endpointOf(watch: ChainWatch, identityKey: PublicKey): Promise<string | null> {
  const { workers } = await watch.state();
  const endpoint = workers.get(accountOf(identityKey))?.endpoint ?? null;
  // The ledger takes printable ASCII only.
  return endpoint === null ? null : Buffer.from(endpoint).toString("latin1");
}
