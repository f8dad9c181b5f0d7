import { expect, it } from "vitest";
import { Kernels } from "../../src/engine/kernels.ts";
import { ALL_SUITES, kernelPrefix, type Suite, suiteId, suiteOf } from "../../src/engine/suite.ts";

it("numbers the suites as sealed states do, for ever", () => {
  expect(ALL_SUITES.map((suite) => [suite, suiteId(suite)])).toEqual([
    ["aes-256-gcm", 1],
    ["chacha20-poly1305", 2],
  ]);
  for (const suite of ALL_SUITES) expect(suiteOf(suiteId(suite))).toBe(suite);
});

it("refuses every other number and name", () => {
  for (const id of [-1, 0, 3, 255, 1.5, Number.NaN]) {
    expect(() => suiteOf(id)).toThrow(expect.objectContaining({ code: "SEALED_STATE_INVALID" }));
  }
  for (const name of ["", "aes-128-gcm", "AES-256-GCM", "toString"]) {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => suiteId(name as Suite)).toThrow(refused);
    expect(() => kernelPrefix(name as Suite)).toThrow(refused);
  }
});

it("finds every kernel of each suite, and a context size that keeps contexts aligned", () => {
  const kernels = new Kernels();
  const rows = kernels.alloc(16);
  for (const suite of ALL_SUITES) {
    for (const verb of ["Seal", "Open", "Verify", "Reencrypt"] as const) kernels.run(suite, verb, rows, 0);
    kernels.call(`${kernelPrefix(suite)}Wipe`);
    expect(kernels.keyContextBytes(suite) % 16).toBe(0);
  }
});
