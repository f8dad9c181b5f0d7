import { secp256k1 } from "@noble/curves/secp256k1.js";
import { blake2b } from "@noble/hashes/blake2.js";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes.ts";
import { accountOf } from "../../src/protocol/account.ts";
import { type AuthenticMessage, Authenticator } from "../../src/protocol/authenticate.ts";
import type { Call } from "../../src/protocol/call.ts";
import { hasLowS, publicKeyOf, readMessage, signMessage, signRegistration } from "../../src/protocol/message.ts";
import { Secret } from "../../src/secret.ts";
import { CURVE, idOf, publicOf, signerOf } from "./network.ts";

const GENESIS = new Uint8Array(32).fill(1);
const CALL: Call = { tag: "transfer", value: { to: idOf("b"), amount: 70_000n } };
const reading = (messages: readonly Uint8Array[]) => new Authenticator(CURVE, GENESIS).authenticate(messages);
const read = (message: Uint8Array) => reading([message])[0]!;

describe("accounts", () => {
  test("are Substrate's: //Alice of its ecdsa scheme, 5C7C2Z5sWbytvHpuLTvzKunnnRwQxft1jiqrLD5rhucQ5S9X", () => {
    const alice = new Secret(fromHex("0xcb6df9de1efca7a3998a8ead4e02159d5fa99c3e0d4fd6432667390bb4726854", "a key"));
    expect(publicKeyOf(alice)).toBe("0x020a1091341fe5664bfa1782d5e04779689068c916b04cb365ec3153755684d9a1");
    expect(accountOf(publicKeyOf(alice))).toBe("0x01e552298e47454041ea31273b4b630c64c104e4514aa3643490b8aaca9cf8ed");
  });
});

describe("a message", () => {
  test("has the bytes that its description says, and the signature of who sends it", () => {
    const bytes = signMessage(signerOf("a"), GENESIS, 0x01020304, CALL);
    const body = bytes.subarray(0, -64);
    expect(toHex(body)).toBe(`${publicOf("a")}0403020100${idOf("b").slice(2)}c2450400`);
    const domain = blake2b(Buffer.concat([Buffer.from("gatekeeper/v1 message"), GENESIS]), { dkLen: 32 });
    const hash = blake2b(Buffer.concat([domain, body]), { dkLen: 32 });
    const signature = bytes.subarray(-64);
    expect(secp256k1.verify(signature, hash, fromHex(publicOf("a"), "a key"), { prehash: false })).toBe(true);
    expect(hasLowS(signature)).toBe(true);
    expect(read(bytes)).toEqual({
      signer: publicOf("a"),
      sender: idOf("a"),
      sequence: 0x01020304,
      call: CALL,
      proven: true,
      evidence: [],
    });
  });

  test("counts on one chain only", () => {
    const bytes = signMessage(signerOf("a"), new Uint8Array(32).fill(2), 0, CALL);
    expect(read(bytes)).toBe("BadSignature");
  });

  test("does not count with a bit flipped, anywhere", () => {
    const bytes = signMessage(signerOf("a"), GENESIS, 3, CALL);
    const flipped = Array.from({ length: bytes.length }, (_, at) => {
      const copy = bytes.slice();
      copy[at]! ^= 1 << (at % 8);
      return copy;
    });
    for (const what of reading(flipped)) expect(["Malformed", "BadSignature"]).toContain(what);
  });

  test("does not count with its other signature, that of n − s", () => {
    const bytes = signMessage(signerOf("a"), GENESIS, 3, CALL);
    const s = BigInt(toHex(bytes.subarray(-32)));
    const high = bytes.slice();
    high.set(fromHex(`0x${(secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, "0")}`, "s"), high.length - 32);
    expect(read(high)).toBe("BadSignature");
  });

  test("is none with something before, behind or missing, or too large", () => {
    const bytes = signMessage(signerOf("a"), GENESIS, 3, CALL);
    expect(read(bytes.subarray(1))).toBe("Malformed");
    expect(read(bytes.subarray(0, -1))).toBe("Malformed");
    expect(read(Buffer.concat([bytes, Uint8Array.of(0)]))).toBe("Malformed");
    expect(read(new Uint8Array(0))).toBe("Malformed");
    expect(read(new Uint8Array(65_537))).toBe("Oversized");
  });

  test("that is wrong does not touch its neighbours", () => {
    const good = (name: string) => signMessage(signerOf(name), GENESIS, 0, CALL);
    const bad = good("b");
    bad[bad.length - 1]! ^= 1;
    const noKey = good("c");
    noKey.fill(0xff, 1, 33);
    expect(reading([good("a"), bad, noKey, Uint8Array.of(9), good("d")])).toEqual([
      expect.objectContaining({ sender: idOf("a") }),
      "BadSignature",
      "BadSignature",
      "Malformed",
      expect.objectContaining({ sender: idOf("d") }),
    ]);
  });
});

