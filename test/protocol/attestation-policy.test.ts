import { expect, test } from "vitest";
import { TCB_STATUSES, attestationPolicyCodec } from "../../src/protocol/attestation-policy.ts";
import { decode, encode } from "../../src/protocol/scale.ts";

test("a policy is two bytes, whose every value has one meaning or none", () => {
  for (let bits = 0; bits < 256; bits++) {
    for (const software of [0, 1, 2]) {
      const bytes = Uint8Array.of(software, bits);
      const policy = decode(attestationPolicyCodec, bytes);
      if (software > 1 || bits >= 1 << TCB_STATUSES.length) expect(policy).toBeNull();
      else expect(encode(attestationPolicyCodec, policy!)).toEqual(bytes);
    }
  }
  const tcbStatuses = ["OutOfDate", "UpToDate"] as const;
  expect([...encode(attestationPolicyCodec, { software: true, tcbStatuses })]).toEqual([1, 0b1_0001]);
});
