import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeComplaint } from "../../src/keys/complaint.ts";
import { deal } from "../../src/keys/dealer.ts";
import { type Dealing, type DealingTerms, dealingDigest, dealingFault } from "../../src/keys/dealing.ts";
import { complain, openSubShare } from "../../src/keys/receiver.ts";
import { subShareOf } from "../../src/keys/sub-share.ts";
import { BAD_RISTRETTO255, BAD_SECP256K1, BAD_UNCOMPRESSED_SECP256K1 } from "./bad-elements.ts";
import { named } from "./committee.ts";
import { complaintOf, crafted, valueAt } from "./crafted-dealing.ts";
import { GROUPS, hex } from "./groups.ts";
import {
  flipped,
  generated,
  generationTerms,
  type KeyedReceiver,
  receiversOf,
  refreshTerms,
  resharingTerms,
} from "./session.ts";

const BAD = [BAD_UNCOMPRESSED_SECP256K1, BAD_SECP256K1, BAD_RISTRETTO255];

describe.each(GROUPS.map((each, i) => ({ ...each, bad: BAD[i]! })))("complaints in $name", ({ group, oracle, bad }) => {
  const n = group.scalars.order;
  const held = generated(group, 2, 3);
  const receivers = receiversOf(group, [1, 2, 3]);
  const [first, second, third] = receivers as [KeyedReceiver, KeyedReceiver, KeyedReceiver];
  const generation = generationTerms({ group, minShares: 2, receivers });
  const coefficients = [11n, 22n];
  const sent = new Map([[2, group.scalars.encode(4n)]]);
  const badDealing = crafted(generation, 1, { coefficients, sent });

  test("about a bad sub-share are right, and reveal the one that was sent", () => {
    expect(dealingFault(generation, 1, badDealing)).toBeNull();
    const complaint = complain(generation, 1, badDealing, 2, second.secret);
    expect(judgeComplaint(generation, 1, badDealing, 2, complaint)).toBe("BAD_DEALING");
    expect(hex(complaint.point)).toBe(hex(group.multiplyAll(badDealing.ephemeralKey, second.secret)));
  });

  test("about a good sub-share are false, and an honest receiver makes none", () => {
    for (const { index, secret } of [first, third]) {
      const complaint = complaintOf(generation, 1, badDealing, index, secret);
      expect(judgeComplaint(generation, 1, badDealing, index, complaint)).toBe("FALSE_COMPLAINT");
      expect(() => complain(generation, 1, badDealing, index, secret)).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT", detail: { dealer: 1, receiver: index } }),
      );
    }
  });

  test("have the documented transcript and challenge", () => {
    const { point, proof } = complain(generation, 1, badDealing, 2, second.secret);
    const transcript = createHash("sha256")
      .update(Buffer.from("gatekeeper/v1 complaint transcript"))
      .update(dealingDigest(generation, 1, badDealing.commitments))
      .update(Buffer.of(2, 0))
      .update(badDealing.ephemeralKey)
      .update(second.dealingKey)
      .update(point)
      .digest();
    const [c, s] = [proof.subarray(0, 32), proof.subarray(32)].map((scalar) => group.scalars.decode(scalar)!);
    const t2 = oracle.add(oracle.multiply(group.generator, s!), oracle.multiply(second.dealingKey, c!));
    const t3 = oracle.add(oracle.multiply(badDealing.ephemeralKey, s!), oracle.multiply(point, c!));
    const hashed = Buffer.concat([transcript, t2, t3]);
    expect(oracle.hashToScalar(hashed, Buffer.from("gatekeeper/v1 complaint challenge"))).toBe(c);
  });

  test("are about one dealing of one session, and of one receiver", () => {
    const complaint = complain(generation, 1, badDealing, 2, second.secret);
    const judged = (terms: DealingTerms, dealer: number, dealing: Dealing, receiver = 2): string =>
      judgeComplaint(terms, dealer, dealing, receiver, complaint);
    expect(judged(generation, 1, badDealing, 3)).toBe("FALSE_COMPLAINT");
    expect(judged(generation, 2, badDealing)).toBe("FALSE_COMPLAINT");
    expect(judged({ ...generation, session: named("other") }, 1, badDealing)).toBe("FALSE_COMPLAINT");
    expect(judged({ ...generation, genesis: named("other") }, 1, badDealing)).toBe("FALSE_COMPLAINT");
    expect(judged(generation, 1, crafted(generation, 1, { coefficients, sent }))).toBe("FALSE_COMPLAINT");
    const copied = crafted(generation, 1, { coefficients: [12n, 21n], sent });
    expect(judged(generation, 1, { ...copied, ephemeralKey: badDealing.ephemeralKey })).toBe("FALSE_COMPLAINT");
  });

  test("that prove nothing are false, whatever their bytes", () => {
    const complaint = complain(generation, 1, badDealing, 2, second.secret);
    const { point, proof } = complaint;
    const judged = (changes: Partial<typeof complaint>): string =>
      judgeComplaint(generation, 1, badDealing, 2, { ...complaint, ...changes });
    for (const [, element] of Object.entries(bad)) expect(judged({ point: element })).toBe("FALSE_COMPLAINT");
    for (const wrong of [oracle.negate(point), group.generator, badDealing.ephemeralKey, second.dealingKey]) {
      expect(judged({ point: wrong })).toBe("FALSE_COMPLAINT");
    }
    for (const bytes of [
      point.subarray(1),
      Buffer.concat([point, point]),
      new Uint8Array(0),
      Buffer.concat([point, Buffer.of(0)]),
    ]) {
      expect(judged({ point: bytes })).toBe("FALSE_COMPLAINT");
    }
    for (const bytes of [
      proof.subarray(1),
      proof.subarray(0, 63),
      Buffer.concat([proof, Buffer.of(0)]),
      new Uint8Array(0),
      new Uint8Array(64),
      new Uint8Array(64).fill(255),
    ]) {
      expect(judged({ proof: bytes })).toBe("FALSE_COMPLAINT");
    }
    const bytes = fc.record({
      point: fc.oneof(
        fc.constant(point),
        fc.uint8Array({ minLength: point.length, maxLength: point.length }),
        fc.uint8Array(),
      ),
      proof: fc.oneof(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.uint8Array({ maxLength: 70 })),
    });
    const isFalse = (any: typeof complaint): void => {
      expect(judged(any)).toBe("FALSE_COMPLAINT");
    };
    fc.assert(fc.property(bytes, isFalse), { numRuns: 50 });
  });

  test("with another point and a proof that it is no such point are false", () => {
    // The receiver proves honestly, and the point is of another secret: what it would decrypt is no concern.
    const forged = complaintOf(generation, 1, badDealing, 2, group.scalars.random());
    expect(judgeComplaint(generation, 1, badDealing, 2, forged)).toBe("FALSE_COMPLAINT");
  });

  test("are judged for dealers and receivers of the session only", () => {
    const complaint = complain(generation, 1, badDealing, 2, second.secret);
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => judgeComplaint(generation, 1, badDealing, 4, complaint)).toThrow(refused);
    expect(() => judgeComplaint(generation, 0, badDealing, 2, complaint)).toThrow(refused);
    expect(() => judgeComplaint({ ...generation, minShares: 0 }, 1, badDealing, 2, complaint)).toThrow(refused);
  });

  test("and receivers agree, whatever a dealer sends and however it is changed", () => {
    const previous = held;
    const resharing = resharingTerms({ group, minShares: 2, receivers }, previous);
    const refresh = refreshTerms({ group, minShares: 2, receivers }, previous);
    const scalar = fc.oneof(
      fc.constant(null),
      fc.bigInt({ min: 0n, max: n - 1n }).map((value) => group.scalars.encode(value)),
      fc.constantFrom(new Uint8Array(32), new Uint8Array(32).fill(255)),
    );
    const bits = fc.oneof(fc.constant(null), fc.nat({ max: 3 * 48 * 8 - 1 }));
    const root = fc.boolean();
    const agree = (kind: number, values: (Uint8Array | null)[], bit: number | null, isZero: boolean): void => {
      const terms = [generation, resharing, refresh][kind]!;
      // With a root at 2 receiver 2's sub-share is zero. A refresh has one at 0 besides.
      const own = kind === 2 ? [] : [5n];
      const polynomial = isZero && kind !== 2 ? [n - 2n, 1n] : [...own, 6n];
      const wrong = new Map(values.flatMap((value, i) => (value === null ? [] : [[i + 1, value] as const])));
      const made = crafted(terms, 1, { coefficients: polynomial, sent: wrong });
      const dealing = bit === null ? made : flipped(made, "ciphertexts", bit);
      for (const { index, secret } of receivers) {
        const isGood = subShareOf(terms, 1, dealing, index, group.multiplyAll(dealing.ephemeralKey, secret)) !== null;
        const expected = valueAt(terms, polynomial, index);
        const untouched = bit === null || Math.floor(bit / (48 * 8)) !== index - 1;
        const right = hex(wrong.get(index) ?? group.scalars.encode(expected)) === hex(group.scalars.encode(expected));
        expect(isGood).toBe(untouched && right && expected !== 0n);
        const opened = (): unknown => openSubShare(terms, 1, dealing, index, secret)[Symbol.dispose]();
        const judged = judgeComplaint(terms, 1, dealing, index, complaintOf(terms, 1, dealing, index, secret));
        if (isGood) {
          expect(opened).not.toThrow();
          expect(judged).toBe("FALSE_COMPLAINT");
          expect(() => complain(terms, 1, dealing, index, secret)).toThrow("is good");
        } else {
          expect(opened).toThrow(
            expect.objectContaining({ code: "SHARE_INVALID", detail: { dealer: 1, receiver: index } }),
          );
          expect(judged).toBe("BAD_DEALING");
          const complaint = complain(terms, 1, dealing, index, secret);
          expect(judgeComplaint(terms, 1, dealing, index, complaint)).toBe("BAD_DEALING");
        }
      }
    };
    const kinds = fc.nat({ max: 2 });
    fc.assert(fc.property(kinds, fc.array(scalar, { minLength: 3, maxLength: 3 }), bits, root, agree), { numRuns: 25 });
  });

  describe("are no oracle for somebody else's sub-shares", () => {
    const honest = deal(generation, 1);

    test("Mallory can't deal with the ephemeral key of an honest dealer", () => {
      const { ephemeralKey, ephemeralProof, ciphertexts } = honest;
      const mine = crafted(generation, 3, { coefficients: [7n, 8n] });
      // All of the dealing; key and proof; the key, with a proof of a key that is hers; ciphertexts that nobody can open.
      expect(dealingFault(generation, 3, honest)).toBe("POSSESSION");
      expect(dealingFault(generation, 3, { ...mine, ephemeralKey, ephemeralProof })).toBe("EPHEMERAL");
      expect(dealingFault(generation, 3, { ...mine, ephemeralKey })).toBe("EPHEMERAL");
      expect(dealingFault(generation, 3, { ...mine, ephemeralKey, ephemeralProof, ciphertexts })).toBe("EPHEMERAL");
      // Nor with what she can compute of it, whose point would tell that of the honest one's.
      const shifted = oracle.add(ephemeralKey, group.generator);
      expect(dealingFault(generation, 3, { ...mine, ephemeralKey: shifted })).toBe("EPHEMERAL");
      expect(dealingFault(generation, 3, { ...mine, ephemeralKey: oracle.negate(ephemeralKey) })).toBe("EPHEMERAL");
    });

    test("and were it let pass, the attack would succeed: so this is what it is for", () => {
      const { ephemeralKey } = honest;
      const mine = { ...crafted(generation, 3, { coefficients: [7n, 8n] }), ephemeralKey };
      const complaint = complain(generation, 3, mine, 2, second.secret);
      expect(subShareOf(generation, 1, honest, 2, complaint.point)).not.toBeNull();
    });

    test("nor with a receiver's dealing key as hers", () => {
      const mine = crafted(generation, 3, { coefficients: [7n, 8n] });
      expect(dealingFault(generation, 3, { ...mine, ephemeralKey: first.dealingKey })).toBe("EPHEMERAL");
      expect(
        dealingFault(generation, 3, { ...mine, ephemeralKey: first.dealingKey, ephemeralProof: first.proof }),
      ).toBe("EPHEMERAL");
    });

    test("the same dealer's other session, with the ephemeral key of this one, is refused", () => {
      const later = generationTerms({ group, minShares: 2, receivers, session: "later" });
      const mine = crafted(later, 1, { coefficients: [7n, 8n] });
      const { ephemeralKey, ephemeralProof } = honest;
      expect(dealingFault(later, 1, { ...mine, ephemeralKey, ephemeralProof })).toBe("EPHEMERAL");
      expect(dealingFault(later, 1, honest)).toBe("POSSESSION");
    });

    test("a point that was revealed opens nothing of the same receiver's but that dealing", () => {
      const complaint = complain(generation, 1, badDealing, 2, second.secret);
      expect(subShareOf(generation, 1, honest, 2, complaint.point)).toBeNull();
      expect(subShareOf(generation, 1, badDealing, 3, complaint.point)).toBeNull();
    });
  });
});
