import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MessageSequences, PEERS_MAX } from "../../src/pruntime/message-sequences.ts";

/** A key by its number, rising. */
const peer = (index: number): string => `0x02${index.toString(16).padStart(64, "0")}`;
const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });

/** What one would write down without a thought: every sequence that was ever used. */
class Model {
  readonly sent = new Map<string, bigint[]>();
  readonly accepted = new Map<string, bigint[]>();

  of(known: Map<string, bigint[]>, key: string): bigint[] {
    const list = known.get(key) ?? [];
    known.set(key, list);
    return list;
  }
}

describe("sequences of messages", () => {
  test("rise for each recipient, by one until it begins again, and are accepted of each sender once, the last 64 in any order", () => {
    const sequence = fc.oneof(
      fc.bigInt(0n, 8n),
      fc.bigInt(0n, 140n),
      fc.bigInt({ min: 2n ** 64n - 70n, max: 2n ** 64n - 1n }),
    );
    const steps = fc.array(
      fc.record({ who: fc.nat(3), sequence, kind: fc.constantFrom("send", "arrive", "arrive", "restart") }),
      { maxLength: 120 },
    );
    const agrees = (all: readonly { who: number; sequence: bigint; kind: string }[]): void => {
      let sequences = new MessageSequences();
      const model = new Model();
      let sealed = sequences.encode();
      let hasBegunAgain = false;
      const seal = (): void => {
        sealed = sequences.encode();
        sequences.noteSealed();
      };
      for (const { who, sequence, kind } of all) {
        const key = peer(who);
        if (kind === "restart") {
          sequences = MessageSequences.decode(sealed);
          hasBegunAgain = true;
        } else if (kind === "send") {
          const sent = model.of(model.sent, key);
          const before = sent.at(-1) ?? 0n;
          const next = sequences.next(key);
          // Whatever was not sealed since, no sequence is given twice.
          if (!sequences.areReservedSealed) seal();
          expect(next).toBeGreaterThan(before);
          if (!hasBegunAgain) expect(next).toBe(before + 1n);
          sent.push(next);
        } else {
          const accepted = model.of(model.accepted, key);
          const isNew = sequence > 0n && accepted.every((before) => before !== sequence && before - sequence < 64n);
          expect(sequences.refusal(key, sequence)).toBe(isNew ? null : "Replayed");
          if (!isNew) continue;
          sequences.accept(key, sequence);
          accepted.push(sequence);
          seal();
        }
      }
    };
    fc.assert(fc.property(steps, agrees));
  });

  test("are reserved some at a time, so that few of them have to be sealed before a message leaves", () => {
    const sequences = new MessageSequences();
    let seals = 0;
    for (let count = 0; count < 640; count++) {
      sequences.next(peer(1));
      if (sequences.areReservedSealed) continue;
      seals++;
      sequences.noteSealed();
    }
    expect(seals).toBe(10);
    expect(MessageSequences.decode(sequences.encode()).next(peer(1))).toBe(641n);
  });

  test("are remembered of so many others, and of one more when some are forgotten", () => {
    const sequences = new MessageSequences();
    for (let index = 0; index < PEERS_MAX; index++) {
      if (index % 2 === 0) sequences.next(peer(index));
      else sequences.accept(peer(index), 9n);
    }
    const more = peer(PEERS_MAX);
    expect(sequences.refusal(more, 1n)).toBe("TooManySenders");
    expect(() => sequences.next(more)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    // Those that are remembered go on.
    expect(sequences.refusal(peer(0), 1n)).toBeNull();
    expect(sequences.refusal(peer(1), 9n)).toBe("Replayed");
    expect(sequences.next(peer(1))).toBe(1n);
    expect(MessageSequences.decode(sequences.encode()).refusal(more, 1n)).toBe("TooManySenders");
    sequences.keepOnly((key) => key !== peer(3));
    expect(sequences.refusal(peer(3), 1n)).toBeNull();
    expect(sequences.refusal(more, 1n)).toBeNull();
    expect(sequences.next(more)).toBe(1n);
    expect(sequences.refusal(peer(5), 9n)).toBe("Replayed");
  });

  test("have one encoding, whatever the order in which they came", () => {
    const [one, other] = [new MessageSequences(), new MessageSequences()];
    for (const index of [1, 2, 3]) one.accept(peer(index), BigInt(index));
    for (const index of [3, 1, 2]) other.accept(peer(index), BigInt(index));
    expect(one.encode()).toEqual(other.encode());
    expect(Buffer.from(one.encode()).toString("hex", 0, 1 + 33 + 24)).toBe(
      `0c${peer(1).slice(2)}${"00".repeat(8)}01${"00".repeat(7)}01${"00".repeat(7)}`,
    );
  });

  test("are read whole and in one way, or not at all", () => {
    const sequences = new MessageSequences();
    for (const index of [1, 2]) sequences.accept(peer(index), 5n);
    const encoded = sequences.encode();
    for (let length = 0; length < encoded.length; length++) {
      expect(() => MessageSequences.decode(encoded.subarray(0, length))).toThrow(unavailable);
    }
    expect(() => MessageSequences.decode(Buffer.concat([encoded, Buffer.of(0)]))).toThrow(unavailable);
    const [count, first, second] = [encoded.subarray(0, 1), encoded.subarray(1, 58), encoded.subarray(58)];
    for (const entries of [
      [second, first],
      [first, first],
    ]) {
      expect(() => MessageSequences.decode(Buffer.concat([count, ...entries]))).toThrow(unavailable);
    }
    expect(MessageSequences.decode(Buffer.concat([count, first, second])).encode()).toEqual(encoded);
    // Behind a key and what was sent: 5 was accepted, and which below it.
    const withWindow = (window: number, accepted = 5): Uint8Array => {
      const bytes = Uint8Array.from(encoded);
      bytes[1 + 33 + 8] = accepted;
      bytes[1 + 33 + 16] = window;
      return bytes;
    };
    for (const window of [0b00001, 0b10001, 0b11111]) {
      expect(MessageSequences.decode(withWindow(window)).encode()).toEqual(withWindow(window));
    }
    for (const bytes of [withWindow(0), withWindow(0b10), withWindow(0b100001), withWindow(1, 0)]) {
      expect(() => MessageSequences.decode(bytes)).toThrow(unavailable);
    }
  });
});
