/**
 * SCALE (docs.substrate.io, "Type encoding"), strictly: what scale-ts leaves open is closed here.
 *
 * scale-ts reads fixed-size bytes past the end as shorter ones, takes a length of any size, ignores what follows a
 * value, and decodes one value from several encodings. Bytes that come from outside go through `decode` with codecs made
 * of these: then a value has exactly one encoding, and a length is known to be small before it is believed. Of scale-ts
 * itself, only enums are used: integers out of range are wrapped there, and here refused.
 */
import { type Codec, type Decoder, type Encoder, compact, createCodec, createDecoder } from "scale-ts";
import { fromHex, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";

const U64_MAX = (1n << 64n) - 1n;
const U128_MAX = (1n << 128n) - 1n;

/** Bytes as they are shown and compared: `0x` and lower-case hex digits. As strings they sort as their bytes do. */
export type Hex = string;

/** A decoder's place in its input, as scale-ts passes it on. */
type Cursor = Uint8Array<ArrayBuffer> & { i: number };

/** `size` bytes, as hex. */
export function hexBytes(size: number): Codec<Hex> {
  return strict(
    (hex) => {
      const bytes = Buffer.from(hex.slice(2), "hex");
      if (bytes.length !== size) throw new GatekeeperError("INVALID_ARGUMENT", `${hex} is not ${size} bytes in hex`);
      return bytes;
    },
    (cursor) => `0x${Buffer.from(cursor.buffer, passed(cursor, size), size).toString("hex")}`,
  );
}

/** `size` bytes. */
export function exactBytes(size: number): Codec<Uint8Array> {
  return strict(
    (bytes) => {
      if (bytes.length !== size) throw new GatekeeperError("INVALID_ARGUMENT", `${bytes.length} bytes, not ${size}`);
      return bytes;
    },
    (cursor) => taken(cursor, size),
  );
}

/** Up to `max` bytes, with their length before them. */
export function boundedBytes(max: number): Codec<Uint8Array> {
  return strict(
    (bytes) => joined([compact.enc(checkedLength(bytes, max)), bytes]),
    // Not a view, which would keep all of its message, or of a state, in memory.
    (cursor) => taken(cursor, takenLength(cursor, max)).slice(),
  );
}

/** As boundedBytes, but what is decoded is a view: secrets have no copy that their owner does not wipe. */
export function lentBytes(max: number): Codec<Uint8Array> {
  return strict(
    (bytes) => joined([compact.enc(checkedLength(bytes, max)), bytes]),
    (cursor) => taken(cursor, takenLength(cursor, max)),
  );
}

/** Up to `max` bytes, with their length before them, as hex. */
export function boundedHex(max: number): Codec<Hex> {
  return mapped(
    boundedBytes(max),
    (hex: Hex) => fromHex(hex, "a value"),
    (bytes) => toHex(bytes),
  );
}

/** Up to `max` values, with their number before them. */
export function boundedVector<T>(inner: Codec<T>, max: number): Codec<readonly T[]> {
  return strict<readonly T[]>(
    (values) => joined([compact.enc(checkedLength(values, max)), ...values.map(inner.enc)]),
    (cursor) => {
      const length = takenLength(cursor, max);
      const values: T[] = [];
      for (let i = 0; i < length; i++) values.push(inner.dec(cursor));
      return values;
    },
  );
}

/** A byte, as a number. */
export const u8: Codec<number> = strict(
  (value) => {
    const bytes = Buffer.allocUnsafe(1);
    bytes.writeUInt8(value);
    return bytes;
  },
  (cursor) => cursor[passed(cursor, 1)]!,
);

/** 4 bytes, little-endian, as a number. */
export const u32: Codec<number> = strict(
  (value) => {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeUInt32LE(value);
    return bytes;
  },
  (cursor) => {
    const at = passed(cursor, 4);
    return (cursor[at]! | (cursor[at + 1]! << 8) | (cursor[at + 2]! << 16) | (cursor[at + 3]! << 24)) >>> 0;
  },
);

/** 8 bytes, little-endian. */
export const u64: Codec<bigint> = strict(
  (value) => {
    if (value < 0n || value > U64_MAX) throw new GatekeeperError("INVALID_ARGUMENT", `${value} is no u64`);
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64LE(value);
    return bytes;
  },
  (cursor) => u64At(cursor, passed(cursor, 8)),
);

/** true or false. */
export const boolean: Codec<boolean> = strict(
  (value) => Uint8Array.of(value ? 1 : 0),
  (cursor) => flag(cursor),
);

/** A value, or null. */
export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return strict<T | null>(
    (value) => (value === null ? Uint8Array.of(0) : joined([Uint8Array.of(1), inner.enc(value)])),
    (cursor) => (flag(cursor) ? inner.dec(cursor) : null),
  );
}

/** Nothing. */
export const nothing: Codec<undefined> = strict(
  () => new Uint8Array(0),
  () => undefined,
);

/** A balance in a call: Substrate's `Compact<u128>`. */
export const compactBalance: Codec<bigint> = strict(
  (value) => {
    if (value < 0n || value > U128_MAX) throw new GatekeeperError("INVALID_ARGUMENT", `${value} is no u128`);
    return compact.enc(value);
  },
  (cursor) => {
    const value = BigInt(takenCompact(cursor));
    if (value > U128_MAX) throw new RangeError("no u128");
    return value;
  },
);

