/** Key sessions by whole pRuntimes, with their files and signatures: killed, late, and put back to what was kept. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { toHex } from "../../src/bytes.ts";
import { accountOf } from "../../src/protocol/account.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { currentSharing } from "../../src/protocol/key-session.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { EnclaveFiles } from "../../src/pruntime/enclave-files.ts";
import { CURVE, UNIT, genesisOf, idOf } from "../protocol/network.ts";
import { Authority, enclaveGenesis } from "./authority.ts";
import { EnclaveHome, said } from "./enclave-home.ts";
import { useFolder } from "./folder.ts";

const at = useFolder();
let homes: EnclaveHome[] = [];
beforeEach(() => {
  homes = [];
});
afterEach(() => {
  for (const home of homes) home[Symbol.dispose]();
});

/** Three gatekeepers with a threshold of 2, and a chain that lists them, in which governance has ordered a MasterKey. */
async function launched(
  masterKey: Partial<Genesis["masterKey"]> = {},
  changes: Partial<Genesis> = {},
): Promise<Authority> {
  for (let number = 0; number < 3; number++) homes.push(await EnclaveHome.create(at(`home-${number}`)));
  const keys = homes.map((home) => home.keys);
  const chain = new Authority(
    enclaveGenesis(keys, {
      gatekeepers: { tag: "listed", value: keys.map(({ identityKey }) => identityKey) },
      masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 6, refreshBlocks: 1_000, ...masterKey },
      ecdhKeys: { interval: 1_000, overlap: 3 },
      ...changes,
    }),
  );
  return ordered(chain);
}

/**
 * In the same way, where each has a contract to run when the MasterKey is rotated.
 * @param phaseBlocks - of the rotation.
 * @returns what the chain tells of the abandonment: who is late, and how many key sessions fail from its first block on.
 */
async function abandoned(masterKey: Partial<Genesis["masterKey"]>, phaseBlocks: number) {
  const rotation = { ...genesisOf().rotation, phaseBlocks };
  const chain = await launched(masterKey, { rotation, sessionBlocks: 6 });
  await until(chain, () => currentSharing(chain.ledger.state) !== undefined);
  const block = (messages: readonly Uint8Array[]): unknown =>
    chain.block([...homes.flatMap((home) => home.follow(chain)), ...messages]);
  block(
    homes.map(({ keys: { identityKey: worker } }, ahead) =>
      chain.message("rich", { tag: "deployContract", value: { name: Buffer.of(ahead), worker } }, ahead),
    ),
  );
  const vote = { round: chain.ledger.state.governanceRound, action: { tag: "rotate", value: undefined } } as const;
  block(["g1", "g2"].map((member) => chain.message(member, { tag: "govern", value: vote })));
  let failed: number | null = null;
  let outstanding: readonly string[] | null = null;
  const isOver = (): boolean => {
    if (chain.ledger.state.rotation?.phase === "abandonment") failed ??= 0;
    for (const effect of chain.effects) {
      if (failed !== null && effect.kind === "KeySessionAborted") failed++;
      if (effect.kind === "MasterKeyAbandoned") ({ outstanding } = effect);
    }
    return outstanding !== null;
  };
  await until(chain, isOver, async (home, messages) => {
    if (home.enclave.mustBeReplaced) {
      await home.shutDown();
      home.catchUp(chain, true);
    }
    return messages;
  });
  return { outstanding, failed };
}

/** In the same way, where the first three are elected; the others have pRuntimes and no stake. */
async function launchedByElection(
  stashes: readonly string[],
  masterKey: Partial<Genesis["masterKey"]> = {},
  sessionsPerEra = 3,
): Promise<Authority> {
  for (const stash of stashes) homes.push(await EnclaveHome.create(at(`home-${stash}`)));
  const workers = homes.map(({ keys }, place) => ({ ...keys, operator: idOf(stashes[place]!), endpoint: null }));
  return ordered(
    new Authority(
      enclaveGenesis([], {
        gatekeepers: { tag: "elected", value: { seats: 3, minimum: 3, balancing: 0 } },
        masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 6, refreshBlocks: 1_000, ...masterKey },
        staking: { ...genesisOf().staking, sessionsPerEra },
        ecdhKeys: { interval: 1_000, overlap: 3 },
        workers,
        stakers: workers.slice(0, 3).map(({ identityKey, operator }, place) => ({
          stash: operator,
          bond: BigInt(10 - place) * UNIT,
          role: { tag: "validator", value: { identityKey, commission: 0, blocked: false } },
        })),
      }),
    ),
  );
}

