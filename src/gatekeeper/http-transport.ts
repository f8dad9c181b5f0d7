/** The transport by HTTP, to where the chain says that hosts of pRuntimes are found. */
import type { MessageClient } from "./message-client.ts";
import { type Transport, peerFailed } from "./message-transport.ts";

/** @param client - lent for as long as it is used. */
export function httpTransport(client: MessageClient): Transport {
  return async ({ to, endpoint }, bytes, signal) => {
    if (endpoint === null) throw peerFailed("NoEndpoint", `nobody has said where that of ${to} is found`);
    // The ledger takes printable ASCII only.
    return await client.post(Buffer.from(endpoint).toString("latin1"), bytes, signal);
  };
}
