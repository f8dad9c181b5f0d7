/**
 * Replay: a chain as it lies on disk becomes a ledger. Blocks are read, every signature is verified, every message
 * applied, every state hash checked; beside it, the signatures alone, one by one, by others.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex } from "../src/bytes.ts";
import { generateAccountKey } from "../src/chain/account-key.ts";
import { EmbeddedChain } from "../src/chain/embedded.ts";
import { catchUp } from "../src/chain/follow.ts";
import { Producer } from "../src/chain/producer.ts";
import { Secp256k1 } from "../src/engine/secp256k1.ts";
import { type AccountId, accountOf } from "../src/protocol/account.ts";
import { accountSigner, messageDomain, messageHash, publicKeyOf, signMessage } from "../src/protocol/message.ts";
import type { Call } from "../src/protocol/call.ts";
import type { Genesis } from "../src/protocol/genesis.ts";
import { Ledger } from "../src/protocol/ledger.ts";
import { Replica } from "../src/protocol/replica.ts";
import type { Secret } from "../src/secret.ts";
import { ADDON, NOBLE_CURVES } from "./curve-peers.ts";
import type { Secp256k1Addon } from "./secp256k1-addon.ts";
import type { Case, Table } from "./table.ts";

/** Reading, verifying, applying and hashing. */
export const REPLICA = "replica";

/** The table's one row. */
export const CHAIN = "chain";

const ACCOUNTS = 1_024;
/** Messages of each account, in blocks of one from each. */
const ROUNDS = 4;
const NOBLE_MESSAGES = 16;

/** A chain with messages, on disk. */
export interface StoredChain extends Disposable {
  readonly chain: EmbeddedChain;
  readonly ledger: Ledger;
  readonly messages: readonly Uint8Array[];
  /** Hash of the state at its end. */
  readonly stateHash: string;
}

/** @param addon - libsecp256k1 in C, where there is one. */
export function replayTable(addon: Secp256k1Addon | null, accounts = ACCOUNTS): Table {
  const curve = new Secp256k1();
  return {
    name: "replay",
    title: "Replaying a stored chain, on one thread",
    item: "message",
    ours: [REPLICA],
    unordered: true,
    perSecond: true,
    notes: [
      `${REPLICA}: blocks of ${accounts.toLocaleString("en")} messages read from SQLite; signatures, messages, state hashes checked`,
      "the others: the same messages hashed and their signatures verified, nothing else",
    ],
    prepare: async () => {
      const stored = storedChain(curve, accounts);
      const cases: Case[] = [
        { row: CHAIN, column: REPLICA, items: stored.messages.length, run: () => replay(curve, stored) },
        signaturesAlone(NOBLE_CURVES, stored, stored.messages.slice(0, NOBLE_MESSAGES), (signature, hash, key) =>
          secp256k1.verify(signature, hash, key, { prehash: false }),
        ),
      ];
      if (addon !== null) {
        cases.push(
          signaturesAlone(ADDON, stored, stored.messages, (signature, hash, key) =>
            addon.ecdsaVerify(signature, hash, key),
          ),
        );
      }
      return { cases, [Symbol.asyncDispose]: async () => stored[Symbol.dispose]() };
    },
  };
}

/** @throws Error when it does not end in the state that the chain was made with. */
export function replay(curve: Secp256k1, { chain, ledger, stateHash }: StoredChain): void {
  const replica = new Replica(curve, ledger);
  for (const { effects } of catchUp(chain, replica)) {
    const failed = effects.find(({ kind }) => kind === "MessageFailed" || kind === "MessageRefused");
    if (failed !== undefined) throw new Error(`a message was not done: ${failed.kind}`);
  }
  if (toHex(replica.ledger.stateHash()) !== stateHash) throw new Error("the replica ends in another state");
}

