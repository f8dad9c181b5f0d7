import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { combinePartials } from "../../src/keys/combination.ts";
import { contractKeyInfo, expandContractKey, prfOutputs } from "../../src/keys/contract-key.ts";
import { KEY_SUITE } from "../../src/keys/group.ts";
import { generateMasterKey } from "../../src/keys/master-key.ts";
import { evaluatePartials, type PartialReply, type SortedReplies, sortReplies } from "../../src/keys/partial.ts";
import type { PartialRequest } from "../../src/keys/partial-request.ts";
import { Secret } from "../../src/secret.ts";
import { type Committee, committeeOf, contractsOf, named, requestFor } from "./committee.ts";
import { referenceKey } from "./reference-key.ts";
import { GROUPS, hex } from "./groups.ts";

const refused = (code: string, detail = {}): unknown =>
  expect.objectContaining({ code, detail: expect.objectContaining(detail) });

/** The replies of some members, sorted. */
function replies(committee: Committee, request: PartialRequest, indices: readonly number[]): SortedReplies {
  const each = indices.map((index) => evaluatePartials(request, committee.shares[index - 1]!));
  return sortReplies(request, committee.verificationShares, each);
}

function join(...parts: readonly SortedReplies[]): SortedReplies {
  return { verified: parts.flatMap(({ verified }) => verified), blamed: parts.flatMap(({ blamed }) => blamed) };
}

/** P in hex, as the secret itself gives it. */
function expected({ group, secret }: Committee, request: PartialRequest): string {
  return hex(group.multiplyAll(request.contracts.points, secret));
}

const combined = (committee: Committee, sorted: SortedReplies): string => {
  using elements = combinePartials(committee.minShares, sorted);
  return elements.use(hex);
};

