/** Where a program listens or is reached: `unix:/path` or `tcp:host:port`. */
import { GatekeeperError } from "./errors.ts";

/** What node:net takes to listen and to connect. */
export type SocketAddress = { readonly path: string } | TcpAddress;

/** A host, by name or address, and a port from 1 to 65,535. */
export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** @throws GatekeeperError USAGE when it is neither. */
export function socketAddress(text: string): SocketAddress {
  const unix = /^unix:(.+)$/.exec(text);
  if (unix !== null) return { path: unix[1]! };
  const tcp = text.startsWith("tcp:") ? tcpAddress(text.slice("tcp:".length)) : null;
  if (tcp !== null) return tcp;
  throw new GatekeeperError("USAGE", `${text} is no address: give unix:/path or tcp:host:port`);
}

/** `host:port`, where an address of IPv6 stands in brackets; null when it is none. */
export function tcpAddress(text: string): TcpAddress | null {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(parts?.[3] ?? 0);
  return parts !== null && port > 0 && port < 65_536 ? { host: (parts[1] ?? parts[2])!, port } : null;
}
