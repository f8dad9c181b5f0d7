import { createHash, hkdfSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { KeyMaterial } from "../../src/engine/page-engine.ts";
import { ContractKeyDeriver, contractKey } from "../../src/keys/contract-key.ts";
import { CONTRACTS_REMEMBERED, ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { generateMasterKey, type MasterKey } from "../../src/keys/master-key.ts";

const contractOf = (index: number): Uint8Array => createHash("sha256").update(`contract ${index}`).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const isWiped = ({ ikm }: KeyMaterial): boolean => ikm.every((byte) => byte === 0);

/** The key that the page engine makes of material. */
function derived({ ikm, info }: KeyMaterial): string {
  return hex(new Uint8Array(hkdfSync("sha256", ikm, new Uint8Array(0), info, 32)));
}

/** The key as the one-step derivation has it. */
function reference(masterKey: MasterKey, suite: number, contract: Uint8Array): string {
  using deriver = new ContractKeyDeriver(masterKey);
  using key = contractKey(deriver, suite, contract);
  return key.use(hex);
}

describe("a contract key ring", () => {
  test("gives the keys that the one-step derivation gives, for every generation and suite", () => {
    using first = generateMasterKey(0);
    using second = generateMasterKey(2 ** 32 - 1);
    const seen = new Set<string>();
    for (const suite of [1, 2]) {
      using ring = new ContractKeyRing([first, second], suite);
      for (let index = 0; index < 5; index++) {
        for (const masterKey of [first, second]) {
          const contract = contractOf(index);
          const expected = reference(masterKey, suite, contract);
          const material = ring.material(masterKey.rotationId, contract);
          expect(derived(material)).toBe(expected);
          using key = ring.key(masterKey.rotationId, contract);
          expect(key.use(hex)).toBe(expected);
          seen.add(expected);
        }
      }
    }
    expect(seen.size).toBe(2 * 5 * 2);
  });

  test("gives one object for one key, however the contract's id is handed in", () => {
    using masterKey = generateMasterKey(1);
    using ring = new ContractKeyRing([masterKey], 1);
    const contract = contractOf(0);
    const material = ring.material(1, contract);
    expect(ring.material(1, Uint8Array.from(contract))).toBe(material);
    expect(ring.material(1, Buffer.concat([Buffer.alloc(3), contract]).subarray(3))).toBe(material);
    expect(ring.material(1, contractOf(1))).not.toBe(material);
  });

  test("keeps what it gave when the caller disposes the MasterKey or a key", () => {
    const masterKey = generateMasterKey(1);
    const expected = reference(masterKey, 1, contractOf(0));
    using ring = new ContractKeyRing([masterKey], 1);
    masterKey[Symbol.dispose]();
    ring.key(1, contractOf(0))[Symbol.dispose]();
    expect(derived(ring.material(1, contractOf(0)))).toBe(expected);
  });

  test("has no key of a generation that it was not given, nor of what is no contract id", () => {
    using masterKey = generateMasterKey(1);
    using ring = new ContractKeyRing([masterKey], 1);
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE", detail: { rotationId: 0 } });
    expect(() => ring.material(0, contractOf(0))).toThrow(unavailable);
    expect(() => ring.key(0, contractOf(0))).toThrow(unavailable);
    for (const bytes of [0, 31, 33]) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => ring.material(1, new Uint8Array(bytes))).toThrow(refused);
    }
    expect(derived(ring.material(1, contractOf(0)))).toBe(reference(masterKey, 1, contractOf(0)));
  });

  test("forgets and wipes the contract that was not asked for the longest, past 1,024", () => {
    expect(CONTRACTS_REMEMBERED).toBe(1_024);
    using old = generateMasterKey(1);
    using current = generateMasterKey(2);
    using ring = new ContractKeyRing([old, current], 1);
    const [first, second] = [contractOf(0), contractOf(1)];
    const kept = ring.material(1, first);
    const forgotten = [ring.material(1, second), ring.material(2, second)];
    const others = Array.from({ length: 1_022 }, (_, index) => ring.material(1, contractOf(index + 2)));
    expect([kept, ...forgotten, ...others].some(isWiped)).toBe(false);
    const [before] = forgotten.map(derived);
    // Asked for again, the first is the youngest; so the 1,025th takes the place of the second.
    expect(ring.material(1, first)).toBe(kept);
    const one = ring.material(1, contractOf(1_024));
    expect(forgotten.every(isWiped)).toBe(true);
    expect([kept, one, ...others].some(isWiped)).toBe(false);
    const again = ring.material(1, second);
    expect(forgotten).not.toContain(again);
    expect(derived(again)).toBe(before);
    expect(isWiped(others[0]!)).toBe(true);
  });

  test("wipes everything when it is disposed, and derives nothing more", () => {
    using old = generateMasterKey(1);
    using current = generateMasterKey(2);
    const ring = new ContractKeyRing([old, current], 2);
    const materials = [0, 1, 2].flatMap((index) => [1, 2].map((id) => ring.material(id, contractOf(index))));
    expect(materials.some(isWiped)).toBe(false);
    ring[Symbol.dispose]();
    expect(materials.every(isWiped)).toBe(true);
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
    expect(() => ring.material(1, contractOf(0))).toThrow(unavailable);
    expect(() => ring.key(2, contractOf(0))).toThrow(unavailable);
    ring[Symbol.dispose]();
  });
});