describe("what a call brings along", () => {
  const registered = {
    identityKey: publicOf("enclave"),
    ecdhKey: publicOf("ecdh"),
    attestation: new Uint8Array(0),
    sequence: 0,
  };
  const registerBy = (operator: string, changes: Partial<typeof registered> = {}) => {
    const value = { ...signRegistration(signerOf("enclave"), GENESIS, idOf("a"), registered), ...changes };
    return read(signMessage(signerOf(operator), GENESIS, 0, { tag: "registerWorker", value })) as AuthenticMessage;
  };

  test("is a registration that its IdentityKey signed for this operator", () => {
    expect(registerBy("a").proven).toBe(true);
    expect(registerBy("b").proven).toBe(false);
    expect(registerBy("a", { ecdhKey: publicOf("another") }).proven).toBe(false);
    expect(registerBy("a", { sequence: 1 }).proven).toBe(false);
    expect(registerBy("a", { attestation: Uint8Array.of(1) }).proven).toBe(false);
    expect(registerBy("a", { identityKey: publicOf("another") }).proven).toBe(false);
  });

  test("is an EcdhKey that is a point of the curve", () => {
    const call = (value: string): Call => ({ tag: "setEcdhKey", value });
    const proven = (value: string) =>
      (read(signMessage(signerOf("enclave"), GENESIS, 0, call(value))) as AuthenticMessage).proven;
    expect(proven(publicOf("ecdh"))).toBe(true);
    expect(proven(`0x02${"00".repeat(31)}05`)).toBe(false);
    expect(proven(`0x05${publicOf("ecdh").slice(4)}`)).toBe(false);
  });

  test("is evidence of two signed heartbeats, and nothing else", () => {
    const heartbeat = (name: string, hash: string) =>
      signMessage(signerOf(name), GENESIS, 0, { tag: "heartbeat", value: { session: 1, stateHash: hash } });
    const [one, two] = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`];
    const report = (first: Uint8Array, second: Uint8Array) =>
      read(
        signMessage(signerOf("rich"), GENESIS, 0, {
          tag: "reportOffence",
          value: { tag: "equivocation", value: { first, second } },
        }),
      );
    const good = report(heartbeat("x", one), heartbeat("x", two)) as AuthenticMessage;
    expect(good.proven).toBe(true);
    expect(good.evidence.map(({ signer }) => signer)).toEqual([publicOf("x"), publicOf("x")]);
    const forged = heartbeat("x", two);
    forged[40]! ^= 1;
    expect((report(heartbeat("x", one), forged) as AuthenticMessage).proven).toBe(false);
    expect(report(heartbeat("x", one), signMessage(signerOf("x"), GENESIS, 0, CALL))).toBe("Malformed");
    expect(report(heartbeat("x", one), Uint8Array.of(1))).toBe("Malformed");
  });
});

test("readMessage gives null for bytes that are none", () => {
  expect(readMessage(new Uint8Array(200).fill(255))).toBeNull();
});
