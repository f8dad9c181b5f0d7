/**
 * Key sessions whole: what it takes n gatekeepers to make a MasterKey, and to hand it on to n others: each pRuntime's part,
 * and what the ledger verifies, which every pRuntime and node does too.
 */
import { generateAccountKey } from "../src/chain/account-key.ts";
import { type PublicKey, accountOf } from "../src/protocol/account.ts";
import { apply } from "../src/protocol/apply.ts";
import type { AuthenticMessage } from "../src/protocol/authenticate.ts";
import { callCodec } from "../src/protocol/call.ts";
import type { Genesis } from "../src/protocol/genesis.ts";
import { currentSharing } from "../src/protocol/key-session.ts";
import { Ledger } from "../src/protocol/ledger.ts";
import { publicKeyOf } from "../src/protocol/message.ts";
import { Shareholder } from "../src/pruntime/shareholder.ts";
import { type CaseTimes, type TableResult, resultOf } from "./table.ts";

/** Gatekeepers, and how many stand for the key. */
export interface Committee {
  readonly gatekeepers: number;
  readonly threshold: number;
}

/** The largest thresholds that these numbers of gatekeepers allow. */
export const COMMITTEES: readonly Committee[] = [
  { gatekeepers: 4, threshold: 2 },
  { gatekeepers: 16, threshold: 8 },
  { gatekeepers: 64, threshold: 32 },
];

export const PRUNTIME = "a pRuntime's part";
export const LEDGER = "the ledger";
/** Bytes of a message besides its call: signer, sequence and signature. */
const MESSAGE_BYTES = 33 + 4 + 64;
const REFRESH_BLOCKS = 2;

/**
 * Holds a generation and a refresh of each committee once a round.
 * @throws Error when a session does not end in a sharing that all hold.
 */
export function keySessionResult(committees: readonly Committee[], rounds: number): TableResult {
  const times = new Map<string, { row: string; column: string; times: number[] }>();
  for (let round = 0; round < rounds; round++) {
    for (const committee of committees) {
      const network = new Network(committee);
      for (const kind of ["generation", "refresh"]) {
        const session = network.hold();
        const { gatekeepers, threshold } = committee;
        const size = `${session.messages.toLocaleString("en")} messages, ${session.bytes.toLocaleString("en")} bytes`;
        const row = `${kind}, ${threshold} of ${gatekeepers}: ${size}`;
        add(times, row, PRUNTIME, session.pruntimeMilliseconds * 1e6);
        add(times, row, LEDGER, session.ledgerMilliseconds * 1e6);
      }
    }
  }
  return resultOf(
    {
      name: "key sessions",
      title: "Key sessions among gatekeepers, all of whom are honest, on one thread",
      item: "session",
      ours: [PRUNTIME, LEDGER],
      unordered: true,
      notes: [
        `${PRUNTIME}: its dealing key, dealing, judgement, share and trial; files and signatures not included`,
        `${LEDGER}: all messages of the session applied and whatever they prove verified; signatures not included`,
      ],
    },
    [...times.values()],
  );
}

function add(
  times: Map<string, CaseTimes & { times: number[] }>,
  row: string,
  column: string,
  nanoseconds: number,
): void {
  const key = `${row}|${column}`;
  const known = times.get(key);
  if (known === undefined) times.set(key, { row, column, times: [nanoseconds] });
  else known.times.push(nanoseconds);
}

/** What one session took. */
interface Session {
  readonly messages: number;
  readonly bytes: number;
  /** Of one pRuntime, on average. */
  readonly pruntimeMilliseconds: number;
  readonly ledgerMilliseconds: number;
}

/** Gatekeepers with a ledger that they share. */
class Network {
  #ledger: Ledger;
  readonly #shareholders: readonly { readonly key: PublicKey; readonly shareholder: Shareholder }[];

