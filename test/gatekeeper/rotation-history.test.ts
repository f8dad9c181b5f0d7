/** Histories of rotations on the ledger's own blocks, and audits of histories that were tampered with. */
import { describe, expect, test } from "vitest";
import { type AuditFinding, auditRotation } from "../../src/gatekeeper/rotation-audit.ts";
import { RotationHistory, type RotationRecord } from "../../src/gatekeeper/rotation-history.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { Network, checkInvariants, identity, publicOf } from "../protocol/network.ts";
import { NAMES, type Outcome, Rotators, claimOf, order, rotate, say } from "../protocol/rotators.ts";
import { type Says, Shareholders, keyGenesis, launch } from "../protocol/shareholders.ts";

const STORE = `0x${"5a".repeat(32)}`;
const key = (name: string): string => publicOf(identity(name));

/** A network whose blocks a history follows from the first on. */
function recorded(hasStore = true, change: (effects: readonly Effect[]) => readonly Effect[] = (effects) => effects) {
  const ended: RotationRecord[] = [];
  let history: RotationHistory | null = null;
  const genesis = keyGenesis({ sessionBlocks: 1_000 });
  const network: Network = new Network(genesis, (after) => {
    checkInvariants(after);
    history ??= new RotationHistory(after.state.gatekeepers);
    const record = history.follow({ height: after.state.height, effects: change(after.effects) });
    if (record !== null) ended.push(record);
  });
  launch(network);
  const all = new Shareholders(network, NAMES);
  all.until("SharingAdopted");
  if (hasStore) say(network, "a", { tag: "announceStore", value: STORE });
  const rotators = new Rotators(network, all);
  return { network, rotators, ended, underWay: () => history!.underWay };
}

/** One whole rotation. */
function rotated(outcome?: Outcome, says?: Says, change?: Parameters<typeof recorded>[1]): RotationRecord {
  const { network, rotators, ended } = recorded(true, change);
  order(network, rotate);
  rotators.until("MasterKeyAbandoned", outcome, says, 200);
  expect(ended).toHaveLength(1);
  return ended[0]!;
}

const kindsOf = (findings: readonly AuditFinding[]): string[] => findings.map(({ kind }) => kind);

