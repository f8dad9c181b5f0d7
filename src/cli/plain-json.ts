/** Values of the chain as JSON has them: bytes as 0x-hex, whole numbers that may be large as strings. */
import { toHex } from "../bytes.ts";

/** A copy that JSON can write. */
export function plainJson(value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(plainJson);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainJson(inner)]));
}
