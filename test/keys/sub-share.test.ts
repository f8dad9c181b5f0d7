import { createDecipheriv, hkdfSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { dealingDigest } from "../../src/keys/dealing.ts";
import { Share } from "../../src/keys/shamir.ts";
import { sealSubShare, subShareOf } from "../../src/keys/sub-share.ts";
import { named } from "./committee.ts";
import { crafted, valueAt } from "./crafted-dealing.ts";
import { GROUPS, hex, numberOf, secretOf } from "./groups.ts";
import { flipped, generationTerms, type KeyedReceiver, receiversOf } from "./session.ts";

describe.each(GROUPS)("sub-shares in $name", ({ group, oracle }) => {
  const n = group.scalars.order;
  const receivers = receiversOf(group, [1, 300]);
  const [first, second] = receivers as [KeyedReceiver, KeyedReceiver];
  const terms = generationTerms({ group, minShares: 2, receivers });
  const coefficients = [11n, 22n];
  const dealing = crafted(terms, 5, { coefficients });
  const pointOf = ({ secret }: KeyedReceiver, key = dealing.ephemeralKey): Uint8Array => group.multiplyAll(key, secret);

  test("are encrypted as documented", () => {
    const digest = dealingDigest(terms, 5, dealing.commitments);
    receivers.forEach((receiver, place) => {
      const label = Buffer.from("gatekeeper/v1 key of a sub-share");
      const index = Buffer.of(receiver.index & 255, receiver.index >> 8);
      const info = Buffer.concat([label, digest, index, dealing.ephemeralKey, receiver.dealingKey]);
      const z = oracle.multiply(dealing.ephemeralKey, numberOf(group, receiver.secret));
      const key = Buffer.from(hkdfSync("sha256", z, Buffer.alloc(0), info, 32));
      const sealed = dealing.ciphertexts.subarray(48 * place, 48 * (place + 1));
      const decipher = createDecipheriv("aes-256-gcm", key, Buffer.alloc(12));
      decipher.setAAD(digest);
      decipher.setAuthTag(sealed.subarray(32));
      const opened = Buffer.concat([decipher.update(sealed.subarray(0, 32)), decipher.final()]);
      expect(group.scalars.decode(opened)).toBe((11n + 22n * BigInt(receiver.index)) % n);
    });
  });

  test("are opened with the point of dealing key and ephemeral key, and no other", () => {
    for (const receiver of receivers) {
      using share = subShareOf(terms, 5, dealing, receiver.index, pointOf(receiver))!;
      expect(share.index).toBe(receiver.index);
      expect(numberOf(group, share.secret)).toBe(valueAt(terms, coefficients, receiver.index));
    }
    expect(subShareOf(terms, 5, dealing, 1, pointOf(second))).toBeNull();
    expect(subShareOf(terms, 5, dealing, 1, oracle.negate(pointOf(first)))).toBeNull();
    expect(subShareOf(terms, 5, dealing, 1, dealing.ephemeralKey)).toBeNull();
  });

  test("are bound to session, kind, dealer, receivers, commitments and both keys", () => {
    const changed = [
      { ...terms, genesis: named("other") },
      { ...terms, session: named("other") },
      { ...terms, minShares: 1 },
      { ...terms, receivers: [terms.receivers[0]!, { ...terms.receivers[1]!, index: 2 }] },
      { ...terms, receivers: [terms.receivers[0]!] },
    ];
    for (const other of changed) expect(subShareOf(other, 5, dealing, 1, pointOf(first))).toBeNull();
    const verificationShares = new Map([[5, dealing.commitments.slice(0, group.elementBytes)]]);
    const previous = { publicKey: group.generator, minShares: 1, verificationShares };
    const { kind: _, ...common } = terms;
    expect(subShareOf({ ...common, kind: "resharing", previous }, 5, dealing, 1, pointOf(first))).toBeNull();
    expect(subShareOf(terms, 6, dealing, 1, pointOf(first))).toBeNull();
    // The ephemeral key of another dealing, though the point be as it was.
    const { ephemeralKey } = crafted(terms, 5, { coefficients });
    expect(subShareOf(terms, 5, { ...dealing, ephemeralKey }, 1, pointOf(first))).toBeNull();
    // Ciphertexts at each other's places.
    const { ciphertexts } = dealing;
    const turned = { ...dealing, ciphertexts: Buffer.concat([ciphertexts.subarray(48), ciphertexts.subarray(0, 48)]) };
    for (const receiver of receivers) {
      expect(subShareOf(terms, 5, turned, receiver.index, pointOf(receiver))).toBeNull();
    }
  });

  test.each([0, 100, 255, 256, 300, 383])("with bit %i of the ciphertext changed are none", (bit) => {
    const changed = flipped(dealing, "ciphertexts", bit);
    expect(subShareOf(terms, 5, changed, 1, pointOf(first))).toBeNull();
    expect(subShareOf(terms, 5, changed, 300, pointOf(second))).not.toBeNull();
  });

  test.each<[string, (value: bigint) => Uint8Array]>([
    ["another scalar", (value) => group.scalars.encode((value + 1n) % n)],
    ["the opposite", (value) => group.scalars.encode(n - value)],
    ["zero", () => new Uint8Array(32)],
    ["no scalar", () => new Uint8Array(32).fill(255)],
  ])("are none where the dealer sent %s", (_, wrong) => {
    const sent = new Map([[300, wrong(valueAt(terms, coefficients, 300))]]);
    const bad = crafted(terms, 5, { coefficients, sent });
    expect(subShareOf(terms, 5, bad, 300, pointOf(second, bad.ephemeralKey))).toBeNull();
    expect(subShareOf(terms, 5, bad, 1, pointOf(first, bad.ephemeralKey))).not.toBeNull();
  });

  test("of zero are none, though that is what the commitments say", () => {
    const zero = crafted(terms, 5, { coefficients: [n - 300n, 1n] });
    expect(subShareOf(terms, 5, zero, 300, pointOf(second, zero.ephemeralKey))).toBeNull();
    expect(subShareOf(terms, 5, zero, 1, pointOf(first, zero.ephemeralKey))).not.toBeNull();
  });

  test("are other ciphertexts for other receivers, and as long as they are said to be", () => {
    const share = new Share(1, secretOf(group, 7n));
    const digest = named("digest");
    const sealed = terms.receivers.map((receiver) =>
      hex(sealSubShare({ digest, ephemeralKey: dealing.ephemeralKey, receiver }, share, group.generator)),
    );
    expect(new Set(sealed).size).toBe(2);
    expect(sealed.map((text) => text.length)).toEqual([96, 96]);
    expect(numberOf(group, share.secret)).toBe(7n);
  });

  test("go to receivers of the session only", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    for (const receiver of [0, 2, 301, -1]) {
      expect(() => subShareOf(terms, 5, dealing, receiver, pointOf(first))).toThrow(refused);
    }
  });
});
