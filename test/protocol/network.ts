/** A small network for tests: keys by name, a genesis with four gatekeepers, and blocks of messages by their senders. */
import { createHash } from "node:crypto";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { accountOf } from "../../src/protocol/account.ts";
import { apply } from "../../src/protocol/apply.ts";
import { type AuthenticMessage, Authenticator, type Unreadable } from "../../src/protocol/authenticate.ts";
import { encodeAttestation } from "../../src/protocol/attestation.ts";
import type { Action, Call, Equivocation, Registration } from "../../src/protocol/call.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import type { Genesis, GenesisStaker } from "../../src/protocol/genesis.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { type Signer, accountSigner, signMessage, signRegistration } from "../../src/protocol/message.ts";
import { Secret } from "../../src/secret.ts";

export const CURVE = new Secp256k1();
export const UNIT = 1_000_000n;
export const GATEKEEPERS = ["a", "b", "c", "d"] as const;
export const NOMINATORS = ["n1", "n2", "n3", "n4", "n5", "n6"] as const;

const keys = new Map<string, Secret>();
const signers = new Map<string, Signer>();
const ids = new Map<string, string>();

/** The key of that name, always the same. */
export function keyOf(name: string): Secret {
  let key = keys.get(name);
  if (key === undefined) {
    key = new Secret(createHash("sha256").update(`test key ${name}`).digest());
    keys.set(name, key);
  }
  return key;
}

export const signerOf = (name: string): Signer => kept(signers, name, () => accountSigner(keyOf(name)));
export const publicOf = (name: string): string => signerOf(name).publicKey;
export const idOf = (name: string): string => kept(ids, name, () => accountOf(publicOf(name)));
/** Name of a stash's IdentityKey. */
export const identity = (stash: string): string => `${stash}/identity`;

/** Runs of a property: as many as this, and twenty times as many where there is time. */
export const runs = (count: number): { readonly numRuns: number } => ({
  numRuns: process.env["SLOW"] === "1" ? 20 * count : count,
});

/** No token is made, so that balances change by calls and slashes alone. */
export const NO_INFLATION = { minimum: 0, maximum: 0, idealStake: 750_000_000, falloff: 50_000_000 };

/** The measurement of a pRuntime of that name, which there is none of, and its word for it. */
export const measurementOf = (name: string): string => `0x${createHash("sha256").update(name).digest("hex")}`;
export const softwareOf = (name: string): Uint8Array =>
  encodeAttestation({ tag: "software", value: { measurement: measurementOf(name) } });

/** What became of each message of a block, by its place: "done", or why not. */
export function outcomes(effects: readonly Effect[]): string[] {
  const found: string[] = [];
  for (const effect of effects) {
    if (effect.kind === "MessageDone") found[effect.index!] = "done";
    else if (effect.kind === "MessageFailed" || effect.kind === "MessageRefused") found[effect.index!] = effect.reason;
  }
  return found;
}

