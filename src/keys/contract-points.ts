/** Contract ids hashed to a group, in batches: H of contract-key.ts, the same for every generation of the MasterKey. */
import { GatekeeperError } from "../errors.ts";
import { CONTEXT } from "../context.ts";
import { CONTRACT_ID_BYTES } from "../contract-id.ts";
import { type Group, KEY_SUITE, type KeySuite } from "./group.ts";

/** Domain separation tag of H in secp256k1. */
export const CONTRACT_POINT_DST: Uint8Array = Buffer.from(CONTEXT.contractPoint, "ascii");

const DST: Readonly<Record<KeySuite, Uint8Array>> = {
  [KEY_SUITE.secp256k1]: CONTRACT_POINT_DST,
  [KEY_SUITE.ristretto255]: Buffer.from(CONTEXT.contractPointRistretto255, "ascii"),
};

/** A batch of contracts, all public. */
export interface HashedContracts {
  readonly group: Group;
  readonly count: number;
  /** CONTRACT_ID_BYTES each, concatenated. */
  readonly ids: Uint8Array;
  /** H of each id, encoded, concatenated. */
  readonly points: Uint8Array;
}

/**
 * @param ids - concatenated; kept, not copied, and not to be changed afterwards.
 * @throws GatekeeperError INVALID_ARGUMENT when their length is not that of a whole number of ids.
 */
export function hashContracts(group: Group, ids: Uint8Array): HashedContracts {
  const count = ids.length / CONTRACT_ID_BYTES;
  if (!Number.isInteger(count)) {
    throw new GatekeeperError("INVALID_ARGUMENT", `${ids.length} bytes are not contract ids of ${CONTRACT_ID_BYTES}`);
  }
  return { group, count, ids, points: group.hashToGroup(ids, CONTRACT_ID_BYTES, DST[group.keySuite]) };
}
