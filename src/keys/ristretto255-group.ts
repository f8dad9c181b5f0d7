/**
 * ristretto255 (RFC 9496), the prime-order group that sr25519 uses, hashed to by ristretto255_XMD:SHA-512_R255MAP_RO_
 * (RFC 9380 appendix B). Limits: those of noble-group.ts.
 */
import { ristretto255, ristretto255_hasher } from "@noble/curves/ed25519.js";
import { type Group, KEY_SUITE } from "./group.ts";
import { NobleGroup } from "./noble-group.ts";
import { RISTRETTO255_SCALARS } from "./scalars.ts";

/** Key suite 2. */
export const RISTRETTO255_GROUP: Group = new NobleGroup(
  KEY_SUITE.ristretto255,
  ristretto255.Point,
  ristretto255_hasher,
  RISTRETTO255_SCALARS,
);
