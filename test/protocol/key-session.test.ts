/** Key sessions on the ledger: what is made when all is well, what holds when it is not, and who is to blame. */
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../src/bytes.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { ledgerGroup } from "../../src/protocol/key-terms.ts";
import { currentSharing } from "../../src/protocol/key-session.ts";
import { lagrangeCoefficient } from "../../src/keys/lagrange.ts";
import { GATEKEEPERS, Network, idOf, identity, measurementOf, outcomes, publicOf, register, vote } from "./network.ts";
import { Shareholders, type Says, keyGenesis, launch } from "./shareholders.ts";

type Told<K extends Effect["kind"]> = Extract<Effect, { readonly kind: K }>;
const told = <K extends Effect["kind"]>(effects: readonly Effect[], kind: K): Told<K>[] =>
  effects.filter((effect): effect is Told<K> => effect.kind === kind);
const keys = (...names: string[]): string[] => names.map((name) => publicOf(identity(name)));

function launched(
  changes: Parameters<typeof keyGenesis>[0] = {},
  names: readonly string[] = [...GATEKEEPERS, "e", "f"],
) {
  const network = new Network(keyGenesis(changes));
  const all = new Shareholders(network, names);
  launch(network);
  return { network, all };
}

/** Whether the members' shares are those that the ledger expects, and t of them make the key. */
function expectShares(network: Network, all: Shareholders, holders: readonly string[]): void {
  const sharing = currentSharing(network.state)!;
  const group = ledgerGroup(sharing.keySuite);
  for (const name of holders) {
    const share = all.held.get(name)!.share(sharing.epoch)!;
    expect(sharing.members[share.index - 1]!.identityKey).toBe(publicOf(identity(name)));
    expect(toHex(group.multiplyBase([share.secret]))).toBe(sharing.members[share.index - 1]!.verificationShare);
  }
  const indices = holders.map((name) => all.held.get(name)!.share(sharing.epoch)!.index).sort((a, b) => a - b);
  const quorum = indices.slice(-sharing.threshold);
  const { elements } = group.linearCombinations(
    quorum.map((index) => fromHex(sharing.members[index - 1]!.verificationShare!, "a share")),
    quorum.map((index) => lagrangeCoefficient(group.scalars.order, quorum, index)),
  );
  expect(toHex(elements)).toBe(sharing.publicKey);
}

