/** Where a program listens or is reached: `unix:/path` or `tcp:host:port`. */
import { GatekeeperError } from "./errors.ts";

/** What node:net takes to listen and to connect. */
export type SocketAddress = { readonly path: string } | { readonly host: string; readonly port: number };

/** @throws GatekeeperError USAGE when it is neither. */
export function socketAddress(text: string): SocketAddress {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix !== null) return { path: unix[1]! };
  const tcp = /^tcp:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(tcp?.[3] ?? 0);
  if (tcp !== null && port > 0 && port < 65_536) return { host: (tcp[1] ?? tcp[2])!, port };
  throw new GatekeeperError("USAGE", `${text} is no address: give unix:/path or tcp:host:port`);
}
