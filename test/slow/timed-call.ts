/** Times one kernel call again and again on inputs of two classes, of which nothing but their bytes tells the class. */
import { createHash } from "node:crypto";
import type { Kernels } from "../../src/engine/kernels.ts";

export interface TimedCall {
  readonly name: string;
  readonly kernels: Kernels;
  /** Where every input is put, and its size. */
  readonly input: number;
  readonly inputBytes: number;
  /** Makes an input of class 0 or 1 out of random bytes, in place. */
  shape(kind: number, random: Uint8Array): void;
  /** What has to be done to the input before the timed part. */
  prepare(): void;
  /** The timed part. */
  run(): void;
  /** Something that the last run left, and what it must be: that the right thing is timed. */
  readonly outcome?: { readonly expected: number; read(): number };
}

/** Inputs made at a time, which wait in the kernels' memory. */
const CHUNK = 1_000;
/** Twice that is as much as the largest first-level caches hold, and less than a second-level one. */
const EVICTING_BYTES = 64 * 1_024;

/**
 * Times a call `count` times, a multiple of 1,000; a coin decides the class of each.
 * @param label - inputs and their order follow from it.
 * @returns nanoseconds, and the class of each.
 */
export function measure(call: TimedCall, count: number, label: string): [Float64Array, Uint8Array] {
  const { kernels, input, inputBytes } = call;
  const times = new Float64Array(count);
  const classes = new Uint8Array(count);
  const evicting = kernels.alloc(2 * EVICTING_BYTES);
  const staged = kernels.alloc(CHUNK * inputBytes);
  const memory = kernels.bytes;
  for (let done = 0; done < count; done += CHUNK) {
    const outputLength = CHUNK * (inputBytes + 1);
    const random = createHash("shake256", { outputLength }).update(`${label} ${done}`).digest();
    for (let i = 0; i < CHUNK; i++) {
      const kind = random[CHUNK * inputBytes + i]! & 1;
      classes[done + i] = kind;
      call.shape(kind, random.subarray(i * inputBytes, (i + 1) * inputBytes));
    }
    memory.set(random.subarray(0, CHUNK * inputBytes), staged);
    // From here on no code is told a class.
    for (let i = 0; i < CHUNK; i++) {
      memory.copyWithin(input, staged + i * inputBytes, staged + (i + 1) * inputBytes);
      call.prepare();
      memory.copyWithin(evicting, evicting + EVICTING_BYTES, evicting + 2 * EVICTING_BYTES);
      const begin = performance.now();
      call.run();
      times[done + i] = (performance.now() - begin) * 1e6;
    }
  }
  return [times, classes];
}