describe("a key session", () => {
  test("does not begin before governance says so, and then makes a MasterKey that nobody holds", () => {
    const network = new Network(keyGenesis());
    const all = new Shareholders(network, GATEKEEPERS);
    for (let block = 0; block < 5; block++) expect(told(all.block(), "KeySessionStarted")).toEqual([]);
    launch(network);
    const [adopted] = told(all.until("SharingAdopted", undefined, 6), "SharingAdopted");
    expect(adopted).toMatchObject({ rotationId: 0, silent: [] });
    expect([...adopted!.holders].sort()).toEqual(keys(...GATEKEEPERS).sort());
    expectShares(network, all, GATEKEEPERS);
    expect(network.state.dealings.size).toBe(0);
    expect(network.state.keySession).toBeNull();
  });

  test("succeeds with phases of two blocks, the fewest that there are", () => {
    const { all } = launched({ masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 2, refreshBlocks: 1_000 } });
    const silent: Says = (name, call) => (name === "d" ? null : call);
    all.until("SharingAdopted", silent, 12);
  });

  test("does without those who are silent, if enough are left, and says who they were", () => {
    const { network, all } = launched();
    const silent: Says = (name, call) => (name === "d" ? null : call);
    const [adopted] = told(all.until("SharingAdopted", silent), "SharingAdopted");
    expect([...adopted!.holders].sort()).toEqual(keys("a", "b", "c").sort());
    const sharing = currentSharing(network.state)!;
    expect(sharing.members.find(({ identityKey }) => identityKey === publicOf(identity("d")))).toEqual({
      identityKey: publicOf(identity("d")),
      verificationShare: null,
      confirmed: false,
    });
    expectShares(network, all, ["a", "b", "c"]);
  });

  test("fails when too few come, and begins again", () => {
    const { network, all } = launched();
    const two: Says = (name, call) => (name === "a" || name === "b" ? call : null);
    const [aborted] = told(all.until("KeySessionAborted", two), "KeySessionAborted");
    expect(aborted!.reason).toBe("TooFewReceivers");
    expect([...aborted!.silent].sort()).toEqual(keys("c", "d").sort());
    expect(network.state.excluded).toEqual([]);
    all.until("SharingAdopted");
    expectShares(network, all, GATEKEEPERS);
  });

  test.each(["registerDealingKey", "deal", "judgeDealings", "confirmShare"] as const)(
    "stands when one says nothing instead of %s",
    (tag) => {
      const { network, all } = launched();
      all.until("SharingAdopted", (name, call) => (name === "c" && call?.tag === tag ? null : call));
      expectShares(network, all, ["a", "b", "d"]);
      expect(network.state.excluded).toEqual([]);
    },
  );

  test("begins at once when somebody has a share who may not: it is refreshed away", () => {
    const measurement = measurementOf("pRuntime");
    const network = new Network(keyGenesis({ measurements: [measurement], sessionBlocks: 1_000 }));
    const all = new Shareholders(network, GATEKEEPERS);
    expect(network.send("d", register(network, "d", identity("d")))).toBe("done");
    launch(network);
    all.until("SharingAdopted");
    const { publicKey } = currentSharing(network.state)!;
    for (let block = 0; block < 5; block++) expect(told(all.block(), "KeySessionStarted")).toEqual([]);
    for (const member of ["g1", "g2"]) network.send(member, vote(network, { tag: "withdraw", value: measurement }));
    const [started] = told(all.until("KeySessionStarted", undefined, 1), "KeySessionStarted");
    expect(started!.session).toBe("refresh");
    const [adopted] = told(all.until("SharingAdopted"), "SharingAdopted");
    expect(adopted!.publicKey).toBe(publicKey);
    expect([...adopted!.holders].sort()).toEqual(keys("a", "b", "c").sort());
    expectShares(network, all, ["a", "b", "c"]);
    for (let block = 0; block < 20; block++) expect(told(all.block(), "KeySessionStarted")).toEqual([]);
  });

  test("goes on without one whose measurement was withdrawn, which says nothing that would be refused", () => {
    const measurement = measurementOf("pRuntime");
    const network = new Network(keyGenesis({ measurements: [measurement], sessionBlocks: 50 }));
    const all = new Shareholders(network, GATEKEEPERS);
    expect(network.send("d", register(network, "d", identity("d")))).toBe("done");
    for (const member of ["g1", "g2"]) network.send(member, vote(network, { tag: "withdraw", value: measurement }));
    launch(network);
    const said: string[] = [];
    const listen: Says = (name, call) => {
      if (name === "d" && call !== null) said.push(call.tag);
      return call;
    };
    const [adopted] = told(all.until("SharingAdopted", listen), "SharingAdopted");
    expect([...adopted!.holders].sort()).toEqual(keys("a", "b", "c").sort());
    expect(said).toEqual([]);
  });

  test("takes a share that is confirmed too late", () => {
    const { network, all } = launched();
    all.until("SharingAdopted", (name, call) => (name === "c" && call?.tag === "confirmShare" ? null : call));
    expect(currentSharing(network.state)!.members.filter(({ confirmed }) => confirmed)).toHaveLength(3);
    expect(told(all.until("ShareConfirmed"), "ShareConfirmed")).toMatchObject([{ identityKey: keys("c")[0] }]);
    expectShares(network, all, GATEKEEPERS);
  });

  test("convicts a dealer whose sub-share is wrong, and goes on without it", () => {
    const { network, all } = launched();
    const spoil: Says = (name, call) => (name === "b" ? spoiled(call) : call);
    const effects = all.until("SharingAdopted", spoil);
    expect(network.state.excluded).toEqual(keys("b"));
    const [adopted] = told(effects, "SharingAdopted");
    expect([...adopted!.holders].sort()).toEqual(keys("a", "c", "d").sort());
    expectShares(network, all, ["a", "c", "d"]);
  });

  test("convicts who complains about what is right", () => {
    const { network, all } = launched();
    all.until("SharingAdopted", (name, call) => (name === "d" ? slandering(call) : call));
    expect(network.state.excluded).toEqual(keys("d"));
    expectShares(network, all, ["a", "b", "c"]);
  });

  test("hands the key over to whoever was elected before they act, and the shares before are destroyed", () => {
    const { network, all } = launched();
    all.until("SharingAdopted");
    const before = currentSharing(network.state)!;
    const old = [...network.state.gatekeepers];
    elect(network, "e", "f");
    const started = told(all.until("KeySessionStarted"), "KeySessionStarted");
    expect(started).toMatchObject([{ session: "resharing", rotationId: 0 }]);
    expect(network.state.gatekeepers).toEqual(old);
    all.until("SharingAdopted");
    const after = currentSharing(network.state)!;
    expect(after.publicKey).toBe(before.publicKey);
    expect(after.members.map(({ verificationShare }) => verificationShare)).not.toEqual(
      before.members.map(({ verificationShare }) => verificationShare),
    );
    expect(network.state.retired).toMatchObject([{ epoch: before.epoch }]);
    all.until("GatekeeperChange");
    expect(network.state.gatekeepers).toEqual(after.members.map(({ identityKey }) => identityKey));
    while (network.state.retired.length > 0) all.block();
    for (const shareholder of all.held.values()) expect(shareholder.share(before.epoch)).toBeNull();
    expectShares(network, all, [...namesOf(network)]);
  });

  test("leaves the old committee in place when the elected don't come, and says so", () => {
    const { network, all } = launched();
    all.until("SharingAdopted");
    const old = [...network.state.gatekeepers];
    elect(network, "e", "f");
    const absent: Says = (name, call) => (old.includes(publicOf(identity(name))) ? call : null);
    const gone = all.until("HandoverFailed", (name, call) => (name === "a" || name === "b" ? call : absent("e", null)));
    expect(told(gone, "KeySessionAborted")).toMatchObject([{ reason: "TooFewReceivers" }]);
    expect(network.state.gatekeepers).toEqual(old);
    expectShares(network, all, [...namesOf(network)]);
    all.until("GatekeeperChange");
    expect(network.state.gatekeepers).not.toEqual(old);
  });

  test("does not wait for ever for convicted ones who were elected again: others are", () => {
    const { network, all } = launched({
      gatekeepers: { tag: "elected", value: { seats: 3, minimum: 3, balancing: 2 } },
    });
    all.until("SharingAdopted");
    elect(network, "e");
    all.until("HandoverFailed", (name, call) => (name === "e" ? slandering(call) : call));
    expect(network.state.excluded).toEqual(keys("e"));
    expect(network.send("e", { tag: "validate", value: { commission: 0, blocked: false } })).toBe("done");
    const again = all.until("StakersElected");
    expect(told(again, "StakersElected")[0]!.stashes).toContain(idOf("e"));
    expect(told(again, "HandoverFailed")).toHaveLength(1);
    expect(network.state.planned).toBeNull();
    expect(network.send("e", { tag: "chill", value: undefined })).toBe("done");
    all.until("EraStarted");
    expect(network.state.gatekeepers).not.toContain(keys("e")[0]);
  });

  test("has those destroy their dealing keys on the record to whom the key was dealt in vain", () => {
    const { network, all } = launched({
      gatekeepers: { tag: "elected", value: { seats: 3, minimum: 3, balancing: 2 } },
    });
    all.until("SharingAdopted");
    elect(network, "e");
    const [started] = told(all.until("KeySessionStarted"), "KeySessionStarted");
    const aborted = all.until("KeySessionAborted", (name, call) => (name === "e" ? slandering(call) : call));
    expect(told(aborted, "KeySessionAborted")).toMatchObject([{ reason: "TooFewReceivers" }]);
    const { epoch, committee } = started!;
    expect(network.state.retired).toMatchObject([{ epoch, owing: committee }]);
    const destroyed = told(all.block(), "ShareDestroyed");
    expect(destroyed.map(({ identityKey }) => identityKey).sort()).toEqual([...committee].sort());
    expect(network.state.retired).toEqual([]);
  });

  test("has others elected where the convicted are too many of those who were", () => {
    const { network, all } = launched({
      masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 3, refreshBlocks: 4 },
      gatekeepers: { tag: "elected", value: { seats: 3, minimum: 3, balancing: 2 } },
    });
    all.until("SharingAdopted");
    const liar = GATEKEEPERS.find((name) => network.state.gatekeepers[0] === publicOf(identity(name)))!;
    all.until("Convicted", (name, call) => (name === liar ? spoiled(call) : call));
    const acting = [...network.state.gatekeepers];
    // Who was convicted stands again, with so much at stake that it is elected; and so is somebody new.
    again(network, liar);
    elect(network, "e");
    all.until("HandoverFailed");
    expect(network.state.gatekeepers).toEqual(acting);
    expect(network.state.excluded).toEqual(keys(liar));
    network.blockOf([network.unsigned(liar, { tag: "chill", value: undefined })]);
    all.until("GatekeeperChange");
    expect(network.state.gatekeepers).toContain(publicOf(identity("e")));
    expectShares(network, all, namesOf(network));
  });

  test("refreshes shares: the key stays, and old and new ones do not mix", () => {
    const { network, all } = launched({
      masterKey: { keySuite: 1, threshold: 2, phaseBlocks: 3, refreshBlocks: 4 },
      gatekeepers: { tag: "listed", value: keys(...GATEKEEPERS) },
      stakers: [],
    });
    all.until("SharingAdopted");
    const before = currentSharing(network.state)!;
    expect(told(all.until("KeySessionStarted"), "KeySessionStarted")).toMatchObject([{ session: "refresh" }]);
    all.until("SharingAdopted");
    const after = currentSharing(network.state)!;
    expect(after.publicKey).toBe(before.publicKey);
    for (const [at, { verificationShare }] of after.members.entries()) {
      expect(verificationShare).not.toBe(before.members[at]!.verificationShare);
    }
    expectShares(network, all, GATEKEEPERS);
  });

  test("runs with t = 1, where every share is the key, and does not refresh it", () => {
    const { network, all } = launched({
      masterKey: { keySuite: 1, threshold: 1, phaseBlocks: 3, refreshBlocks: 2 },
      gatekeepers: { tag: "listed", value: keys("a", "b", "c") },
      stakers: [],
    });
    all.until("SharingAdopted");
    const { members, publicKey } = currentSharing(network.state)!;
    expect(members.map(({ verificationShare }) => verificationShare)).toEqual([publicKey, publicKey, publicKey]);
    for (let block = 0; block < 20; block++) expect(told(all.block(), "KeySessionStarted")).toEqual([]);
  });

  test("runs over ristretto255 too", () => {
    const { network, all } = launched({
      masterKey: { keySuite: 2, threshold: 2, phaseBlocks: 3, refreshBlocks: 1_000 },
    });
    all.until("SharingAdopted");
    expect(fromHex(currentSharing(network.state)!.publicKey, "a key")).toHaveLength(32);
    expectShares(network, all, GATEKEEPERS);
  });

  test("refuses what is said at another time, of another session, twice, or by others", () => {
    const { network, all } = launched();
    const seen = new Map<Call["tag"], Call>();
    const record: Says = (name, call) => {
      if (call !== null && name === "a") seen.set(call.tag, call);
      return call;
    };
    all.until("SharingAdopted", record);
    for (const tag of ["registerDealingKey", "deal", "judgeDealings", "confirmShare"] as const) {
      const call = seen.get(tag)!;
      const effects = network.blockOf([network.unsigned(identity("a"), call), network.unsigned(identity("e"), call)]);
      expect(outcomes(effects).every((outcome) => outcome !== "done")).toBe(true);
    }
    expect(network.send(identity("e"), { tag: "declareDestroyed", value: 0 })).toBe("NothingToDo");
  });

  test.each([
    ["registerDealingKey", "BadProof"],
    ["deal", "BadDealing"],
    ["confirmShare", "BadProof"],
  ] as const)("verifies one %s of a gatekeeper in a block, and that of every other still", (tag, wrong) => {
    const { network, all } = launched();
    const isDue = (): boolean => all.due().every(([name, call]) => name > "d" || call?.tag === tag);
    while (!isDue()) all.block();
    const calls = new Map(all.due());
    const a = identity("a");
    const forged = forgery(calls.get("a")!);
    const sequence = network.sequenceOf(a);
    const flood = [0, 1, 2].map((ahead) => network.unsigned(a, forged, sequence + ahead));
    const effects = network.blockOf([...flood, network.unsigned(identity("b"), calls.get("b")!)]);
    expect(outcomes(effects)).toEqual([wrong, "TooManyProofs", "TooManyProofs", "done"]);
    expect(network.send(a, calls.get("a")!)).toBe("done");
  });
});

