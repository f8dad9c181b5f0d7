import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CONTRACT_KIND, type ContractKind, checkContractId, contractId, deployedName } from "../src/contract-id.ts";

const sha256 = (...parts: (string | Uint8Array)[]): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

describe("a contract id", () => {
  test("is SHA-256(context ‖ kind ‖ native name)", () => {
    const label = "gatekeeper/v1 contract id";
    const check = (kind: ContractKind, name: Uint8Array): void => {
      expect(hex(contractId(kind, name))).toBe(sha256(label, Uint8Array.of(kind), name));
    };
    fc.assert(fc.property(bytes(20), (address) => check(CONTRACT_KIND.account, address)));
    fc.assert(fc.property(bytes(16), (prefix) => check(CONTRACT_KIND.pallet, prefix)));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (trie) => check(CONTRACT_KIND.childTrie, trie)));
    check(CONTRACT_KIND.wellKnown, Buffer.from(":"));
    const name = fc.uint8Array({ minLength: 32, maxLength: 96 });
    fc.assert(fc.property(name, (deployed) => check(CONTRACT_KIND.deployed, deployed)));
  });

  test("stays what it was: stores of earlier versions hold it", () => {
    expect(CONTRACT_KIND).toEqual({ account: 1, pallet: 2, childTrie: 3, wellKnown: 4, deployed: 5 });
    // printf 'gatekeeper/v1 contract id\004:' | sha256sum
    expect(hex(contractId(4, Buffer.from(":")))).toBe(
      "12e894e8857c833725b252618fd4b905117d1b78c347fb1857a883aa544ebc11",
    );
  });

  test("differs by kind where the names are equal", () => {
    const name = new Uint8Array(16).fill(7);
    expect(contractId(CONTRACT_KIND.pallet, name)).not.toEqual(contractId(CONTRACT_KIND.childTrie, name));
  });
});

test("a deployed contract is named by its owner, then by what he calls it", () => {
  const owner = new Uint8Array(32).fill(9);
  expect(deployedName(owner, Buffer.from("name"))).toEqual(Uint8Array.from([...owner, ...Buffer.from("name")]));
  expect(deployedName(owner, new Uint8Array(0))).toEqual(owner);
  const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
  // Else the owner "9…9" + "x" would have the name of the owner "9…9x".
  expect(() => deployedName(owner.subarray(1), Buffer.from("name"))).toThrow(refused);
  expect(() => deployedName(Buffer.alloc(33), Buffer.from("name"))).toThrow(refused);
  expect(() => deployedName(owner, new Uint8Array(65))).toThrow(refused);
});

describe("a native name that is not of its kind is refused", () => {
  const cases: [string, number, Uint8Array][] = [
    ["an address of 19 bytes", 1, new Uint8Array(19)],
    ["an address of 21 bytes", 1, new Uint8Array(21)],
    ["an empty address", 1, new Uint8Array(0)],
    ["a pallet prefix of 15 bytes", 2, new Uint8Array(15)],
    ["a pallet prefix of 32 bytes", 2, new Uint8Array(32)],
    ["a well-known name that is not a colon", 4, Uint8Array.of(0x3b)],
    ["a well-known name that is longer", 4, Buffer.from(":code")],
    ["kind 0", 0, new Uint8Array(20)],
    ["an owner of 31 bytes", 5, new Uint8Array(31)],
    ["an owner with a name of 65 bytes", 5, new Uint8Array(97)],
    ["kind 6", 6, new Uint8Array(20)],
    ["a kind that is no integer", 1.5, new Uint8Array(20)],
    ["a kind named like an Object property", "toString" as unknown as number, new Uint8Array(20)],
  ];
  test.each(cases)("%s", (_, kind, name) => {
    expect(() => contractId(kind as ContractKind, name)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("and a contract id of another length", () => {
    for (const length of [0, 31, 33]) expect(() => checkContractId(new Uint8Array(length))).toThrow(`not ${length}`);
    expect(() => checkContractId(new Uint8Array(32))).not.toThrow();
  });
});
