/** What a host tells of the chain, beside what its pRuntime does. */
import { expect, test } from "vitest";
import { ChainWatch, type KeyEvent } from "../../src/gatekeeper/chain-watch.ts";
import { describeHappening } from "../../src/cli/happening-words.ts";
import { rotating } from "../chain/chain-network.ts";
import { FolderChain } from "../chain/folder-chain.ts";
import { identity, publicOf } from "../protocol/network.ts";
import { NAMES } from "../protocol/rotators.ts";
import { keyGenesis } from "../protocol/shareholders.ts";
import { STRANGER, enclaveGenesis } from "../pruntime/authority.ts";
import { until } from "../until.ts";

test(
  "a host tells a rotation from its beginning to its end, and nothing that was before",
  { timeout: 180_000 },
  async () => {
    const { chain, once } = rotating(keyGenesis({ sessionBlocks: 1_000 }), NAMES);
    using _ = chain;
    using own = chain.reopened();
    const watch = new ChainWatch(own);
    const before = (await watch.state()).height;
    const told: KeyEvent[] = [];
    const stop = new AbortController();
    const running = watch.run(async (event) => void told.push(event), stop.signal);
    await until(() => own.height() === before);
    // Its first question is answered then.
    await watch.state();
    once();
    await until(() => told.some(({ kind }) => kind === "MasterKeyAbandoned"));
    stop.abort();
    await running;

    expect(told.every(({ height }, at) => height > before && height >= (told[at - 1]?.height ?? 0))).toBe(true);
    const kinds = told.map(({ kind }) => kind);
    const steps = ["RotationOrdered", "RotationStarted", "KeySessionStarted", "SharingAdopted", "SwitchPlanned"];
    const work = ["PartitionsRecorded", "MasterPubkeyRotated", "PartitionLeased", "PartitionSwept", "PartitionJudged"];
    const end = ["RotationCertified", "KeysDestroyed", "MasterKeyAbandoned"];
    const firsts = [...steps, ...work, ...end].map((kind) => kinds.indexOf(kind as KeyEvent["kind"]));
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b));
    expect(firsts).not.toContain(-1);
    expect(kinds.filter((kind) => kind === "PartitionSwept")).toHaveLength(4);
    expect(told.flatMap((event) => (event.kind === "RotationAdvanced" ? [event.phase] : []))).toEqual([
      "reencryption",
      "verification",
      "abandonment",
    ]);
    // What anybody pays to anybody is not told.
    expect(told.every(({ kind }) => !kind.startsWith("Message"))).toBe(true);

    const names = new Map(NAMES.map((name) => [publicOf(identity(name)), name]));
    const lines = told.map((event) => describeHappening(event, (key) => names.get(key) ?? key));
    expect(lines).toContainEqual(expect.stringMatching(/^[a-g]\d? has leased partition 0, which is unswept$/));
    expect(lines).toContainEqual(expect.stringMatching(/^partition 0: 10 records, 1,000 bytes, vouches [a-g]\d?$/));
  },
);

test("a host's replica is of the last block that is there, whoever asks", async () => {
  using at = new FolderChain(enclaveGenesis([STRANGER]));
  const watch = new ChainWatch(at.chain);
  const heights = [(await watch.state()).height];
  for (let now = 1; now < 4; now++) {
    at.producer.produce(now, true);
    const states = await Promise.all([watch.state(), watch.state()]);
    expect(states[0]).toBe(states[1]);
    heights.push(states[0].height);
  }
  expect(heights).toEqual([0, 1, 2, 3]);
});
