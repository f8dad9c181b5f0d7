import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { DstackAgent } from "../../src/pruntime/dstack.ts";
import { openDstackSealer } from "../../src/pruntime/dstack-sealer.ts";
import { Sealer, SEALER_KIND } from "../../src/pruntime/sealer.ts";
import { Secret } from "../../src/secret.ts";
import { agentKey, startAgent } from "./dstack-agent.ts";
import { useFolder } from "./folder.ts";

const at = useFolder();
const agentAt = (): DstackAgent => new DstackAgent(at("dstack.sock"));
const PATH = "gatekeeper/v1 dstack sealing key";
const BINDING = Buffer.of(1, 2);
const sealedBy = (sealer: Sealer): Uint8Array => sealer.seal(CONTEXT.sealMasterKey, BINDING, Buffer.from("secret"));
const openedBy = (sealer: Sealer, sealed: Uint8Array): string => {
  using secret = sealer.unseal(CONTEXT.sealMasterKey, BINDING, sealed, "FILE");
  return secret.use((bytes) => Buffer.from(bytes).toString());
};

describe("the sealer of a dstack app", () => {
  test("is of kind dstack, and the same each time", async () => {
    await using agent = await startAgent(at("dstack.sock"));
    using sealer = await openDstackSealer(agentAt());
    expect([sealer.kind, sealer.software]).toEqual([2, false]);
    using again = await openDstackSealer(agentAt());
    expect(openedBy(again, sealedBy(sealer))).toBe("secret");
    for (const { url, body } of agent.requests) {
      expect([url, JSON.parse(body)]).toEqual(["/GetKey", { path: PATH, purpose: "seal", algorithm: "secp256k1" }]);
    }
  });

  test("seals under the HKDF of the agent's key, not under that key", async () => {
    await using _ = await startAgent(at("dstack.sock"));
    using sealer = await openDstackSealer(agentAt());
    // RFC 5869 §2.2 and §2.3 by HMAC alone; no salt is as many zeros as the hash has bytes, and one block is enough.
    const prk = createHmac("sha256", Buffer.alloc(32)).update(agentKey(PATH)).digest();
    const kek = createHmac("sha256", prk)
      .update(Buffer.concat([Buffer.from(PATH), Buffer.of(1)]))
      .digest();
    using expected = new Sealer(SEALER_KIND.dstack, new Secret(kek));
    expect(openedBy(expected, sealedBy(sealer))).toBe("secret");
    using direct = new Sealer(SEALER_KIND.dstack, new Secret(agentKey(PATH)));
    expect(() => openedBy(direct, sealedBy(sealer))).toThrow("does not open");
  });

  test("is not there without an agent", async () => {
    await expect(openDstackSealer(agentAt())).rejects.toMatchObject({ code: "DSTACK_FAILED" });
  });
});
