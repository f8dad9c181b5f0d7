/** Shares, verification shares and keys of FROST (RFC 9591, ZcashFoundation) and ChillDKG, in both groups. */
import { describe, expect, test } from "vitest";
import type { Group } from "../../src/keys/group.ts";
import { lagrangeCoefficient } from "../../src/keys/lagrange.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { Polynomial, Share, verificationShare, verifyShare } from "../../src/keys/shamir.ts";
import { Secret } from "../../src/secret.ts";
import { COMPRESSED_SECP256K1_GROUP, numberOf } from "../keys/groups.ts";
import { interpolated } from "../keys/interpolation.ts";
import { describeVectors, readVectors } from "./read.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (text: string): Buffer => Buffer.from(text, "hex");
const secret = (text: string): Secret => new Secret(bytes(text));
const read = <T>(path: string): T => JSON.parse(readVectors(path).toString("utf8")) as T;

/** The secret of two shares by this project's Lagrange coefficients. */
function recovered(group: Group, shares: readonly Share[]): string {
  const n = group.scalars.order;
  const quorum = shares.map(({ index }) => index);
  const sum = shares.reduce(
    (so, share) => so + lagrangeCoefficient(n, quorum, share.index) * numberOf(group, share.secret),
    0n,
  );
  return hex(group.scalars.encode(sum % n));
}

interface FrostKeys {
  readonly inputs: {
    readonly group_secret_key: string;
    /** RFC 9591's poc has the first name, ZcashFoundation's copy the second. */
    readonly group_public_key?: string;
    readonly verifying_key_key?: string;
    readonly share_polynomial_coefficients: readonly string[];
    readonly participant_shares: readonly { readonly identifier: number; readonly participant_share: string }[];
  };
}

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

interface RepairShare {
  readonly scalar_generation: Readonly<Record<string, string>>;
  readonly sigma_generation: Readonly<Record<string, string>>;
}

describeVectors("FROST", () => {
  describe.each([
    ["fixtures/frost/rfc9591/frost-secp256k1-sha256.json", COMPRESSED_SECP256K1_GROUP],
    ["fixtures/frost/zcash-secp256k1/vectors.json", COMPRESSED_SECP256K1_GROUP],
    ["fixtures/frost/rfc9591/frost-ristretto255-sha512.json", RISTRETTO255_GROUP],
    ["fixtures/frost/zcash-ristretto255/vectors.json", RISTRETTO255_GROUP],
  ] as const)("%s", (path, group) => {
    test("shares are the polynomial's values, and any two of them recover the key", () => {
      const { inputs } = read<FrostKeys>(path);
      const publicKey = inputs.group_public_key ?? inputs.verifying_key_key;
      const coefficients = [inputs.group_secret_key, ...inputs.share_polynomial_coefficients].map(secret);
      using polynomial = new Polynomial(group, coefficients);
      const commitments = polynomial.commitments();
      expect(hex(commitments.slice(0, group.elementBytes))).toBe(publicKey);
      const shares = inputs.participant_shares.map(
        ({ identifier, participant_share: share }) => new Share(identifier, secret(share)),
      );
      expect(shares.length).toBe(3);
      for (const share of shares) {
        expect(polynomial.evaluate(share.index).secret.use(hex)).toBe(share.secret.use(hex));
        expect(() => verifyShare(group, commitments, share)).not.toThrow();
      }
      const [a, b, c] = shares as [Share, Share, Share];
      for (const pair of [
        [a, b],
        [a, c],
        [b, c],
      ])
        expect(recovered(group, pair)).toBe(inputs.group_secret_key);
      // A lost share is the polynomial's value at its index, from any two others.
      expect(interpolated(group, [a, c], 2)).toBe(numberOf(group, b.secret));
    });
  });

  describe.each([
    ["fixtures/frost/zcash-secp256k1/vectors_dkg.json", COMPRESSED_SECP256K1_GROUP],
    ["fixtures/frost/zcash-ristretto255/vectors_dkg.json", RISTRETTO255_GROUP],
  ] as const)("%s", (path, group) => {
    test("dealings, sub-shares, shares and verification shares of a distributed key generation", () => {
      const { inputs } = read<FrostDkg>(path);
      const dealers = [inputs["1"], inputs["2"], inputs["3"]];
      for (const dealer of dealers) {
        using polynomial = new Polynomial(group, [dealer.signing_key, dealer.coefficient].map(secret));
        expect(hex(polynomial.commitments())).toBe(dealer.vss_commitments.join(""));
        for (const receiver of dealers.filter(({ identifier }) => identifier !== dealer.identifier)) {
          const share = new Share(receiver.identifier, secret(receiver.signing_shares[dealer.identifier]!));
          expect(polynomial.evaluate(receiver.identifier).secret.use(hex)).toBe(share.secret.use(hex));
          const commitments = bytes(dealer.vss_commitments.join(""));
          expect(() => verifyShare(group, commitments, share)).not.toThrow();
        }
      }
      const rows = dealers.map((dealer) => bytes(dealer.vss_commitments.join("")));
      const joint = group.linearCombinations(rows, [1n, 1n, 1n]).elements;
      expect(hex(joint.slice(0, group.elementBytes))).toBe(inputs.verifying_key);
      for (const { identifier, signing_share: share, verifying_share: verifying } of dealers) {
        expect(hex(verificationShare(group, joint, identifier))).toBe(verifying);
        expect(() => verifyShare(group, joint, new Share(identifier, secret(share)))).not.toThrow();
      }
    });
  });

  test.each([
    ["fixtures/frost/zcash-secp256k1/repair-share.json", COMPRESSED_SECP256K1_GROUP],
    ["fixtures/frost/zcash-ristretto255/repair-share.json", RISTRETTO255_GROUP],
  ] as const)("%s: sums of scalars", (path, group) => {
    const { scalar_generation: deltas, sigma_generation: sigmas } = read<RepairShare>(path);
    const sum = (values: readonly string[]): string =>
      values
        .map(secret)
        .reduce((so, value) => group.multiplyAdd(so, 1n, value))
        .use(hex);
    expect(sum([1, 2, 3].map((i) => deltas[`random_scalar_${i}`]!))).toBe(deltas["random_scalar_sum"]);
    expect(sum([1, 2, 3, 4].map((i) => sigmas[`sigma_${i}`]!))).toBe(sigmas["sigma_sum"]);
  });
});

