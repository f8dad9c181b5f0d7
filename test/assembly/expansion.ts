/** Runs the kernel of expand_message_xmd, which the product's module does not export by itself. */
import { expect } from "vitest";
import { compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

let compiled: Promise<WebAssembly.Module> | undefined;

/** The functions of assembly/expand-message-xmd.ts in a memory of their own. */
export async function expansionKernel(): Promise<KernelInstance> {
  compiled ??= compileKernel("expand-message-xmd");
  return new KernelInstance(await compiled);
}

/**
 * Expands messages of one length, four at a time, to 32·`ell` bytes each, after checking that nothing but the outputs
 * is different in memory afterwards.
 * @param messages - a multiple of four.
 */
export async function expand(messages: readonly Uint8Array[], dst: Uint8Array, ell: number): Promise<string[]> {
  const kernel = await expansionKernel();
  const placed = messages.map((message) => kernel.put(message));
  const [tag, out] = [kernel.put(dst), kernel.alloc(32 * ell * messages.length, 1)];
  const before = kernel.get(0, kernel.bytes.length);
  kernel.call("beginExpansion", messages[0]!.length, tag, dst.length, ell);
  for (let i = 0; i < messages.length; i += 4) {
    kernel.call("expandFour", out + 32 * ell * i, ...placed.slice(i, i + 4));
  }
  const outputs = messages.map((_, i) => Buffer.from(kernel.get(out + 32 * ell * i, 32 * ell)).toString("hex"));
  expect(Buffer.compare(kernel.bytes, before), "the control: something was left").not.toBe(0);
  kernel.call("wipeExpansion");
  kernel.bytes.fill(0, out, out + 32 * ell * messages.length);
  expect(Buffer.compare(kernel.bytes, before), "the memory outside the outputs is as it was").toBe(0);
  return outputs;
}
