/**
 * Hex digits that arrive in pieces, decoded straight into blocks: a value is never a JavaScript string, and is copied
 * again only if it outgrows its block. Memory is bounded by the longest value that the caller allows.
 */
import type { StringForm } from "./json-rule.ts";
import type { Place } from "./place.ts";

/** Thousands of small values share one block, which lives as long as the last of them. */
const BLOCK_BYTES = 1 << 17;
/** Each move of a value that outgrows its block gives it this many times the room. */
const GROWTH = 4;
/** Of a name that is too long, what its error shows. */
const NAME_BYTES_SHOWN = 32;
const BAD = 255;
const DIGIT_0 = 0x30;
const LETTER_X = 0x78;
const CASE_BIT = 0x20;

const NIBBLE = new Uint8Array(256).fill(BAD);
for (let digit = 0; digit < 16; digit++) {
  const character = digit.toString(16);
  NIBBLE[character.charCodeAt(0)] = digit;
  NIBBLE[character.toUpperCase().charCodeAt(0)] = digit;
}

/** What of the 0x was seen. */
const NOTHING = 0;
const ZERO = 1;
const DIGITS = 2;

/** Decodes one hex string after another. */
export class HexBytes {
  readonly #place: Place;
  #form: StringForm | null = null;
  #block = new Uint8Array(BLOCK_BYTES);
  #start = 0;
  #end = 0;
  #seen = NOTHING;
  /** The first digit of an unfinished pair, or BAD. */
  #pending = BAD;

  constructor(place: Place) {
    this.#place = place;
  }

  /** Begins a string. */
  begin(form: StringForm): void {
    this.#form = form;
    this.#seen = NOTHING;
    this.#pending = BAD;
  }

  /**
   * Takes whole pairs of digits from `chunk[from…]`.
   * @returns where it stopped: the chunk's end, its last byte, or a pair that is none. The caller hands the byte
   * there, if it belongs to the string, to `digit`.
   */
  run(chunk: Uint8Array, from: number): number {
    if (this.#seen !== DIGITS || this.#pending !== BAD) return from;
    const last = chunk.length - 1;
    let i = from;
    while (i < last) {
      if (this.#end === this.#block.length) this.#grow();
      const block = this.#block;
      const stop = Math.min(last, i + 2 * (block.length - this.#end));
      let end = this.#end;
      let pair = 0;
      while (i < stop) {
        const high = NIBBLE[chunk[i]!]!;
        const low = NIBBLE[chunk[i + 1]!]!;
        pair = high | low;
        if (pair === BAD) break;
        block[end++] = (high << 4) | low;
        i += 2;
      }
      this.#end = end;
      if (pair === BAD) break;
    }
    return i;
  }

  /** Takes one character of the string. */
  digit(character: number, offset: number): void {
    const form = this.#form!;
    if (this.#seen !== DIGITS) {
      if (this.#seen === NOTHING && character === DIGIT_0) {
        this.#seen = ZERO;
        return;
      }
      const prefixed = this.#seen === ZERO && (character | CASE_BIT) === LETTER_X;
      if (!prefixed && form.bare !== true) this.#place.fail(`${form.name} must begin with 0x`, offset);
      if (this.#seen === ZERO && !prefixed) this.#pending = 0;
      this.#seen = DIGITS;
      if (prefixed) return;
    }
    const nibble = NIBBLE[character] ?? BAD;
    if (nibble === BAD) this.#place.fail(`${form.name} holds a character that is not a hex digit`, offset);
    if (this.#pending === BAD) {
      this.#pending = nibble;
      return;
    }
    if (this.#end === this.#block.length) this.#grow();
    this.#block[this.#end++] = (this.#pending << 4) | nibble;
    this.#pending = BAD;
  }

  /** Ends the string: its bytes, which are the caller's. */
  finish(): Uint8Array {
    const form = this.#form!;
    if (this.#seen !== DIGITS && form.bare !== true) this.#place.fail(`${form.name} must begin with 0x`);
    if (this.#seen === ZERO || this.#pending !== BAD) this.#place.fail(`${form.name} has an odd number of hex digits`);
    if (this.#end - this.#start > form.maxBytes) this.#refuseLength(form);
    const bytes = new Uint8Array(this.#block.buffer, this.#start, this.#end - this.#start);
    this.#start = this.#end;
    // What follows a large value would keep all of its block alive.
    if (this.#block.length > BLOCK_BYTES) this.#use(new Uint8Array(BLOCK_BYTES), 0);
    return bytes;
  }

  #refuseLength(form: StringForm): never {
    if (form.isName === true) this.#place.key = this.#block.slice(this.#start, this.#start + NAME_BYTES_SHOWN);
    if (form.tooLarge === "RECORD_TOO_LARGE") this.#place.failTooLarge(form.name, form.maxBytes);
    this.#place.fail(`${form.name} is longer than ${form.maxBytes} bytes`);
  }

  /** Moves the unfinished value to a block with room; values before it stay in the old one. */
  #grow(): void {
    const form = this.#form!;
    const length = this.#end - this.#start;
    if (length > form.maxBytes) this.#refuseLength(form);
    const size = Math.max(BLOCK_BYTES, Math.min(GROWTH * length, form.maxBytes + 1));
    const block = new Uint8Array(size);
    block.set(this.#block.subarray(this.#start, this.#end));
    this.#use(block, length);
  }

  #use(block: Uint8Array<ArrayBuffer>, end: number): void {
    this.#block = block;
    this.#start = 0;
    this.#end = end;
  }
}