describe("a history", () => {
  test("has of a rotation when it was, who did what, and every receipt", () => {
    const record = rotated();
    const { began, switched, abandoning, ended } = record;
    expect(began).toBeLessThan(switched!);
    expect(switched).toBeLessThan(abandoning!);
    expect(abandoning).toBeLessThan(ended!);
    expect(record).toMatchObject({
      rotationId: 1,
      outcome: "complete",
      orderedBy: [publicOf("g1"), publicOf("g2")],
      store: STORE,
      partitions: 4,
      convicted: [],
      owingKeys: [],
      outstanding: [],
    });
    expect(record.receipts.map(({ partition }) => partition).sort()).toEqual([0, 1, 2, 3]);
    for (const { by, judgements, stands, attempt, digest } of record.receipts) {
      expect({ stands, attempt, digest }).toEqual({ stands: true, attempt: 0, digest: claimOf().digest });
      expect(judgements.map(({ verdict }) => verdict)).toEqual(["sound"]);
      expect(judgements[0]!.by).not.toBe(by);
    }
    expect(record.certificates).toHaveLength(2);
    expect(record.certifying).toEqual({ threshold: 2, holders: expect.arrayContaining(NAMES.map(key)) });
    expect(record.left.map(({ epoch, owing }) => ({ epoch, owing }))).toEqual([{ epoch: 0, owing: [] }]);
    expect(auditRotation(record)).toEqual([]);
  });

  test("keeps receipts that were found false, and who found them", () => {
    let isDone = false;
    const record = rotated((_, index, stage) => {
      if (stage === "unswept") return { tag: "swept", value: claimOf() };
      const isFirst = index === 1 && !isDone;
      if (isFirst) isDone = true;
      return { tag: "verified", value: isFirst ? "damaged" : "sound" };
    });
    const both = record.receipts.filter(({ partition }) => partition === 1);
    expect(both.map(({ attempt, stands, judgements }) => [attempt, stands, judgements[0]!.verdict])).toEqual([
      [0, false, "damaged"],
      [1, true, "sound"],
    ]);
    expect(auditRotation(record)).toEqual([]);
  });

  test("names who was convicted, and audits what t holders have decided", () => {
    const record = rotated((name, index, stage) => {
      if (stage === "unswept") return { tag: "swept", value: claimOf() };
      return { tag: "verified", value: name === identity("b") && index === 0 ? "faulty" : "sound" };
    });
    const disputed = record.receipts.find(({ judgements }) => judgements.some(({ verdict }) => verdict === "faulty"));
    expect(disputed).toMatchObject({ partition: 0, stands: true });
    expect(record.convicted).toEqual([key("b")]);
    expect(record.certifying?.holders).toHaveLength(3);
    expect(record.certifying?.holders).not.toContain(key("b"));
    expect(auditRotation(record)).toEqual([]);
  });

  test("has rotations that were given up, that had nothing to do, and the one that is under way", () => {
    const { network, rotators, ended, underWay } = recorded(false);
    order(network, rotate);
    rotators.until("RotationAborted", undefined, () => null, 200);
    order(network, rotate);
    rotators.until("RotationAdvanced");
    expect(underWay()).toMatchObject({ rotationId: 1, outcome: "under way", store: null });
    rotators.until("MasterKeyAbandoned");
    expect(underWay()).toBeNull();
    order(network, rotate);
    rotators.until("RotationStarted");
    expect(underWay()).toMatchObject({ rotationId: 2, outcome: "under way" });
    expect(ended.map(({ rotationId, outcome, partitions }) => [rotationId, outcome, partitions])).toEqual([
      [1, "aborted", null],
      [1, "complete", null],
    ]);
    for (const record of ended) expect(auditRotation(record)).toEqual([]);
  });

  test("says who still owes", () => {
    const silent: Says = (name, call) =>
      name === "d" && (call?.tag === "declareAbandoned" || call?.tag === "declareDestroyed") ? null : call;
    const record = rotated(undefined, silent);
    expect(record).toMatchObject({ owingKeys: [key("d")], outstanding: [key("d")] });
    expect(record.left[0]!.owing).toEqual([key("d")]);
    expect(auditRotation(record)).toEqual([]);
  });
});

test("of a rotation whose store governance has replaced nothing counts that was done to the one before", () => {
  const { network, rotators, ended } = recorded();
  order(network, rotate);
  while (network.state.rotation?.verified !== 4 || network.state.rotation.certifiers.length === 0) {
    rotators.block(undefined, (name, call) => (call?.tag === "certifyRotation" && name !== "a" ? null : call));
  }
  const store = `0x${"7b".repeat(32)}`;
  order(network, { tag: "setStore", value: store });
  rotators.until("MasterKeyAbandoned", undefined, undefined, 100);
  const [record] = ended;
  expect(record).toMatchObject({ outcome: "complete", store, partitions: 4 });
  expect(record!.receipts.map(({ stands }) => stands)).toEqual([false, false, false, false, true, true, true, true]);
  expect(record!.certificates.every(({ height }) => height > record!.receipts[4]!.height)).toBe(true);
  expect(auditRotation(record!)).toEqual([]);
});

