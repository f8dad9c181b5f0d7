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
 * Points that are remembered of each group and form: what is hashed for one generation is wanted for the next, and holders of
 * shares are asked for the same contracts by all who rotate them. One takes about 200 bytes.
 */
const POINTS_REMEMBERED = 16_384;
/** By group and form; then by id. All of it is public. */
const remembered = new Map<string, Map<string, Uint8Array>>();

/**
 * They are hashed when their points are first looked at: a question needs their ids alone, and thousands of contracts that
 * are asked for at once would be hashed in one go. What was hashed lately is not hashed again.
 * @param ids - concatenated; kept, not copied, and not to be changed afterwards.
 * @throws GatekeeperError INVALID_ARGUMENT when their length is not that of a whole number of ids.
 */
export function hashContracts(group: Group, ids: Uint8Array): HashedContracts {
  const count = ids.length / CONTRACT_ID_BYTES;
  if (!Number.isInteger(count)) {
    throw new GatekeeperError("INVALID_ARGUMENT", `${ids.length} bytes are not contract ids of ${CONTRACT_ID_BYTES}`);
  }
  let points: Uint8Array | null = null;
  return {
    group,
    count,
    ids,
    get points() {
      points ??= pointsOf(group, ids, count);
      return points;
    },
  };
}

function pointsOf(group: Group, ids: Uint8Array, count: number): Uint8Array {
  const known = rememberedOf(group);
  const each = Array.from({ length: count }, (_, at) =>
    ids.subarray(at * CONTRACT_ID_BYTES, (at + 1) * CONTRACT_ID_BYTES),
  );
  const names = each.map((id) => Buffer.from(id).toString("latin1"));
  const unknown = each.filter((_, at) => !known.has(names[at]!));
  const hashed = group.hashToGroup(Buffer.concat(unknown), CONTRACT_ID_BYTES, DST[group.keySuite]);
  const points = new Uint8Array(count * group.elementBytes);
  let next = 0;
  const fresh: [name: string, point: Uint8Array][] = [];
  for (const [at, name] of names.entries()) {
    let point = known.get(name);
    if (point === undefined) {
      point = hashed.slice(next, next + group.elementBytes);
      next += group.elementBytes;
      fresh.push([name, point]);
    }
    points.set(point, at * group.elementBytes);
  }
  for (const [name, point] of fresh) known.set(name, point);
  for (const name of known.keys()) {
    if (known.size <= POINTS_REMEMBERED) break;
    known.delete(name);
  }
  return points;
}

function rememberedOf({ keySuite, elementBytes }: Group): Map<string, Uint8Array> {
  const name = `${keySuite} ${elementBytes}`;
  const known = remembered.get(name) ?? new Map<string, Uint8Array>();
  remembered.set(name, known);
  return known;
}
