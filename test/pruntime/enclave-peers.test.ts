/** What pRuntimes say to each other over hosts that drop, delay, repeat, reorder, alter and record it. */
import { describe, expect, test } from "vitest";
import { EcdhKeys } from "../../src/pruntime/ecdh-keys.ts";
import { MessageSequences } from "../../src/pruntime/message-sequences.ts";
import { openMessage, sealMessage } from "../../src/pruntime/sealed-message.ts";
import { decodePeerMessage, encodePeerMessage } from "../../src/pruntime/peer-message.ts";
import type { Delivered } from "../../src/pruntime/boundary.ts";
import { Secret } from "../../src/secret.ts";
import { CURVE, keyOf, publicOf, signerOf } from "../protocol/network.ts";
import { Authority, STRANGER, enclaveGenesis } from "./authority.ts";
import { EnclaveHome } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";
import { refusedWith } from "./refused.ts";

const at = useFolder();
const refused = (reason: string): unknown => refusedWith("MESSAGE_INVALID", reason);

const COLLUDER = { identityKey: publicOf("colluder"), ecdhKey: publicOf("colluder/ecdh") };

/** A gatekeeper, two others that act as none, and two that nobody runs. */
class Trio implements Disposable {
  readonly homes: readonly EnclaveHome[];
  readonly chain: Authority;

  private constructor(homes: readonly EnclaveHome[]) {
    this.homes = homes;
    this.chain = new Authority(enclaveGenesis([...homes.map(({ keys }) => keys), STRANGER, COLLUDER]));
    for (const home of homes) home.catchUp(this.chain);
  }

  static async create(): Promise<Trio> {
    return new Trio(await Promise.all(["a", "b", "c"].map((name) => EnclaveHome.create(at(name)))));
  }

  /** Brings all of them to a height; what they say comes into the next block. */
  to(height: number): void {
    while (this.chain.height < height) {
      const messages = this.homes.flatMap((home) => home.follow(this.chain));
      this.chain.block(messages);
      expect(this.chain.outcomes.filter((outcome) => outcome !== "done")).toEqual([]);
    }
    for (const home of this.homes) home.follow(this.chain);
  }

  [Symbol.dispose](): void {
    for (const home of this.homes) home[Symbol.dispose]();
  }
}

const ping = (from: EnclaveHome, to: EnclaveHome): Uint8Array => from.enclave.ping(to.keys.identityKey);
function answer(home: EnclaveHome, message: Uint8Array): Uint8Array {
  const delivered = home.enclave.deliver(message);
  if (delivered.tag !== "answer") throw new Error(`it was a ${delivered.tag}`);
  return delivered.value;
}
const pong = (from: EnclaveHome, height: number): Delivered => ({
  tag: "pong",
  value: { from: from.keys.identityKey, height },
});

/** What somebody whose key is known here seals to a pRuntime. */
function sealedTo({ chain }: Trio, to: EnclaveHome, name: string, body: Uint8Array, sequence = 1n): Uint8Array {
  const { genesisHash } = chain.ledger;
  return sealMessage({ curve: CURVE, genesisHash, sender: signerOf(name), recipient: to.keys, sequence, body });
}

/** What the stranger is asked. */
function openedPing({ chain }: Trio, bytes: Uint8Array): { readonly nonce: string } {
  // One EcdhKey, pending.
  using encoded = keyOf("stranger/ecdh").use((scalar) => new Secret(Buffer.concat([Buffer.of(1, 1, 0, 0), scalar])));
  using ecdhKeys = EcdhKeys.decode(CURVE, 0, encoded);
  const { body } = openMessage({
    curve: CURVE,
    genesisHash: chain.ledger.genesisHash,
    recipient: STRANGER.identityKey,
    ecdhKeys,
    sequences: new MessageSequences(),
    isKnown: () => true,
    bytes,
  });
  using opened = body;
  const message = decodePeerMessage(opened);
  if (message?.tag !== "ping") throw new Error("it is no question");
  return { nonce: message.value };
}

