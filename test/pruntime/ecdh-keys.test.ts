import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import { ECDH_INTERVALS_KEPT } from "../../src/protocol/genesis.ts";
import { checkRules } from "../../src/protocol/genesis-rules.ts";
import { EcdhKeys, KEPT_ECDH_KEYS_MAX } from "../../src/pruntime/ecdh-keys.ts";
import { Secret } from "../../src/secret.ts";
import { CURVE, genesisOf } from "../protocol/network.ts";
import { OVERLAP, open, publishedKeys, sealed, textOf } from "./message-parties.ts";

const refused = (code: string) => expect.objectContaining({ code });
const unavailable = refused("KEY_UNAVAILABLE");

/** As a pRuntime has them that was started again. */
function restarted(keys: EcdhKeys): EcdhKeys {
  using encoded = keys.encode();
  return EcdhKeys.decode(CURVE, OVERLAP, encoded);
}

function decoded(bytes: Uint8Array): EcdhKeys {
  using encoded = new Secret(Uint8Array.from(bytes));
  return EcdhKeys.decode(CURVE, OVERLAP, encoded);
}

function encodedBytes(keys: EcdhKeys): Uint8Array {
  using encoded = keys.encode();
  return encoded.use((bytes) => Uint8Array.from(bytes));
}

describe("EcdhKeys", () => {
  test("are pending, then current, then kept for the overlap, then no more", () => {
    using keys = EcdhKeys.create(CURVE, OVERLAP);
    const first = keys.pending!;
    expect(keys.current).toBeNull();
    keys.published(first, 100);
    expect([keys.pending, keys.current]).toEqual([null, { publicKey: first, since: 100 }]);
    const second = keys.rotate();
    expect([keys.pending, keys.current?.publicKey]).toEqual([second, first]);
    keys.published(second, 150);
    expect([keys.pending, keys.current]).toEqual([null, { publicKey: second, since: 150 }]);
    expect(keys.destroyExpired(150 + OVERLAP - 1)).toEqual([]);
    expect(keys.secretOf(first)).toBeDefined();
    expect(keys.destroyExpired(150 + OVERLAP)).toEqual([first]);
    expect(keys.secretOf(first)).toBeUndefined();
    expect(keys.secretOf(second)).toBeDefined();
    expect(keys.destroyExpired(0xffff_ffff)).toEqual([]);
  });

  test("have the secret of every public key, lent", () => {
    using keys = publishedKeys();
    for (const publicKey of [keys.current!.publicKey, keys.rotate()]) {
      expect(toHex(keys.secretOf(publicKey)!.use((bytes) => secp256k1.getPublicKey(bytes)))).toBe(publicKey);
    }
    expect(keys.secretOf(`0x02${"00".repeat(32)}`)).toBeUndefined();
  });

  test("keep the pending key until it is published, so that publishing can be tried again", () => {
    using keys = publishedKeys();
    const pending = keys.rotate();
    expect(keys.rotate()).toBe(pending);
    using later = restarted(keys);
    expect([later.pending, later.rotate()]).toEqual([pending, pending]);
    later.published(pending, 5);
    expect(later.rotate()).not.toBe(pending);
  });

  test("are told what the ledger says as often as one likes, and refuse what is not theirs", () => {
    using keys = publishedKeys();
    const [first, second] = [keys.current!.publicKey, keys.rotate()];
    keys.published(first, 3);
    expect(keys.current).toEqual({ publicKey: first, since: 0 });
    expect(keys.pending).toBe(second);
    keys.published(second, 4);
    keys.published(second, 9);
    expect(keys.current).toEqual({ publicKey: second, since: 4 });
    using others = publishedKeys();
    for (const foreign of [others.current!.publicKey, first]) {
      expect(() => keys.published(foreign, 10)).toThrow(unavailable);
    }
    expect(keys.current).toEqual({ publicKey: second, since: 4 });
  });

  test("are kept so many at a time: then none is made until one has expired", () => {
    using keys = publishedKeys();
    for (let height = 1; height <= KEPT_ECDH_KEYS_MAX; height++) keys.published(keys.rotate(), height);
    expect(() => keys.rotate()).toThrow(refused("INVALID_ARGUMENT"));
    expect(keys.pending).toBeNull();
    using same = restarted(keys);
    expect(() => same.rotate()).toThrow(refused("INVALID_ARGUMENT"));
    expect(same.destroyExpired(1 + OVERLAP)).toHaveLength(1);
    expect(same.rotate()).toBe(same.pending);
  });

  test("are never too many where they change as often, and open as long, as a genesis allows", () => {
    const interval = 3;
    const overlap = ECDH_INTERVALS_KEPT * interval;
    expect(() => checkRules(genesisOf({ ecdhKeys: { interval, overlap } }))).not.toThrow();
    expect(() => checkRules(genesisOf({ ecdhKeys: { interval, overlap: overlap + 1 } }))).toThrow(
      refused("GENESIS_INVALID"),
    );
    using keys = EcdhKeys.create(CURVE, overlap);
    let most = 0;
    for (let height = 0; height <= 3 * overlap; height++) {
      // As a pRuntime does with each block: what is published comes first, then what is over goes.
      if (keys.pending !== null) keys.published(keys.pending, height);
      keys.destroyExpired(height);
      using encoded = keys.encode();
      most = Math.max(
        most,
        encoded.use((bytes) => bytes[3]!),
      );
      if (height + 1 - keys.current!.since >= interval) keys.rotate();
    }
    expect(most).toBe(ECDH_INTERVALS_KEPT);
  });

  test("are kept no longer than heights go", () => {
    using keys = publishedKeys();
    const first = keys.current!.publicKey;
    keys.published(keys.rotate(), 0xffff_fffe);
    using same = restarted(keys);
    expect(same.destroyExpired(0xffff_fffe)).toEqual([]);
    expect(same.destroyExpired(0xffff_ffff)).toEqual([first]);
  });

  test("have whole heights below 2^32", () => {
    using keys = publishedKeys();
    for (const height of [-1, 0.5, 2 ** 32, Number.NaN]) {
      expect(() => keys.published(keys.current!.publicKey, height)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => keys.destroyExpired(height)).toThrow(refused("INVALID_ARGUMENT"));
      expect(() => EcdhKeys.create(CURVE, height)).toThrow(refused("INVALID_ARGUMENT"));
    }
  });

  test("are the same when they were encoded and decoded, at any time", () => {
    const steps = fc.array(fc.constantFrom("rotate", "publish", "expire", "restart"), { maxLength: 25 });
    const agrees = (all: readonly string[]): void => {
      let keys = EcdhKeys.create(CURVE, OVERLAP);
      let height = 0;
      // Public keys that must open, with the height from which on they need not.
      const held = new Map<string, number>([[keys.pending!, Infinity]]);
      for (const step of all) {
        height += 3;
        const [pending, current] = [keys.pending, keys.current];
        if (step === "rotate") {
          const full = [...held.values()].filter((until) => until !== Infinity).length === KEPT_ECDH_KEYS_MAX;
          if (pending === null && full) expect(() => keys.rotate()).toThrow();
          else held.set(keys.rotate(), Infinity);
        } else if (step === "publish" && pending !== null) {
          keys.published(pending, height);
          if (current !== null) held.set(current.publicKey, height + OVERLAP);
        } else if (step === "expire") {
          const expired = [...held].filter(([, until]) => until <= height).map(([publicKey]) => publicKey);
          expect(keys.destroyExpired(height)).toEqual(expired);
          for (const publicKey of expired) {
            held.delete(publicKey);
            expect(keys.secretOf(publicKey)).toBeUndefined();
          }
        } else if (step === "restart") {
          const before = encodedBytes(keys);
          const next = restarted(keys);
          expect([next.pending, next.current]).toEqual([pending, current]);
          expect(encodedBytes(next)).toEqual(before);
          keys[Symbol.dispose]();
          keys = next;
        }
        for (const publicKey of held.keys()) expect(keys.secretOf(publicKey)).toBeDefined();
      }
      keys[Symbol.dispose]();
    };
    fc.assert(fc.property(steps, agrees), { numRuns: 60 });
  });

  test("have the bytes that their description says", () => {
    const scalar = (value: bigint): Uint8Array => SECP256K1_SCALARS.encode(value);
    const bytes = Buffer.concat([
      Uint8Array.of(1, 1, 1, 2),
      scalar(11n),
      scalar(22n),
      Uint8Array.of(4, 3, 2, 1),
      scalar(33n),
      Uint8Array.of(20, 0, 0, 0),
      scalar(44n),
      Uint8Array.of(30, 0, 0, 0),
    ]);
    using keys = decoded(bytes);
    const publicOf = (value: bigint): string => toHex(secp256k1.getPublicKey(scalar(value)));
    expect([keys.pending, keys.current]).toEqual([publicOf(11n), { publicKey: publicOf(22n), since: 0x01020304 }]);
    expect(encodedBytes(keys)).toEqual(Uint8Array.from(bytes));
    expect([keys.destroyExpired(20), keys.destroyExpired(30)]).toEqual([[publicOf(33n)], [publicOf(44n)]]);
  });

  test("are refused when they are other bytes", () => {
    using keys = publishedKeys();
    keys.published(keys.rotate(), 4);
    keys.rotate();
    const bytes = encodedBytes(keys);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decoded(bytes.subarray(0, length)), `${length} bytes`).toThrow(unavailable);
    }
    expect(() => decoded(Buffer.concat([bytes, Buffer.of(0)]))).toThrow(unavailable);
    for (const [at, value] of [
      [0, 0],
      [0, 2],
      [1, 2],
      [2, 0],
      [2, 2],
      [3, 0],
      [3, 255],
    ] as const) {
      expect(() => decoded(bytes.with(at, value)), `${value} at ${at}`).toThrow(unavailable);
    }
    // Neither a key that is none, nor none at all, nor a former one without one that came after it.
    const noScalar = Uint8Array.from(bytes);
    noScalar.fill(0, noScalar.length - 36, noScalar.length - 4);
    expect(() => decoded(noScalar)).toThrow(unavailable);
    expect(() => decoded(Uint8Array.of(1, 0, 0, 0))).toThrow(unavailable);
    expect(() => decoded(Buffer.concat([Buffer.of(1, 1, 0, 1), bytes.subarray(4, 72)]))).toThrow(unavailable);
  });

  test("are wiped when they are destroyed and disposed, and not before", () => {
    const keys = publishedKeys();
    const first = keys.current!.publicKey;
    const second = keys.rotate();
    keys.published(second, 1);
    const third = keys.rotate();
    const lent = [first, second, third].map((key) => keys.secretOf(key)!.use((bytes) => bytes));
    const wiped = (): boolean[] => lent.map((bytes) => bytes.every((byte) => byte === 0));
    using _ = keys.encode();
    expect(wiped()).toEqual([false, false, false]);
    keys.destroyExpired(1 + OVERLAP);
    expect(wiped()).toEqual([true, false, false]);
    keys[Symbol.dispose]();
    expect(wiped()).toEqual([true, true, true]);
    expect([keys.pending, keys.current, keys.secretOf(second)]).toEqual([null, null, undefined]);
  });
});