/** Everybody has 1,000 units; gatekeepers have 100 at stake, nominators 50 behind two of them. */
export function genesisOf(changes: Partial<Genesis> = {}, staking: Partial<Genesis["staking"]> = {}): Genesis {
  const people = [...GATEKEEPERS, ...NOMINATORS, "e", "f", "rich"];
  return {
    name: Buffer.from("test"),
    authority: publicOf("authority"),
    timestamp: 0,
    blockMilliseconds: 6_000,
    sessionBlocks: 2,
    existentialDeposit: 10n,
    workerDeposit: 1_000n,
    contractDeposit: 500n,
    gatekeepers: { tag: "elected", value: { seats: 4, minimum: 2, balancing: 2 } },
    staking: {
      sessionsPerEra: 3,
      bondingDuration: 3,
      slashDeferDuration: 1,
      minNominatorBond: 20n,
      minValidatorBond: UNIT,
      minCommission: 0,
      maxValidatorCount: 8,
      maxNominatorCount: 16,
      slashRewardFraction: 100_000_000,
      offences: {
        unresponsive: 10_000_000,
        equivocation: 250_000_000,
        misdealing: 250_000_000,
        falseComplaint: 100_000_000,
        wrongPartials: 100_000_000,
        falseReceipt: 100_000_000,
        falseVerdict: 100_000_000,
        undestroyed: 100_000_000,
      },
      inflation: { minimum: 25_000_000, maximum: 100_000_000, idealStake: 750_000_000, falloff: 50_000_000 },
      ...staking,
    },
    governance: { members: ["g1", "g2", "g3"].map(publicOf), threshold: 2 },
    attestation: { software: true, tcbStatuses: ["UpToDate"] },
    ecdhKeys: { interval: 100, overlap: 10 },
    masterKey: { keySuite: 1, threshold: 1, phaseBlocks: 3, refreshBlocks: 50 },
    rotation: { intervalBlocks: 0, leadBlocks: 2, leaseBlocks: 4, phaseBlocks: 20, leasesPerBlock: 64 },
    measurements: [],
    accounts: people.map((name) => ({ id: idOf(name), free: 1_000n * UNIT })),
    workers: [...GATEKEEPERS, "e", "f"].map((name) => ({
      identityKey: publicOf(identity(name)),
      ecdhKey: publicOf(`${name}/ecdh`),
      operator: idOf(name),
      endpoint: null,
    })),
    stakers: [
      ...GATEKEEPERS.map((name): GenesisStaker => ({
        stash: idOf(name),
        bond: 100n * UNIT,
        role: {
          tag: "validator",
          value: { identityKey: publicOf(identity(name)), commission: 100_000_000, blocked: false },
        },
      })),
      ...NOMINATORS.map((name, index): GenesisStaker => ({
        stash: idOf(name),
        bond: 50n * UNIT,
        role: {
          tag: "nominator",
          value: [idOf(GATEKEEPERS[index % 4]!), idOf(GATEKEEPERS[(index + 1) % 4]!)],
        },
      })),
    ],
    ...changes,
  };
}

function kept<T>(known: Map<string, T>, name: string, compute: () => T): T {
  const value = known.get(name) ?? compute();
  known.set(name, value);
  return value;
}

/** A ledger with the means to send messages to it. */
export class Network {
  ledger: Ledger;
  /** Of the block that was last applied. */
  effects: readonly Effect[] = [];
  readonly #authenticator: Authenticator;
  readonly #after: (network: Network) => void;

  /** @param after - checks what must hold after every block. */
  constructor(genesis: Genesis = genesisOf(), after: (network: Network) => void = checkInvariants) {
    this.ledger = Ledger.atGenesis(genesis);
    this.#authenticator = new Authenticator(CURVE, this.ledger.genesisHash);
    this.#after = after;
  }

  get state(): Ledger["state"] {
    return this.ledger.state;
  }

  sequenceOf(name: string): number {
    return this.state.accounts.get(idOf(name))?.sequence ?? 0;
  }

  /** A message as bytes; its sequence is the next one, and as many more. */
  message(name: string, call: Call, ahead = 0): Uint8Array {
    return signMessage(signerOf(name), this.ledger.genesisHash, this.sequenceOf(name) + ahead, call);
  }

  /** What a message would be that was signed, without the cost of signing it. */
  unsigned(name: string, call: Call, sequence: number = this.sequenceOf(name)): AuthenticMessage {
    return { signer: publicOf(name), sender: idOf(name), sequence, call, proven: true, evidence: [] };
  }

  authenticate(messages: readonly Uint8Array[]): (AuthenticMessage | Unreadable)[] {
    return this.#authenticator.authenticate(messages);
  }

  /** Applies a block of these messages. */
  block(messages: readonly Uint8Array[] = []): readonly Effect[] {
    return this.blockOf(this.authenticate(messages));
  }

  /** Applies a block of messages that were authenticated, or are taken to have been. */
  blockOf(messages: readonly (AuthenticMessage | Unreadable)[]): readonly Effect[] {
    const { height, timestamp } = this.state;
    const { ledger, effects } = apply(this.ledger, { height: height + 1, timestamp: timestamp + 6_000, messages });
    this.ledger = ledger;
    this.effects = effects;
    this.#after(this);
    return effects;
  }

