/**
 * The groups that partials are computed in. What the chain has of a sharing is in the compressed form, for its bytes are
 * dear; partials are uncompressed points, where that makes a difference (keys/secp256k1-group.ts).
 */
import { fromHex } from "../bytes.ts";
import { type Group, KEY_SUITE, type KeySuite } from "../keys/group.ts";
import { RISTRETTO255_GROUP } from "../keys/ristretto255-group.ts";
import { Secp256k1Group } from "../keys/secp256k1-group.ts";
import type { Hex } from "./scale.ts";

/** One a thread: it takes tens of milliseconds to make and check. */
let secp256k1: Secp256k1Group | undefined;

function secp256k1Group(): Secp256k1Group {
  secp256k1 ??= new Secp256k1Group("uncompressed");
  return secp256k1;
}

/** The group of a key suite, with the elements that partials are. */
export function partialGroup(keySuite: KeySuite): Group {
  return keySuite === KEY_SUITE.secp256k1 ? secp256k1Group() : RISTRETTO255_GROUP;
}

/**
 * An element as the chain has it, as partials are proved against.
 * @throws GatekeeperError ELEMENT_INVALID, INVALID_ARGUMENT when it is none: the ledger has verified those that it has.
 */
export function chainElement(keySuite: KeySuite, encoded: Hex): Uint8Array {
  const bytes = fromHex(encoded, "an element");
  return keySuite === KEY_SUITE.secp256k1 ? secp256k1Group().convert(bytes, "compressed") : bytes;
}
