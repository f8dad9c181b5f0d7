import { createHash, hkdfSync } from "node:crypto";
import { describe, expect, test, vi } from "vitest";
import type { KeyMaterial } from "../../src/engine/page-engine.ts";
import { CONTRACTS_REMEMBERED, ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { generateMasterKey } from "../../src/keys/master-key.ts";
import { Secret } from "../../src/secret.ts";
import { referenceKey } from "./reference-key.ts";

const contractOf = (index: number): Uint8Array => createHash("sha256").update(`contract ${index}`).digest();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const isWiped = ({ ikm }: KeyMaterial): boolean => ikm.every((byte) => byte === 0);

/** The key that the page engine makes of material. */
function derived({ ikm, info }: KeyMaterial): string {
  return hex(new Uint8Array(hkdfSync("sha256", ikm, new Uint8Array(0), info, 32)));
}

const material = (ring: ContractKeyRing, rotationId: number, contract: Uint8Array): KeyMaterial =>
  ring.materials(rotationId, [contract])[0]!;

describe("a contract key ring", () => {
  test("gives the keys that other code derives, for every generation and suite", () => {
    using first = generateMasterKey(0);
    using second = generateMasterKey(2 ** 32 - 1);
    const seen = new Set<string>();
    for (const suite of [1, 2]) {
      using ring = new ContractKeyRing([first, second], suite);
      for (let index = 0; index < 5; index++) {
        for (const masterKey of [first, second]) {
          const contract = contractOf(index);
          const expected = referenceKey(masterKey, suite, contract);
          expect(derived(material(ring, masterKey.rotationId, contract))).toBe(expected);
          using key = ring.keys(masterKey.rotationId, [contract])[0]!;
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
    const first = material(ring, 1, contract);
    expect(material(ring, 1, Uint8Array.from(contract))).toBe(first);
    expect(material(ring, 1, Buffer.concat([Buffer.alloc(3), contract]).subarray(3))).toBe(first);
    expect(material(ring, 1, contractOf(1))).not.toBe(first);
    const [a, b, c] = ring.materials(1, [contractOf(2), contract, Uint8Array.from(contractOf(2))]);
    expect(b).toBe(first);
    expect(c).toBe(a);
  });

  test("wipes the keys that it has made when a later contract is refused", () => {
    using masterKey = generateMasterKey(1);
    using ring = new ContractKeyRing([masterKey], 1);
    const contracts = Array.from({ length: CONTRACTS_REMEMBERED }, (_, i) => contractOf(i));
    const wiped = vi.spyOn(Secret.prototype, Symbol.dispose);
    try {
      expect(() => ring.keys(1, [...contracts, new Uint8Array(31)])).toThrow(
        expect.objectContaining({ code: "INVALID_ARGUMENT" }),
      );
      expect(wiped).toHaveBeenCalledTimes(CONTRACTS_REMEMBERED);
    } finally {
      wiped.mockRestore();
    }
  });

  test("keeps what it gave when the caller disposes the MasterKey or a key", () => {
    const masterKey = generateMasterKey(1);
    const expected = referenceKey(masterKey, 1, contractOf(0));
    using ring = new ContractKeyRing([masterKey], 1);
    masterKey[Symbol.dispose]();
    for (const key of ring.keys(1, [contractOf(0)])) key[Symbol.dispose]();
    expect(derived(material(ring, 1, contractOf(0)))).toBe(expected);
  });

  test("has no key of a generation that it was not given, nor of what is no contract id", () => {
    using masterKey = generateMasterKey(1);
    using ring = new ContractKeyRing([masterKey], 1);
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE", detail: { rotationId: 0 } });
    expect(() => material(ring, 0, contractOf(0))).toThrow(unavailable);
    expect(() => ring.keys(0, [contractOf(0)])).toThrow(unavailable);
    for (const bytes of [0, 31, 33]) {
      const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
      expect(() => material(ring, 1, new Uint8Array(bytes))).toThrow(refused);
    }
    expect(derived(material(ring, 1, contractOf(0)))).toBe(referenceKey(masterKey, 1, contractOf(0)));
  });

  test("derives what is missing of a batch together with what it remembers", () => {
    using masterKey = generateMasterKey(1);
    using ring = new ContractKeyRing([masterKey], 1);
    const contracts = Array.from({ length: 7 }, (_, i) => contractOf(i));
    const some = ring.materials(1, [contracts[5]!, contracts[2]!]);
    const all = ring.materials(1, contracts);
    expect([all[5], all[2]]).toEqual(some);
    expect(all.map(derived)).toEqual(contracts.map((contract) => referenceKey(masterKey, 1, contract)));
    expect(ring.materials(1, [])).toEqual([]);
  });

  test("gives keys of more contracts than it remembers, and material of no more", () => {
    using masterKey = generateMasterKey(1);
    using ring = new ContractKeyRing([masterKey], 1);
    const contracts = Array.from({ length: CONTRACTS_REMEMBERED + 2 }, (_, i) => contractOf(i));
    const keys = ring.keys(1, contracts);
    expect(new Set(keys.map((key) => key.use(hex))).size).toBe(contracts.length);
    for (const at of [0, CONTRACTS_REMEMBERED - 1, CONTRACTS_REMEMBERED, CONTRACTS_REMEMBERED + 1]) {
      expect(keys[at]!.use(hex)).toBe(referenceKey(masterKey, 1, contracts[at]!));
    }
    expect(() => ring.materials(1, contracts)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    const some = contracts.slice(0, CONTRACTS_REMEMBERED);
    expect(ring.materials(1, [...some, ...some]).length).toBe(2 * CONTRACTS_REMEMBERED);
  });

  test("forgets and wipes the contract that was not asked for the longest, past 1,024", () => {
    expect(CONTRACTS_REMEMBERED).toBe(1_024);
    using old = generateMasterKey(1);
    using current = generateMasterKey(2);
    using ring = new ContractKeyRing([old, current], 1);
    const [first, second] = [contractOf(0), contractOf(1)];
    const kept = material(ring, 1, first);
    const forgotten = [material(ring, 1, second), material(ring, 2, second)];
    const others = Array.from({ length: 1_022 }, (_, index) => material(ring, 1, contractOf(index + 2)));
    expect([kept, ...forgotten, ...others].some(isWiped)).toBe(false);
    const [before] = forgotten.map(derived);
    // Asked for again, the first is the youngest; so the 1,025th takes the place of the second.
    expect(material(ring, 1, first)).toBe(kept);
    const one = material(ring, 1, contractOf(1_024));
    expect(forgotten.every(isWiped)).toBe(true);
    expect([kept, one, ...others].some(isWiped)).toBe(false);
    const again = material(ring, 1, second);
    expect(forgotten).not.toContain(again);
    expect(derived(again)).toBe(before);
    expect(isWiped(others[0]!)).toBe(true);
  });

  test("wipes everything when it is disposed, and derives nothing more", () => {
    using old = generateMasterKey(1);
    using current = generateMasterKey(2);
    const ring = new ContractKeyRing([old, current], 2);
    const materials = [0, 1, 2].flatMap((index) => [1, 2].map((id) => material(ring, id, contractOf(index))));
    expect(materials.some(isWiped)).toBe(false);
    ring[Symbol.dispose]();
    expect(materials.every(isWiped)).toBe(true);
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
    expect(() => material(ring, 1, contractOf(0))).toThrow(unavailable);
    expect(() => ring.keys(2, [contractOf(0)])).toThrow(unavailable);
    ring[Symbol.dispose]();
  });
});
