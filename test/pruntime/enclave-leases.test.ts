/** What the enclave of a network says of leases, beside all else that the chain wants to hear of it. */
import { expect, test } from "vitest";
import type { Effect } from "../../src/protocol/effect.ts";
import type { PartitionThreads } from "../../src/rotation/partition-pool.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { useFolder } from "./folder.ts";
import { ProvisionedNetwork } from "./provisioned-network.ts";

const at = useFolder();
const counts = { pages: 0, records: 0, bytes: 0, failed: 0, failures: [], quarantined: 0 };
const refused = (): never => {
  throw new Error("only sweeps and verifications are asked for");
};

/** Threads that are done with everything at once. */
const THREADS: PartitionThreads = {
  sweep: async () => ({ end: "done", receipt: { ...counts, digest: new Uint8Array(32) } }),
  verify: async () => ({ end: "verdict", verdict: "sound", records: 0, why: null }),
  drop: async () => undefined,
  copy: refused,
  verifyCopy: refused,
  rehearse: refused,
  [Symbol.asyncDispose]: async () => undefined,
};

test("a lease does not end with the work done because a key session wants to hear something in each block of it", async () => {
  using network = await ProvisionedNetwork.create(at, { others: 0, leaseBlocks: 5, refreshBlocks: 15 });
  const { homes, chain } = network;
  const store = { store: new MemoryStore(), location: { module: "", options: null }, id: `0x${"5a".repeat(32)}` };
  for (const { enclave } of homes) {
    await enclave.attachStores([store], { threads: 1, bytesPerSecond: null }, () => THREADS);
  }
  const told: Effect[] = [];
  const block = async (messages: readonly Uint8Array[] = []): Promise<void> => {
    chain.block([...messages, ...homes.flatMap((home) => home.follow(chain))]);
    told.push(...chain.effects);
    await new Promise(setImmediate);
  };
  // So that a refresh is due when the partition is leased to be verified.
  await block();
  const order = { round: chain.ledger.state.governanceRound, action: { tag: "rotate", value: undefined } } as const;
  await block(["g1", "g2"].map((member) => chain.message(member, { tag: "govern", value: order })));
  const kinds = () => told.map(({ kind }) => kind);
  for (let count = 0; !kinds().includes("PartitionJudged"); count++) {
    expect(count).toBeLessThan(60);
    await block();
  }
  for (const { enclave } of homes) await enclave.detachStores();
  expect(kinds()).not.toContain("LeaseExpired");
  const phases = kinds()
    .slice(kinds().lastIndexOf("PartitionLeased"))
    .filter((kind) => kind.startsWith("KeySession"));
  expect(phases).toEqual(["KeySessionStarted", "KeySessionAdvanced", "KeySessionAdvanced"]);
});
