/** The cipher suites, their numbers in a sealed state, and the kernels that run them. */
import { GatekeeperError } from "../errors.ts";

/** A cipher suite by its usual name: NIST SP 800-38D with 256-bit keys, or RFC 8439. */
export type Suite = "aes-256-gcm" | "chacha20-poly1305";

/** Bytes of a key, a nonce and a tag: the same in both suites. */
export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** What can be done to a batch of records. */
export type Verb = "Seal" | "Open" | "Verify" | "Reencrypt";

const SUITES: readonly { readonly suite: Suite; readonly id: number; readonly kernel: string }[] = [
  { suite: "aes-256-gcm", id: 1, kernel: "aes256Gcm" },
  { suite: "chacha20-poly1305", id: 2, kernel: "chacha20Poly1305" },
];

/** Both suites, in the order of their numbers. */
export const ALL_SUITES: readonly Suite[] = SUITES.map(({ suite }) => suite);

/** The suite's number in the second byte of a sealed state. */
export function suiteId(suite: Suite): number {
  return find((entry) => entry.suite === suite, suite).id;
}

/**
 * The suite of a number found in a sealed state.
 * @throws GatekeeperError SEALED_STATE_INVALID for a number that names none.
 */
export function suiteOf(id: number): Suite {
  const entry = SUITES.find((candidate) => candidate.id === id);
  if (entry === undefined) throw new GatekeeperError("SEALED_STATE_INVALID", `cipher suite ${id} is not known`, { id });
  return entry.suite;
}

/** What the exports of a suite's kernels begin with. */
export function kernelPrefix(suite: Suite): string {
  return find((entry) => entry.suite === suite, suite).kernel;
}

function find(match: (entry: (typeof SUITES)[number]) => boolean, name: string): (typeof SUITES)[number] {
  const entry = SUITES.find(match);
  if (entry === undefined) throw new GatekeeperError("INVALID_ARGUMENT", `there is no cipher suite "${name}"`);
  return entry;
}
