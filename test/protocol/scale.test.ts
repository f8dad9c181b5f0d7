/** Codecs on bytes that anybody may have made: read whole and in one way, or not at all. */
import fc from "fast-check";
import type { Codec } from "scale-ts";
import { expect, it } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import { decodeBlock, encodeBlock } from "../../src/protocol/block.ts";
import { callCodec } from "../../src/protocol/call.ts";
import { decodeGenesis, encodeGenesis } from "../../src/protocol/genesis.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { readMessage } from "../../src/protocol/message.ts";
import {
  balance,
  boolean,
  boundedBytes,
  boundedVector,
  compactBalance,
  decode,
  exactBytes,
  hexBytes,
  mapped,
  millisecondsCodec,
  nothing,
  nullable,
  struct,
  u8,
  u32,
  u64,
} from "../../src/protocol/scale.ts";
import { faults, faulty } from "./faults.ts";
import { Network, genesisOf, runs } from "./network.ts";
import { call, message } from "./random-calls.ts";

const littleEndian = (value: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => Math.floor(value / 256 ** at) % 256);
const hex = (size: number): fc.Arbitrary<string> =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => `0x${Buffer.from(bytes).toString("hex")}`);
const u32s = fc.oneof(fc.nat(300), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
const u128s = fc.oneof(
  fc.bigInt(0n, (1n << 128n) - 1n),
  fc.tuple(fc.nat(127), fc.constantFrom(-1n, 0n, 1n)).map(([bits, more]) => (1n << BigInt(bits)) + more),
);

/** A codec, and values of it. */
const CODECS: Record<string, [Codec<unknown>, fc.Arbitrary<unknown>]> = Object.fromEntries(
  Object.entries({
    u8: pair(u8, fc.nat(255)),
    u32: pair(u32, u32s),
    u64: pair(
      u64,
      u128s.map((value) => value & ((1n << 64n) - 1n)),
    ),
    boolean: pair(boolean, fc.boolean()),
    nothing: pair(nothing, fc.constant(undefined)),
    balance: pair(balance, u128s),
    compactBalance: pair(compactBalance, u128s),
    milliseconds: pair(millisecondsCodec, fc.maxSafeNat()),
    hexBytes: pair(hexBytes(5), hex(5)),
    exactBytes: pair(exactBytes(5), fc.uint8Array({ minLength: 5, maxLength: 5 })),
    boundedBytes: pair(boundedBytes(100), fc.uint8Array({ maxLength: 100 })),
    longBytes: pair(
      boundedBytes(20_000),
      fc.integer({ min: 16_380, max: 16_390 }).map((size) => new Uint8Array(size)),
    ),
    boundedVector: pair(boundedVector(compactBalance, 70), fc.array(u128s, { maxLength: 70 })),
    nullable: pair(nullable(u32), fc.option(u32s)),
    struct: pair(
      struct<{ a: number; b: bigint | null }>({ a: u32, b: nullable(balance) }),
      fc.record({ a: u32s, b: fc.option(u128s) }),
    ),
    mapped: pair(mapped(u32, Number, String), u32s.map(String)),
    call: pair(callCodec, call),
  }),
);

function pair<T>(codec: Codec<T>, values: fc.Arbitrary<T>): [Codec<unknown>, fc.Arbitrary<unknown>] {
  return [codec as Codec<unknown>, values];
}

/** What makes the same bytes of what these bytes are read as, or null where they are refused. */
type Reencode = (bytes: Uint8Array) => Uint8Array | null;

/** Whatever is read makes the very bytes that it was read from. @returns whether it was read. */
function readsOneWay(reencode: Reencode, bytes: Uint8Array): boolean {
  const again = reencode(bytes);
  if (again !== null) expect(Buffer.from(again).equals(bytes)).toBe(true);
  return again !== null;
}

function survives(reencode: Reencode, valid: fc.Arbitrary<Uint8Array>, count: number): void {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readsOneWay(reencode, bytes);
    }),
    runs(count),
  );
  fc.assert(
    fc.property(valid, faults, (bytes, wrong) => {
      expect(readsOneWay(reencode, bytes)).toBe(true);
      readsOneWay(reencode, wrong.reduce(faulty, bytes));
      // Too short or too long by anything is no value.
      expect(reencode(bytes.subarray(0, -1))).toBe(null);
      expect(reencode(Buffer.concat([bytes, Uint8Array.of(0)]))).toBe(null);
    }),
    runs(count),
  );
}

const through =
  <T>(read: (bytes: Uint8Array) => T | null, write: (value: T) => Uint8Array): Reencode =>
  (bytes) => {
    const value = read(bytes);
    return value === null ? null : write(value);
  };

it.each(Object.entries(CODECS))("%s: each value has one encoding, and reads what it wrote", (_, [codec, values]) => {
  fc.assert(
    fc.property(values, (value) => {
      expect(decode(codec, codec.enc(value))).toEqual(value);
    }),
    runs(100),
  );
});

it.each(Object.entries(CODECS).filter(([name]) => name !== "nothing"))(
  "%s: reads no bytes in two ways",
  (name, [codec, values]) => {
    // null would be no value there, but nothing at all.
    const reencode: Reencode = through(
      (bytes) => wrapped(codec, bytes),
      ([value]) => codec.enc(value),
    );
    survives(
      reencode,
      values.map((value) => codec.enc(value)),
      name === "longBytes" ? 10 : 100,
    );
  },
);

function wrapped(codec: Codec<unknown>, bytes: Uint8Array): [unknown] | null {
  return decode(
    mapped<unknown, [unknown]>(
      codec,
      ([value]) => value,
      (value) => [value],
    ),
    bytes,
  );
}

