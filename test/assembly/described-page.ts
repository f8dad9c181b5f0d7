/** Pages as pageDescribe leaves them, for the tests of the kernels that go on from there. */
import { expect } from "vitest";
import { ROW_BYTES, ROW_WORDS } from "../../src/engine/rows.ts";
import { bytesOf } from "../engine/deterministic-bytes.ts";
import type { KernelInstance } from "./instance.ts";

/** Under which suite and rotation id records are pending, and under which they are left. */
export const PENDING_UNDER = { suite: 1, rotationId: 5 } as const;
export const LEFT_UNDER = { suite: 1, rotationId: 9 } as const;

/** The contract that they belong to. */
export const PAGE_CONTRACT = bytesOf(1, 32);

/** Where the rows of a page are, how many, and where its body is. */
export interface DescribedPage {
  readonly rows: number;
  readonly count: number;
  readonly body: number;
}

/** Describes pages, whose rows are one after the other; the body is that of the first. */
export function describedPage(kernels: KernelInstance, ...bodies: readonly Uint8Array[]): DescribedPage {
  const room = bodies.reduce((sum, { length }) => sum + length, 0);
  const rows = kernels.alloc(Math.ceil(room / 48) * ROW_BYTES);
  const places = bodies.map((body) => kernels.put(body));
  let count = 0;
  bodies.forEach((body, index) => {
    const described = kernels.call(
      "pageDescribe",
      places[index]!,
      body.length,
      kernels.put(PAGE_CONTRACT),
      PENDING_UNDER.suite,
      PENDING_UNDER.rotationId,
      LEFT_UNDER.suite,
      LEFT_UNDER.rotationId,
      0,
      rows + count * ROW_BYTES,
      kernels.alloc(body.length + 16),
    );
    expect(described).toBeGreaterThanOrEqual(0);
    count += described;
  });
  return { rows, count, body: places[0]! };
}

/** The words of a row: a view that is void when memory grows. */
export function rowOf(kernels: KernelInstance, rows: number, index: number): Uint32Array {
  return new Uint32Array(kernels.memory.buffer, rows + index * ROW_BYTES, ROW_WORDS);
}
