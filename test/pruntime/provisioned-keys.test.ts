import { randomBytes } from "node:crypto";
import { expect, test, vi } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { HkdfSha256 } from "../../src/engine/hkdf-sha256.ts";
import { contractEcdhKey } from "../../src/keys/contract-ecdh-key.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";

const GROUP = ledgerGroup(1);

test("EcdhKeys that are to be published are computed once, for the generation that they are asked for", () => {
  const derive = vi.spyOn(HkdfSha256.prototype, "derive");
  const computed = (): number => derive.mock.calls.reduce((sum, [materials]) => sum + materials.length, 0);
  using keys = new ProvisionedKeys();
  const contracts = Array.from({ length: 3 }, () => randomBytes(32));
  const names = contracts.map(toHex);
  const prfs = [0, 1].map((rotationId) => {
    keys.begin({ rotationId, keySuite: 1, cipherSuite: "aes-256-gcm" });
    return contracts.map((_, at) => {
      const prf = randomBytes(32);
      keys.add(rotationId, names[at]!, prf);
      return prf;
    });
  });
  const expected = prfs.map((each, rotationId) =>
    each.map((prf, at) => toHex(contractEcdhKey(GROUP, prf, 1, rotationId, contracts[at]!).publicKey)),
  );
  derive.mockClear();
  expect(keys.publicEcdhKeys(0, names.slice(0, 2))).toEqual(expected[0]!.slice(0, 2));
  expect(computed()).toBe(2);
  expect(keys.publicEcdhKeys(0, names)).toEqual(expected[0]);
  expect(computed()).toBe(3);
  expect(keys.publicEcdhKeys(1, names)).toEqual(expected[1]);
  expect(computed()).toBe(6);
  keys.published(names);
  expect(keys.publicEcdhKeys(0, names)).toEqual(expected[0]);
  keys.add(0, names[0]!, prfs[1]![0]!);
  expect(keys.publicEcdhKeys(0, names)[0]).not.toBe(expected[0]![0]);
});