it("reads messages in one way", () => {
  const reencode = through(readMessage, ({ signer, sequence, call: said, signature }) => {
    const sent = littleEndian(sequence, 4);
    return Buffer.concat([Buffer.from(signer.slice(2), "hex"), sent, callCodec.enc(said), signature]);
  });
  survives(reencode, message, 300);
});

it("reads blocks in one way", () => {
  const header = fc.record({
    height: u32s,
    parentHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    timestamp: fc.maxSafeNat(),
    messagesHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    stateHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  });
  const signature = fc.uint8Array({ minLength: 64, maxLength: 64 });
  const blocks = fc.record({
    header,
    signature,
    messages: fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 5 }),
  });
  survives(through(decodeBlock, encodeBlock), blocks.map(encodeBlock), 200);
});

it("reads a genesis in one way", () => {
  const genesis = genesisOf();
  const few = { ...genesis, accounts: genesis.accounts.slice(0, 2), stakers: genesis.stakers.slice(3, 5) };
  survives(through(decodeGenesis, encodeGenesis), fc.constantFrom(genesis, few).map(encodeGenesis), 100);
});

it("reads a ledger's state in one way, or says LEDGER_INVALID", () => {
  const network = new Network();
  network.toEra(2);
  const { genesis } = network.ledger;
  const reencode: Reencode = (bytes) => {
    try {
      return Ledger.decode(genesis, bytes).encode();
    } catch (error) {
      expect(error).toBeInstanceOf(GatekeeperError);
      expect(error).toMatchObject({ code: "LEDGER_INVALID" });
      return null;
    }
  };
  survives(
    reencode,
    fc.constantFrom(network.ledger, Ledger.atGenesis(genesis)).map((ledger) => ledger.encode()),
    150,
  );
});

it("refuses a table whose entries are out of order or there twice", () => {
  const ledger = Ledger.atGenesis(genesisOf());
  const { genesis, state } = ledger;
  const bytes = Buffer.from(ledger.encode());
  const keys = [...state.accounts.keys()].map((key) => bytes.indexOf(Buffer.from(key.slice(2), "hex")));
  const [first, second] = keys as [number, number];
  const [size, count] = [second - first, first - 1];
  expect(bytes[count]).toBe(state.accounts.size << 2);
  const entry = (at: number): Buffer => bytes.subarray(at, at + size);
  const [before, after] = [bytes.subarray(0, first), bytes.subarray(second + size)];
  const swapped = Buffer.concat([before, entry(second), entry(first), after]);
  const twice = Buffer.concat([before, entry(first), entry(first), entry(second), after]);
  twice[count] = (state.accounts.size + 1) << 2;
  expect(Ledger.decode(genesis, bytes).encode()).toEqual(new Uint8Array(bytes));
  for (const wrong of [swapped, twice]) expect(() => Ledger.decode(genesis, wrong)).toThrow("not the state");
});

it("refuses lengths beyond a bound, or beyond the bytes that there are, before it takes memory", () => {
  const huge = Uint8Array.of(0xfe, 0xff, 0xff, 0xff);
  const before = process.memoryUsage();
  for (const codec of [boundedBytes(2 ** 30 - 1), boundedVector(u32, 2 ** 30 - 1), boundedVector(u32, 5)]) {
    for (let turn = 0; turn < 100; turn++) expect(decode(codec as Codec<unknown>, huge)).toBe(null);
  }
  const after = process.memoryUsage();
  expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(64 << 20);
  for (const [length, prefix] of [
    [5, [20]],
    [6, [24]],
    [64, [1, 1]],
    [16_384, [2, 0, 1, 0]],
  ] as const) {
    const bytes = Buffer.concat([Uint8Array.from(prefix), new Uint8Array(length)]);
    expect(decode(boundedBytes(length), bytes)?.length).toBe(length);
    expect(decode(boundedBytes(length - 1), bytes)).toBe(null);
    expect(decode(boundedVector(u8, length - 1), bytes)).toBe(null);
  }
});

it("reads whole numbers in their shortest form alone", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 30 - 1), fc.nat(8), (value, more) => {
      const shortest = compactBalance.enc(BigInt(value));
      const longer = [value * 4 + 1, value * 4 + 2].map((head, at) => Buffer.from(littleEndian(head, 2 << at)));
      const big = Buffer.concat([Uint8Array.of(more * 4 + 3), littleEndian(value, 4 + more)]);
      for (const bytes of [...longer.filter((_, at) => value < 2 ** (14 + 16 * at)), big]) {
        expect(decode(compactBalance, bytes)).toBe(bytes.equals(shortest) ? BigInt(value) : null);
      }
    }),
    runs(200),
  );
});

it("refuses to write what it would not read", () => {
  const wrong: [unknown, unknown][] = [
    [u8, 256],
    [u8, -1],
    [u32, 2 ** 32],
    [u32, -1],
    [balance, 1n << 128n],
    [balance, -1n],
    [compactBalance, 1n << 128n],
    [compactBalance, -1n],
    [millisecondsCodec, -1],
    [millisecondsCodec, 2 ** 53],
    [hexBytes(2), "0x00"],
    [hexBytes(2), "0x00gg"],
    [exactBytes(2), new Uint8Array(3)],
    [boundedBytes(2), new Uint8Array(3)],
    [boundedVector(u8, 2), [1, 2, 3]],
  ];
  for (const [codec, value] of wrong) expect(() => (codec as Codec<unknown>).enc(value), String(value)).toThrow();
});
