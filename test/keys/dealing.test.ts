import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deal } from "../../src/keys/dealer.ts";
import {
  constantContext,
  type Dealing,
  type DealingKind,
  type DealingTerms,
  dealingDigest,
  dealingFault,
  dealingKeyContext,
  ephemeralContext,
  RECEIVERS_MAX,
} from "../../src/keys/dealing.ts";
import { provePossession } from "../../src/keys/possession.ts";
import { verifyPossession } from "../../src/keys/possession-check.ts";
import { BAD_RISTRETTO255, BAD_SECP256K1, BAD_UNCOMPRESSED_SECP256K1 } from "./bad-elements.ts";
import { named } from "./committee.ts";
import { crafted } from "./crafted-dealing.ts";
import { COMPRESSED_SECP256K1_GROUP, GROUPS, hex, split } from "./groups.ts";
import {
  flipped,
  GENESIS,
  generated,
  generationTerms,
  receiversOf,
  refreshTerms,
  resharingTerms,
  upTo,
} from "./session.ts";

const BAD = [BAD_UNCOMPRESSED_SECP256K1, BAD_SECP256K1, BAD_RISTRETTO255];
const refused = (message: RegExp): unknown =>
  expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });

describe.each(GROUPS.map((each, i) => ({ ...each, bad: BAD[i]! })))("dealings in $name", ({ group, bad }) => {
  const held = generated(group, 3, 4);
  const shareOf = (index: number) => held.shares.find((share) => share.index === index)!;
  const receivers = receiversOf(group, [1, 2, 3, 7]);
  const generation = generationTerms({ group, minShares: 3, receivers });
  const resharing = resharingTerms({ group, minShares: 2, receivers }, held);
  const refresh = refreshTerms({ group, minShares: 3, receivers: receivers.slice(0, 3) }, held);
  const sessions: [DealingKind, DealingTerms, Dealing][] = [
    ["generation", generation, deal(generation, 2)],
    ["resharing", resharing, deal(resharing, shareOf(2))],
    ["refresh", refresh, deal(refresh, 2)],
  ];
  const PARTS = ["commitments", "possession", "ephemeralKey", "ephemeralProof", "ciphertexts"] as const;

  describe.each(sessions)("of a %s", (kind, terms, dealing) => {
    const faults = (changed: Dealing, dealer = 2, changes: Partial<DealingTerms> = {}): string | null =>
      dealingFault({ ...terms, ...changes } as DealingTerms, dealer, changed);

    test("have the documented lengths, and no fault", () => {
      const t = kind === "resharing" ? 2 : 3;
      expect(PARTS.map((part) => dealing[part].length)).toEqual([
        (kind === "refresh" ? t - 1 : t) * group.elementBytes,
        kind === "refresh" ? 0 : 64,
        group.elementBytes,
        64,
        terms.receivers.length * 48,
      ]);
      expect(faults(dealing)).toBeNull();
    });

    test.each(PARTS)("another length of the %s is a fault", (part) => {
      const bytes = dealing[part];
      const wrong = [Buffer.concat([bytes, Buffer.of(0)]), Buffer.concat([bytes, bytes, bytes, dealing.ephemeralKey])];
      if (bytes.length > 0) wrong.push(Buffer.from(bytes.subarray(1)), Buffer.alloc(0));
      for (const changed of wrong) expect(faults({ ...dealing, [part]: changed })).toBe("LENGTH");
    });

    test.each(Object.entries(bad))("a commitment or an ephemeral key that is none is a fault: %s", (_, element) => {
      expect(faults({ ...dealing, ephemeralKey: element })).toBe("ELEMENT");
      for (let at = 0; at < dealing.commitments.length; at += group.elementBytes) {
        const commitments = Uint8Array.from(dealing.commitments);
        commitments.set(element, at);
        expect(faults({ ...dealing, commitments })).toBe("ELEMENT");
      }
    });

    test("proofs are bound to every other part of the session", () => {
      const first = kind === "refresh" ? "EPHEMERAL" : "POSSESSION";
      expect(faults(dealing, 2, { genesis: named("another") })).toBe(first);
      expect(faults(dealing, 2, { session: named("another") })).toBe(first);
      const others = receiversOf(group, [1]);
      expect(faults(dealing, 2, { receivers: [others[0]!, ...terms.receivers.slice(1)] })).toBe(first);
      const renumbered = terms.receivers.map(({ index, dealingKey }) => ({ index: index + 1, dealingKey }));
      if (kind !== "refresh") expect(faults(dealing, 2, { receivers: renumbered })).toBe(first);
      expect(faults(dealing, 3)).toBe(kind === "resharing" ? "CONSTANT" : first);
    });

    test("commitments are those that were proved", () => {
      const [a, b, ...others] = split(group, dealing.commitments) as [Uint8Array, Uint8Array, ...Uint8Array[]];
      const turned = Buffer.concat([a, group.generator, ...others]);
      expect(faults({ ...dealing, commitments: turned })).toBe(kind === "refresh" ? "EPHEMERAL" : "POSSESSION");
      const first = Buffer.concat([group.generator, b, ...others]);
      expect(faults({ ...dealing, commitments: first })).toBe(
        { generation: "POSSESSION", resharing: "CONSTANT", refresh: "EPHEMERAL" }[kind],
      );
    });

    test("proofs are not exchanged, nor taken from another dealing", () => {
      if (kind !== "refresh") {
        expect(faults({ ...dealing, possession: dealing.ephemeralProof })).toBe("POSSESSION");
        expect(faults({ ...dealing, ephemeralProof: dealing.possession })).toBe("EPHEMERAL");
      }
      const other = crafted(terms, 2, {
        coefficients: [5n, 6n, 7n].slice(0, dealing.commitments.length / group.elementBytes),
      });
      expect(faults({ ...dealing, ephemeralProof: other.ephemeralProof })).toBe("EPHEMERAL");
      expect(faults({ ...dealing, ephemeralKey: other.ephemeralKey })).toBe("EPHEMERAL");
      // That key and proof belong together does not make them this dealing's.
      const { ephemeralKey, ephemeralProof } = other;
      expect(faults({ ...dealing, ephemeralKey, ephemeralProof })).toBe("EPHEMERAL");
    });

    test("a changed bit of anything but the ciphertexts is a fault, and any bytes are no crash", () => {
      const parts = fc.constantFrom(...PARTS.filter((part) => part !== "ciphertexts" && dealing[part].length > 0));
      const changed = (part: (typeof PARTS)[number], at: number): void => {
        expect(faults(flipped(dealing, part, at % (8 * dealing[part].length)))).not.toBeNull();
      };
      fc.assert(fc.property(parts, fc.nat(), changed), { numRuns: 25 });
      const of = (part: (typeof PARTS)[number]) =>
        fc.oneof(
          fc.uint8Array({ minLength: dealing[part].length, maxLength: dealing[part].length }),
          fc.uint8Array({ maxLength: 80 }),
          fc.constant(dealing[part]),
        );
      const anything = fc.record(
        Object.fromEntries(PARTS.map((part) => [part, of(part)])) as Record<keyof Dealing, fc.Arbitrary<Uint8Array>>,
      );
      const FAULTS = [null, "LENGTH", "ELEMENT", "CONSTANT", "POSSESSION", "EPHEMERAL"];
      fc.assert(
        fc.property(anything, (bytes) => {
          const fault = faults(bytes);
          expect(FAULTS).toContain(fault);
          // Ciphertexts are proved by nobody: whoever can't open his complains.
          const proved = PARTS.filter((part) => part !== "ciphertexts");
          const same = proved.every((part) => hex(bytes[part]) === hex(dealing[part]));
          expect(fault === null).toBe(same && bytes.ciphertexts.length === dealing.ciphertexts.length);
        }),
        { numRuns: 60 },
      );
    });

    test("a dealing of one kind is none of another", () => {
      for (const [other, otherTerms] of sessions) {
        if (other === kind) continue;
        expect(dealingFault(otherTerms, 2, dealing)).not.toBeNull();
      }
      // Not even where lengths, keys and constant agree.
      if (kind === "resharing") {
        const { previous: _, ...common } = resharing;
        expect(dealingFault({ ...common, kind: "generation" }, 2, dealing)).toBe("POSSESSION");
      }
      if (kind === "generation") {
        const verificationShares = new Map([[2, dealing.commitments.slice(0, group.elementBytes)]]);
        const previous = { publicKey: held.publicKey, minShares: 1, verificationShares };
        expect(dealingFault({ ...generation, kind: "resharing", previous }, 2, dealing)).toBe("POSSESSION");
      }
    });
  });

  test("a resharing's constant is the dealer's own share, though another's is known", () => {
    const stolen = crafted(resharing, 1, {
      coefficients: [group.scalars.decode(shareOf(2).secret.use((b) => b.slice()))!, 9n],
    });
    expect(dealingFault(resharing, 1, stolen)).toBe("CONSTANT");
    expect(dealingFault(resharing, 2, deal(resharing, shareOf(2)))).toBeNull();
  });

  test("whoever does not know the constant can't deal it: a key composed of others'", () => {
    const honest = deal(generation, 1);
    const { commitments } = honest;
    const cancel = group.linearCombinations([commitments], [group.scalars.order - 1n]).elements;
    const mine = crafted(generation, 2, { coefficients: [3n, 4n, 5n] });
    expect(dealingFault(generation, 2, { ...mine, commitments: cancel })).toBe("POSSESSION");
    // The honest dealer's own, sent again in another name.
    expect(dealingFault(generation, 2, honest)).toBe("POSSESSION");
  });

  test("the digest is the documented hash", () => {
    const [, terms, { commitments }] = sessions[1]!;
    const le = (value: number): Buffer => Buffer.of(value & 255, value >> 8);
    const expected = createHash("sha256")
      .update(
        Buffer.concat([
          Buffer.from("gatekeeper/v1 dealing"),
          Buffer.of(group.keySuite),
          GENESIS,
          named("session"),
          Buffer.of(2),
          le(259),
          le(2),
          le(4),
          ...terms.receivers.flatMap(({ index, dealingKey }) => [le(index), dealingKey]),
          commitments,
        ]),
      )
      .digest("hex");
    expect(hex(dealingDigest(terms, 259, commitments))).toBe(expected);
  });

  test("the two proofs of a dealing are bound to it by different labels", () => {
    const digest = named("digest");
    const documented = (label: string): string =>
      createHash("sha256").update(`gatekeeper/v1 ${label}`).update(digest).digest("hex");
    expect(hex(constantContext(digest))).toBe(documented("possession of a constant term"));
    expect(hex(ephemeralContext(digest))).toBe(documented("possession of an ephemeral key"));
  });

  test("a dealing key's proof is bound to genesis, session and receiver", () => {
    const { dealingKey, proof, secret } = receivers[3]!;
    const holds = (genesis: Uint8Array, session: Uint8Array, index: number): boolean =>
      verifyPossession(group, dealingKeyContext(genesis, session, index), dealingKey, proof);
    expect(holds(GENESIS, named("session"), 7)).toBe(true);
    expect(holds(named("session"), GENESIS, 7)).toBe(false);
    expect(holds(GENESIS, named("other"), 7)).toBe(false);
    expect(holds(GENESIS, named("session"), 8)).toBe(false);
    expect(holds(GENESIS, named("session"), 7 + 256)).toBe(false);
    const preimage = Buffer.concat([
      Buffer.from("gatekeeper/v1 possession of a dealing key"),
      GENESIS,
      named("session"),
      Buffer.of(7, 0),
    ]);
    const documented = createHash("sha256").update(preimage).digest();
    expect(
      verifyPossession(group, documented, dealingKey, provePossession(group, documented, secret, dealingKey)),
    ).toBe(true);
    expect(hex(dealingKeyContext(GENESIS, named("session"), 7))).toBe(hex(documented));
    for (const index of [0, 65_536, 1.5]) {
      expect(() => dealingKeyContext(GENESIS, named("session"), index)).toThrow(refused(/receiver/));
    }
    expect(() => dealingKeyContext(GENESIS.subarray(1), named("session"), 1)).toThrow(refused(/32 bytes/));
    expect(() => dealingKeyContext(GENESIS, new Uint8Array(33), 1)).toThrow(refused(/32 bytes/));
  });

  describe("are of no session whose terms are none", () => {
    const [, , dealing] = sessions[0]!;
    const check = (terms: unknown, dealer = 2): (() => unknown) => {
      return () => dealingFault(terms as DealingTerms, dealer, dealing);
    };
    const { previous } = refresh;

    test.each<[string, Partial<DealingTerms>, RegExp]>([
      ["short genesis", { genesis: new Uint8Array(31) }, /32 bytes/],
      ["long session", { session: new Uint8Array(33) }, /32 bytes/],
      ["nobody receives", { receivers: [] }, /3 of 0/],
      ["t = 0", { minShares: 0 }, /0 of 4/],
      ["t above n", { minShares: 5 }, /5 of 4/],
      ["t that is no whole number", { minShares: 1.5 }, /1.5 of 4/],
      ["falling indices", { receivers: [receivers[1]!, receivers[0]!, receivers[2]!] }, /rising/],
      ["one index twice", { receivers: [receivers[0]!, receivers[0]!, receivers[2]!] }, /rising/],
      ["index 0", { receivers: [{ ...receivers[0]!, index: 0 }, ...receivers.slice(1)] }, /index 0 of a receiver/],
      [
        "a key of another length",
        { receivers: [{ index: 1, dealingKey: new Uint8Array(31) }, ...receivers.slice(1)] },
        /receiver 1/,
      ],
    ])("%s", (_, changes, message) => {
      expect(check({ ...generation, ...changes })).toThrow(refused(message));
    });

    test("more receivers than there may be", () => {
      const many = (count: number) => upTo(count).map((index) => ({ index, dealingKey: group.generator }));
      expect(check({ ...generation, receivers: many(RECEIVERS_MAX) })()).toBe("LENGTH");
      expect(check({ ...generation, receivers: many(RECEIVERS_MAX + 1) })).toThrow(refused(/64 receivers at most/));
    });

    test("a refresh with another threshold, a new holder, or of a key that everybody has", () => {
      expect(check({ ...refresh, minShares: 2 })).toThrow(refused(/keeps the threshold, which is 3, not 2/));
      const single = { ...previous, minShares: 1 };
      expect(check({ ...refresh, minShares: 1, previous: single })).toThrow(refused(/every share is the key/));
      expect(check({ ...refresh, receivers: generation.receivers })).toThrow(refused(/receiver 7 has no share/));
    });

    test("a previous sharing without a threshold", () => {
      expect(check({ ...resharing, previous: { ...previous, minShares: 0 } })).toThrow(refused(/no threshold/));
    });

    test("a dealer who has nothing to deal", () => {
      expect(check(resharing, 5)).toThrow(refused(/dealer 5 has no share/));
      expect(check(refresh, 5)).toThrow(refused(/dealer 5 has no share/));
      for (const dealer of [0, -1, 65_536, 0.5]) expect(check(generation, dealer)).toThrow(refused(/of a dealer/));
    });
  });
});

test("with t = 1 a key is generated and handed on; it has one commitment", () => {
  const group = COMPRESSED_SECP256K1_GROUP;
  const receivers = receiversOf(group, [1, 2]);
  const terms = generationTerms({ group, minShares: 1, receivers });
  const dealing = deal(terms, 1);
  expect(dealing.commitments.length).toBe(33);
  expect(dealingFault(terms, 1, dealing)).toBeNull();
});
