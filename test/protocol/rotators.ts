/** Honest pRuntimes that rotate, as far as the ledger sees it: their work on states is taken as done. */
import { leasableBy } from "../../src/protocol/partitions.ts";
import type { Action, Call, PartitionWork } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import {
  type Partition,
  type PartitionBound,
  type ReceiptClaim,
  leasesOf,
  mayLease,
} from "../../src/protocol/rotation.ts";
import { Network, idOf, identity, outcomes, publicOf } from "./network.ts";
import { type Says, Shareholders, keyGenesis, launch } from "./shareholders.ts";

/** A bound at the beginning of a contract. */
export function boundAt(byte: number): PartitionBound {
  return { contract: `0x${byte.toString(16).padStart(2, "0").repeat(32)}`, key: new Uint8Array(0) };
}

/** A receipt for a partition with so many records. */
export function claimOf(records = 10, failed = 0): ReceiptClaim {
  const failures = failed === 0 ? [] : [{ contract: `0x${"77".repeat(32)}`, key: Buffer.from("bad") }];
  return { pages: 1, records, bytes: 100 * records, failed, failures, quarantined: 0, digest: `0x${"ab".repeat(32)}` };
}

/** What a pRuntime is asked to do with a leased partition. */
export type Outcome = (name: string, index: number, stage: string) => PartitionWork["outcome"] | null;

export const swept = { tag: "swept", value: claimOf() } as const;
export const judged = (value: "sound" | "faulty" | "damaged" | "overwritten") => ({ tag: "verified", value }) as const;
export const honest: Outcome = (_, __, stage) => (stage === "unswept" ? swept : judged("sound"));

/** What certifies the rotation that is under way. */
export function certification({ state }: Network): Call {
  const { from, switchHeight } = state.rotation!;
  return { tag: "certifyRotation", value: { rotationId: from + 1, switchHeight: switchHeight ?? 0 } };
}

/** Their next call in a rotation; null where there is none. */
export function rotationCall(network: Network, name: string, outcome: Outcome = honest): Call | null {
  const { state } = network.ledger;
  const { rotation, partitions } = state;
  const key = publicOf(name);
  if (rotation === null) return null;
  const rotationId = rotation.from + 1;
  if (mayLease(rotation) && rotation.partitions === null && state.stateStore !== null) {
    return { tag: "recordPartitions", value: { rotationId, bounds: [boundAt(0x40), boundAt(0x80), boundAt(0xc0)] } };
  }
  if (mayLease(rotation)) {
    const isPromise = rotation.phase === "keyGeneration";
    const done = (isPromise ? [] : leasesOf({ partitions }, key)).flatMap(
      ({ index, attempt, stage }): PartitionWork[] => {
        const said = outcome(name, index, stage);
        return said === null ? [] : [{ partition: index, attempt, outcome: said }];
      },
    );
    const wanted = leasableBy(state, key).length > 0 ? 1 : 0;
    if (done.length + wanted > 0) return { tag: "workPartitions", value: { rotationId, done, wanted } };
    const isDue = rotation.phase === "verification" && rotation.verified === rotation.partitions;
    const isHolder = state.sharings.at(-1)!.members.some(({ identityKey }) => identityKey === key);
    if (isDue && isHolder && !rotation.certifiers.includes(key)) return certification(network);
    return null;
  }
  if (rotation.phase !== "abandonment") return null;
  if (!rotation.compacted && rotation.partitions !== 0) return { tag: "declareCompacted", value: rotationId };
  const user = state.keyUsers.get(idOf(name));
  return user !== undefined && user.since <= rotation.from ? { tag: "declareAbandoned", value: rotationId } : null;
}

/** Blocks of what shareholders and rotators say. */
export class Rotators {
  readonly #network: Network;
  readonly #all: Shareholders;

  constructor(network: Network, all: Shareholders) {
    this.#network = network;
    this.#all = all;
  }

  /** Who is silent is left out with `says`. */
  block(outcome: Outcome = honest, says: Says = (_, call) => call): readonly Effect[] {
    return this.#all.block((name, due) => says(name, due ?? rotationCall(this.#network, identity(name), outcome)));
  }

