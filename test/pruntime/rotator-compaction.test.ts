import { describe, expect, test } from "vitest";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { ProvisionedKeys } from "../../src/pruntime/provisioned-keys.ts";
import { Provisioning } from "../../src/pruntime/provisioning.ts";
import { Rotator } from "../../src/pruntime/rotator.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { type Rotators, keyOf, reencrypting } from "../protocol/rotators.ts";
import type { Network } from "../protocol/network.ts";

const LEASE_BLOCKS = 4;

/** A network in an abandonment, in which these are those who have certified. */
function abandoning(certifiers: readonly string[]): { readonly ledgerAt: (blocks: number) => Ledger; storeId: string } {
  const { network, rotators }: { network: Network; rotators: Rotators } = reencrypting();
  while (network.state.rotation?.phase !== "abandonment") rotators.until("RotationAdvanced");
  const { genesis, state } = network.ledger;
  const rotation = { ...state.rotation!, certifiers: certifiers.map(keyOf) };
  const ledgerAt = (blocks: number): Ledger =>
    ({ genesis, state: { ...state, rotation, height: rotation.since + blocks } }) as unknown as Ledger;
  return { ledgerAt, storeId: state.stateStore! };
}

/** Who says that the store is compacted, so many blocks after the abandonment has begun, and did not before. */
async function compacting(certifiers: readonly string[], blocks: number): Promise<string[]> {
  const { ledgerAt, storeId } = abandoning(certifiers);
  const said: string[] = [];
  for (const name of ["a", "b", "c", "d", "e", "f"]) {
    const store = new MemoryStore();
    using keys = new ProvisionedKeys();
    using provisioning = new Provisioning(keyOf(name), keys);
    const startThreads = (): never => {
      throw new Error("nothing is swept any more");
    };
    await using rotator = new Rotator({
      stores: [{ store, location: { module: "", options: null }, id: storeId }],
      startThreads,
      keys,
      identityKey: keyOf(name),
      pace: { threads: 1, bytesPerSecond: null },
    });
    const ledger = ledgerAt(blocks);
    rotator.follow(ledger, provisioning);
    await new Promise(setImmediate);
    if (rotator.dueCall(ledger)?.tag === "declareCompacted") said.push(name);
  }
  return said;
}

describe("the store of a MasterKey that is abandoned", () => {
  test("is compacted by who has certified, one after the other", async () => {
    expect(await compacting(["c", "b"], 1)).toEqual(["c"]);
    expect(await compacting(["c", "b"], LEASE_BLOCKS)).toEqual(["b"]);
  });

  test("is compacted by other holders of shares where who has certified holds none any more, or does nothing", async () => {
    const first = await compacting(["e", "f"], 1);
    expect(first).toHaveLength(1);
    expect(["a", "b", "c", "d"]).toContain(first[0]);
    const turns = [0, 1, 2, 3].map((turn) => compacting(["c", "e"], turn * LEASE_BLOCKS));
    expect((await Promise.all(turns)).flat().sort()).toEqual(["a", "b", "c", "d"]);
  });
});