describe("forward secrecy", () => {
  const unknown = expect.objectContaining({ code: "MESSAGE_INVALID", detail: { reason: "UnknownEcdhKey" } });

  test("a message opens until its EcdhKey is destroyed, and never after, whatever is sealed from then on", () => {
    using keys = publishedKeys();
    const message = sealed(keys.current!.publicKey, Buffer.from("partials"));
    const former = keys.current!.publicKey;
    keys.published(keys.rotate(), 20);
    using stolenBefore = restarted(keys);
    keys.destroyExpired(20 + OVERLAP - 1);
    expect(textOf(open(message, keys))).toBe("partials");

    expect(keys.destroyExpired(20 + OVERLAP)).toEqual([former]);
    expect(() => open(message, keys)).toThrow(unknown);
    using sealedAfter = restarted(keys);
    expect(() => open(message, sealedAfter)).toThrow(unknown);
    const after = Buffer.from(encodedBytes(keys));

    // The control: what was sealed before the destruction has the key, and opens the message still.
    expect(textOf(open(message, stolenBefore))).toBe("partials");
    const scalar = stolenBefore.secretOf(former)!.use((bytes) => Buffer.from(bytes));
    expect(Buffer.from(encodedBytes(stolenBefore)).includes(scalar)).toBe(true);
    expect(after.includes(scalar)).toBe(false);
  });

  test("a message opens as soon as its key may be published, also in a pRuntime that starts again meanwhile", () => {
    using keys = publishedKeys();
    const next = keys.rotate();
    using sealedThen = keys.encode();
    const message = sealed(next, Buffer.from("early"));
    using started = EcdhKeys.decode(CURVE, OVERLAP, sealedThen);
    expect(textOf(open(message, started))).toBe("early");
    started.published(next, 7);
    expect(textOf(open(message, started))).toBe("early");
  });
});
