/**
 * HKDF-SHA-256 (RFC 5869) without a salt, of many secrets at once, in WebAssembly: no branch or address depends on one. By itself
 * one takes two thirds of node:crypto's time; of hundreds, a tenth, as that makes an object of each that the garbage collector has
 * to find.
 */
import { secretCopy } from "../secret.ts";
import { Kernels } from "./kernels.ts";
import type { KeyMaterial } from "./page-keys.ts";
import { failed } from "./self-test.ts";

/** RFC 5869 §A.3. */
const KNOWN = {
  ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
  output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
} as const;

/**
 * Derives in the kernels' memory, and leaves it there, with copies of the secrets: the caller wipes all.
 * @param out - address of the outputs, one after the other, of `bytes` each.
 */
export function deriveTo(kernels: Kernels, materials: readonly KeyMaterial[], out: number, bytes: number): void {
  const words = materials.flatMap(({ ikm, info }, at) => [
    kernels.put(ikm),
    ikm.length,
    0,
    0,
    kernels.put(info),
    info.length,
    out + at * bytes,
    bytes,
  ]);
  const rows = kernels.put(new Uint8Array(Uint32Array.from(words).buffer));
  kernels.call("hkdfSha256Batch", rows, materials.length);
}

/** Derives on one instance of the kernels, of whose memory nothing is left that was secret. */
export class HkdfSha256 {
  readonly #kernels: Kernels;

  /**
   * @param kernels - what was allocated in them is wiped, by this and by every derivation.
   * @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation.
   */
  constructor(kernels: Kernels = new Kernels()) {
    this.#kernels = kernels;
    const known = { ikm: Buffer.from(KNOWN.ikm, "hex"), info: new Uint8Array(0) };
    const output = this.derive([known], KNOWN.output.length / 2);
    if (Buffer.from(output).toString("hex") !== KNOWN.output) throw failed("HKDF-SHA256");
  }

  /**
   * One output of each secret, one after the other: as secret as those, the caller wipes them.
   * @param materials - stay the caller's.
   * @param bytes - of an output, 8,160 at most.
   * @throws GatekeeperError INVALID_ARGUMENT when they are more than 1 GiB.
   */
  derive(materials: readonly KeyMaterial[], bytes: number): Uint8Array<ArrayBuffer> {
    const kernels = this.#kernels;
    try {
      const out = kernels.alloc(materials.length * bytes);
      deriveTo(kernels, materials, out, bytes);
      return secretCopy(kernels.bytes.subarray(out, out + materials.length * bytes));
    } finally {
      kernels.wipe();
    }
  }
}
