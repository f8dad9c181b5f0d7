import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashContracts } from "../../src/keys/contract-points.ts";
import { Share } from "../../src/keys/shamir.ts";
import { proveTrial, type TrialPartial, verifyTrial } from "../../src/keys/trial-partial.ts";
import { BAD_RISTRETTO255, BAD_SECP256K1, BAD_UNCOMPRESSED_SECP256K1 } from "./bad-elements.ts";
import { named } from "./committee.ts";
import { GROUPS, hex, numberOf, secretOf } from "./groups.ts";

const BAD = [BAD_UNCOMPRESSED_SECP256K1, BAD_SECP256K1, BAD_RISTRETTO255];

describe.each(GROUPS.map((each, i) => ({ ...each, bad: BAD[i]! })))(
  "a trial partial in $name",
  ({ group, oracle, bad }) => {
    const [genesis, session] = [named("genesis"), named("session")];
    const share = new Share(4, group.scalars.random());
    const verificationShare = group.multiplyBase([share.secret]);
    const trial = proveTrial(group, genesis, session, 9, share);
    interface Changes {
      readonly genesis?: Uint8Array;
      readonly session?: Uint8Array;
      readonly rotationId?: number;
      readonly index?: number;
      readonly verificationShare?: Uint8Array;
      readonly trial?: TrialPartial;
    }
    const holds = (changes: Changes = {}): boolean => {
      const all = { genesis, session, rotationId: 9, index: 4, verificationShare, trial, ...changes };
      return verifyTrial(group, all.genesis, all.session, all.rotationId, all.index, all.verificationShare, all.trial);
    };

    test("proves that its holder has the share", () => {
      expect(holds()).toBe(true);
      expect(numberOf(group, share.secret)).toBeGreaterThan(0n);
      expect([trial.partial.length, trial.proof.length]).toEqual([group.elementBytes, 64]);
    });

    test("is the PRF of the documented id, which is no contract's", () => {
      const label = Buffer.from("gatekeeper/v1 id of a trial partial");
      const id = createHash("sha256").update(label).update(genesis).update(session).digest();
      const { points } = hashContracts(group, id);
      expect(hex(trial.partial)).toBe(hex(oracle.multiply(points, numberOf(group, share.secret))));
    });

    test("is bound to genesis, session, rotation id, holder and share", () => {
      expect(holds({ genesis: named("other") })).toBe(false);
      expect(holds({ session: named("other") })).toBe(false);
      expect(holds({ genesis: session, session: genesis })).toBe(false);
      expect(holds({ rotationId: 10 })).toBe(false);
      expect(holds({ index: 5 })).toBe(false);
      expect(holds({ verificationShare: group.multiplyBase([group.scalars.random()]) })).toBe(false);
      using other = new Share(4, secretOf(group, 7n));
      expect(holds({ trial: proveTrial(group, genesis, session, 9, other) })).toBe(false);
    });

    test("that is malformed proves nothing", () => {
      for (const index of [0, -1, 65_536, 4.5]) expect(holds({ index })).toBe(false);
      for (const element of Object.values(bad)) expect(holds({ trial: { ...trial, partial: element } })).toBe(false);
      const parts = fc.record({
        partial: fc.oneof(fc.constant(trial.partial), fc.uint8Array({ maxLength: 140 })),
        proof: fc.oneof(fc.uint8Array({ minLength: 64, maxLength: 64 }), fc.uint8Array({ maxLength: 70 })),
      });
      const proves = (wrong: TrialPartial): void => {
        expect(holds({ trial: wrong })).toBe(false);
      };
      fc.assert(fc.property(parts, proves), { numRuns: 30 });
      for (const bit of [0, 255, 256, 511]) {
        const proof = Uint8Array.from(trial.proof);
        proof[bit >> 3]! ^= 1 << (bit & 7);
        expect(holds({ trial: { ...trial, proof } })).toBe(false);
      }
    });

    test("is asked for with hashes, a rotation id and a verification share", () => {
      const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => holds({ genesis: new Uint8Array(31) })).toThrow(invalid);
      expect(() => holds({ session: new Uint8Array(33) })).toThrow(invalid);
      expect(() => holds({ rotationId: -1 })).toThrow(invalid);
      expect(() => holds({ verificationShare: Object.values(bad)[0]! })).toThrow(
        expect.objectContaining({ code: "ELEMENT_INVALID" }),
      );
      using zero = new Share(4, secretOf(group, 0n));
      expect(() => proveTrial(group, genesis, session, 9, zero)).toThrow(invalid);
      expect(() => proveTrial(group, genesis, new Uint8Array(0), 9, share)).toThrow(invalid);
    });
  },
);
