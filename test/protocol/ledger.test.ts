import { describe, expect, test } from "vitest";
import { decodeGenesis, encodeGenesis, hashGenesis } from "../../src/protocol/genesis.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { UNIT, genesisOf, idOf, identity, publicOf } from "./network.ts";

const invalid = (what: RegExp): unknown =>
  expect.objectContaining({ code: "GENESIS_INVALID", message: expect.stringMatching(what) });
const staking = (changes: Partial<Genesis["staking"]>): Genesis => genesisOf({}, changes);
const attested = (attestation: Genesis["attestation"]): Genesis => genesisOf({ attestation });
const base = genesisOf();

describe("a genesis", () => {
  test("is the same after its bytes, and has a hash of its own", () => {
    const again = decodeGenesis(encodeGenesis(base))!;
    expect(Ledger.atGenesis(again).stateHash()).toEqual(Ledger.atGenesis(base).stateHash());
    expect(hashGenesis(again)).toEqual(hashGenesis(base));
    expect(hashGenesis(genesisOf({ timestamp: 1 }))).not.toEqual(hashGenesis(base));
    expect(decodeGenesis(encodeGenesis(base).subarray(1))).toBeNull();
  });

  test.each<[RegExp, Genesis]>([
    [/minCommission is more/, staking({ minCommission: 1_000_000_001 })],
    [
      /equivocation is more/,
      staking({
        offences: {
          unresponsive: 0,
          equivocation: 1_000_000_001,
          misdealing: 0,
          falseComplaint: 0,
          wrongPartials: 0,
          falseReceipt: 0,
          falseVerdict: 0,
          undestroyed: 0,
        },
      }),
    ],
    [/blocks take no time/, genesisOf({ blockMilliseconds: 0 })],
    [/sessions have no blocks/, genesisOf({ sessionBlocks: 0 })],
    [/existential deposit is nothing/, genesisOf({ existentialDeposit: 0n })],
    [/eras have no sessions/, staking({ sessionsPerEra: 0 })],
    [/not bonded/, staking({ bondingDuration: 0, slashDeferDuration: 0 })],
    [/slashes wait/, staking({ slashDeferDuration: 3 })],
    [/least inflation/, staking({ inflation: { ...base.staking.inflation, minimum: 200_000_000 } })],
    [/ideal stake/, staking({ inflation: { ...base.staking.inflation, falloff: 0 } })],
    [/nobody can govern/, genesisOf({ governance: { members: [], threshold: 1 } })],
    [/nobody can govern/, genesisOf({ governance: { members: [publicOf("g1")], threshold: 0 } })],
    [/governance is there twice/, genesisOf({ governance: { members: [publicOf("g"), publicOf("g")], threshold: 1 } })],
    [/measurement is there twice/, genesisOf({ measurements: [idOf("x"), idOf("x")] })],
    [/TCB status is there twice/, attested({ software: true, tcbStatuses: ["OutOfDate", "OutOfDate"] })],
    [/no pRuntime could prove/, attested({ software: false, tcbStatuses: [] })],
    [/threshold of 1 needs 1 gatekeepers at least/, genesisOf({ gatekeepers: { tag: "listed", value: [] } })],
    [/threshold of 2 needs 3 gatekeepers at least/, genesisOf({ masterKey: { ...base.masterKey, threshold: 2 } })],
    [/no share is enough/, genesisOf({ masterKey: { ...base.masterKey, threshold: 0 } })],
    [/takes 2 to 100000 blocks/, genesisOf({ masterKey: { ...base.masterKey, phaseBlocks: 1 } })],
    [/takes 2 to 100000 blocks/, genesisOf({ masterKey: { ...base.masterKey, phaseBlocks: 100_001 } })],
    [/phase of a rotation takes 6 to 100000/, genesisOf({ rotation: { ...base.rotation, phaseBlocks: 5 } })],
    [/lease takes 2 to 100000/, genesisOf({ rotation: { ...base.rotation, leaseBlocks: 1 } })],
    [/refreshed without end/, genesisOf({ masterKey: { ...base.masterKey, refreshBlocks: 0 } })],
    [/listed twice/, genesisOf({ gatekeepers: { tag: "listed", value: [publicOf("x"), publicOf("x")] } })],
    [/1 to 64 seats/, genesisOf({ gatekeepers: { tag: "elected", value: { seats: 0, minimum: 1, balancing: 0 } } })],
    [/minimum/, genesisOf({ gatekeepers: { tag: "elected", value: { seats: 2, minimum: 3, balancing: 0 } } })],
    [/balancing/, genesisOf({ gatekeepers: { tag: "elected", value: { seats: 2, minimum: 1, balancing: 101 } } })],
    [/none of its pRuntimes/, genesisOf({ gatekeepers: { tag: "listed", value: [publicOf("x")] }, stakers: [] })],
    [/pRuntime costs less than an account/, genesisOf({ workerDeposit: 9n })],
    [/contract costs less than an account/, genesisOf({ contractDeposit: 9n })],
    [/contractDeposit is too much/, genesisOf({ contractDeposit: 1n << 120n })],
    [/minNominatorBond is too much/, staking({ minNominatorBond: 1n << 120n })],
    [/beyond all clocks/, genesisOf({ timestamp: 2 ** 53 - 1 })],
    [/10000 eras/, staking({ bondingDuration: 10_001 })],
    [/longer than timers/, genesisOf({ blockMilliseconds: 2 ** 31 })],
    [/is no public key/, genesisOf({ governance: { members: [`0x02${"ff".repeat(32)}`], threshold: 1 } })],
    [/is no public key/, genesisOf({ authority: `0x02${"00".repeat(31)}05` })],
    [
      /is no public key/,
      genesisOf({ workers: base.workers.map((worker) => ({ ...worker, ecdhKey: `0x04${"11".repeat(32)}` })) }),
    ],
    [/10000 sessions/, staking({ sessionsPerEra: 10_001 })],
    [/is there twice/, genesisOf({ accounts: [...base.accounts, base.accounts[0]!] })],
    [/less than the existential/, genesisOf({ accounts: [...base.accounts, { id: idOf("p"), free: 9n }] })],
    [/2\^120/, genesisOf({ accounts: [...base.accounts, { id: idOf("p"), free: 1n << 120n }] })],
    [/pRuntime .* is there twice/, genesisOf({ workers: [...base.workers, base.workers[0]!] })],
    [/AlreadyBonded/, genesisOf({ stakers: [...base.stakers, base.stakers[0]!] })],
    [/NotWorker/, genesisOf({ workers: [] })],
    [/elect fewer/, genesisOf({ stakers: [] })],
  ])("is refused: %s", (what, genesis) => {
    expect(() => Ledger.atGenesis(genesis)).toThrow(invalid(what));
  });

  test("with a staker who has too little, or backs nobody, is refused", () => {
    const role = { tag: "nominator", value: [idOf("nobody")] } as const;
    const bad = (stash: string, bond: bigint) =>
      genesisOf({ stakers: [...base.stakers, { stash: idOf(stash), bond, role }] });
    expect(() => Ledger.atGenesis(bad("e", 50n * UNIT))).toThrow(invalid(/BadTarget/));
    expect(() => Ledger.atGenesis(bad("e", 5n))).toThrow(invalid(/InsufficientBond/));
    expect(() => Ledger.atGenesis(bad("e", 1_001n * UNIT))).toThrow(invalid(/can't have 1001000000 at stake/));
    expect(() => Ledger.atGenesis(bad("p", 50n * UNIT))).toThrow(invalid(/at stake of 0/));
  });

  test("gives everybody what it says", () => {
    const { state } = Ledger.atGenesis(base);
    expect(state.totalIssuance).toBe(13_000n * UNIT);
    expect(state.accounts.get(idOf("a"))).toEqual({ sequence: 0, free: 1_000n * UNIT, reserved: 0n });
    expect(state.accounts.has(idOf("g1"))).toBe(true);
    expect(state.workers.get(idOf(identity("a")))!.operator).toBe(idOf("a"));
    expect(state.bonded.get(idOf("n1"))!.active).toBe(50n * UNIT);
  });
});
