/** As much of DER (X.690) as a revocation list is made of, strictly: each length in its shortest form, nothing left over. */

export const DER_TAG = Object.freeze({
  integer: 0x02,
  bitString: 0x03,
  sequence: 0x30,
  utcTime: 0x17,
  generalizedTime: 0x18,
  explicit0: 0xa0,
} as const);

/** A value: what is in it, and with the tag and the length before that. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

/** Reads one value after the other; throws a RangeError where there is none of that kind. */
export class DerReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** Whether a value with this tag follows. */
  follows(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  /** The next value, whose tag has to be this one, if one is given. */
  take(expected?: number): DerValue {
    const from = this.#at;
    const tag = this.#byte();
    if (expected !== undefined && tag !== expected) throw new RangeError("another tag");
    const length = this.#length();
    const start = this.#at;
    if (start + length > this.#bytes.length) throw new RangeError("too short");
    this.#at = start + length;
    return { tag, content: this.#bytes.subarray(start, this.#at), whole: this.#bytes.subarray(from, this.#at) };
  }

  /** Makes sure that nothing follows. */
  end(): void {
    if (!this.done) throw new RangeError("something follows");
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw new RangeError("too short");
    return byte;
  }

  /** Up to 64 KiB: nothing that is read here is as long. */
  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    if (first > 0x82) throw new RangeError("too long, or of no definite length");
    const length = first === 0x81 ? this.#byte() : (this.#byte() << 8) | this.#byte();
    if (length < (first === 0x81 ? 0x80 : 0x100)) throw new RangeError("not the shortest");
    return length;
  }
}

/** Milliseconds since 1970 of a UTCTime or GeneralizedTime in the form of RFC 5280 §4.1.2.5: in seconds, and Zulu. */
export function derTime({ tag, content }: DerValue): number {
  const text = Buffer.from(content).toString("latin1");
  const digits = tag === DER_TAG.utcTime ? `${text < "50" ? "20" : "19"}${text}` : text;
  const isTime = tag === DER_TAG.utcTime || tag === DER_TAG.generalizedTime;
  const parts = /^(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(digits);
  if (!isTime || parts === null) throw new RangeError("no time");
  const [, year, month, day, hour, minute, second] = parts;
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(time)) throw new RangeError("no such time");
  return time;
}