/** A chain of `ROUNDS` blocks, in which every account bonds, transfers, bonds more and unbonds. */
export function storedChain(curve: Secp256k1, accounts: number): StoredChain {
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-bench-"));
  const keys = Array.from({ length: accounts }, generateAccountKey);
  const authority = generateAccountKey();
  const genesis = genesisFor(keys, authority);
  const path = join(folder, "chain.sqlite");
  EmbeddedChain.create(path, genesis);
  const chain = EmbeddedChain.open(path);
  const ledger = Ledger.atGenesis(genesis);
  const producer = new Producer(chain, new Replica(curve, ledger), authority);
  const signers = keys.map(accountSigner);
  const ids = signers.map(({ publicKey }) => accountOf(publicKey));
  const messages: Uint8Array[] = [];
  for (let sequence = 0; sequence < ROUNDS; sequence++) {
    for (const [at, signer] of signers.entries()) {
      const message = signMessage(signer, ledger.genesisHash, sequence, callOf(sequence, at, ids));
      messages.push(message);
      chain.submit(message);
    }
    while (producer.produce(sequence, false) !== null);
  }
  const end = new Replica(curve, ledger);
  for (const _ of catchUp(chain, end));
  if (end.ledger.state.height !== ROUNDS) throw new Error(`the chain has ${end.ledger.state.height} blocks`);
  const dispose = (): void => {
    chain[Symbol.dispose]();
    rmSync(folder, { recursive: true });
  };
  return { chain, ledger, messages, stateHash: toHex(end.ledger.stateHash()), [Symbol.dispose]: dispose };
}

function callOf(sequence: number, at: number, ids: readonly AccountId[]): Call {
  const next = ids[(at + 1) % ids.length]!;
  switch (sequence) {
    case 0:
      return { tag: "bond", value: { amount: 500_000n, payee: { tag: "staked", value: undefined } } };
    case 1:
      return { tag: "transfer", value: { to: next, amount: 1_000n } };
    case 2:
      return { tag: "bondExtra", value: 1_000n };
    default:
      return { tag: "unbond", value: 2_000n };
  }
}

function genesisFor(keys: readonly Secret[], authority: Secret): Genesis {
  const signers = keys.map(accountSigner);
  const ids = signers.map(({ publicKey }) => accountOf(publicKey));
  const identityKey = publicKeyOf(authority);
  const operator = accountOf(identityKey);
  return {
    name: Buffer.from("replay"),
    authority: publicKeyOf(authority),
    timestamp: 0,
    blockMilliseconds: 6_000,
    sessionBlocks: 600,
    existentialDeposit: 10n,
    workerDeposit: 10n,
    contractDeposit: 10n,
    gatekeepers: { tag: "elected", value: { seats: 1, minimum: 1, balancing: 0 } },
    staking: {
      sessionsPerEra: 6,
      bondingDuration: 28,
      slashDeferDuration: 27,
      minNominatorBond: 1_000n,
      minValidatorBond: 1_000n,
      minCommission: 0,
      maxValidatorCount: 1_000,
      maxNominatorCount: 22_500,
      slashRewardFraction: 100_000_000,
      offences: {
        unresponsive: 0,
        equivocation: 100_000_000,
        misdealing: 0,
        falseComplaint: 0,
        wrongPartials: 0,
        falseReceipt: 0,
        falseVerdict: 0,
        undestroyed: 0,
      },
      inflation: { minimum: 25_000_000, maximum: 100_000_000, idealStake: 750_000_000, falloff: 50_000_000 },
    },
    governance: { members: [publicKeyOf(authority)], threshold: 1 },
    attestation: { software: false, tcbStatuses: ["UpToDate"] },
    ecdhKeys: { interval: 14_400, overlap: 600 },
    masterKey: { keySuite: 1, threshold: 1, phaseBlocks: 100, refreshBlocks: 100_800 },
    rotation: { intervalBlocks: 0, leadBlocks: 2, leaseBlocks: 4, phaseBlocks: 20, leasesPerBlock: 64 },
    measurements: [],
    accounts: [operator, ...ids].map((id) => ({ id, free: 1_000_000n })),
    workers: [{ identityKey, ecdhKey: identityKey, operator, endpoint: null }],
    stakers: [
      {
        stash: operator,
        bond: 100_000n,
        role: { tag: "validator", value: { identityKey, commission: 0, blocked: false } },
      },
    ],
  };
}

function signaturesAlone(
  column: string,
  { ledger }: StoredChain,
  messages: readonly Uint8Array[],
  verify: (signature: Uint8Array, hash: Uint8Array, key: Uint8Array) => boolean,
): Case {
  const domain = messageDomain(ledger.genesisHash);
  const run = (): void => {
    for (const message of messages) {
      if (verify(message.subarray(-64), messageHash(domain, message), message.subarray(0, 33))) continue;
      throw new Error(`${column} refuses a signature`);
    }
  };
  return { row: CHAIN, column, items: messages.length, run };
}
