import crypto, { randomBytes } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import fc from "fast-check";
import { afterEach, describe, expect, test, vi } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { SECP256K1_SCALARS } from "../../src/keys/scalars.ts";
import { MessageSequences } from "../../src/pruntime/message-sequences.ts";
import {
  MESSAGE_BODY_BYTES_MAX,
  MESSAGE_OVERHEAD,
  type MessageToOpen,
  readMessageHeader,
  sealMessage,
} from "../../src/pruntime/sealed-message.ts";
import type { Secret } from "../../src/secret.ts";
import { CURVE, publicOf } from "../protocol/network.ts";
import {
  ALICE,
  BOB,
  GENESIS,
  open,
  pointBytes,
  publishedKeys,
  sealed,
  secretBytes,
  textOf,
} from "./message-parties.ts";
import { referenceOpen, referenceSeal, signedAnew } from "./reference-message.ts";

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

const KEYS = publishedKeys();
const ECDH_KEY = KEYS.current!.publicKey;
const ecdhSecret = KEYS.secretOf(ECDH_KEY)!.use((bytes) => Uint8Array.from(bytes));
const { order } = SECP256K1_SCALARS;

/** Why a message does not open; null if it does. */
function reasonOf(bytes: Uint8Array, changes: Partial<MessageToOpen> = {}): string | null {
  try {
    open(bytes, KEYS, changes).body[Symbol.dispose]();
    return null;
  } catch (error) {
    if (!(error instanceof GatekeeperError) || error.code !== "MESSAGE_INVALID") throw error;
    return String(error.detail["reason"]);
  }
}

function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= 1 << bit;
  return copy;
}

const aliceSigns = (bytes: Uint8Array): Uint8Array => signedAnew(GENESIS, secretBytes("alice"), bytes);

describe("a sealed message", () => {
  const bodies = fc.uint8Array({ maxLength: 300 });
  const sequences = fc.bigInt(1n, (1n << 64n) - 1n);
  const scalars = fc.bigInt(1n, order - 1n).map((value) => SECP256K1_SCALARS.encode(value));
  const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size });

  test("is what its description says: an implementation of its own opens it", () => {
    const opens = (body: Uint8Array, sequence: bigint): void => {
      const message = sealed(ECDH_KEY, body, sequence);
      expect(message.length).toBe(body.length + MESSAGE_OVERHEAD);
      expect(referenceOpen(GENESIS, ecdhSecret, message)).toEqual({
        sender: pointBytes(ALICE.publicKey),
        recipient: pointBytes(BOB.publicKey),
        ecdhKey: pointBytes(ECDH_KEY),
        sequence,
        body,
      });
    };
    fc.assert(fc.property(bodies, sequences, opens), { numRuns: 30 });
  });

  test("opens if an implementation of its own has sealed it", () => {
    const opens = (
      genesis: Uint8Array,
      ephemeralSecret: Uint8Array,
      nonce: Uint8Array,
      body: Uint8Array,
      sequence: bigint,
    ): void => {
      const message = referenceSeal({
        genesis,
        senderSecret: secretBytes("alice"),
        recipient: pointBytes(BOB.publicKey),
        ecdhKey: pointBytes(ECDH_KEY),
        sequence,
        ephemeralSecret,
        nonce,
        body,
      });
      const opened = open(message, KEYS, { genesisHash: genesis });
      using own = opened.body;
      expect([opened.sender, opened.sequence]).toEqual([ALICE.publicKey, sequence]);
      expect(own.use((got) => Buffer.compare(got, body))).toBe(0);
    };
    fc.assert(fc.property(bytes(32), scalars, bytes(12), bodies, sequences, opens), { numRuns: 30 });
  });

  test("says in its header who sends what to whom, before anything is verified", () => {
    expect(readMessageHeader(sealed(ECDH_KEY, Buffer.from("x"), 0x0102030405060708n))).toEqual({
      sender: ALICE.publicKey,
      recipient: BOB.publicKey,
      ecdhKey: ECDH_KEY,
      sequence: 0x0102030405060708n,
      ephemeralKey: expect.stringMatching(/^0x0[23][0-9a-f]{64}$/),
      nonce: expect.any(Uint8Array),
    });
  });

  test("has an ephemeral key and a nonce of its own each time, and so another ciphertext", () => {
    const messages = Array.from({ length: 50 }, () => sealed(ECDH_KEY));
    const headers = messages.map((message) => readMessageHeader(message)!);
    expect(new Set(headers.map(({ ephemeralKey }) => ephemeralKey)).size).toBe(50);
    expect(new Set(headers.map(({ nonce }) => toHex(nonce))).size).toBe(50);
    expect(new Set(messages.map((message) => toHex(message.subarray(153, 157)))).size).toBe(50);
  });

  test.each([0, 1, 15, 16, 17, MESSAGE_BODY_BYTES_MAX - 1, MESSAGE_BODY_BYTES_MAX])("has %d bytes", (size) => {
    const body = randomBytes(size);
    const before = Buffer.from(body);
    const message = sealed(ECDH_KEY, body);
    expect(body.equals(before)).toBe(true);
    using own = open(message, KEYS).body;
    expect(own.length).toBe(size);
    expect(own.use((got) => body.equals(got))).toBe(true);
  });

  test("has no more bytes than may be, neither when it is sealed nor when it is opened", () => {
    const body = new Uint8Array(MESSAGE_BODY_BYTES_MAX + 1);
    expect(() => sealed(ECDH_KEY, body)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    const longest = sealed(ECDH_KEY, body.subarray(1));
    expect(reasonOf(Buffer.concat([longest, Buffer.of(0)]))).toBe("Malformed");
    expect(reasonOf(longest)).toBeNull();
  });

  test("is sealed to a point, from a sequence of 1 on, on a chain", () => {
    const message = {
      curve: CURVE,
      genesisHash: GENESIS,
      sender: ALICE,
      recipient: { identityKey: BOB.publicKey, ecdhKey: ECDH_KEY },
      sequence: 1n,
      body: Buffer.from("x"),
    };
    const noPoint = { identityKey: BOB.publicKey, ecdhKey: `0x02${"00".repeat(31)}05` };
    const refused = (code: string) => expect.objectContaining({ code });
    expect(() => sealMessage({ ...message, recipient: noPoint })).toThrow(refused("ELEMENT_INVALID"));
    for (const sequence of [0n, -1n, 1n << 64n]) {
      expect(() => sealMessage({ ...message, sequence })).toThrow(refused("INVALID_ARGUMENT"));
    }
    for (const size of [0, 31, 33]) {
      const genesisHash = new Uint8Array(size);
      expect(() => sealMessage({ ...message, genesisHash })).toThrow(refused("INVALID_ARGUMENT"));
    }
  });
});