describe("a question", () => {
  test("is answered with the height that the other is at; dropped ones are in nobody's way", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    trio.to(3);
    for (let dropped = 0; dropped < 3; dropped++) ping(a, b);
    expect(a.enclave.deliver(answer(b, ping(a, b)))).toEqual(pong(b, 3));
    answer(a, ping(b, a));
    expect(b.enclave.deliver(answer(a, ping(b, a)))).toEqual(pong(a, 3));
  });

  test("and its answer may be late by many blocks", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const late = ping(a, b);
    trio.to(5);
    const answered = answer(b, late);
    trio.to(9);
    expect(a.enclave.deliver(answered)).toEqual(pong(b, 5));
  });

  test("that comes again is refused, after a restart too; one that another has overtaken is not", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const [first, second] = [ping(a, b), ping(a, b)];
    const answered = answer(b, second);
    expect(() => b.enclave.deliver(second)).toThrow(refused("Replayed"));
    expect(() => answer(b, first)).not.toThrow();
    for (const message of [second, first]) expect(() => b.enclave.deliver(message)).toThrow(refused("Replayed"));
    await b.restart();
    b.catchUp(trio.chain);
    for (const message of [second, first]) expect(() => b.enclave.deliver(message)).toThrow(refused("Replayed"));
    expect(a.enclave.deliver(answered)).toEqual(pong(b, 0));
    expect(() => a.enclave.deliver(answered)).toThrow(refused("Replayed"));
    expect(() => answer(b, ping(a, b))).not.toThrow();
  });

  test("that is altered in any byte, cut off or none is refused, and opens still as it was", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const message = ping(a, b);
    const reasons = new Set<string>();
    for (let index = 0; index < message.length; index++) {
      const altered = Uint8Array.from(message);
      altered[index]! ^= 1;
      try {
        b.enclave.deliver(altered);
        reasons.add("opened");
      } catch (error) {
        reasons.add(String((error as { detail: { reason: string } }).detail.reason));
      }
    }
    expect([...reasons].sort()).toEqual(["BadSignature", "Malformed", "NotForUs", "UnknownSender"]);
    for (const bytes of [new Uint8Array(0), message.subarray(0, 200)]) {
      expect(() => b.enclave.deliver(bytes)).toThrow(refused("Malformed"));
    }
    expect(() => b.enclave.deliver(Buffer.concat([message, Buffer.of(0)]))).toThrow(refused("BadSignature"));
    answer(b, message);
  });

  test("for one is refused by another, and by one of another chain", async () => {
    using trio = await Trio.create();
    const [a, b, c] = trio.homes as [EnclaveHome, EnclaveHome, EnclaveHome];
    expect(() => c.enclave.deliver(ping(a, b))).toThrow(refused("NotForUs"));
    expect(() => a.enclave.deliver(ping(a, b))).toThrow(refused("NotForUs"));
    const elsewhere = sealMessage({
      curve: CURVE,
      genesisHash: Buffer.alloc(32, 5),
      sender: signerOf("stranger"),
      recipient: b.keys,
      sequence: 1n,
      body: encodePeerMessage({ tag: "ping", value: `0x${"00".repeat(32)}` }),
    });
    expect(() => b.enclave.deliver(elsewhere)).toThrow(refused("BadSignature"));
  });

  test("from one that the chain does not have is refused, and none is sent to such a one", async () => {
    using trio = await Trio.create();
    const [, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const ask = encodePeerMessage({ tag: "ping", value: `0x${"00".repeat(32)}` });
    const from = (name: string, body = ask, sequence = 1n): Uint8Array => sealedTo(trio, b, name, body, sequence);
    expect(() => b.enclave.deliver(from("nobody"))).toThrow(refused("UnknownSender"));
    expect(() => b.enclave.ping(publicOf("nobody"))).toThrow(refusedWith("NOT_FOUND"));
    answer(b, from("stranger"));
    // What is signed by one that it has, and says nothing, or answers what was not asked, is remembered and not done.
    const unasked = encodePeerMessage({ tag: "pong", value: { nonce: `0x${"11".repeat(32)}`, height: 9 } });
    for (const [index, body] of [unasked, new Uint8Array(0), Buffer.of(7)].entries()) {
      const message = from("stranger", body, BigInt(index + 2));
      expect(() => b.enclave.deliver(message)).toThrow(refused("NotUnderstood"));
      expect(() => b.enclave.deliver(message)).toThrow(refused("Replayed"));
    }
  });

  test("is answered by the one that was asked: another's answer with its nonce counts for nothing", async () => {
    using trio = await Trio.create();
    const [a, , c] = trio.homes as [EnclaveHome, EnclaveHome, EnclaveHome];
    const { nonce } = openedPing(trio, a.enclave.ping(STRANGER.identityKey));
    const answerOf = (name: string): Uint8Array =>
      sealedTo(trio, a, name, encodePeerMessage({ tag: "pong", value: { nonce, height: 77 } }));
    expect(() => a.enclave.deliver(answerOf("colluder"))).toThrow(refused("NotUnderstood"));
    expect(() => c.enclave.deliver(answerOf("stranger"))).toThrow(refused("NotForUs"));
    const right = { tag: "pong", value: { from: STRANGER.identityKey, height: 77 } };
    expect(a.enclave.deliver(answerOf("stranger"))).toEqual(right);
  });

  test("is forgotten by one that starts again, and what answers it changes nothing, whether it came before or not", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const answers = [answer(b, ping(a, b)), answer(b, ping(a, b))];
    a.enclave.deliver(answers[0]!);
    await a.restart();
    a.catchUp(trio.chain);
    for (const old of answers) expect(() => a.enclave.deliver(old)).toThrow(refused("NotUnderstood"));
    expect(a.enclave.deliver(answer(b, ping(a, b)))).toEqual(pong(b, 0));
  });

  test("of the first of sixty-five has no answer taken: as many as sixty-four are remembered", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const answers = Array.from({ length: 65 }, () => answer(b, ping(a, b)));
    expect(() => a.enclave.deliver(answers[0]!)).toThrow(refused("NotUnderstood"));
    expect(a.enclave.deliver(answers[1]!)).toEqual(pong(b, 0));
  });

  test("is neither asked nor answered before the pRuntime knows as much of the chain as when it last did", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    trio.to(4);
    answer(b, ping(a, b));
    const message = ping(a, b);
    await b.restart();
    const notYet = refusedWith("NOT_FOUND");
    expect(() => b.enclave.deliver(message)).toThrow(notYet);
    b.enclave.join(trio.chain.genesis);
    expect(() => b.enclave.deliver(message)).toThrow(notYet);
    for (const block of trio.chain.blocks.slice(0, 3)) b.enclave.follow([block], false);
    expect(() => b.enclave.deliver(message)).toThrow(notYet);
    expect(() => ping(b, a)).toThrow(notYet);
    b.follow(trio.chain);
    answer(b, message);
  });
});

