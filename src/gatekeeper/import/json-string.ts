/**
 * Inside a JSON string (RFC 8259 §7): UTF-8 is checked, escapes are resolved, and the characters go where the rule's
 * form says. Strings may be cut anywhere by the end of a chunk. Stricter than JSON.parse in one point: the escape of
 * an unpaired surrogate is refused, because it is no Unicode character.
 */
import { HexBytes } from "./hex-bytes.ts";
import type { StringForm } from "./json-rule.ts";
import type { Place } from "./place.ts";

/** Longest string of form "text" that any rule may ask for. */
export const TEXT_BYTES_MAX = 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LETTER_U = 0x75;
const FIRST_PRINTABLE = 0x20;
const FIRST_NON_ASCII = 0x80;

/** 1 for each byte that stands for itself: ASCII without quote, backslash and control characters. */
const PLAIN = new Uint8Array(256).fill(1, FIRST_PRINTABLE, FIRST_NON_ASCII);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

/** The one-letter escapes and, at the same index, what they stand for. */
const ESCAPE_LETTERS = '"\\/bfnrt';
const ESCAPED = '"\\/\b\f\n\r\t';

/** What the next byte is. */
const CHARACTER = 0;
const CONTINUATION = 1;
const AFTER_BACKSLASH = 2;
const UNICODE_DIGIT = 3;

/** Reads one string after another. */
export class JsonString {
  readonly #place: Place;
  readonly #hex: HexBytes;
  readonly #textBytes = Buffer.alloc(TEXT_BYTES_MAX);
  #form: StringForm | null = null;
  #next = CHARACTER;
  #length = 0;
  /** Continuation bytes still to come, and the range of the next (Unicode §3.9, table 3-7). */
  #continuations = 0;
  #lowest = 0;
  #highest = 0;
  #unicodeDigits = 0;
  #codeUnit = 0;
  #highSurrogate = 0;
  /** Whether the closing quote was read. */
  done = true;

  constructor(place: Place) {
    this.#place = place;
    this.#hex = new HexBytes(place);
  }

  /** Begins a string, after its opening quote. */
  begin(form: StringForm): void {
    this.#form = form;
    this.#next = CHARACTER;
    this.#length = 0;
    this.#highSurrogate = 0;
    this.done = false;
    if (form.as === "hex") this.#hex.begin(form);
  }

  /**
   * Reads on in `chunk[from…]`, up to the closing quote or the chunk's end.
   * @param base - the chunk's offset in the stream.
   * @returns the index after what was read.
   */
  read(chunk: Uint8Array, from: number, base: number): number {
    let i = from;
    while (i < chunk.length) {
      if (this.#next === CHARACTER && this.#highSurrogate === 0) {
        i = this.#form!.as === "hex" ? this.#hex.run(chunk, i) : this.#plain(chunk, i);
        if (i === chunk.length) break;
      }
      const byte = chunk[i]!;
      if (this.#next === CHARACTER) {
        if (this.#highSurrogate !== 0 && byte !== BACKSLASH) this.#refuseSurrogate(base + i);
        if (byte === QUOTE) {
          this.done = true;
          return i + 1;
        }
        this.#character(byte, base + i);
      } else if (this.#next === CONTINUATION) this.#continuation(byte, base + i);
      else if (this.#next === AFTER_BACKSLASH) this.#escape(byte, base + i);
      else this.#unicodeDigit(byte, base + i);
      i++;
    }
    return i;
  }

  /** The finished string of form "text"; "" for form "nothing". */
  text(): string {
    return this.#form!.as === "text" ? this.#textBytes.toString("utf8", 0, this.#length) : "";
  }

  /** The finished string of form "hex". */
  bytes(): Uint8Array {
    return this.#hex.finish();
  }

  /** Takes a run of bytes that stand for themselves. */
  #plain(chunk: Uint8Array, from: number): number {
    let i = from;
    while (i < chunk.length && PLAIN[chunk[i]!] === 1) i++;
    if (i === from) return i;
    const at = this.#length;
    this.#lengthen(i - from);
    if (this.#form!.as === "text") this.#textBytes.set(chunk.subarray(from, i), at);
    return i;
  }

  #lengthen(bytes: number): void {
    const form = this.#form!;
    this.#length += bytes;
    if (this.#length > form.maxBytes) this.#place.fail(`${form.name} is longer than ${form.maxBytes} bytes`);
  }

  /** Takes one byte that is part of the string's characters. */
  #put(byte: number, offset: number): void {
    const form = this.#form!;
    if (form.as === "hex") {
      this.#hex.digit(byte, offset);
      return;
    }
    const at = this.#length;
    this.#lengthen(1);
    if (form.as === "text") this.#textBytes[at] = byte;
  }

  #character(byte: number, offset: number): void {
    if (byte === BACKSLASH) {
      this.#next = AFTER_BACKSLASH;
      return;
    }
    if (byte < FIRST_PRINTABLE) this.#place.fail("a string holds an unescaped control character", offset);
    if (byte >= FIRST_NON_ASCII) this.#leadByte(byte, offset);
    this.#put(byte, offset);
  }

  #leadByte(byte: number, offset: number): void {
    if (byte < 0xc2 || byte > 0xf4) this.#refuseUtf8(offset);
    this.#continuations = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    this.#lowest = byte === 0xe0 ? 0xa0 : byte === 0xf0 ? 0x90 : 0x80;
    this.#highest = byte === 0xed ? 0x9f : byte === 0xf4 ? 0x8f : 0xbf;
    this.#next = CONTINUATION;
  }

  #continuation(byte: number, offset: number): void {
    if (byte < this.#lowest || byte > this.#highest) this.#refuseUtf8(offset);
    this.#lowest = 0x80;
    this.#highest = 0xbf;
    this.#continuations--;
    if (this.#continuations === 0) this.#next = CHARACTER;
    this.#put(byte, offset);
  }

  #refuseUtf8(offset: number): never {
    this.#place.fail("a string is not valid UTF-8", offset);
  }

  #refuseSurrogate(offset: number): never {
    this.#place.fail("a string holds the escape of an unpaired surrogate", offset);
  }

  #escape(byte: number, offset: number): void {
    if (byte === LETTER_U) {
      this.#next = UNICODE_DIGIT;
      this.#unicodeDigits = 0;
      this.#codeUnit = 0;
      return;
    }
    if (this.#highSurrogate !== 0) this.#refuseSurrogate(offset);
    const index = ESCAPE_LETTERS.indexOf(String.fromCharCode(byte));
    if (index < 0) this.#place.fail("a string holds an unknown escape", offset);
    this.#next = CHARACTER;
    this.#put(ESCAPED.charCodeAt(index), offset);
  }

  #unicodeDigit(byte: number, offset: number): void {
    const digit = "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase());
    if (digit < 0) this.#place.fail("a string holds an escape that is not \\u and four hex digits", offset);
    this.#codeUnit = this.#codeUnit * 16 + digit;
    this.#unicodeDigits++;
    if (this.#unicodeDigits < 4) return;
    this.#next = CHARACTER;
    this.#codeUnitRead(this.#codeUnit, offset);
  }

  #codeUnitRead(unit: number, offset: number): void {
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== (this.#highSurrogate !== 0)) this.#refuseSurrogate(offset);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      this.#highSurrogate = unit;
      return;
    }
    const character = isLow ? String.fromCharCode(this.#highSurrogate, unit) : String.fromCharCode(unit);
    this.#highSurrogate = 0;
    for (const encoded of Buffer.from(character, "utf8")) this.#put(encoded, offset);
  }
}
