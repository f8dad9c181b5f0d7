/**
 * A sealer whose key-encryption key the key provider of a dstack app gives: to the app's measured virtual machines, and
 * to nobody else. The key belongs to the app (its app id): versions of it that its owner allowed get the same one, so
 * whoever may upgrade the app may open what it sealed. Any container that the agent's socket is mounted in can ask for
 * it too.
 *
 *   key-encryption key = HKDF-SHA256 (RFC 5869) of the key that GetKey gives, no salt, info = the key's path
 */
import { hkdfSync } from "node:crypto";
import { CONTEXT } from "../context.ts";
import { Secret } from "../secret.ts";
import type { DstackAgent } from "./dstack.ts";
import { KEY_ENCRYPTION_KEY_BYTES, Sealer, SEALER_KIND } from "./sealer.ts";

/** What dstack binds the key to. It is part of the derivation, so it never changes. */
const PATH = CONTEXT.dstackSealingKey;
/** Only the agent's signature over the public key depends on it, which nobody here reads. */
const PURPOSE = "seal";
const EMPTY_SALT = new Uint8Array(0);

/**
 * The sealer of the app that this program runs in; the caller owns it.
 * @throws GatekeeperError DSTACK_FAILED.
 */
export async function openDstackSealer(agent: DstackAgent): Promise<Sealer> {
  using key = await agent.getKey(PATH, PURPOSE);
  // A key of its own, and not the one of the agent, which is also a signing key of secp256k1.
  const kek = key.use((ikm) => hkdfSync("sha256", ikm, EMPTY_SALT, PATH, KEY_ENCRYPTION_KEY_BYTES));
  return new Sealer(SEALER_KIND.dstack, new Secret(new Uint8Array(kek)));
}
