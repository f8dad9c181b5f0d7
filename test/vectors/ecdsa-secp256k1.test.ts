/** ECDSA over secp256k1: Wycheproof's signatures and those of RFC 6979's collections, verified in batches, and made. */
import { createHash } from "node:crypto";
import { DER } from "@noble/curves/abstract/weierstrass.js";
import { expect, test } from "vitest";
import { HmacSha256 } from "../../src/engine/hmac-sha256.ts";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { DeterministicNonces } from "../../src/keys/deterministic-nonces.ts";
import { Ecdsa } from "../../src/keys/ecdsa.ts";
import { Secret } from "../../src/secret.ts";
import { describeVectors, readVectors } from "./read.ts";

/** What is verified, each in hex: of 32, 64 and 33 bytes. */
interface Signature {
  readonly name: string;
  readonly hash: string;
  readonly signature: string;
  readonly key: string;
}

interface WycheproofFile {
  readonly testGroups: readonly {
    readonly publicKey: { readonly wx: string; readonly wy: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly msg: string;
      readonly sig: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

interface Rfc6979File {
  readonly valid: readonly { readonly d: string; readonly m: string; readonly signature: string }[];
  readonly invalid: {
    readonly sign: readonly { readonly description: string; readonly d: string; readonly m: string }[];
    readonly verify: readonly {
      readonly description: string;
      readonly Q: string;
      readonly m: string;
      readonly signature: string;
      readonly strict?: boolean;
    }[];
  };
  readonly extraEntropy: readonly Readonly<Record<string, string>>[];
}

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const secp256k1 = new Secp256k1();
const ecdsa = new Ecdsa(secp256k1);

/** The signature that is made of a hash, all in hex. */
function made(d: string, hash: string): string {
  using key = new Secret(Uint8Array.from(Buffer.from(d, "hex")));
  return Buffer.from(ecdsa.sign(key, Buffer.from(hash, "hex"))).toString("hex");
}

/** The names of those that are not valid. */
function refused(signatures: readonly Signature[]): string[] {
  const column = (of: (signature: Signature) => string): Buffer => Buffer.from(signatures.map(of).join(""), "hex");
  const invalid = secp256k1.invalidSignatures(
    column(({ hash }) => hash),
    column(({ signature }) => signature),
    column(({ key }) => key),
  );
  return invalid.map((i) => signatures[i]!.name);
}

function modulo(hex: string): bigint {
  return BigInt(`0x${hex}`) % ORDER;
}

function hex32(x: bigint): string {
  return x.toString(16).padStart(64, "0");
}

/** r and s of a DER signature; undefined where it is malformed, or one of them takes more than 32 bytes. */
function fromDer(der: string): string | undefined {
  try {
    const { r, s } = DER.toSig(Buffer.from(der, "hex"));
    return r < 2n ** 256n && s < 2n ** 256n ? hex32(r) + hex32(s) : undefined;
  } catch {
    return undefined;
  }
}

function wycheproof(): (Signature & { readonly valid: boolean; readonly wellFormed: boolean })[] {
  const path = "fixtures/curves/wycheproof/ecdsa_secp256k1_sha256_test.json";
  const file = JSON.parse(readVectors(path).toString("utf8")) as WycheproofFile;
  return file.testGroups.flatMap(({ publicKey: { wx, wy }, tests }) =>
    tests.map(({ tcId, comment, msg, sig, result }) => {
      const signature = fromDer(sig);
      return {
        name: `${tcId}: ${comment}`,
        hash: createHash("sha256").update(Buffer.from(msg, "hex")).digest("hex"),
        signature: signature ?? "",
        key: `0${2n + (BigInt(`0x${wy}`) & 1n)}${hex32(BigInt(`0x${wx}`))}`,
        valid: result === "valid",
        wellFormed: signature !== undefined,
      };
    }),
  );
}

describeVectors("Wycheproof ecdsa_secp256k1_sha256", () => {
  test("every signature that is DER is valid or not as its vector says", () => {
    const all = wycheproof();
    expect(all.length).toBe(240);
    expect(all.filter(({ valid, wellFormed }) => valid && !wellFormed)).toEqual([]);
    const asked = all.filter(({ wellFormed }) => wellFormed);
    expect(asked.length).toBe(109);
    const invalid = asked.filter(({ valid }) => !valid);
    expect(invalid.length).toBe(38);
    expect(refused(asked)).toEqual(invalid.map(({ name }) => name));
  });
});

describeVectors("ECDSA signatures of RFC 6979's collections", () => {
  const file = (): Rfc6979File =>
    JSON.parse(readVectors("fixtures/curves/secp256k1-ecdsa-rfc6979.json.gz").toString("utf8")) as Rfc6979File;

  /** The signatures of a case, by whatever name. */
  function signed(): Signature[] {
    const { valid, extraEntropy } = file();
    const all = [...valid, ...extraEntropy].map((vector) => ({ ...vector })) as Readonly<Record<string, string>>[];
    const keys = secp256k1.publicKeys(Buffer.from(all.map(({ d }) => d).join(""), "hex"));
    expect(keys.invalid).toEqual([]);
    return all.flatMap(({ d: _, m, description: __, ...signatures }, i) =>
      Object.entries(signatures).map(([name, signature]) => ({
        name: `${name} ${i}`,
        hash: m!,
        signature,
        key: Buffer.from(keys.points.subarray(33 * i, 33 * (i + 1))).toString("hex"),
      })),
    );
  }

  test("all are valid, with s and with n − s", () => {
    const all = signed();
    expect(all.length).toBeGreaterThan(1_015);
    expect(refused(all)).toEqual([]);
    const other = all.map((each) => ({
      ...each,
      signature: each.signature.slice(0, 64) + hex32(ORDER - BigInt(`0x${each.signature.slice(64)}`)),
    }));
    expect(refused(other)).toEqual([]);
  });

  test("none is valid for the hash of the next, or its key", () => {
    const all = signed();
    for (const what of ["hash", "key"] as const) {
      const changed = all.flatMap((each, i) => {
        const next = all[(i + 1) % all.length]!;
        // Among the hashes are 0 and n, which are one, and for which opposite keys are.
        const same =
          what === "hash" ? modulo(next.hash) === modulo(each.hash) : next.key.slice(2) === each.key.slice(2);
        return same ? [] : [{ ...each, [what]: next[what] }];
      });
      expect(changed.length).toBeGreaterThan(900);
      expect(refused(changed)).toEqual(changed.map(({ name }) => name));
    }
  });

  test("what is to be refused is; a larger s is the caller's business", () => {
    const asked = file().invalid.verify.filter(({ Q }) => Q.length === 66);
    expect(asked.length).toBe(14);
    const all = asked.map(({ description, Q, m, signature }, i) => ({
      name: `${i} ${description}`,
      hash: m,
      signature,
      key: Q,
    }));
    expect(refused(all)).toEqual(all.flatMap(({ name }, i) => (asked[i]!.strict === true ? [] : [name])));
  });

  test("are what is made under their keys, byte for byte", () => {
    const { valid, extraEntropy } = file();
    expect(valid.length).toBe(1_010);
    for (const { d, m, signature } of valid) expect(made(d, m)).toBe(signature);
    for (const { d, m, signature } of extraEntropy) expect(made(d!, m!)).toBe(signature);
  });

  test("are not made under what is no key", () => {
    const { sign } = file().invalid;
    expect(sign.length).toBeGreaterThan(2);
    for (const { d, m } of sign)
      expect(() => made(d, m)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describeVectors("nonces of RFC 6979's collection", () => {
  test("come out in their order: the first, second and sixteenth", () => {
    const path = "fixtures/curves/noble-secp256k1/rfc6979.json";
    const vectors = JSON.parse(readVectors(path).toString("utf8")) as Readonly<
      Record<"message" | "d" | "k0" | "k1" | "k15", string>
    >[];
    expect(vectors.length).toBeGreaterThan(4);
    const hmac = new HmacSha256();
    for (const { message, d, k0, k1, k15 } of vectors) {
      using key = new Secret(Uint8Array.from(Buffer.from(d, "hex")));
      const hash = createHash("sha256").update(message).digest("hex");
      using nonces = new DeterministicNonces(hmac, key, Buffer.from(hex32(modulo(hash)), "hex"));
      const all = Array.from({ length: 16 }, () => {
        using nonce = nonces.next();
        return nonce.use((bytes) => Buffer.from(bytes).toString("hex"));
      });
      expect([all[0], all[1], all[15]]).toEqual([k0, k1, k15]);
    }
  });
});

describeVectors("Wycheproof's messages", () => {
  test("have signatures of our own that verify, and none is another's", () => {
    const hashes = [...new Set(wycheproof().map(({ hash }) => hash))];
    expect(hashes.length).toBeGreaterThan(3);
    const keys = ["1", "2", "f".repeat(31), hex32(ORDER - 1n)].map((d) => d.padStart(64, "0"));
    const all = keys.flatMap((d) => {
      const key = Buffer.from(secp256k1.publicKeys(Buffer.from(d, "hex")).points).toString("hex");
      return hashes.map((hash) => ({ name: `${d} ${hash}`, hash, signature: made(d, hash), key }));
    });
    expect(refused(all)).toEqual([]);
    const moved = all.map((each, i) => ({ ...each, signature: all[(i + 1) % all.length]!.signature }));
    expect(refused(moved)).toEqual(all.map(({ name }) => name));
  });
});
