/**
 * What a format wants with each value of a JSON document: a format is a tree of rules, one for each place in it.
 * The parser asks the rule of a value before it reads it, so that a string becomes bytes, text or nothing at once.
 */
import type { Place } from "./place.ts";

/** How a string is to be read. */
export interface StringForm {
  readonly as: "text" | "hex" | "nothing";
  /** Longest accepted, in bytes after unescaping (and after hex decoding). */
  readonly maxBytes: number;
  /** The string's name in errors: "a storage key". */
  readonly name: string;
  /** What a longer one is: a record that no store takes, or just a malformed file. */
  readonly tooLarge: "RECORD_TOO_LARGE" | "IMPORT_INVALID";
  /** It names something, so an error may show the beginning of it; values are never shown. */
  readonly isName?: boolean;
  /** Hex may come without 0x. */
  readonly bare?: boolean;
}

/**
 * The rule of one place. This base refuses every value, saying what it expected; a subclass overrides what it takes.
 * One rule object may serve many values in turn, never two that are nested in each other (except the skipping one).
 */
export class Rule {
  protected readonly place: Place;
  readonly #expected: string;
  /** How a string here is read; null: refused. */
  readonly strings: StringForm | null = null;
  /** How the keys of an object here are read; null: an object is refused. */
  readonly keys: StringForm | null = null;
  /** Whether an array is taken here. */
  readonly items: boolean = false;

  /** @param expected - with its article: "an object of storage keys". */
  constructor(place: Place, expected: string) {
    this.place = place;
    this.#expected = expected;
  }

  /** A string of form "text", or "" for "nothing". */
  text(_value: string): void {
    this.refuse("a string");
  }

  /** A string of form "hex"; the bytes are the rule's to hand on. */
  bytes(_value: Uint8Array): void {
    this.refuse("a string");
  }

  /** A number, as it was written. */
  number(_digits: string): void {
    this.refuse("a number");
  }

  literal(word: "true" | "false" | "null"): void {
    this.refuse(word);
  }

  /** An object begins. */
  objectStart?(): void;

  /** A key of form "text" (or "" for "nothing"): the rule of its value. */
  textKey(_key: string): Rule {
    return this.refuse("a key");
  }

  /** A key of form "hex": the rule of its value. */
  bytesKey(_key: Uint8Array): Rule {
    return this.refuse("a key");
  }

  /** An object ends. */
  objectEnd?(): void;

  /** The rule of an array's element. */
  item(_index: number): Rule {
    return this.refuse("an array");
  }

  /** Throws IMPORT_INVALID: something else stands where this rule's value should. */
  refuse(found: string): never {
    this.place.fail(`expected ${this.#expected}, found ${found}`);
  }
}
