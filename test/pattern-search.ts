/** Finds any of many patterns in bytes, in one pass over them: memory of processes is large. */

/** Bytes of a pattern, at least: so many are looked at together. */
const START_BYTES = 3;
/** Up to so many patterns are found faster one after the other, as Node does it. */
const FEW = 40;

/** Where patterns begin, most bytes don't: two thousand patterns leave one place in eight thousand to be looked at. */
export class PatternSearch {
  readonly #patterns: readonly Buffer[];
  /** A bit for each three bytes, set where a pattern begins with them. */
  readonly #starts = new Uint8Array(1 << 21);
  /** Patterns by their first three bytes, as a number. */
  readonly #byStart = new Map<number, number[]>();

  /** @param patterns - of START_BYTES at least; copied. */
  constructor(patterns: readonly Uint8Array[]) {
    this.#patterns = patterns.map((pattern) => Buffer.from(pattern));
    for (const [at, pattern] of this.#patterns.entries()) {
      if (pattern.length < START_BYTES) throw new Error(`a pattern of ${pattern.length} bytes is too short`);
      const start = pattern.readUIntLE(0, START_BYTES);
      this.#starts[start >>> 3]! |= 1 << (start & 7);
      this.#byStart.set(start, [...(this.#byStart.get(start) ?? []), at]);
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

  #countTogether(bytes: Buffer, before: number, counts: number[]): void {
    const starts = this.#starts;
    const end = Math.min(before, bytes.length - START_BYTES + 1);
    let start = bytes.length < START_BYTES ? 0 : bytes.readUIntLE(0, START_BYTES - 1) << 8;
    for (let at = 0; at < end; at++) {
      start = (start >>> 8) | (bytes[at + START_BYTES - 1]! << 16);
      if ((starts[start >>> 3]! & (1 << (start & 7))) === 0) continue;
      for (const index of this.#byStart.get(start)!) {
        const pattern = this.#patterns[index]!;
        if (bytes.compare(pattern, 0, pattern.length, at, Math.min(at + pattern.length, bytes.length)) === 0) {
          counts[index]!++;
        }
      }
    }
  }
}

function occurrences(bytes: Buffer, pattern: Uint8Array, before: number): number {
  let count = 0;
  for (let at = bytes.indexOf(pattern); at >= 0 && at < before; at = bytes.indexOf(pattern, at + 1)) count++;
  return count;
}
