/** What `gatekeeper status` says of a network, in each phase of a rotation. */
import { expect, test } from "vitest";
import { describeNetwork, networkStatus, summaryOf } from "../../src/cli/network-status.ts";
import type { Partition, Receipt, Rotation } from "../../src/protocol/rotation.ts";
import { type State, numberKey } from "../../src/protocol/state.ts";
import { emptyTables } from "../../src/protocol/state-codec.ts";

const [ANN, BEN, EVE] = [`0x02${"a".repeat(64)}`, `0x02${"b".repeat(64)}`, `0x03${"e".repeat(64)}`] as const;
const CONTRACT = `0x${"c".repeat(64)}` as const;

const ROTATION: Rotation = {
  from: 4,
  migration: null,
  source: null,
  phase: "reencryption",
  since: 10,
  deadline: 99,
  switchHeight: 10,
  partitions: 3,
  late: 0,
  swept: 1,
  verified: 0,
  records: 6_000,
  bytes: 120_000,
  certifiers: [],
  compacted: false,
};

const RECEIPT: Receipt = {
  by: ANN,
  height: 14,
  pages: 60,
  records: 6_000,
  bytes: 120_000,
  failed: 0,
  failures: [],
  quarantined: 0,
  digest: CONTRACT,
};

const PARTITION: Partition = {
  from: null,
  to: null,
  stage: "unswept",
  holder: null,
  deadline: 10,
  attempt: 0,
  quarantine: false,
  receipt: null,
  verdicts: [],
  doubters: [],
};

/** Blocks are half a second apart. */
const timeOf = (height: number): number => height * 500;

function stateOf(rotation: Rotation | null, partitions: readonly Partition[] = [], more: Partial<State> = {}): State {
  const member = { verificationShare: CONTRACT, confirmed: true };
  const tables = emptyTables();
  return {
    ...tables,
    partitions: partitions.reduce((map, each, index) => map.set(numberKey(index), each), tables.partitions),
    height: 16,
    timestamp: timeOf(16),
    gatekeepers: [ANN, BEN],
    sharings: [
      {
        epoch: 1,
        session: CONTRACT,
        rotationId: 5,
        keySuite: 1,
        cipherSuite: "aes-256-gcm",
        threshold: 1,
        publicKey: ANN,
        height: 8,
        members: [
          { ...member, identityKey: ANN },
          { ...member, identityKey: BEN, confirmed: false },
        ],
      },
    ],
    stateStore: CONTRACT,
    migrationOrdered: null,
    keySession: null,
    retired: [],
    closedAbandonments: [],
    rotation,
    ...more,
  } as State;
}

test("a rate is of the blocks from the switch to the last receipt, and what is left takes as long as what was done", () => {
  const partitions: Partition[] = [
    { ...PARTITION, stage: "swept", receipt: RECEIPT },
    { ...PARTITION, holder: BEN },
    { ...PARTITION, holder: BEN },
  ];
  const status = networkStatus(stateOf(ROTATION, partitions), timeOf);
  // 6,000 records in four blocks; one of three partitions in six.
  expect(status.rotation).toMatchObject({ rotationId: 5, recordsPerSecond: 3_000, etaSeconds: 6, owing: null });
  expect(status.rotation!.leases).toEqual([{ holder: BEN, partitions: [1, 2] }]);
  expect(status).toMatchObject({ confirmed: 1, masterKeys: [{ mayFailForUse: 0, mayFailForNextKey: 0 }] });
  expect(summaryOf(status)).toBe(
    "1 of 2 gatekeepers with shares; rotation 5 in reencryption, 1 of 3 partitions swept, 0 verified, 6,000 records, 3,000 records/s, 6 s left",
  );
});

test("without a receipt neither a rate nor an end is told", () => {
  const unrecorded = { ...ROTATION, partitions: null, swept: 0, records: 0 };
  expect(networkStatus(stateOf(unrecorded), timeOf).rotation).toMatchObject({
    recordsPerSecond: null,
    etaSeconds: null,
  });
});