/** The stashes whose pRuntimes have shares. */
function namesOf(network: Network): string[] {
  const { members } = currentSharing(network.state)!;
  return [...GATEKEEPERS, "e", "f"].filter((name) =>
    members.some(({ identityKey, confirmed }) => confirmed && identityKey === publicOf(identity(name))),
  );
}

/** One bit of what is dealt to the first receiver is another. */
function spoiled(call: Call | null): Call | null {
  if (call?.tag !== "deal") return call;
  const ciphertexts = call.value.dealing.ciphertexts.slice();
  ciphertexts[0]! ^= 1;
  return { ...call, value: { ...call.value, dealing: { ...call.value.dealing, ciphertexts } } };
}

/** The same with a proof of something else. */
function forgery(call: Call): Call {
  const proof = new Uint8Array(64).fill(1);
  if (call.tag === "registerDealingKey") return { ...call, value: { ...call.value, proof } };
  if (call.tag === "confirmShare") return { ...call, value: { ...call.value, trial: { ...call.value.trial, proof } } };
  if (call.tag !== "deal") throw new Error(`${call.tag} proves nothing`);
  return { ...call, value: { ...call.value, dealing: { ...call.value.dealing, ephemeralProof: proof } } };
}

/** A complaint about what is right. */
function slandering(call: Call | null): Call | null {
  if (call?.tag !== "judgeDealings") return call;
  const complaint = { point: ledgerGroup(1).generator, proof: new Uint8Array(64) };
  return { ...call, value: { ...call.value, complaints: [{ dealer: 1, complaint }] } };
}

/** Two others stand for election, with more behind them than anybody has. */

/** Stands for election once more, with all that it has. */
function again(network: Network, name: string): void {
  const calls: Call[] = [
    { tag: "bondExtra", value: 900_000_000n },
    { tag: "validate", value: { commission: 0, blocked: false } },
  ];
  network.blockOf(calls.map((call, at) => network.unsigned(name, call, network.sequenceOf(name) + at)));
}

/** Others stand for election, with more behind them than anybody has. */
function elect(network: Network, ...names: readonly string[]): void {
  for (const name of names) {
    const calls: Call[] = [
      { tag: "bond", value: { amount: 900_000_000n, payee: { tag: "staked", value: undefined } } },
      { tag: "setKeys", value: publicOf(identity(name)) },
      { tag: "validate", value: { commission: 0, blocked: false } },
    ];
    network.blockOf(calls.map((call, at) => network.unsigned(name, call, network.sequenceOf(name) + at)));
  }
}