interface ChillDkgGroup {
  readonly params: { readonly hostpubkeys: readonly string[]; readonly t: number };
  readonly hostseckey: string;
  readonly validTestCases: readonly {
    readonly expectedOutput: {
      readonly dkgOutput: {
        readonly secshare: string;
        readonly threshPk: string;
        readonly pubshares: readonly string[];
      };
      readonly recoveryData: string;
    };
  }[];
}

describeVectors("ChillDKG", () => {
  test("shares, public shares and threshold keys, t = 1 among them", () => {
    const group = COMPRESSED_SECP256K1_GROUP;
    const { testGroups } = read<{ testGroups: ChillDkgGroup[] }>(
      "fixtures/dkg/chilldkg/participant_finalize_vectors.json",
    );
    const cases = testGroups.flatMap(({ params, hostseckey, validTestCases }) =>
      validTestCases.map(({ expectedOutput }) => ({ params, hostseckey, ...expectedOutput })),
    );
    expect(cases.map(({ params }) => [params.t, params.hostpubkeys.length])).toEqual([
      [2, 3],
      [1, 3],
      [3, 3],
      [2, 4],
    ]);
    for (const { params, hostseckey, dkgOutput, recoveryData } of cases) {
      // Recovery data begins with t in four bytes and the sum of the dealers' commitments, whose constant term the
      // threshold key replaces: a Taproot tweak is added to it, and to no other.
      const data = bytes(recoveryData);
      expect(data.readUInt32BE(0)).toBe(params.t);
      const others = data.subarray(4 + group.elementBytes, 4 + params.t * group.elementBytes);
      const commitments = Buffer.concat([bytes(dkgOutput.threshPk), others]);
      const shares = params.hostpubkeys.map((_, i) => hex(verificationShare(group, commitments, i + 1)).toUpperCase());
      expect(shares).toEqual(dkgOutput.pubshares);
      const host = hex(group.multiplyBase([secret(hostseckey)])).toUpperCase();
      const index = params.hostpubkeys.indexOf(host) + 1;
      expect(index).toBeGreaterThan(0);
      using share = new Share(index, secret(dkgOutput.secshare));
      expect(() => verifyShare(group, commitments, share)).not.toThrow();
      // Any t public shares interpolate the key.
      const quorum = Array.from({ length: params.t }, (_, i) => params.hostpubkeys.length - params.t + 1 + i);
      const rows = quorum.map((i) => bytes(dkgOutput.pubshares[i - 1]!));
      const coefficients = quorum.map((i) => lagrangeCoefficient(group.scalars.order, quorum, i));
      const key = group.linearCombinations(rows, coefficients).elements;
      expect(hex(key).toUpperCase()).toBe(dkgOutput.threshPk);
    }
  });
});