  /** A block in which others come first, with whatever they say. */
  blockAfter(
    first: readonly (readonly [name: string, call: Call])[],
    outcome: Outcome = honest,
    says: Says = (_, call) => call,
  ): readonly Effect[] {
    const network = this.#network;
    const honest = this.#all.due().flatMap(([name, due]) => {
      const said = says(name, due ?? rotationCall(network, identity(name), outcome));
      return said === null ? [] : [[name, said] as const];
    });
    return network.blockOf([...first, ...honest].map(([name, call]) => network.unsigned(identity(name), call)));
  }

  until(kind: Effect["kind"], outcome: Outcome = honest, says?: Says, most = 100): readonly Effect[] {
    for (let block = 0; block < most; block++) {
      const effects = this.block(outcome, says);
      if (effects.some((effect) => effect.kind === kind)) return effects;
    }
    throw new Error(`${kind} was not told in ${most} blocks`);
  }
}

export const NAMES = ["a", "b", "c", "d"];
const STORE = `0x${"5a".repeat(32)}`;

/** Governance orders something; the effects of both votes. */
export function order(network: Network, action: Action): readonly Effect[] {
  return ["g1", "g2"].flatMap((member) => {
    const value = { round: network.state.governanceRound, action };
    return [...network.blockOf([network.unsigned(member, { tag: "govern", value })])];
  });
}

export const rotate = { tag: "rotate", value: undefined } as const;

/** A network with a MasterKey, and a store unless it is to have none. */
export function running(
  changes: Parameters<typeof keyGenesis>[0] = {},
  store: string | null = STORE,
  names: readonly string[] = NAMES,
) {
  const network = new Network(keyGenesis({ sessionBlocks: 1_000, ...changes }));
  launch(network);
  const all = new Shareholders(network, names);
  all.until("SharingAdopted");
  if (store !== null) say(network, "a", { tag: "announceStore", value: store });
  for (const name of ["e", "f"]) {
    order(network, { tag: "setRotationWorker", value: { identityKey: publicOf(identity(name)), may: true } });
  }
  return { network, all, rotators: new Rotators(network, all) };
}

/** What becomes of a message in a block of its own. */
export function say(network: Network, stash: string, call: Call): string {
  return outcomes(network.blockOf([network.unsigned(identity(stash), call)]))[0]!;
}

export const kinds = (effects: readonly Effect[]) => effects.map(({ kind }) => kind);

/** One in its re-encryption, with four partitions. */
export function reencrypting(changes: Parameters<typeof running>[0] = {}, names: readonly string[] = NAMES) {
  const started = running(changes, STORE, names);
  order(started.network, rotate);
  started.rotators.until("PartitionsRecorded");
  return started;
}

/** The IdentityKey of a stash. */
export const keyOf = (name: string): string => publicOf(identity(name));

export const partitionsOf = ({ state }: Network): Partition[] => [...state.partitions.values()];

/** What a pRuntime says that takes what it can get, and does this with it. */
export function grabbing(
  network: Network,
  name: string,
  outcome: (stage: string) => PartitionWork["outcome"] | null,
): Call {
  const done = leasesOf(network.state, keyOf(name)).flatMap(({ index, attempt, stage }): PartitionWork[] => {
    const said = outcome(stage);
    return said === null ? [] : [{ partition: index, attempt, outcome: said }];
  });
  return { tag: "workPartitions", value: { rotationId: 1, done, wanted: 16 } };
}

/** Runs to the end of the rotation, in so many blocks at most. */
export function toEnd(network: Network, block: () => readonly Effect[], most: number): Effect[] {
  const told: Effect[] = [];
  for (let count = 0; network.state.rotation !== null; count++) {
    if (count === most) throw new Error(`still in ${network.state.rotation.phase} after ${most} blocks`);
    told.push(...block());
  }
  return told;
}

/** What the genesis of tests asks for a pRuntime. */
export const DEPOSIT = 1_000n;

/** Gatekeepers that have nothing at stake. */
export const LISTED = {
  gatekeepers: { tag: "listed" as const, value: NAMES.map(keyOf) },
  stakers: [],
};

/** As if a gatekeeper had been registered by its operator, and were not one of the genesis, which ask for no deposit. */
export function putDown(network: Network, name: string): void {
  const { state } = network;
  const id = idOf(identity(name));
  const account = state.accounts.get(idOf(name))!;
  network.ledger = network.ledger.with({
    ...state,
    workers: state.workers.set(id, { ...state.workers.get(id)!, deposit: DEPOSIT }),
    accounts: state.accounts.set(idOf(name), { ...account, free: account.free - DEPOSIT, reserved: DEPOSIT }),
  });
}