/** All have joined it, and governance orders a MasterKey. */
function ordered(chain: Authority): Authority {
  for (const home of homes) home.enclave.join(chain.genesis);
  const value = { round: 0, action: { tag: "launch", value: undefined } } as const;
  chain.block(["g1", "g2"].map((member) => chain.message(member, { tag: "govern", value })));
  return chain;
}

/** Blocks with what all have to say, until something holds of the chain. @param before - each of them follows it. */
async function until(
  chain: Authority,
  holds: () => boolean,
  before: (home: EnclaveHome, messages: readonly Uint8Array[]) => Promise<readonly Uint8Array[]> = async (_, said) =>
    said,
): Promise<void> {
  for (let block = 0; block < 60; block++) {
    const messages: Uint8Array[] = [];
    for (const home of homes) messages.push(...(await before(home, home.follow(chain))));
    if (holds()) return;
    chain.block(messages);
  }
  throw new Error("it did not come to that in 60 blocks");
}

/** Whether what is sealed is every member's share of the sharing in force, and none of these epochs. */
async function expectSealed(chain: Authority, gone: readonly number[] = []): Promise<void> {
  const sharing = currentSharing(chain.ledger.state)!;
  for (const [place, home] of homes.entries()) {
    home.kill();
    using files = await EnclaveFiles.open(home.home, CURVE, home.vault.open);
    using shareholder = files.readShares();
    const share = shareholder.share(sharing.epoch)!;
    expect(share.index).toBe(place + 1);
    expect(toHex(ledgerGroup(1).multiplyBase([share.secret]))).toBe(sharing.members[place]!.verificationShare);
    for (const epoch of gone) expect(shareholder.share(epoch)).toBeNull();
  }
}

