import { describe, expect, it } from "vitest";
import { KEY_SUITE } from "../../src/keys/group.ts";
import { contractKeyInfo } from "../../src/keys/contract-key.ts";
import { PartitionKeys, sharePartitionKeys, wipePartitionKeys } from "../../src/rotation/partition-keys.ts";

const FROM = { rotationId: 4, suite: "aes-256-gcm", keySuite: KEY_SUITE.secp256k1 } as const;
const TO = { rotationId: 5, suite: "chacha20-poly1305", keySuite: KEY_SUITE.ristretto255 } as const;
const bytes = (value: number): Uint8Array => new Uint8Array(32).fill(value);

describe("key material that is shared with threads", () => {
  it("is found by contract, with what each generation's keys are derived by", () => {
    const contracts = Array.from({ length: 100 }, (_, index) => (index * 37) % 100).map((number) => {
      return { contract: bytes(number), from: bytes(number + 101), to: new Uint8Array(32).fill(1, number % 32) };
    });
    const shared = sharePartitionKeys(FROM, TO, contracts);
    const keys = new PartitionKeys(shared);
    for (const { contract, from, to } of contracts) {
      const old = keys.old(contract)!;
      const fresh = keys.fresh(contract)!;
      expect([old.ikm, fresh.ikm]).toEqual([from, to]);
      expect(old.info).toEqual(contractKeyInfo(1, 1, 4, contract));
      expect(fresh.info).toEqual(contractKeyInfo(2, 2, 5, contract));
      // Engines know by the object that a key is the same; and nothing of it is a copy.
      expect(keys.pair(contract)!.key).toBe(old);
      expect(old.ikm.buffer).toBe(shared.entries);
    }
    expect(keys.old(bytes(100))).toBeNull();
    expect(keys.pair(bytes(200))).toBeNull();
    wipePartitionKeys(shared);
    expect(new Uint8Array(shared.entries).every((byte) => byte === 0)).toBe(true);
  });

  it("may be there for one generation and not for the other", () => {
    const shared = sharePartitionKeys(FROM, TO, [
      { contract: bytes(1), from: null, to: bytes(3) },
      { contract: bytes(2), from: bytes(4), to: null },
    ]);
    const keys = new PartitionKeys(shared);
    expect([keys.old(bytes(1)), keys.fresh(bytes(1))?.ikm]).toEqual([null, bytes(3)]);
    expect([keys.old(bytes(2))?.ikm, keys.fresh(bytes(2))]).toEqual([bytes(4), null]);
    expect([keys.pair(bytes(1)), keys.pair(bytes(2))]).toEqual([null, null]);
  });

  it.each([
    ["an id of another length", FROM, [{ contract: new Uint8Array(31), from: null, to: null }]],
    ["an x(P) of another length", FROM, [{ contract: bytes(1), from: null, to: new Uint8Array(33) }]],
    ["a contract twice", FROM, [bytes(1), bytes(1)].map((contract) => ({ contract, from: null, to: null }))],
    ["generations that do not follow each other", { ...FROM, rotationId: 3 }, []],
  ])("is refused with %s", (_, from, contracts) => {
    expect(() => sharePartitionKeys(from, TO, contracts)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});