test("records that can't be opened are named, until their partition is swept", () => {
  const failures = [{ contract: CONTRACT, key: Buffer.from("k") }];
  const receipt = { ...RECEIPT, failed: 2, failures };
  const blocked = networkStatus(stateOf(ROTATION, [{ ...PARTITION, receipt }]), timeOf);
  expect(blocked.rotation!.blocked).toEqual([
    { partition: 0, failed: 2, records: [{ contract: CONTRACT, key: "0x6b" }], quarantine: false },
  ]);
  expect(describeNetwork(blocked)).toContain(`partition 0: 2 records can't be opened: ${CONTRACT} 0x6b`);
  const swept = networkStatus(stateOf(ROTATION, [{ ...PARTITION, stage: "swept", receipt: RECEIPT }]), timeOf);
  expect(swept.rotation!.blocked).toEqual([]);
});

test("in abandonment it is told who owes the destruction of what", () => {
  const { keyUsers } = emptyTables();
  const state = stateOf({ ...ROTATION, phase: "abandonment" }, [], {
    retired: [
      { epoch: 0, rotationId: 4, fate: "standing", threshold: 1, height: 12, owing: [BEN] },
      { epoch: 0, rotationId: 4, fate: "calledOff", threshold: 1, height: 9, owing: [EVE] },
      { epoch: 1, rotationId: 5, fate: "standing", threshold: 1, height: 12, owing: [ANN] },
    ],
    keyUsers: keyUsers
      .set(numberKey(1), { identityKey: EVE, since: 4, hasLeased: true })
      .set(numberKey(2), { identityKey: ANN, since: 5, hasLeased: true }),
  });
  const status = networkStatus(state, timeOf);
  expect(status.rotation!.owing).toEqual({ shares: [BEN], keys: [EVE], compaction: true });
  expect(describeNetwork(status)).toContain(`${EVE} has not declared its keys destroyed`);
});

test("of one that is late it is told what governance may do; and for ever after, what is not proved then", () => {
  const rotation = { ...ROTATION, phase: "abandonment", late: 2 } as const;
  const owed = { epoch: 0, rotationId: 4, threshold: 1, height: 12, owing: [BEN] };
  const late = networkStatus(stateOf(rotation, [], { retired: [{ ...owed, fate: "standing" }] }), timeOf);
  expect(late).toMatchObject({ rotation: { late: 2 }, unproved: [] });
  expect(describeNetwork(late)).toContain("gatekeeper govern close-abandonment 5");
  const closed = networkStatus(
    stateOf(null, [], {
      retired: [{ ...owed, fate: "closed" }],
      closedAbandonments: [
        { rotationId: 3, height: 10, compacted: true },
        { rotationId: 4, height: 14, compacted: false },
      ],
    }),
    timeOf,
  );
  const shares = [{ epoch: 0, threshold: 1, owing: [BEN] }];
  expect(closed.unproved).toEqual([{ rotationId: 4, height: 14, compacted: false, shares }]);
  expect(describeNetwork(closed)).toContain(
    "MasterKey 4, whose abandonment governance closed in block 14: its forward secrecy is not proved; " +
      `shares of key session 0 not declared destroyed, 1 where 1 stand for it, enough for it: ${BEN}; ` +
      "the store that had states under it not declared compacted\n",
  );
  expect(summaryOf(closed)).toContain("; 1 old MasterKey not shown to be destroyed");
});

test("a migration that is ordered or under way says where to, and whom it waits for", () => {
  const migration = {
    measurement: CONTRACT,
    envelopeVersion: 1,
    cipherSuite: "chacha20-poly1305",
    keySuite: 2,
    store: CONTRACT,
    height: 20,
  } as const;
  const ordered = networkStatus(stateOf(null, [], { migrationOrdered: migration }), timeOf);
  expect(ordered.migrationOrdered).toEqual({ ...migration, waitsFor: [ANN, BEN] });
  const words = `a migration to chacha20-poly1305, key suite 2, store ${CONTRACT}, pRuntimes of ${CONTRACT}`;
  expect(describeNetwork(ordered)).toContain(`${words} is ordered from block 20 on; it waits for other pRuntimes`);
  const underWay = networkStatus(stateOf({ ...ROTATION, migration, source: CONTRACT }, []), timeOf);
  expect(underWay.rotation).toMatchObject({ migration, source: CONTRACT });
  expect(describeNetwork(underWay)).toContain(words);
});
