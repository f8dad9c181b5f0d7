/** Finds any of many patterns in bytes, in one pass over them: memory of processes is large. */

/** Bytes of a pattern, at least: so many are looked at together. */
const START_BYTES = 4;
/** Up to so many patterns are found faster one after the other, as Node does it. */
const FEW = 40;

/** Where patterns may begin, most bytes are passed over at once. */
export class PatternSearch {
  readonly #patterns: readonly Buffer[];
  /** A bit for each hash of four bytes, set where a pattern begins with such. */
  readonly #starts = new Uint8Array(1 << 15);
  /** Patterns by their first four bytes, as a number. */
  readonly #byStart = new Map<number, number[]>();

  /** @param patterns - of START_BYTES at least; copied. */
  constructor(patterns: readonly Uint8Array[]) {
    this.#patterns = patterns.map((pattern) => Buffer.from(pattern));
    for (const [index, pattern] of this.#patterns.entries()) {
      if (pattern.length < START_BYTES) throw new Error(`a pattern of ${pattern.length} bytes is too short`);
      const start = pattern.readInt32LE();
      const hash = hashed(start);
      this.#starts[hash >>> 3]! |= 1 << (hash & 7);
      this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), index]);
    }
  }

  /**
   * How often each pattern begins in the bytes before a place.
   * @param counts - one a pattern; added to.
   */
  count(bytes: Buffer, before: number, counts: number[]): void {
    if (this.#patterns.length > FEW) this.#countTogether(bytes, before, counts);
    else for (const [index, pattern] of this.#patterns.entries()) counts[index]! += occurrences(bytes, pattern, before);
  }

  #countTogether(bytes: Uint8Array, before: number, counts: number[]): void {
    const starts = this.#starts;
    const end = Math.min(before, bytes.length - START_BYTES + 1);
    let start = (bytes[0]! << 8) | (bytes[1]! << 16) | (bytes[2]! << 24);
    for (let at = 0; at < end; at++) {
      start = (start >>> 8) | (bytes[at + START_BYTES - 1]! << 24);
      const hash = hashed(start);
      if ((starts[hash >>> 3]! & (1 << (hash & 7))) === 0) continue;
      for (const index of this.#byStart.get(start) ?? []) if (isAt(bytes, at, this.#patterns[index]!)) counts[index]!++;
    }
  }
}

/** 18 bits of four bytes. */
function hashed(start: number): number {
  return Math.imul(start, 0x9e3779b1) >>> 14;
}

function isAt(bytes: Uint8Array, at: number, pattern: Uint8Array): boolean {
  for (let i = START_BYTES; i < pattern.length; i++) if (bytes[at + i] !== pattern[i]) return false;
  return true;
}

function occurrences(bytes: Buffer, pattern: Uint8Array, before: number): number {
  let count = 0;
  for (let at = bytes.indexOf(pattern); at >= 0 && at < before; at = bytes.indexOf(pattern, at + 1)) count++;
  return count;
}