  /** Applies a block with one message, and says what became of it: "done", or why not. */
  send(name: string, call: Call): string {
    const [outcome] = outcomes(this.block([this.message(name, call)]));
    if (outcome === undefined) throw new Error("nothing was said of the message");
    return outcome;
  }

  /** Applies empty blocks, with the heartbeats of these gatekeepers, until an era begins. */
  toEra(index: number, alive: readonly string[] = GATEKEEPERS): void {
    while (this.state.eras.at(-1)!.index < index) this.block(alive.flatMap((stash) => this.heartbeatIfDue(stash)));
  }

  /** The heartbeat of a gatekeeper that acts and has sent none in this session. */
  heartbeatIfDue(stash: string): Uint8Array[] {
    const { session, sessionParent, height, sessionHeight } = this.state;
    const duty = this.state.duties.get(idOf(identity(stash)));
    // The block to come begins a session, whose parent is not known yet.
    if (height + 1 - sessionHeight >= this.ledger.genesis.sessionBlocks) return [];
    if (duty === undefined || duty.heartbeat === session) return [];
    return [this.message(identity(stash), { tag: "heartbeat", value: { session, stateHash: sessionParent } })];
  }
}

/** A call that registers a pRuntime: it says that it is the program "pRuntime", if nothing else is said. */
export function register(
  network: Network,
  operator: string,
  enclave: string,
  changes: Partial<Registration> = {},
): Call {
  const registered = {
    identityKey: publicOf(enclave),
    ecdhKey: publicOf(`${enclave}/ecdh`),
    attestation: softwareOf("pRuntime"),
    sequence: network.sequenceOf(enclave),
    ...changes,
  };
  const value = signRegistration(signerOf(enclave), network.ledger.genesisHash, idOf(operator), registered);
  return { tag: "registerWorker", value };
}

/** A call by which a member of governance votes for an action. */
export function vote({ state }: Network, action: Action): Call {
  return { tag: "govern", value: { round: state.governanceRound, action } };
}

/** Two states that are not the ledger's. */
export const STATE_HASHES = [`0x${"01".repeat(32)}`, `0x${"02".repeat(32)}`] as const;

type ReportedEquivocation = Extract<Call, { readonly tag: "reportOffence" }> & {
  readonly value: { readonly tag: "equivocation"; readonly value: Equivocation };
};

/** A report of two heartbeats that contradict each other. */
export function equivocation(
  { ledger }: Network,
  stash: string,
  session: number,
  hashes: readonly string[] = STATE_HASHES,
): ReportedEquivocation {
  const [first, second] = hashes.map((stateHash) =>
    signMessage(signerOf(identity(stash)), ledger.genesisHash, 0, { tag: "heartbeat", value: { session, stateHash } }),
  );
  return { tag: "reportOffence", value: { tag: "equivocation", value: { first: first!, second: second! } } };
}

/** What must hold after every block: every token is somebody's, nobody owes any, and stake is what somebody has. */
export function checkInvariants({ state }: Network): void {
  let sum = 0n;
  for (const [id, { free, reserved }] of state.accounts) {
    if (free < 0n || reserved < 0n) throw new Error(`account ${id} has ${free} and ${reserved}`);
    sum += free + reserved;
  }
  if (sum !== state.totalIssuance) throw new Error(`accounts have ${sum} of an issuance of ${state.totalIssuance}`);
  for (const [stash, { total, active, unlocking }] of state.bonded) {
    const chunks = unlocking.reduce((all, { value }) => all + value, 0n);
    if (active < 0n || unlocking.some(({ value }) => value <= 0n)) throw new Error(`${stash} owes stake`);
    if (total !== active + chunks) throw new Error(`${stash} has ${total} at stake, but ${active} + ${chunks}`);
    if (total > state.accounts.get(stash)!.free) throw new Error(`${stash} has more at stake than it owns`);
  }
  for (const stash of state.validators.keys()) {
    if (state.nominators.has(stash) || !state.bonded.has(stash)) throw new Error(`${stash} stands wrongly`);
  }
  for (const stash of state.nominators.keys()) {
    if (!state.bonded.has(stash)) throw new Error(`${stash} backs without stake`);
  }
}
