import { inspect } from "node:util";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { afterEach, describe, expect, test, vi } from "vitest";
import { fromHex, toHex } from "../../src/bytes.ts";
import { Ecdsa } from "../../src/keys/ecdsa.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import { IdentityKey } from "../../src/pruntime/identity-key.ts";
import { type Signer, accountSigner, signMessage, signRegistration } from "../../src/protocol/message.ts";
import { Secret } from "../../src/secret.ts";
import { CURVE, idOf, keyOf, publicOf } from "../protocol/network.ts";

afterEach(() => void vi.restoreAllMocks());

const GENESIS = new Uint8Array(32).fill(3);
const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });

describe("an IdentityKey", () => {
  test("signs messages and registrations byte for byte as an account with its key does", () => {
    using identity = new IdentityKey(keyOf("enclave").clone(), CURVE);
    expect(identity.publicKey).toBe(publicOf("enclave"));
    const registered = {
      identityKey: identity.publicKey,
      ecdhKey: publicOf("ecdh"),
      attestation: Uint8Array.of(1, 2),
      sequence: 4,
    };
    const account = accountSigner(keyOf("enclave"));
    const message = (signer: Signer) =>
      signMessage(signer, GENESIS, 5, { tag: "setEcdhKey", value: registered.ecdhKey });
    const registration = (signer: Signer) => signRegistration(signer, GENESIS, idOf("a"), registered);
    expect(toHex(message(identity))).toBe(toHex(message(account)));
    expect(registration(identity)).toEqual(registration(account));
  });

  test("is new each time that one is generated, and verifies under its public key", () => {
    using first = IdentityKey.generate();
    using second = IdentityKey.generate(CURVE);
    expect(first.publicKey).not.toBe(second.publicKey);
    const hash = new Uint8Array(32).fill(9);
    for (const key of [first, second]) {
      const publicKey = fromHex(key.publicKey, "a key");
      expect(secp256k1.verify(key.sign(hash), hash, publicKey, { prehash: false })).toBe(true);
      expect(toHex(key.use((scalar) => secp256k1.getPublicKey(scalar)))).toBe(key.publicKey);
    }
  });

  test("is wiped on dispose, and signs no more", () => {
    const secret = new Secret(SECP256K1_SCALARS.encode(5n));
    const identity = new IdentityKey(secret, CURVE);
    const lent = identity.use((bytes) => bytes);
    identity[Symbol.dispose]();
    expect(lent).toEqual(new Uint8Array(32));
    expect(() => identity.sign(new Uint8Array(32))).toThrow(unavailable);
    expect(() => identity.use(() => 0)).toThrow(unavailable);
  });

  test("takes its secret over also when it is none", () => {
    for (const bytes of [new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(31).fill(1)]) {
      const secret = new Secret(bytes);
      expect(() => new IdentityKey(secret, CURVE)).toThrow(unavailable);
      expect(() => secret.use(() => 0)).toThrow("wiped");
    }
    expect(() => new IdentityKey(new Secret(new Uint8Array(0)), CURVE)).toThrow(unavailable);
  });

  test("signs by Ecdsa, in constant time, once a message", () => {
    const constantTime = vi.spyOn(Ecdsa.prototype, "sign");
    using identity = new IdentityKey(keyOf("enclave").clone(), CURVE);
    signMessage(identity, GENESIS, 0, { tag: "chill", value: undefined });
    expect(constantTime).toHaveBeenCalledTimes(1);
  });

  test("shows nothing when it is printed", () => {
    using identity = new IdentityKey(new Secret(SECP256K1_SCALARS.encode(0xc9cacbn)), CURVE);
    expect(`${inspect(identity, { depth: 9, showHidden: true })} ${JSON.stringify(identity)}`).not.toMatch(
      /c9cacb|202/i,
    );
  });
});
