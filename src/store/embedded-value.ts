/** Values as they come out of a database file that may have been damaged: checked before they are believed. */
import { corrupt } from "./embedded-error.ts";

/** @throws GatekeeperError STORE_CORRUPT unless the value is bytes. */
export function asBytes(value: unknown, path: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  throw corrupt(path, "it has a value of another type where bytes belong");
}

/** @throws GatekeeperError STORE_CORRUPT unless the value is a whole number of at least 0 below 2^53. */
export function asNumber(value: unknown, path: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw corrupt(path, "it has another value where a number belongs");
}