describe("a message is refused", () => {
  const message = sealed(ECDH_KEY, Buffer.from("sixteen and more"), 1n << 40n);

  test("with any bit flipped, for the reason that belongs to its place", () => {
    const at = (from: number, size: number) => (place: number) => place >= from && place < from + size;
    const places: readonly [(place: number) => boolean, readonly string[]][] = [
      [at(0, 1), ["Malformed"]],
      // The first byte of a key says which y it has, and nothing else than 2 or 3.
      [at(1, 1), ["Malformed", "UnknownSender"]],
      [at(2, 32), ["UnknownSender"]],
      [at(34, 1), ["Malformed", "NotForUs"]],
      [at(35, 32), ["NotForUs"]],
      [at(67, 1), ["Malformed", "BadSignature"]],
      [at(108, 1), ["Malformed", "BadSignature"]],
      [() => true, ["BadSignature"]],
    ];
    expect(reasonOf(message)).toBeNull();
    for (let place = 0; place < message.length; place++) {
      const [, reasons] = places.find(([holds]) => holds(place))!;
      for (let bit = 0; bit < 8; bit++) {
        const reason = reasonOf(flipped(message, place, bit));
        expect(reasons, `byte ${place}, bit ${bit}`).toContain(reason);
        if (reasons.length > 1) expect(reason === "Malformed", `byte ${place}, bit ${bit}`).toBe(bit !== 0);
      }
    }
  });

  test("with any byte changed that its sender has signed", () => {
    const reasons = (from: number, size: number): Set<string | null> =>
      new Set(Array.from({ length: size }, (_, i) => reasonOf(aliceSigns(flipped(message, from + i, i % 8)))));
    expect(reasonOf(aliceSigns(message))).toBeNull();
    expect(reasons(68, 32)).toEqual(new Set(["UnknownEcdhKey"]));
    expect(reasons(100, 8)).toEqual(new Set(["BadTag"]));
    // Half of all x belong to no point.
    expect(reasons(109, 32)).toEqual(new Set(["Malformed", "BadTag"]));
    expect(reasonOf(aliceSigns(flipped(message, 108, 0)))).toBe("BadTag");
    expect(reasons(141, 12)).toEqual(new Set(["BadTag"]));
    expect(reasons(153, message.length - 153 - 64)).toEqual(new Set(["BadTag"]));
  });

  test("cut off anywhere, or longer, or with something before it", () => {
    for (let length = 0; length < message.length; length++) {
      const expected = length < MESSAGE_OVERHEAD ? "Malformed" : "BadSignature";
      expect(reasonOf(message.subarray(0, length)), `${length} bytes`).toBe(expected);
    }
    expect(reasonOf(Buffer.concat([message, Buffer.of(0)]))).toBe("BadSignature");
    expect(reasonOf(Buffer.concat([Buffer.of(1), message]))).toBe("Malformed");
    // Cut or filled up by the sender himself.
    expect(reasonOf(aliceSigns(message.subarray(0, -1)))).toBe("BadTag");
    expect(reasonOf(aliceSigns(Buffer.concat([message, Buffer.of(0)])))).toBe("BadTag");
  });

  test("by another recipient, on another chain, and from a sender who is not known", () => {
    expect(reasonOf(message, { recipient: ALICE.publicKey })).toBe("NotForUs");
    expect(reasonOf(message, { genesisHash: new Uint8Array(32).fill(8) })).toBe("BadSignature");
    expect(reasonOf(message, { isKnown: () => false })).toBe("UnknownSender");
    const elsewhere = publishedKeys();
    expect(reasonOf(message, { ecdhKeys: elsewhere })).toBe("UnknownEcdhKey");
  });

  test("on another chain also if its sender signs it for that chain", () => {
    const genesisHash = new Uint8Array(32).fill(8);
    const moved = signedAnew(genesisHash, secretBytes("alice"), message);
    expect(reasonOf(moved, { genesisHash })).toBe("BadTag");
  });

  test("with the other signature, that of n − s", () => {
    const s = BigInt(toHex(message.subarray(-32)));
    const other = Uint8Array.from(message);
    other.set(SECP256K1_SCALARS.encode(order - s), other.length - 32);
    expect(reasonOf(other)).toBe("BadSignature");
  });

  test("if somebody puts his name and signature in the place of the sender's", () => {
    const taken = Uint8Array.from(message);
    taken.set(pointBytes(publicOf("mallory")), 1);
    const isKnown = (): boolean => true;
    expect(reasonOf(signedAnew(GENESIS, secretBytes("mallory"), taken), { isKnown })).toBe("BadTag");
  });

  test("if somebody who got it passes it on as the sender's to another", () => {
    const passed = Uint8Array.from(message);
    passed.set(pointBytes(publicOf("carol")), 34);
    expect(reasonOf(passed, { recipient: publicOf("carol") })).toBe("BadSignature");
  });

  test("if who has the recipient's keys seals it in another's name", () => {
    const forged = referenceSeal({
      genesis: GENESIS,
      senderSecret: secretBytes("alice"),
      recipient: pointBytes(BOB.publicKey),
      ecdhKey: pointBytes(ECDH_KEY),
      sequence: 5n,
      ephemeralSecret: ecdhSecret,
      nonce: new Uint8Array(12),
      body: Buffer.from("x"),
    });
    expect(reasonOf(forged)).toBeNull();
    for (const secret of [secretBytes("bob"), ecdhSecret]) {
      expect(reasonOf(signedAnew(GENESIS, secret, forged))).toBe("BadSignature");
    }
  });

  test("before a secret is computed with, if it is not signed", () => {
    const multiply = vi.spyOn(CURVE, "multiplyAll");
    expect(reasonOf(flipped(message, 120, 0))).toBe("BadSignature");
    expect(multiply).not.toHaveBeenCalled();
    expect(reasonOf(message)).toBeNull();
    expect(multiply).toHaveBeenCalledTimes(1);
  });

  test("when it comes again, or after a far later one, and then for good", () => {
    let sequences = new MessageSequences();
    const arrives = (sequence: bigint): string | null =>
      reasonOf(sealed(ECDH_KEY, Buffer.of(1), sequence), { sequences });
    expect([1n, 3n, 2n, 3n, 2n].map(arrives)).toEqual([null, null, null, "Replayed", "Replayed"]);
    expect([70n, 6n, 7n, 4n].map(arrives)).toEqual([null, "Replayed", null, "Replayed"]);
    sequences = MessageSequences.decode(sequences.encode());
    expect([70n, 7n, 8n, 71n].map(arrives)).toEqual(["Replayed", "Replayed", null, null]);
  });

  test("and not remembered: a right one of the same sequence opens behind it", () => {
    const sequences = new MessageSequences();
    expect(reasonOf(flipped(message, 160, 0), { sequences })).toBe("BadSignature");
    expect(reasonOf(aliceSigns(flipped(message, 160, 0)), { sequences })).toBe("BadTag");
    expect(reasonOf(message, { sequences })).toBeNull();
    expect(reasonOf(message, { sequences })).toBe("Replayed");
  });

  test("when it is of one sender more than are remembered", () => {
    const sequences = new MessageSequences();
    vi.spyOn(sequences, "refusal").mockReturnValue("TooManySenders");
    expect(reasonOf(message, { sequences })).toBe("TooManySenders");
  });

  test("whatever the bytes are, without another error", () => {
    const header = message.subarray(0, 153);
    const begun = fc.uint8Array({ maxLength: 400 }).map((rest) => Uint8Array.from(Buffer.concat([header, rest])));
    const cases = fc.oneof(fc.uint8Array({ maxLength: 600 }), begun);
    const refuses = (bytes: Uint8Array): void => {
      readMessageHeader(bytes);
      expect(reasonOf(bytes)).toEqual(expect.any(String));
    };
    fc.assert(fc.property(cases, refuses), { numRuns: 300 });
  });
});