  constructor({ gatekeepers, threshold }: Committee) {
    const keys = Array.from({ length: gatekeepers }, () => newKey());
    this.#ledger = Ledger.atGenesis(genesisOf(keys, threshold));
    this.#shareholders = keys.map((key) => ({ key, shareholder: new Shareholder(key) }));
    const { members } = this.#ledger.genesis.governance;
    this.#block([
      this.#message(members[0]!, { tag: "govern", value: { round: 0, action: { tag: "launch", value: undefined } } }),
    ]);
  }

  /** The next session, from its first block to the one in which its sharing comes into force. */
  hold(): Session {
    const before = currentSharing(this.#ledger.state)?.epoch;
    let [messages, bytes, pruntimeMilliseconds, ledgerMilliseconds] = [0, 0, 0, 0];
    while (currentSharing(this.#ledger.state)?.epoch === before) {
      const begun = performance.now();
      const said = this.#shareholders.flatMap(({ key, shareholder }) => {
        shareholder.follow(this.#ledger);
        const call = shareholder.dueCall(this.#ledger);
        return call === null ? [] : [this.#message(key, call)];
      });
      const answered = performance.now();
      this.#block(said);
      if (said.length > 0) {
        pruntimeMilliseconds += answered - begun;
        ledgerMilliseconds += performance.now() - answered;
      }
      messages += said.length;
      bytes += said.reduce((sum, { call }) => sum + MESSAGE_BYTES + callCodec.enc(call).length, 0);
    }
    const holders = currentSharing(this.#ledger.state)!.members.filter(({ confirmed }) => confirmed).length;
    if (holders !== this.#shareholders.length) throw new Error("somebody has no share");
    this.#declareDestroyed();
    const count = this.#shareholders.length;
    return { messages, bytes, pruntimeMilliseconds: pruntimeMilliseconds / count, ledgerMilliseconds };
  }

  /** So that the next session's blocks have its messages alone. */
  #declareDestroyed(): void {
    while (this.#ledger.state.retired.length > 0 && this.#ledger.state.keySession === null) {
      const { epoch, owing } = this.#ledger.state.retired[0]!;
      this.#block(owing.map((key) => this.#message(key, { tag: "declareDestroyed", value: epoch })));
    }
  }

  #message(key: PublicKey, call: AuthenticMessage["call"]): AuthenticMessage {
    const sender = accountOf(key);
    const sequence = this.#ledger.state.accounts.get(sender)!.sequence;
    return { signer: key, sender, sequence, call, proven: true, evidence: [] };
  }

  #block(messages: readonly AuthenticMessage[]): void {
    const { height, timestamp } = this.#ledger.state;
    const block = { height: height + 1, timestamp: timestamp + 1, messages };
    const { ledger, effects } = apply(this.#ledger, block);
    const failed = effects.find(({ kind }) => kind === "MessageFailed" || kind === "MessageRefused");
    if (failed !== undefined) throw new Error(`a message was not done: ${JSON.stringify(failed)}`);
    this.#ledger = ledger;
  }
}

function newKey(): PublicKey {
  using key = generateAccountKey();
  return publicKeyOf(key);
}

function genesisOf(keys: readonly PublicKey[], threshold: number): Genesis {
  const operator = accountOf(newKey());
  const governor = newKey();
  return {
    name: Buffer.from("key sessions"),
    authority: newKey(),
    timestamp: 0,
    blockMilliseconds: 1,
    sessionBlocks: 1_000_000,
    existentialDeposit: 1n,
    workerDeposit: 1n,
    contractDeposit: 1n,
    gatekeepers: { tag: "listed", value: keys },
    staking: {
      sessionsPerEra: 1,
      bondingDuration: 1,
      slashDeferDuration: 0,
      minNominatorBond: 1n,
      minValidatorBond: 1n,
      minCommission: 0,
      maxValidatorCount: 1,
      maxNominatorCount: 1,
      slashRewardFraction: 0,
      offences: {
        unresponsive: 0,
        equivocation: 0,
        misdealing: 0,
        falseComplaint: 0,
        wrongPartials: 0,
        falseReceipt: 0,
        falseVerdict: 0,
        undestroyed: 0,
      },
      inflation: { minimum: 0, maximum: 0, idealStake: 1, falloff: 1 },
    },
    governance: { members: [governor], threshold: 1 },
    attestation: { software: true, tcbStatuses: [] },
    ecdhKeys: { interval: 1_000_000, overlap: 1 },
    masterKey: { keySuite: 1, threshold, phaseBlocks: 10, refreshBlocks: REFRESH_BLOCKS },
    rotation: { intervalBlocks: 0, leadBlocks: 2, leaseBlocks: 10, phaseBlocks: 100, leasesPerBlock: 64 },
    measurements: [],
    accounts: [{ id: operator, free: 1_000_000n }],
    workers: keys.map((identityKey) => ({ identityKey, ecdhKey: identityKey, operator, endpoint: null })),
    stakers: [],
  };
}
