/** What errors are compared with. */
import { expect } from "vitest";

/** An error with this code, and this reason if one is given. */
export function refusedWith(code: string, reason?: string): unknown {
  return expect.objectContaining(
    reason === undefined ? { code } : { code, detail: expect.objectContaining({ reason }) },
  );
}
