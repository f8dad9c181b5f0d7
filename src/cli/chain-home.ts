/** What the commands of the chain share: where its files lie in a home, opening it, and arguments that name accounts. */
import { join, resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { EmbeddedChain } from "../chain/embedded.ts";
import { accountOf } from "../protocol/account.ts";
import { DEPLOYED_NAME_BYTES_MAX } from "../contract-id.ts";
import { ENDPOINT_BYTES_MAX, type Payee } from "../protocol/call.ts";
import { KEY_SUITES } from "../protocol/sharing.ts";
import { PERBILL } from "../protocol/perbill.ts";
import type { CommonOptions } from "./command-line.ts";
import { homeFolder } from "./environment.ts";

/** Where a home's chain lies. */
export function chainPath(options: CommonOptions): string {
  return join(resolve(homeFolder(options.home)), "chain.sqlite");
}

/** Where the key of its authority lies. */
export function authorityPath(options: CommonOptions): string {
  return join(resolve(homeFolder(options.home)), "authority.key");
}

/** Opens a home's chain; the caller disposes it. @throws GatekeeperError NOT_FOUND */
export function openChain(options: CommonOptions): EmbeddedChain {
  return EmbeddedChain.open(chainPath(options));
}

/** An account: its id, or its public key. */
export function accountArgument(text: string): string {
  if (/^0x[0-9a-f]{64}$/.test(text)) return text;
  return accountOf(publicKeyArgument(text));
}

/** A compressed public key. */
export function publicKeyArgument(text: string): string {
  if (/^0x0[23][0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be 0x and the lower-case hex digits of a public key or account id.");
}

/** 32 bytes, as hex. */
export function hashArgument(text: string): string {
  if (/^0x[0-9a-f]{64}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be 0x and 64 lower-case hex digits.");
}

/** An amount of the chain's smallest unit. */
export function amountArgument(text: string): bigint {
  if (/^[0-9]{1,38}$/.test(text)) return BigInt(text);
  throw new InvalidArgumentError("It must be a whole number, at most 38 digits.");
}

/** A u32. */
export function numberArgument(text: string): number {
  const value = /^[0-9]{1,10}$/.test(text) ? Number(text) : -1;
  if (value >= 0 && value <= 0xffff_ffff) return value;
  throw new InvalidArgumentError("It must be a whole number below 2^32.");
}

/** Milliseconds that timers can wait. */
export function millisecondsArgument(text: string): number {
  const value = numberArgument(text);
  if (value < 2 ** 31) return value;
  throw new InvalidArgumentError("It must be below 2^31.");
}

/** A key suite, by its number. */
export function keySuiteArgument(text: string): (typeof KEY_SUITES)[number] {
  const suite = KEY_SUITES.find((known) => String(known) === text);
  if (suite !== undefined) return suite;
  throw new InvalidArgumentError("It must be 1 for secp256k1, or 2 for ristretto255.");
}

/** The name of a contract, as bytes. */
export function nameArgument(text: string): Uint8Array {
  return textArgument(text, DEPLOYED_NAME_BYTES_MAX);
}

/** A URL, as bytes, or null for none. */
export function endpointArgument(text: string): Uint8Array | null {
  if (text === "none") return null;
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw new InvalidArgumentError("It must be an http or https URL, or none.");
  }
  return textArgument(url.href, ENDPOINT_BYTES_MAX);
}

function textArgument(text: string, bytesMax: number): Uint8Array {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return bytes;
  throw new InvalidArgumentError(`It must have ${bytesMax} bytes at most.`);
}

/** A fraction from 0 to 1, in billionths. */
export function fractionArgument(text: string): number {
  if (/^(0|1|0?\.[0-9]{1,9}|1\.0{1,9})$/.test(text)) return Math.round(Number(text) * PERBILL);
  throw new InvalidArgumentError("It must be from 0 to 1, with at most nine decimal places.");
}

/** Where rewards go. */
export function payeeArgument(text: string): Payee {
  if (text === "staked" || text === "stash" || text === "none") return { tag: text, value: undefined };
  return { tag: "account", value: accountArgument(text) };
}

/** Adds the option of commands that a chain's key signs. */
export function withKey(command: Command, flag: "--from" | "--key"): Command {
  return command.requiredOption(`${flag} <file>`, "file with the secret key that signs: gatekeeper account new");
}
