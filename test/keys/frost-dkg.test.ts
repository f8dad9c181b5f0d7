/** Generations beside another's: the distributed key generation of FROST in @noble/curves, from the same polynomials. */
import type { DKG_Round1, DKG_Secret, FROST } from "@noble/curves/abstract/frost.js";
import { ristretto255_FROST } from "@noble/curves/ed25519.js";
import { secp256k1_FROST } from "@noble/curves/secp256k1.js";
import { describe, expect, test } from "vitest";
import { type Dealing, dealingFault } from "../../src/keys/dealing.ts";
import type { Group } from "../../src/keys/group.ts";
import { openSubShare } from "../../src/keys/receiver.ts";
import { RISTRETTO255_GROUP } from "../../src/keys/ristretto255-group.ts";
import { Secret } from "../../src/secret.ts";
import { crafted } from "./crafted-dealing.ts";
import { COMPRESSED_SECP256K1_GROUP, hex } from "./groups.ts";
import { finished, generationTerms, receiversOf, upTo } from "./session.ts";

interface Peer {
  readonly id: string;
  readonly secret: DKG_Secret;
  readonly round1: DKG_Round1;
}

const peersOf = (frost: FROST, min: number, max: number): Peer[] =>
  upTo(max).map((number) => {
    const id = frost.Identifier.fromNumber(number);
    const { public: round1, secret } = frost.DKG.round1(id, { min, max });
    return { id, secret, round1 };
  });

describe.each<[string, Group, FROST]>([
  ["secp256k1", COMPRESSED_SECP256K1_GROUP, secp256k1_FROST],
  ["ristretto255", RISTRETTO255_GROUP, ristretto255_FROST],
])("a generation in %s is FROST's", (_, group, frost) => {
  test.each([
    [2, 2],
    [2, 3],
    [3, 5],
    [5, 6],
  ])("%i of %i", (min, max) => {
    const peers = peersOf(frost, min, max);
    const receivers = receiversOf(group, upTo(max));
    const terms = generationTerms({ group, minShares: min, receivers });
    const dealings = peers.map(({ secret, round1 }, i): Dealing => {
      const dealing = crafted(terms, i + 1, { coefficients: [...secret.coefficients!] });
      expect(dealingFault(terms, i + 1, dealing)).toBeNull();
      expect(hex(dealing.commitments)).toBe(round1.commitment.map((element) => hex(element)).join(""));
      return dealing;
    });
    const others = peers.map((peer) => peers.filter((other) => other !== peer));
    const sent = peers.map(({ secret }, i) =>
      frost.DKG.round2(
        secret,
        others[i]!.map(({ round1 }) => round1),
      ),
    );
    // Sub-share by sub-share.
    peers.forEach((_peer, i) => {
      for (const { index, secret } of receivers) {
        if (index === i + 1) continue;
        using share = openSubShare(terms, i + 1, dealings[i]!, index, secret);
        expect(share.secret.use(hex)).toBe(hex(sent[i]![peers[index - 1]!.id]!.signingShare));
      }
    });
    const held = finished(
      terms,
      receivers,
      dealings.map((dealing, i) => ({ dealer: i + 1, dealing })),
    );
    peers.forEach(({ id, secret }, i) => {
      const round1 = others[i]!.map((other) => other.round1);
      const round2 = sent.flatMap((messages, from) => (from === i ? [] : [messages[id]!]));
      const key = frost.DKG.round3(secret, round1, round2);
      expect(held.shares[i]!.secret.use(hex)).toBe(hex(key.secret.signingShare));
      expect(hex(held.publicKey)).toBe(hex(key.public.commitments[0]!));
      for (const [place, other] of peers.entries()) {
        expect(hex(held.verificationShares.get(place + 1)!)).toBe(hex(key.public.verifyingShares[other.id]!));
      }
    });
    // And what FROST recovers of our shares is what both have shared.
    const some = held.shares.slice(-min).map(({ index, secret }) => ({
      identifier: peers[index - 1]!.id,
      signingShare: secret.use((bytes) => Uint8Array.from(bytes)),
    }));
    const recovered = frost.combineSecret(some, { min, max });
    expect(hex(group.multiplyBase([new Secret(recovered)]))).toBe(hex(held.publicKey));
  });
});
