/** What dealings make, by vectors of FROST (ZcashFoundation) and ChillDKG: sub-shares, shares, keys, verification shares. */
import { expect, test } from "vitest";
import { type Dealing, dealingFault, type GenerationTerms } from "../../src/keys/dealing.ts";
import { openSubShare } from "../../src/keys/receiver.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { sharingOutcome } from "../../src/keys/sharing.ts";
import { crafted } from "../keys/crafted-dealing.ts";
import { COMPRESSED_SECP256K1_GROUP, hex } from "../keys/groups.ts";
import { finished, generationTerms, receiversOf, upTo } from "../keys/session.ts";
import { describeVectors, readVectors } from "./read.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "hex");
const read = <T>(path: string): T => JSON.parse(readVectors(path).toString("utf8")) as T;

interface FrostParticipant {
  readonly identifier: number;
  readonly signing_key: string;
  readonly coefficient: string;
  readonly vss_commitments: readonly string[];
  /** By the index of the dealer that they came from. */
  readonly signing_shares: Readonly<Record<string, string>>;
  readonly verifying_share: string;
  readonly signing_share: string;
}

interface FrostDkg {
  readonly inputs: { readonly verifying_key: string } & Readonly<Record<"1" | "2" | "3", FrostParticipant>>;
}

describeVectors("sharings of FROST", () => {
  test.each([
    ["fixtures/frost/zcash-secp256k1/vectors_dkg.json", COMPRESSED_SECP256K1_GROUP],
    ["fixtures/frost/zcash-ristretto255/vectors_dkg.json", RISTRETTO255_GROUP],
  ] as const)("%s: a generation of its polynomials, through encrypted dealings", (path, group) => {
    const { inputs } = read<FrostDkg>(path);
    const participants = [inputs["1"], inputs["2"], inputs["3"]];
    const receivers = receiversOf(group, upTo(3));
    const terms = generationTerms({ group, minShares: 2, receivers });
    const qualified = participants.map(({ identifier, signing_key: key, coefficient, vss_commitments: expected }) => {
      const coefficients = [key, coefficient].map((scalar) => group.scalars.decode(bytes(scalar))!);
      const dealing = crafted(terms, identifier, { coefficients });
      expect(dealingFault(terms, identifier, dealing)).toBeNull();
      expect(hex(dealing.commitments)).toBe(expected.join(""));
      return { dealer: identifier, dealing };
    });
    for (const { identifier, signing_shares: subShares } of participants) {
      for (const [dealer, subShare] of Object.entries(subShares)) {
        const { dealing } = qualified[Number(dealer) - 1]!;
        const { secret } = receivers[identifier - 1]!;
        expect(openSubShare(terms, Number(dealer), dealing, identifier, secret).secret.use(hex)).toBe(subShare);
      }
    }
    const held = finished(terms, receivers, qualified);
    expect(hex(held.publicKey)).toBe(inputs.verifying_key);
    for (const { identifier, signing_share: share, verifying_share: verifying } of participants) {
      expect(held.shares[identifier - 1]!.secret.use(hex)).toBe(share);
      expect(hex(held.verificationShares.get(identifier)!)).toBe(verifying);
    }
  });
});

interface ChillDkgGroup {
  readonly params: { readonly hostpubkeys: readonly string[]; readonly t: number };
  readonly validTestCases: readonly {
    readonly expectedOutput: {
      readonly dkgOutput: { readonly threshPk: string; readonly pubshares: readonly string[] };
      readonly recoveryData: string;
    };
  }[];
}

describeVectors("sharings of ChillDKG", () => {
  test("public shares of the sum of dealings, t = 1 among them", () => {
    const group = COMPRESSED_SECP256K1_GROUP;
    const { testGroups } = read<{ testGroups: ChillDkgGroup[] }>(
      "fixtures/dkg/chilldkg/participant_finalize_vectors.json",
    );
    expect(testGroups.map(({ params }) => [params.t, params.hostpubkeys.length])).toEqual([
      [2, 3],
      [1, 3],
      [3, 3],
      [2, 4],
    ]);
    for (const { params, validTestCases } of testGroups) {
      const count = params.hostpubkeys.length;
      const terms: GenerationTerms = generationTerms({
        group,
        minShares: params.t,
        receivers: receiversOf(group, upTo(count)),
      });
      for (const { expectedOutput } of validTestCases) {
        const { threshPk, pubshares } = expectedOutput.dkgOutput;
        // Recovery data has t in four bytes, then the sum of all commitments; to the first the threshold key adds a tweak.
        const sum = bytes(expectedOutput.recoveryData).subarray(
          4 + group.elementBytes,
          4 + params.t * group.elementBytes,
        );
        const joint = Buffer.concat([bytes(threshPk), sum]);
        // It has the sum alone: so here it is cut into as many dealings.
        const others = upTo(count - 1).map(() => group.multiplyBase(upTo(params.t).map(() => group.scalars.random())));
        const minusOne = group.scalars.order - 1n;
        const rest = group.linearCombinations([joint, ...others], [1n, ...others.map(() => minusOne)]).elements;
        const none = new Uint8Array(0);
        const qualified = [rest, ...others].map((commitments, i) => {
          const dealing: Dealing = {
            commitments,
            possession: none,
            ephemeralKey: none,
            ephemeralProof: none,
            ciphertexts: none,
          };
          return { dealer: i + 1, dealing };
        });
        const { publicKey, verificationShares } = sharingOutcome(terms, qualified)!;
        expect(hex(publicKey).toUpperCase()).toBe(threshPk);
        expect([...verificationShares.values()].map((share) => hex(share).toUpperCase())).toEqual(pubshares);
      }
    }
  });
});
