/** Gatekeepers with shares of one secret, and requests to them. */
import { createHash } from "node:crypto";
import { type HashedContracts, hashContracts } from "../../src/keys/contract-points.ts";
import type { Group } from "../../src/keys/group.ts";
import type { PartialRequest } from "../../src/keys/partial-request.ts";
import { dealShares, type Share, verificationShare } from "../../src/keys/shamir.ts";
import type { Secret } from "../../src/secret.ts";

export interface Committee {
  readonly group: Group;
  readonly minShares: number;
  /** What the shares are of; nobody has it in earnest. */
  readonly secret: Secret;
  /** That of index i at i − 1. */
  readonly shares: readonly Share[];
  readonly verificationShares: ReadonlyMap<number, Uint8Array>;
}

export function committeeOf(
  group: Group,
  minShares: number,
  maxShares: number,
  secret = group.scalars.random(),
): Committee {
  const { shares, commitments } = dealShares(group, secret, { minShares, maxShares });
  const verificationShares = new Map(shares.map(({ index }) => [index, verificationShare(group, commitments, index)]));
  return { group, minShares, secret, shares, verificationShares };
}

/** 32 bytes that are different for every name. */
export const named = (name: string): Uint8Array => createHash("sha256").update(name).digest();

export function contractsOf(group: Group, count: number, name = "contract"): HashedContracts {
  const ids = Array.from({ length: count }, (_, i) => named(`${name} ${i}`));
  return hashContracts(group, Buffer.concat(ids));
}

/** A request, with what a test wants to be different. */
export function requestFor(contracts: HashedContracts, changes: Partial<PartialRequest> = {}): PartialRequest {
  return {
    genesis: named("genesis"),
    nonce: named("nonce"),
    rotationId: 3,
    session: named("session"),
    quorum: null,
    contracts,
    ...changes,
  };
}