describe.each(GROUPS)("combined partials in $name", ({ group }) => {
  const contracts = contractsOf(group, 2);
  const request = requestFor(contracts);
  const committee = committeeOf(group, 3, 5);
  const whole = expected(committee, request);
  const everybody = replies(committee, request, [1, 2, 3, 4, 5]);
  /** What some members answered to the request, in this order. */
  const answered = (...indices: readonly number[]): SortedReplies => ({
    verified: indices.map((index) => everybody.verified[index - 1]!),
    blamed: [],
  });

  test("of any t of n gatekeepers are the PRF of the secret, in any order, more than t as well", () => {
    const agrees = (indices: readonly number[]): void => {
      expect(combined(committee, answered(...indices))).toBe(whole);
    };
    const subsets = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 3, maxLength: 5 });
    fc.assert(fc.property(subsets, agrees), { numRuns: 20 });
  });

  test("stay what they were proved for, whatever becomes of the request afterwards", () => {
    const quorum = [1, 2, 3];
    const [genesis, session] = [named("genesis"), named("session")];
    const asked = requestFor(contracts, { quorum, genesis, session });
    const first = replies(committee, asked, [1, 2]);
    // Whoever is asked in the place of 3 is asked by an altered request.
    quorum[2] = 5;
    const second = replies(committee, { ...asked, quorum: [...quorum] }, [5]);
    expect(combined(committee, join(first, second))).toBe(whole);
    genesis.fill(0);
    session.fill(0);
    expect(combined(committee, join(first, second))).toBe(whole);
  });

  test("of any t of n, for thresholds from 1 of 1 to 4 of 4", () => {
    for (const [minShares, maxShares] of [
      [1, 1],
      [1, 3],
      [2, 2],
      [2, 3],
      [4, 4],
    ] as const) {
      const other = committeeOf(group, minShares, maxShares);
      const last = Array.from({ length: minShares }, (_, i) => maxShares - i);
      expect(combined(other, replies(other, request, last))).toBe(expected(other, request));
    }
  });

  test("of t − 1 are not: too few are refused, and would give something else", () => {
    const two = answered(2, 5);
    const few = refused("QUORUM_TOO_SMALL", { needed: 3, verified: 2, failed: "" });
    expect(() => combinePartials(3, two)).toThrow(few);
    expect(() => combinePartials(3, { verified: [], blamed: [] })).toThrow(refused("QUORUM_TOO_SMALL"));
    expect(combinePartials(2, two).use(hex)).not.toBe(whole);
  });

  test("of a fixed quorum are its sum", () => {
    const fixed = requestFor(contracts, { quorum: [1, 3, 4] });
    expect(combined(committee, replies(committee, fixed, [4, 1, 3]))).toBe(whole);
    const larger = requestFor(contracts, { quorum: [1, 2, 3, 5] });
    expect(combined(committee, replies(committee, larger, [1, 2, 3, 5]))).toBe(whole);
  });

  test("of a quorum that changed are what a fresh one gives", () => {
    const first = requestFor(contracts, { quorum: [1, 2, 3] });
    const second = requestFor(contracts, { quorum: [1, 2, 4], nonce: named("second") });
    const kept = replies(committee, first, [1, 2]);
    expect(combined(committee, join(kept, replies(committee, second, [4])))).toBe(whole);
    expect(combined(committee, join(kept, answered(5)))).toBe(whole);
    const one = replies(committee, requestFor(contracts, { quorum: [1, 2] }), [2]);
    expect(combined(committee, join(one, answered(1), replies(committee, second, [4])))).toBe(whole);
  });

  test("of a fixed quorum of which one did not answer are combined with more that others gave", () => {
    const fixed = requestFor(contracts, { quorum: [2, 3, 4] });
    const fresh = requestFor(contracts, { quorum: [1, 2, 5], nonce: named("fresh") });
    const sorted = join(replies(committee, fixed, [2, 3]), replies(committee, fresh, [1, 2, 5]));
    expect(combined(committee, sorted)).toBe(whole);
  });

  test("of a quorum that is smaller than the threshold are combined with others", () => {
    const small = replies(committee, requestFor(contracts, { quorum: [1, 2] }), [1, 2]);
    expect(() => combinePartials(3, small)).toThrow(refused("QUORUM_TOO_SMALL", { verified: 2 }));
    expect(combined(committee, join(small, answered(3)))).toBe(whole);
  });

  test("are the rest's when one lies, and it is named; when too few are left, all that lied are", () => {
    const honest = [1, 2, 3, 4, 5].map((index) => evaluatePartials(request, committee.shares[index - 1]!));
    const lying = (reply: PartialReply): PartialReply => ({ ...reply, partials: reply.partials.toReversed() });
    for (let liar = 0; liar < 5; liar++) {
      const answers = honest.map((reply, i) => (i === liar ? lying(reply) : reply));
      const sorted = sortReplies(request, committee.verificationShares, answers);
      expect(sorted.blamed.map(({ index }) => index)).toEqual([liar + 1]);
      expect(combined(committee, sorted)).toBe(whole);
    }
    const swapped = [
      { ...honest[0]!, proof: honest[1]!.proof },
      { ...honest[1]!, proof: honest[0]!.proof },
    ];
    const mostlyBad = [lying(honest[4]!), ...swapped, honest[2]!, honest[3]!];
    const sorted = sortReplies(request, committee.verificationShares, mostlyBad);
    expect(() => combinePartials(3, sorted)).toThrow(
      refused("QUORUM_TOO_SMALL", { needed: 3, verified: 2, failed: "1, 2, 5" }),
    );
  });

  test("count a gatekeeper once, however often it answered", () => {
    const again = requestFor(contracts, { nonce: named("again") });
    const twice = join(answered(1, 2), replies(committee, again, [1, 2]));
    expect(() => combinePartials(3, twice)).toThrow(refused("QUORUM_TOO_SMALL", { verified: 2 }));
    expect(combined(committee, join(twice, replies(committee, again, [4])))).toBe(whole);
  });

  test("belong to one batch of contracts, generation, session and chain", () => {
    const changes: Partial<PartialRequest>[] = [
      { contracts: contractsOf(group, 2) },
      { rotationId: 4 },
      { session: named("another session") },
      { genesis: named("another genesis") },
    ];
    for (const change of changes) {
      const other = replies(committee, { ...request, ...change }, [3]);
      expect(() => combinePartials(3, join(answered(1, 2), other))).toThrow(refused("INVALID_ARGUMENT"));
    }
  });

  test("need a threshold", () => {
    const sorted = answered(1);
    for (const minShares of [0, -1, 0.5, 65_536, Number.NaN]) {
      expect(() => combinePartials(minShares, sorted)).toThrow(refused("INVALID_ARGUMENT"));
    }
  });

  test("that come to the identity are none: shares were not of one secret", () => {
    // Both have the share x, and 2·x − 1·x is not zero; with shares x and 2·x it is.
    const x = group.scalars.random();
    using double = group.multiplyAdd(x, 2n, new Secret(new Uint8Array(32)));
    const [one] = committeeOf(group, 1, 1, x).shares;
    const two = committeeOf(group, 1, 2, double).shares[1]!;
    const shares = new Map([one!, two].map(({ index, secret }) => [index, group.multiplyBase([secret])]));
    const answers = [one!, two].map((share) => evaluatePartials(request, share));
    const sorted = sortReplies(request, shares, answers);
    expect(() => combinePartials(2, sorted)).toThrow(refused("ELEMENT_INVALID", { index: 0 }));
  });
});

test("with t = 1, a MasterKey dealt to gatekeepers gives the contract keys that it always gave", () => {
  const { group } = GROUPS[0]!;
  using masterKey = generateMasterKey(3);
  const scalar = masterKey.use((bytes) => new Secret(Uint8Array.from(bytes)));
  const committee = committeeOf(group, 1, 2, scalar);
  const contracts = contractsOf(group, 3);
  for (const [quorum, index] of [
    [null, 1],
    [null, 2],
    [[2], 2],
  ] as const) {
    const sorted = replies(committee, requestFor(contracts, { quorum }), [index]);
    using elements = combinePartials(1, sorted);
    using outputs = prfOutputs(group, elements);
    for (let i = 0; i < 3; i++) {
      const id = contracts.ids.subarray(32 * i, 32 * (i + 1));
      const info = contractKeyInfo(KEY_SUITE.secp256k1, 1, 3, id);
      using key = outputs.use((bytes) => expandContractKey(bytes.subarray(32 * i, 32 * (i + 1)), info));
      expect(key.use(hex)).toBe(referenceKey(masterKey, 1, id));
    }
  }
});