describe("gatekeepers' pRuntimes", () => {
  test("make a MasterKey over the chain, and have their shares sealed", async () => {
    const chain = await launched();
    const wanted: string[] = [];
    await until(
      chain,
      () => currentSharing(chain.ledger.state) !== undefined,
      async (home, messages) => {
        if (home === homes[0]) wanted.push(...messages.map((message) => said(message).replace(/^\d+: /, "")));
        return messages;
      },
    );
    expect(new Set(wanted.filter((what) => !what.startsWith("heartbeat")))).toEqual(
      new Set(["registerDealingKey", "deal", "judgeDealings", "confirmShare"]),
    );
    await expectSealed(chain);
  });

  test("do so although each is killed after every block, before what it said is handed in", async () => {
    const chain = await launched();
    let turn = 0;
    await until(
      chain,
      () => currentSharing(chain.ledger.state)?.members.every(({ confirmed }) => confirmed) === true,
      async (home, messages) => {
        if (turn++ % 3 !== 0) return messages;
        await home.restart();
        const again = home.catchUp(chain);
        expect(again).toEqual(messages);
        return again;
      },
    );
    await expectSealed(chain);
    expect(chain.ledger.state.excluded).toEqual([]);
  });

  test("refresh their shares, destroy the old ones and say so", async () => {
    const chain = await launched({ refreshBlocks: 8 });
    await until(chain, () => currentSharing(chain.ledger.state) !== undefined);
    const { epoch, publicKey } = currentSharing(chain.ledger.state)!;
    await until(chain, () => currentSharing(chain.ledger.state)!.epoch > epoch);
    expect(chain.ledger.state.retired).toMatchObject([{ epoch }]);
    await until(chain, () => chain.ledger.state.retired.length === 0);
    expect(currentSharing(chain.ledger.state)!.publicKey).toBe(publicKey);
    await expectSealed(chain, [epoch]);
  });

  test("that were deregistered before they heard of it destroy their old shares all the same, and say so", async () => {
    const chain = await launchedByElection(["a", "b", "c", "e"]);
    await until(chain, () => currentSharing(chain.ledger.state) !== undefined);
    const { epoch } = currentSharing(chain.ledger.state)!;
    // The others follow the chain without the third, which has the least behind it.
    const [gone] = homes.splice(2, 1);
    gone!.follow(chain);
    const stand: readonly Call[] = [
      { tag: "bond", value: { amount: 100n * UNIT, payee: { tag: "staked", value: undefined } } },
      { tag: "setKeys", value: homes[2]!.keys.identityKey },
      { tag: "validate", value: { commission: 0, blocked: false } },
    ];
    for (const call of stand) chain.block([chain.message("e", call)]);
    await until(chain, () => !chain.ledger.state.gatekeepers.includes(gone!.keys.identityKey));
    chain.block([chain.message("c", { tag: "deregisterWorker", value: gone!.keys.identityKey })]);
    expect(chain.ledger.state.workers.has(accountOf(gone!.keys.identityKey))).toBe(false);
    homes.push(gone!);
    const all: string[] = [];
    for (let messages = gone!.follow(chain); messages.length > 0; messages = gone!.follow(chain)) {
      all.push(...messages.map((message) => said(message).replace(/^\d+: /, "")));
      chain.block(messages);
    }
    // After what was on its way when it was last heard of.
    expect(all.filter((what) => !what.startsWith("heartbeat"))).toEqual(["declareDestroyed"]);
    expect(chain.outcomes).toEqual(["done"]);
    gone!.kill();
    using files = await EnclaveFiles.open(gone!.home, CURVE, gone!.vault.open);
    using shareholder = files.readShares();
    expect(shareholder.share(epoch)).toBeNull();
  });

  test("vouch once an era at the least, although one key session comes after the other", async () => {
    const chain = await launchedByElection(["a", "b", "c"], { refreshBlocks: 1 });
    await until(chain, () => currentSharing(chain.ledger.state) !== undefined);
    const { epoch } = currentSharing(chain.ledger.state)!;
    let eras = 0;
    for (let { duties } = chain.ledger.state; eras < 5; { duties } = chain.ledger.state) {
      chain.block(homes.flatMap((home) => home.follow(chain)));
      if (chain.effects.every(({ kind }) => kind !== "EraStarted")) continue;
      eras++;
      expect([...duties.values()].map(({ points }) => points > 0)).toEqual([true, true, true]);
    }
    expect(currentSharing(chain.ledger.state)!.epoch).toBeGreaterThanOrEqual(epoch + 4);
  });

  test("do not all vouch in the last block of a phase, which would fail", async () => {
    // Eras of two blocks, in step with the phases.
    const chain = await launchedByElection(["a", "b", "c"], { phaseBlocks: 2, refreshBlocks: 8 }, 1);
    let adopted = 0;
    for (let height = 0; height < 120; height++) {
      chain.block(homes.flatMap((home) => home.follow(chain)));
      expect(chain.effects.filter(({ kind }) => kind === "KeySessionAborted")).toEqual([]);
      adopted += chain.effects.filter(({ kind }) => kind === "SharingAdopted").length;
    }
    expect(adopted).toBeGreaterThan(5);
  });

  test("declare keys of contracts destroyed in time, although one key session comes after the other", async () => {
    expect(await abandoned({ phaseBlocks: 3, refreshBlocks: 1 }, 12)).toMatchObject({ outstanding: [] });
  });

  test.each([
    // A session of the old MasterKey, which ends with it, fails in any case.
    ["do not all do so in the last block of a phase, which would fail", 12, 1],
    ["do, where there may be no other block for it", 6, 2],
  ])("%s", async (_, blocks, failed) => {
    expect(await abandoned({ phaseBlocks: 2, refreshBlocks: 6 }, blocks)).toEqual({ outstanding: [], failed });
  });

  test("that have an old dealing key back stay silent, are blamed for nothing, and get a share the next time", async () => {
    const chain = await launched({ refreshBlocks: 8 });
    const [first] = homes;
    const kept = first!.keep();
    await until(chain, () => chain.ledger.state.keySession?.phase === "dealing");
    await first!.restart(kept, "shares.sealed");
    first!.catchUp(chain);
    await until(chain, () => chain.ledger.state.keySession === null);
    expect(currentSharing(chain.ledger.state)).toBeUndefined();
    expect(chain.ledger.state.excluded).toEqual([]);
    await until(chain, () => currentSharing(chain.ledger.state) !== undefined);
    await expectSealed(chain);
  });
});
