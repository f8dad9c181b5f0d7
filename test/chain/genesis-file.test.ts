import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseGenesis } from "../../src/chain/genesis-file.ts";
import { encodeGenesis, hashGenesis } from "../../src/protocol/genesis.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { idOf, identity, publicOf } from "../protocol/network.ts";

const AUTHORITY = publicOf("authority");
const FILE = {
  name: "file",
  sessionBlocks: 3,
  gatekeepers: { seats: 2 },
  governance: { members: [publicOf("g1")] },
  accounts: [
    { account: publicOf("a"), free: "5000" },
    { account: idOf("b"), free: "7000" },
  ],
  workers: [{ identityKey: publicOf(identity("a")), ecdhKey: publicOf("a/ecdh"), operator: publicOf("a") }],
  stakers: [
    { stash: idOf("a"), bond: "1000", validate: { identityKey: publicOf(identity("a")), commission: 0.25 } },
    { stash: publicOf("b"), bond: "2000", nominate: [publicOf("a")] },
  ],
};
const parsed = (changes: object = {}) =>
  parseGenesis(Buffer.from(JSON.stringify({ ...FILE, ...changes })), AUTHORITY, 1_234);

describe("a genesis file", () => {
  test("says what a chain begins with, and Polkadot's numbers are what it leaves out", () => {
    const genesis = parsed();
    expect(genesis).toMatchObject({
      authority: AUTHORITY,
      timestamp: 1_234,
      blockMilliseconds: 6_000,
      existentialDeposit: 1n,
      workerDeposit: 1n,
      contractDeposit: 1n,
      gatekeepers: { tag: "elected", value: { seats: 2, minimum: 1, balancing: 10 } },
      governance: { threshold: 1 },
      attestation: { software: false, tcbStatuses: ["UpToDate"] },
      measurements: [],
      staking: {
        sessionsPerEra: 6,
        bondingDuration: 28,
        slashDeferDuration: 27,
        slashRewardFraction: 100_000_000,
        inflation: { minimum: 25_000_000, maximum: 100_000_000, idealStake: 750_000_000, falloff: 50_000_000 },
      },
    });
    expect(genesis.accounts).toEqual([
      { id: idOf("a"), free: 5_000n },
      { id: idOf("b"), free: 7_000n },
    ]);
    expect(genesis.stakers.map(({ stash, role }) => [stash, role.tag])).toEqual([
      [idOf("a"), "validator"],
      [idOf("b"), "nominator"],
    ]);
    expect(Ledger.atGenesis(genesis).state.gatekeepers).toEqual([publicOf(identity("a"))]);
  });

  test("may list gatekeepers, and say when it begins", () => {
    const genesis = parsed({ gatekeepers: [publicOf(identity("a"))], stakers: [], timestamp: 9, workerDeposit: "50" });
    expect(genesis.gatekeepers).toEqual({ tag: "listed", value: [publicOf(identity("a"))] });
    expect([genesis.timestamp, genesis.workerDeposit]).toEqual([9, 50n]);
  });

  test("may believe software, and hardware in other states", () => {
    expect(parsed({ attestation: { software: true } }).attestation).toEqual({
      software: true,
      tcbStatuses: ["UpToDate"],
    });
    const tcbStatuses = ["SWHardeningNeeded", "UpToDate"];
    expect(parsed({ attestation: { tcbStatuses } }).attestation).toEqual({ software: false, tcbStatuses });
    const hashes = [tcbStatuses, tcbStatuses.toReversed(), ["UpToDate"]].map((each) =>
      hashGenesis(parsed({ attestation: { tcbStatuses: each } })),
    );
    expect(hashes[1]).toEqual(hashes[0]);
    expect(hashes[2]).not.toEqual(hashes[0]);
  });

  test("that does not say when it begins makes another chain each time", () => {
    const later = parseGenesis(Buffer.from(JSON.stringify(FILE)), AUTHORITY, 1_235);
    expect(hashGenesis(later)).not.toEqual(hashGenesis(parsed()));
  });

  test.each<[RegExp, object]>([
    [/^.*unknown/, { unknown: 1 }],
    [/name/, { name: 5 }],
    [/name/, { name: "x".repeat(65) }],
    [/sessionBlocks/, { sessionBlocks: 1.5 }],
    [/sessionBlocks/, { sessionBlocks: 2 ** 32 }],
    [/gatekeepers/, { gatekeepers: "all" }],
    [/governance\.members/, { governance: { members: ["0x00"] } }],
    [/accounts\.0\.free/, { accounts: [{ account: idOf("a"), free: 5 }] }],
    [/accounts\.0\.free/, { accounts: [{ account: idOf("a"), free: "-5" }] }],
    [/accounts\.0\.free/, { accounts: [{ account: idOf("a"), free: "9".repeat(39) }] }],
    [/accounts\.0\.account/, { accounts: [{ account: idOf("a").toUpperCase(), free: "5" }] }],
    [/stakers/, { stakers: [{ stash: idOf("a"), bond: "1" }] }],
    [/stakers/, { stakers: [{ stash: idOf("a"), bond: "1", nominate: [] }] }],
    [/staking\.minCommission/, { staking: { minCommission: 1.1 } }],
    [/staking/, { staking: { typo: 1 } }],
    [/attestation\.software/, { attestation: { software: 1 } }],
    [/attestation\.tcbStatuses\.1/, { attestation: { tcbStatuses: ["UpToDate", "Revoked"] } }],
    [/attestation/, { attestation: { typo: 1 } }],
  ])("is refused, with the place: %s", (place, changes) => {
    expect(() => parsed(changes)).toThrow(
      expect.objectContaining({ code: "GENESIS_INVALID", message: expect.stringMatching(place) }),
    );
  });

  test("of anything else is refused, and of whatever is not there are bytes", () => {
    const refused = expect.objectContaining({ code: "GENESIS_INVALID" });
    for (const text of ["", "{", "null", "[]", '"genesis"']) {
      expect(() => parseGenesis(Buffer.from(text), AUTHORITY, 0)).toThrow(refused);
    }
    const noUtf8 = Buffer.from(JSON.stringify(FILE).replace('"file"', '"\u00ff"'), "latin1");
    expect(() => parseGenesis(noUtf8, AUTHORITY, 0)).toThrow(refused);
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(FILE)), fc.jsonValue(), (name, value) => {
        try {
          encodeGenesis(parsed({ [name]: value }));
        } catch (error) {
          expect(error).toEqual(refused);
        }
      }),
    );
  });
});