describe("secrets of a message", () => {
  /** What is left afterwards of the shared points, derived keys and copies of these that are made while `body` runs. */
  function left(body: () => void): Readonly<Record<"points" | "keys" | "copies", Uint8Array[]>> {
    const points: Uint8Array[] = [];
    const keys: Uint8Array[] = [];
    const copies: Uint8Array[] = [];
    const { multiplyAll } = CURVE;
    vi.spyOn(CURVE, "multiplyAll").mockImplementation((elements, scalar) => {
      const answer = multiplyAll.call(CURVE, elements, scalar);
      points.push(answer.points);
      return answer;
    });
    const { hkdfSync } = crypto;
    vi.spyOn(crypto, "hkdfSync").mockImplementation((...args) => {
      const key = hkdfSync(...args);
      keys.push(new Uint8Array(key));
      return key;
    });
    const { createSecretKey } = crypto;
    vi.spyOn(crypto, "createSecretKey").mockImplementation((key: unknown) => {
      copies.push(key as Uint8Array);
      return createSecretKey(key as Uint8Array);
    });
    syncBuiltinESMExports();
    body();
    return { points, keys, copies };
  }

  test("are wiped when it was sealed: the ephemeral key, the shared point, the derived key", () => {
    const random = vi.spyOn(SECP256K1_SCALARS, "random");
    const { points, keys, copies } = left(() => void sealed(ECDH_KEY));
    // The ephemeral key, and what blinds the signature.
    const secrets = random.mock.results.map(({ value }) => value as Secret);
    expect(secrets.length).toBe(2);
    for (const secret of secrets) expect(() => secret.use(() => 0)).toThrow("wiped");
    expect(points).toEqual([new Uint8Array(33)]);
    expect(keys).toEqual([new Uint8Array(32)]);
    expect(copies).toEqual([new Uint8Array(32)]);
  });

  test("are wiped when it was opened, or its tag was wrong; the body is the caller's", () => {
    const message = sealed(ECDH_KEY, Buffer.from("the body"));
    const { points, keys, copies } = left(() => {
      expect(textOf(open(message, KEYS))).toBe("the body");
      expect(reasonOf(aliceSigns(flipped(message, 155, 3)))).toBe("BadTag");
    });
    expect(points).toEqual([new Uint8Array(33), new Uint8Array(33)]);
    expect(keys).toEqual([new Uint8Array(32), new Uint8Array(32)]);
    expect(copies).toEqual([new Uint8Array(32), new Uint8Array(32)]);
    expect(KEYS.secretOf(ECDH_KEY)!.use((bytes) => toHex(bytes))).toBe(toHex(ecdhSecret));
  });
});