/** A balance in the state: Substrate's `u128`. */
export const balance: Codec<bigint> = strict(
  (value) => {
    const bytes = Buffer.allocUnsafe(16);
    bytes.writeBigUInt64LE(value & U64_MAX);
    bytes.writeBigUInt64LE(value >> 64n, 8);
    return bytes;
  },
  (cursor) => u64At(cursor, passed(cursor, 8)) | (u64At(cursor, passed(cursor, 8)) << 64n),
);

/** Milliseconds, as 8 bytes. */
export const millisecondsCodec: Codec<number> = strict(
  (value) => {
    if (!Number.isSafeInteger(value)) throw new GatekeeperError("INVALID_ARGUMENT", `${value} is no time`);
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  },
  (cursor) => {
    const value = u64At(cursor, passed(cursor, 8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("a time beyond all clocks");
    return Number(value);
  },
);

/** Values under names, one after the other. */
export function struct<T extends object>(fields: { readonly [K in keyof T]-?: Codec<T[K]> }): Codec<T> {
  const names = Object.keys(fields) as (keyof T)[];
  const codecs = names.map((name) => fields[name] as Codec<T[keyof T]>);
  return strict<T>(
    (value) => joined(codecs.map((codec, at) => codec.enc(value[names[at]!]))),
    (cursor) => {
      const value = {} as T;
      for (let at = 0; at < names.length; at++) value[names[at]!] = codecs[at]!.dec(cursor);
      return value;
    },
  );
}

/** Another type for the same bytes. `from` throws for what is none of it. */
export function mapped<I, O>(inner: Codec<I>, to: (value: O) => I, from: (value: I) => O): Codec<O> {
  return strict(
    (value) => inner.enc(to(value)),
    (cursor) => from(inner.dec(cursor)),
  );
}

/** One of some words, as its place among them. */
export function wordCodec<T extends string>(words: readonly T[]): Codec<T> {
  return mapped(
    u8,
    (word: T) => words.indexOf(word),
    (place) => {
      const word = words[place];
      if (word === undefined) throw new RangeError("no such word");
      return word;
    },
  );
}

/** A value's bytes, in memory of their own. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array<ArrayBuffer> {
  return new Uint8Array(codec.enc(value));
}

/**
 * The value that these bytes are the one encoding of, or null: they are too short, too long, out of a bound, or another
 * encoding of a value than the shortest.
 */
export function decode<T>(codec: Codec<T>, bytes: Uint8Array): T | null {
  // scale-ts reads a view's whole buffer, from its start; and a Buffer's slice is no copy.
  return decodeBuffer(codec, new Uint8Array(bytes).buffer);
}

/** As decode, of a whole buffer, without a copy: the value may hold views of it. */
export function decodeBuffer<T>(codec: Codec<T>, buffer: ArrayBuffer): T | null {
  try {
    return whole(codec)(buffer);
  } catch {
    // Whatever a decoder trips over, in bytes that anybody may have made, has one meaning.
    return null;
  }
}

/** Byte strings in a row. */
export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  // Out of Node's pool where it is small: that is several times as fast as an array of its own.
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function strict<T>(encode: Encoder<T>, read: (cursor: Cursor) => T): Codec<T> {
  return createCodec(
    encode,
    createDecoder((cursor) => read(cursor as Cursor)),
  );
}

function whole<T>(codec: Codec<T>): Decoder<T> {
  return createDecoder((cursor) => {
    const value = codec.dec(cursor);
    if ((cursor as Cursor).i !== cursor.length) throw new RangeError("something follows");
    return value;
  });
}

function checkedLength({ length }: { readonly length: number }, max: number): number {
  if (length > max) throw new GatekeeperError("INVALID_ARGUMENT", `${length} items, more than ${max}`);
  return length;
}

/** @returns where the next `size` bytes are; the cursor is behind them. */
function passed(cursor: Cursor, size: number): number {
  const at = cursor.i;
  if (at + size > cursor.length) throw new RangeError("too short");
  cursor.i = at + size;
  return at;
}

/** @returns a view: `decode` has copied all of it. */
function taken(cursor: Cursor, size: number): Uint8Array {
  return new Uint8Array(cursor.buffer, passed(cursor, size), size);
}

function u64At({ buffer }: Cursor, at: number): bigint {
  return Buffer.from(buffer, at, 8).readBigUInt64LE();
}

function takenLength(cursor: Cursor, max: number): number {
  const length = takenCompact(cursor);
  if (typeof length !== "number" || length > max) throw new RangeError("longer than may be");
  return length;
}

/** The least number that a compact integer of so many bytes stands for: less takes fewer. */
function compactLeast(size: number): bigint | number {
  if (size === 1) return 0;
  if (size === 2) return 1 << 6;
  if (size === 4) return 1 << 14;
  // A byte of its length, and as many as it has: at least four, the last of which is not 0.
  return size === 5 ? 1 << 30 : 1n << BigInt(8 * (size - 2));
}

/** A compact integer in its shortest form. */
function takenCompact(cursor: Cursor): number | bigint {
  const from = cursor.i;
  const value = compact.dec(cursor);
  const size = cursor.i - from;
  if (cursor.i > cursor.length || value < compactLeast(size)) throw new RangeError("not the shortest");
  return value;
}

function flag(cursor: Cursor): boolean {
  const value = u8.dec(cursor);
  if (value > 1) throw new RangeError("neither true nor false");
  return value === 1;
}
