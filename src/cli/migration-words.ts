/** A migration in a few words. */
import type { Migration } from "../protocol/migration.ts";

/** Where states go by it, of what they are sealed with, and who holds the shares; without its block. */
export function describeMigration({ measurement, cipherSuite, keySuite, store }: Migration): string {
  const parts = [cipherSuite, `key suite ${keySuite}`];
  if (store !== null) parts.push(`store ${store}`);
  if (measurement !== null) parts.push(`pRuntimes of ${measurement}`);
  return parts.join(", ");
}