describe("a rotation that governance closed", () => {
  /** Its history, where they declare these things not; with what was tampered with. */
  function closed(unsaid: (name: string, call: Call) => boolean, change?: Parameters<typeof recorded>[1]) {
    const { network, rotators, ended } = recorded(true, change);
    order(network, rotate);
    const says: Says = (name, call) => {
      if (call === null || !unsaid(name, call)) return call;
      return { tag: "declareAbandoned", value: 1 };
    };
    rotators.until("RotationLate", undefined, says);
    order(network, { tag: "closeAbandonment", value: 1 });
    expect(ended).toHaveLength(1);
    return ended[0]!;
  }

  test("is told as that, and not as complete", () => {
    const owing = ["c", "d"].map(key);
    const record = closed((name, call) => "cd".includes(name) && call.tag === "declareDestroyed");
    const { epoch } = record.left[0]!;
    expect(record).toMatchObject({
      outcome: "closed",
      outstanding: [],
      closed: {
        members: ["g1", "g2"].map(publicOf),
        shares: [{ epoch, threshold: 2, owing }],
        compacted: true,
      },
    });
    expect(auditRotation(record)).toEqual([
      { kind: "closed", rotationId: 1, members: ["g1", "g2"].map(publicOf) },
      { kind: "sharesLeft", epoch, owing },
    ]);
  });

  test("is audited as any other is, and what the ledger knows of besides is found", () => {
    const gone = ["e", "f"].map(key);
    const record = closed(
      (name, call) => "cd".includes(name) && call.tag === "declareDestroyed",
      (effects) =>
        effects
          .filter(({ kind }) => kind !== "RotationCertified")
          .map((effect) => {
            if (effect.kind !== "AbandonmentClosed") return effect;
            return { ...effect, shares: [...effect.shares, { epoch: 9, threshold: 2, owing: gone }] };
          }),
    );
    expect(kindsOf(auditRotation(record))).toEqual(["closed", "uncertified", "sharesLeft", "sharesLeft"]);
    expect(auditRotation(record)).toContainEqual({ kind: "sharesLeft", epoch: 9, owing: gone });
  });
});

describe("an audit", () => {
  const without =
    (matches: (effect: Effect) => boolean) =>
    (effects: readonly Effect[]): readonly Effect[] =>
      effects.filter((effect) => !matches(effect));

  test.each<[string, (effect: Effect) => boolean, string[]]>([
    [
      "a partition that nobody swept",
      (effect) => effect.kind === "PartitionSwept" && effect.partition === 2,
      ["unswept"],
    ],
    [
      "one that nobody verified",
      (effect) => effect.kind === "PartitionJudged" && effect.partition === 0,
      ["unverified"],
    ],
    ["a missing certificate", (effect) => effect.kind === "RotationCertified" && effect.index === 0, ["uncertified"]],
    ["a store that nobody cut", (effect) => effect.kind === "PartitionsRecorded", ["uncut"]],
    ["a store that was not compacted", (effect) => effect.kind === "StoreCompacted", ["uncompacted"]],
    ["shares that are left", (effect) => effect.kind === "ShareDestroyed", ["sharesLeft"]],
    ["keys that are left and nobody tells of", (effect) => effect.kind === "KeysDestroyed", ["owingDiffers"]],
  ])("finds %s", (_, matches, kinds) => {
    expect(kindsOf(auditRotation(rotated(undefined, undefined, without(matches))))).toEqual(kinds);
  });

  test("finds verdicts of who has swept, certificates of who holds nothing, and disputes that too few decided", () => {
    const record = rotated();
    const [first, ...rest] = record.receipts;
    const judged = (judgements: readonly (readonly [string, "sound" | "faulty"])[]): RotationRecord => ({
      ...record,
      receipts: [{ ...first!, judgements: judgements.map(([by, verdict]) => ({ height: 1, by, verdict })) }, ...rest],
    });
    expect(kindsOf(auditRotation(judged([[first!.by, "sound"]])))).toEqual(["verifiedBySweeper"]);
    expect(kindsOf(auditRotation(judged([[key("e"), "faulty"]])))).toEqual(["unverified"]);
    expect(
      auditRotation(
        judged([
          [key("e"), "faulty"],
          [key("f"), "sound"],
        ]),
      ),
    ).toEqual([]);
    const certifying = { threshold: 2, holders: NAMES.slice(1).map(key) };
    const certificates = ["a", "b"].map((name) => ({ height: 1, by: key(name) }));
    expect(auditRotation({ ...record, certifying, certificates })).toEqual([
      { kind: "uncertified", certifiers: [key("b")], threshold: 2 },
    ]);
    expect(
      auditRotation({ ...record, certifying, certificates: [...certificates, { height: 1, by: key("c") }] }),
    ).toEqual([]);
  });
});
