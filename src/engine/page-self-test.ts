/**
 * The known-answer check of what compares sealed states, which every page engine runs before its first page: a machine
 * on which it errs would accuse others of what they did not do, or find right what is wrong.
 */
import type { Kernels } from "./kernels.ts";
import { ENTRY_BYTES, ENTRY_WORDS, FATE } from "./page-check.ts";
import { ROW, ROW_BYTES, ROW_WORDS, RecordStatus } from "./rows.ts";
import { failed, SAMPLE_LENGTHS, sampleByte } from "./self-test.ts";
import { SEALED_HEADER_BYTES, SEALED_OVERHEAD_BYTES } from "./sealed-state.ts";
import { NONCE_BYTES } from "./suite.ts";

/**
 * Compares sample states with themselves, and with such as differ in one bit of their first, middle or last byte.
 * @throws GatekeeperError KERNEL_SELF_TEST_FAILED
 */
export function pageSelfTest(kernels: Kernels): void {
  kernels.reset();
  try {
    for (const length of SAMPLE_LENGTHS) {
      const state = Uint8Array.from({ length: length + SEALED_OVERHEAD_BYTES }, (_, i) => sampleByte(length, i));
      if (!isSame(kernels, state, state)) throw failed("comparison of sealed states");
      for (const at of [0, state.length >> 1, state.length - 1]) {
        const other = state.slice();
        other[at] = other[at]! ^ 1;
        if (isSame(kernels, state, other)) throw failed("comparison of sealed states");
      }
    }
  } finally {
    kernels.wipe();
  }
}

/** Whether pageCompare finds a state that was moved to be the one that is there. */
function isSame(kernels: Kernels, moved: Uint8Array, there: Uint8Array): boolean {
  const rows = [moved, there].map((state) => {
    const row = new Uint32Array(ROW_WORDS);
    row[ROW.text] = kernels.put(state) + SEALED_HEADER_BYTES + NONCE_BYTES;
    row[ROW.length] = state.length - SEALED_OVERHEAD_BYTES;
    row[ROW.status] = RecordStatus.done;
    return kernels.put(new Uint8Array(row.buffer, 0, ROW_BYTES));
  });
  const entries = kernels.alloc(ENTRY_BYTES);
  new Uint32Array(kernels.bytes.buffer, entries, ENTRY_WORDS).set([FATE.changed, rows[1]!]);
  kernels.call("pageCompare", rows[0]!, 1, entries);
  return new Uint32Array(kernels.bytes.buffer, entries, 1)[0] === FATE.moved;
}
