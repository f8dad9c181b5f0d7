import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashContracts } from "../../src/keys/contract-points.ts";
import { PROOF_BYTES } from "../../src/keys/dleq.ts";
import { lagrangeCoefficient } from "../../src/keys/lagrange.ts";
import { evaluatePartials, ownPartials, type PartialReply, sortReplies, verifyReply } from "../../src/keys/partial.ts";
import type { PartialRequest } from "../../src/keys/partial-request.ts";
import { Share } from "../../src/keys/shamir.ts";
import { Secret } from "../../src/secret.ts";
import { committeeOf, contractsOf, named, requestFor } from "./committee.ts";
import { GROUPS, hex, numberOf, secretOf, split } from "./groups.ts";

const refused = (code: string, detail = {}): unknown =>
  expect.objectContaining({ code, detail: expect.objectContaining(detail) });

describe.each(GROUPS)("partials in $name", ({ group, oracle }) => {
  const contracts = contractsOf(group, 3);
  const points = split(group, contracts.points);
  const committee = committeeOf(group, 2, 4);
  const [first, second] = committee.shares as [Share, Share];
  const request = requestFor(contracts);
  const keyOf = (index: number): Uint8Array => committee.verificationShares.get(index)!;

  test("are the share times every contract's point, without a quorum", () => {
    const s = numberOf(group, first.secret);
    const { index, partials, proof } = evaluatePartials(request, first);
    expect(index).toBe(1);
    expect(proof.length).toBe(PROOF_BYTES);
    expect(split(group, partials).map(hex)).toEqual(points.map((point) => hex(oracle.multiply(point, s))));
    expect(numberOf(group, first.secret)).toBe(s);
  });

  test.each([[[1, 2]], [[1, 3]], [[1, 2, 4]], [[1]]])("are scaled for the quorum %j", (quorum) => {
    const n = group.scalars.order;
    const k = (numberOf(group, first.secret) * lagrangeCoefficient(n, quorum, 1)) % n;
    const scaled = requestFor(contracts, { quorum });
    const reply = evaluatePartials(scaled, first);
    expect(split(group, reply.partials).map(hex)).toEqual(points.map((point) => hex(oracle.multiply(point, k))));
    const verified = verifyReply(scaled, keyOf(1), reply);
    expect(verified.index).toBe(1);
    expect(hex(verified.partials)).toBe(hex(reply.partials));
  });

  test("are copied when they are verified, and wiped with what verified them", () => {
    const reply = evaluatePartials(request, first);
    const verified = verifyReply(request, keyOf(1), reply);
    const { partials } = verified;
    expect(partials).not.toBe(reply.partials);
    verified[Symbol.dispose]();
    expect(partials.every((byte) => byte === 0)).toBe(true);
    expect(reply.partials.every((byte) => byte === 0)).toBe(false);
  });

  test.each([null, [1, 2], [1, 4]])("for itself are those that others get, under the quorum %j", (quorum) => {
    const asked = requestFor(contracts, { quorum });
    using own = ownPartials(asked, first);
    expect([own.index, hex(own.partials)]).toEqual([1, hex(evaluatePartials(asked, first).partials)]);
    using stranger = new Share(3, first.secret.clone());
    if (quorum !== null) expect(() => ownPartials(asked, stranger)).toThrow(refused("INVALID_ARGUMENT"));
  });

  describe("of a gatekeeper that lies or fails are named by its index and the reason", () => {
    const good = evaluatePartials(request, first);
    const replaced = (at: number, element: Uint8Array): Uint8Array => {
      const partials = Uint8Array.from(good.partials);
      partials.set(element, at * group.elementBytes);
      return partials;
    };
    const flipped = (at: number): Uint8Array => {
      const proof = Uint8Array.from(good.proof);
      proof[at]! ^= 1;
      return proof;
    };
    const notReduced = new Uint8Array(PROOF_BYTES).fill(255);
    const cases: [string, string, Partial<PartialReply>][] = [
      ["one wrong partial", "PROOF", { partials: replaced(2, group.generator) }],
      [
        "a partial with the other sign",
        "PROOF",
        { partials: replaced(0, oracle.negate(split(group, good.partials)[0]!)) },
      ],
      ["no element", "ELEMENT", { partials: replaced(1, new Uint8Array(group.elementBytes).fill(255)) }],
      ["the identity", "ELEMENT", { partials: replaced(1, new Uint8Array(group.elementBytes)) }],
      ["a partial too few", "LENGTH", { partials: good.partials.subarray(group.elementBytes) }],
      ["a byte too many", "LENGTH", { partials: Buffer.concat([good.partials, Buffer.of(0)]) }],
      ["no partials", "LENGTH", { partials: new Uint8Array(0) }],
      ["no proof", "LENGTH", { proof: new Uint8Array(0) }],
      ["a proof of 63 bytes", "LENGTH", { proof: good.proof.subarray(1) }],
      ["a proof of 65 bytes", "LENGTH", { proof: Buffer.concat([good.proof, Buffer.of(0)]) }],
      ["another c", "PROOF", { proof: flipped(3) }],
      ["another s", "PROOF", { proof: flipped(40) }],
      ["a proof of zeros", "PROOF", { proof: new Uint8Array(PROOF_BYTES) }],
      ["scalars above the order", "PROOF", { proof: notReduced }],
      ["everything of another gatekeeper", "PROOF", { ...evaluatePartials(request, second), index: 1 }],
      ["another gatekeeper's proof", "PROOF", { proof: evaluatePartials(request, second).proof }],
    ];

    test.each(cases)("%s: %s", (_, reason, changes) => {
      const reply = { ...good, ...changes };
      expect(() => verifyReply(request, keyOf(1), reply)).toThrow(refused("PROOF_INVALID", { gatekeeper: 1, reason }));
      const honest = evaluatePartials(request, second);
      const { verified, blamed } = sortReplies(request, committee.verificationShares, [reply, honest]);
      expect(verified.map(({ index }) => index)).toEqual([2]);
      expect(blamed).toEqual([{ index: 1, reason }]);
    });

    test("bytes of any kind and length", () => {
      const bytes = (around: number): fc.Arbitrary<Uint8Array> =>
        fc.oneof(fc.uint8Array({ minLength: around, maxLength: around }), fc.uint8Array({ maxLength: around + 40 }));
      const isBlamed = (partials: Uint8Array, proof: Uint8Array): void => {
        const replies = [{ index: 1, partials, proof }];
        expect(sortReplies(request, committee.verificationShares, replies).blamed.length).toBe(1);
      };
      const wild = fc.property(bytes(good.partials.length), bytes(PROOF_BYTES), isBlamed);
      fc.assert(wild, { numRuns: 40 });
    });

    test.each([0, -1, 5, 65_536, 1.5, Number.NaN])("index %d, which no gatekeeper has: UNKNOWN", (index) => {
      const { blamed } = sortReplies(request, committee.verificationShares, [{ ...good, index }]);
      expect(blamed).toEqual([{ index, reason: "UNKNOWN" }]);
    });

    test("an index that is no share's, though a key was handed in with it: UNKNOWN", () => {
      expect(() => verifyReply(request, keyOf(1), { ...good, index: 65_537 })).toThrow(
        refused("PROOF_INVALID", { gatekeeper: 65_537, reason: "UNKNOWN" }),
      );
    });

    test("somebody outside the quorum: NOT_ASKED", () => {
      const asked = requestFor(contracts, { quorum: [1, 2] });
      const third = evaluatePartials(request, committee.shares[2]!);
      expect(sortReplies(asked, committee.verificationShares, [third]).blamed).toEqual([
        { index: 3, reason: "NOT_ASKED" },
      ]);
    });
  });

  test("do not pass for another request", () => {
    const reply = evaluatePartials(request, first);
    const others: Partial<PartialRequest>[] = [
      { nonce: named("another") },
      { genesis: named("another") },
      { session: named("another") },
      { rotationId: 4 },
      { quorum: [1] },
      { contracts: contractsOf(group, 3, "another") },
    ];
    for (const changes of others) {
      expect(() => verifyReply({ ...request, ...changes }, keyOf(1), reply)).toThrow(
        refused("PROOF_INVALID", { gatekeeper: 1, reason: "PROOF" }),
      );
    }
    expect(() => verifyReply(request, keyOf(2), reply)).toThrow(refused("PROOF_INVALID"));
  });

  test("are verified whoever else has sent something under the same index, before or after", () => {
    const good = evaluatePartials(request, first);
    const forged = { ...good, proof: new Uint8Array(PROOF_BYTES) };
    for (const replies of [
      [forged, good],
      [good, forged],
      [forged, good, forged, good],
    ]) {
      const { verified, blamed } = sortReplies(request, committee.verificationShares, replies);
      expect(verified.map(({ index }) => index)).toEqual([1]);
      expect(blamed).toEqual([]);
    }
    expect(sortReplies(request, committee.verificationShares, [forged, forged]).blamed.length).toBe(1);
  });

  test("are not blamed on a gatekeeper whose verification share is no element", () => {
    const reply = evaluatePartials(request, first);
    const broken = new Map([[1, new Uint8Array(group.elementBytes)]]);
    expect(() => verifyReply(request, broken.get(1)!, reply)).toThrow(refused("ELEMENT_INVALID"));
    expect(() => sortReplies(request, broken, [reply])).toThrow(refused("ELEMENT_INVALID"));
  });

  test("are evaluated of a share that is a scalar, by a member of the quorum", () => {
    const zero = new Share(1, secretOf(group, 0n));
    const none = new Share(1, new Secret(new Uint8Array(32).fill(255)));
    for (const share of [zero, none]) {
      expect(() => evaluatePartials(request, share)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => evaluatePartials({ ...request, quorum: [1, 2] }, share)).toThrow(refused("INVALID_ARGUMENT"));
    }
    expect(() => evaluatePartials({ ...request, quorum: [2, 3] }, first)).toThrow(refused("INVALID_ARGUMENT"));
  });

  test("are not evaluated or verified for a request that is malformed", () => {
    const reply = evaluatePartials(request, first);
    const malformed: Partial<PartialRequest>[] = [
      { genesis: new Uint8Array(31) },
      { nonce: new Uint8Array(33) },
      { session: new Uint8Array(0) },
      { rotationId: 2 ** 32 },
      { rotationId: -1 },
      { quorum: [] },
      { quorum: [2, 1] },
      { quorum: [0, 1] },
      { quorum: [1, 1] },
      { contracts: hashContracts(group, new Uint8Array(0)) },
      { contracts: { ...contracts, count: 65_536 } },
    ];
    for (const changes of malformed) {
      const bad = { ...request, ...changes };
      expect(() => evaluatePartials(bad, first)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => verifyReply(bad, keyOf(1), reply)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => sortReplies(bad, committee.verificationShares, [])).toThrow(refused("INVALID_ARGUMENT"));
    }
  });
});
