import { createCipheriv } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import type { Suite } from "../../src/engine/suite.ts";
import { ContractKeyRing } from "../../src/keys/contract-key-ring.ts";
import { checkStateSize, openStates, type PlacedState, sealStates } from "../../src/pruntime/state-sealer.ts";
import { contractOf, Generations, text } from "../rotation/sealed-store.ts";

const ENGINE = new Engine();

async function ring(suite = 1): Promise<ContractKeyRing> {
  const generations = new Generations();
  (await generations.newMasterKey(1))[Symbol.dispose]();
  using first = await generations.masterKey(0);
  using second = await generations.masterKey(1);
  return new ContractKeyRing([first, second], suite);
}

const plain = Array.from({ length: 50 }, (_, index) => ({
  contract: contractOf(index % 3).id,
  key: text(`key ${index}`),
  value: new Uint8Array(index * 7).fill(index),
  writeVersion: BigInt(index) * 2n ** 40n + 1n,
}));

function placed(sealed: readonly Uint8Array[]): PlacedState[] {
  return sealed.map((bytes, index) => ({ contract: plain[index]!.contract, key: plain[index]!.key, sealed: bytes }));
}

/** What gives keys of one suite. */
function sourceOf(ring: ContractKeyRing, suite: Suite = "aes-256-gcm") {
  return { keys: ring.keys.bind(ring), suite: () => suite };
}

describe.each(["aes-256-gcm", "chacha20-poly1305"] as const)("sealed states in bulk, %s", (suite) => {
  const suiteByte = suite === "aes-256-gcm" ? 1 : 2;

  it("are the bytes of engine/sealed-state.ts, as node:crypto makes them", async () => {
    using keys = await ring(suiteByte);
    const sealed = sealStates(ENGINE, sourceOf(keys, suite), 1, plain);
    sealed.forEach((bytes, index) => {
      const { contract, key, value, writeVersion } = plain[index]!;
      const state = Buffer.from(bytes);
      expect([...state.subarray(0, 2)]).toEqual([1, suiteByte]);
      expect(state.readUInt32LE(2)).toBe(1);
      expect(state.readBigUInt64LE(6)).toBe(writeVersion);
      using contractKey = keys.keys(1, [contract])[0]!;
      const cipher = contractKey.use((secret) =>
        createCipheriv(suite as "aes-256-gcm", secret, state.subarray(14, 26), { authTagLength: 16 }),
      );
      cipher.setAAD(Buffer.concat([state.subarray(0, 14), contract, key]));
      const expected = Buffer.concat([cipher.update(value), cipher.final(), cipher.getAuthTag()]);
      expect(Buffer.compare(state.subarray(26), expected)).toBe(0);
    });
    expect(new Set(sealed.map((bytes) => Buffer.from(bytes.subarray(14, 26)).toString("hex"))).size).toBe(50);
  });

  it("open again, from both generations in one batch, and are wiped afterwards", async () => {
    using keys = await ring(suiteByte);
    const old = sealStates(ENGINE, sourceOf(keys, suite), 0, plain);
    const mixed = sealStates(ENGINE, sourceOf(keys, suite), 1, plain).map((bytes, index) =>
      index % 2 ? bytes : old[index]!,
    );
    const lent: Uint8Array[] = [];
    let opened = 0;
    openStates(ENGINE, sourceOf(keys, suite), placed(mixed), (index, value) => {
      expect(value).toEqual(plain[index]!.value);
      opened++;
      lent.push(value!);
    });
    expect(opened).toBe(50);
    expect(lent.every((value) => value.every((byte) => byte === 0))).toBe(true);
  });

  it("do not open when moved, renamed or altered; their neighbours do", async () => {
    using keys = await ring(suiteByte);
    const states = placed(sealStates(ENGINE, sourceOf(keys, suite), 0, plain));
    const altered = Uint8Array.from(states[10]!.sealed);
    altered[27] = altered[27]! ^ 1;
    states[10] = { ...states[10]!, sealed: altered };
    states[20] = { ...states[20]!, key: text("key 21") };
    states[30] = { ...states[30]!, contract: contractOf(9).id };
    const other = Uint8Array.from(states[40]!.sealed);
    other[1] = 3 - suiteByte;
    states[40] = { ...states[40]!, sealed: other };
    const refused: number[] = [];
    openStates(ENGINE, sourceOf(keys, suite), states, (index, value) => {
      if (value === null) refused.push(index);
      else expect(value).toEqual(plain[index]!.value);
    });
    expect(refused).toEqual([10, 20, 30, 40]);
  });
});

describe("the bounds of a batch", () => {
  it("are kept, and no plaintext is left where sealing fails", async () => {
    using keys = await ring();
    const arenas: Uint8Array[] = [];
    const failing = Object.assign(Object.create(Engine.prototype) as Engine, {
      seal: (_: string, batch: { arena: Uint8Array }) => {
        arenas.push(batch.arena);
        expect(batch.arena.includes(49)).toBe(true);
        throw new Error("the kernel failed");
      },
    });
    expect(() => sealStates(failing, sourceOf(keys), 0, plain)).toThrowError("the kernel failed");
    expect(arenas.length).toBe(1);
    expect(arenas[0]!.every((byte) => byte === 0)).toBe(true);
    const large = [0, 1].map((index) => ({ ...plain[index]!, value: new Uint8Array(1 << 24) }));
    expect(() => sealStates(ENGINE, sourceOf(keys), 0, large)).toThrowError(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });

  it("of a record are 4,096 bytes of key and 16 MiB of value, and the error names it", () => {
    const { id } = contractOf(0);
    expect(() => checkStateSize(id, new Uint8Array(4_096), 1 << 24)).not.toThrow();
    const contract = `0x${Buffer.from(id).toString("hex")}`;
    const tooLarge = { code: "RECORD_TOO_LARGE", detail: { contract, key: `0x${"00".repeat(64)}` } };
    expect(() => checkStateSize(id, new Uint8Array(4_097), 0)).toThrowError(expect.objectContaining(tooLarge));
    expect(() => checkStateSize(id, text("k"), (1 << 24) + 1)).toThrowError(
      expect.objectContaining({ code: "RECORD_TOO_LARGE", detail: { contract, key: "0x6b" } }),
    );
  });
});