describe("forward secrecy", () => {
  test("a question that was recorded opens until its EcdhKey is destroyed, and not after", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const control = ping(a, b);
    const recorded = ping(a, b);
    // Six blocks, one to publish the next, and two of the three for which it is kept.
    trio.to(9);
    const { ecdhKey } = trio.chain.ledger.genesis.workers[1]!;
    expect([b.keys.ecdhKey === ecdhKey, b.hasSealed(ecdhKey)]).toEqual([false, true]);
    answer(b, control);
    trio.to(10);
    expect([b.hasSealed(ecdhKey), b.hasSealed(b.keys.ecdhKey)]).toEqual([false, true]);
    expect(() => b.enclave.deliver(recorded)).toThrow(refused("UnknownEcdhKey"));
    answer(b, ping(a, b));
  });

  test("the file that still has a destroyed EcdhKey, put back, opens nothing", async () => {
    using trio = await Trio.create();
    const [a, b] = trio.homes as [EnclaveHome, EnclaveHome];
    const recorded = ping(a, b);
    const before = b.keep();
    trio.to(8);
    const kept = b.keep();
    trio.to(10);
    expect(() => b.enclave.deliver(recorded)).toThrow(refused("UnknownEcdhKey"));
    for (const more of [true, false]) {
      // It has the EcdhKey that is published, and the one before: that one's time is over all the same.
      await b.restart(kept, "ecdh.sealed");
      b.catchUp(trio.chain, more);
      expect(() => b.enclave.deliver(recorded)).toThrow(refused("UnknownEcdhKey"));
      // It does not have the one that is published.
      await b.restart(before, "ecdh.sealed");
      const old = refusedWith("SEALED_STATE_OLD");
      if (more) b.catchUp(trio.chain, true);
      else expect(() => b.catchUp(trio.chain)).toThrow(old);
      expect(() => b.enclave.deliver(recorded)).toThrow(old);
    }
  });

  test("all files put back, while no block is brought that came since, can't be told: what was sealed is not destroyed", async () => {
    using trio = await Trio.create();
    const [a, , c] = trio.homes as [EnclaveHome, EnclaveHome, EnclaveHome];
    const recorded = ping(a, c);
    trio.to(8);
    const kept = c.keep();
    const { height } = trio.chain;
    trio.to(10);
    expect(() => c.enclave.deliver(recorded)).toThrow(refused("UnknownEcdhKey"));
    await c.restart(kept);
    const from = c.enclave.join(trio.chain.genesis);
    c.enclave.follow(trio.chain.blocks.slice(from, height), false);
    answer(c, recorded);
    // Once the blocks are brought, it is over.
    c.follow(trio.chain);
    expect(c.hasSealed(trio.chain.ledger.genesis.workers[2]!.ecdhKey)).toBe(false);
  });

  test("EcdhKeys that are kept are destroyed in their time in a pRuntime that was deregistered, too", async () => {
    using trio = await Trio.create();
    const [a, , c] = trio.homes as [EnclaveHome, EnclaveHome, EnclaveHome];
    const recorded = ping(a, c);
    trio.to(7);
    trio.chain.block([trio.chain.message("rich", { tag: "deregisterWorker", value: c.keys.identityKey })]);
    expect(trio.chain.outcomes).toEqual(["done"]);
    trio.chain.to(12);
    c.follow(trio.chain);
    expect(c.enclave.status.registered).toBe(false);
    expect(() => c.enclave.deliver(recorded)).toThrow(refused("UnknownEcdhKey"));
  });
});
