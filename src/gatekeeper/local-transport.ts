/** The transport among pRuntimes whose hosts are one process: nothing is sent anywhere. */
import { GatekeeperError } from "../errors.ts";
import type { PublicKey } from "../protocol/account.ts";
import { type MessageHandler, type Transport, peerFailed, transportAborted } from "./message-transport.ts";

/**
 * Gives each message to the handler of whom it is for.
 * @param handlers - by IdentityKey; looked at anew for each message.
 */
export function localTransport(handlers: ReadonlyMap<PublicKey, MessageHandler>): Transport {
  return async ({ to }, bytes, signal) => {
    if (signal.aborted) throw transportAborted();
    const handler = handlers.get(to);
    if (handler === undefined) throw peerFailed("NoEndpoint", `${to} is not on this machine`);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(transportAborted());
    signal.addEventListener("abort", abort, { once: true });
    try {
      // A copy: what is in one process's hands is not also in another's.
      return await Promise.race([answered(handler, bytes.slice()), aborted]);
    } finally {
      signal.removeEventListener("abort", abort);
    }
  };
}

/** What a handler throws is what the other host would be told, and no more. */
async function answered(handler: MessageHandler, bytes: Uint8Array): Promise<Uint8Array | null> {
  try {
    return await handler(bytes);
  } catch (error) {
    if (!(error instanceof GatekeeperError)) throw error;
    const { reason } = error.detail;
    const why = typeof reason === "string" ? `${error.code} (${reason})` : error.code;
    throw peerFailed("Refused", why, { code: error.code, why: typeof reason === "string" ? reason : null });
  }
}
