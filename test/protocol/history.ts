/** Random histories of a small network: every call by anybody, good and bad, and what is no message at all. */
import fc from "fast-check";
import { toHex } from "../../src/bytes.ts";
import { encodeAttestation } from "../../src/protocol/attestation.ts";
import type { Action, Call, Payee } from "../../src/protocol/call.ts";
import type { Genesis, StakingRules } from "../../src/protocol/genesis.ts";
import { signMessage, signRegistration } from "../../src/protocol/message.ts";
import {
  GATEKEEPERS,
  NOMINATORS,
  type Network,
  UNIT,
  genesisOf,
  idOf,
  identity,
  publicOf,
  signerOf,
} from "./network.ts";

const STASHES = [...GATEKEEPERS, "e", "f"];
const PEOPLE = [...STASHES, ...NOMINATORS, "rich", "new", "newer"];
const MEMBERS = ["g1", "g2", "g3"];
/** pRuntimes: of those who have one from the start, and others that may be registered. */
const WORKERS = [...STASHES.map(identity), identity("rich"), identity("n1")];

/** What a block's message is made of: numbers, read as whatever the call needs. */
export interface Step {
  readonly kind: Kind;
  readonly who: number;
  readonly a: number;
  readonly b: number;
}

/** All but those of key sessions, which test/simulation has. */
const CALLS = [
  "transfer",
  "bond",
  "bondExtra",
  "unbond",
  "withdrawUnbonded",
  "validate",
  "nominate",
  "chill",
  "setPayee",
  "setKeys",
  "registerWorker",
  "deregisterWorker",
  "setEcdhKey",
  "heartbeat",
  "reportOffence",
  "govern",
  "deployContract",
  "assignContract",
  "publishContractKeys",
  "setEndpoint",
] as const satisfies readonly Call["tag"][];
const NOISE = ["garbage", "damaged", "unsigned", "stranger", "replay", "gap"] as const;
type Noise = (typeof NOISE)[number];
type Asked = (typeof CALLS)[number];
type Kind = Asked | Noise;

const stepOf = (kinds: readonly Kind[]): fc.Arbitrary<Step> =>
  fc.record({ kind: fc.constantFrom(...kinds), who: fc.nat(99), a: fc.nat(999), b: fc.nat(999) });

/** Blocks of steps; equivocations are told of twice as often as all else. */
export const histories = fc.array(
  fc.array(stepOf([...CALLS, "reportOffence", "validate", "govern", ...NOISE]), { maxLength: 5, size: "max" }),
  { minLength: 20, maxLength: 50, size: "max" },
);
export const noise = fc.array(stepOf(NOISE), { maxLength: 4, size: "max" });

export function historyGenesis(staking: Partial<StakingRules> = {}): Genesis {
  return genesisOf(
    { measurements: [measurementOf(0)] },
    { sessionsPerEra: 2, slashRewardFraction: 500_000_000, maxValidatorCount: 6, ...staking },
  );
}

/** The messages of a block, by steps, with the heartbeats of all gatekeepers but one. */
export function messagesOf(network: Network, steps: readonly Step[]): Uint8Array[] {
  const sent = new Map<string, number>();
  const next = (name: string): number => {
    const ahead = sent.get(name) ?? 0;
    sent.set(name, ahead + 1);
    return ahead;
  };
  const silent = STASHES[network.state.height % 7];
  const beats = STASHES.flatMap((stash) => (stash === silent ? [] : network.heartbeatIfDue(stash)));
  for (const stash of STASHES) if (stash !== silent && network.heartbeatIfDue(stash).length > 0) next(identity(stash));
  const asked = steps.map((step) => {
    if (isNoise(step.kind)) return noiseOf(network, step);
    const { name, call } = callOf(network, step);
    return network.message(name, call, next(name));
  });
  return [...beats, ...asked];
}

const isNoise = (kind: Kind): kind is Noise => (NOISE as readonly string[]).includes(kind);

/** Bytes that are refused wherever they stand in the next block. */
export function noiseOf(network: Network, { kind, who, a, b }: Step): Uint8Array {
  const name = PEOPLE[who % PEOPLE.length]!;
  const call: Call = { tag: "transfer", value: { to: idOf("new"), amount: BigInt(a) * UNIT } };
  const good = network.message(name, call);
  switch (kind as Noise) {
    case "garbage":
      return Buffer.alloc(b, a);
    case "damaged":
      return good.subarray(0, good.length - 1 - (a % good.length));
    case "unsigned":
      return good.map((byte, at) => (at === good.length - 1 - (a % 64) ? byte ^ (1 + (b % 255)) : byte));
    case "stranger":
      return signMessage(signerOf(`stranger ${a % 5}`), network.ledger.genesisHash, 0, call);
    case "replay": {
      const sequence = network.sequenceOf(name);
      return network.message(name, call, sequence === 0 ? 1_000 : -1 - (a % sequence));
    }
    case "gap":
      return network.message(name, call, 100 + a);
  }
}

function callOf(network: Network, { kind, who, a, b }: Step): { name: string; call: Call } {
  const name = PEOPLE[who % PEOPLE.length]!;
  const worker = WORKERS[a % WORKERS.length]!;
  const amount = (BigInt(a) * UNIT) / BigInt(1 + (b % 20));
  const other = idOf(PEOPLE[b % PEOPLE.length]!);
  switch (kind as Asked) {
    case "transfer":
      return { name, call: { tag: "transfer", value: { to: other, amount } } };
    case "bond":
      return { name, call: { tag: "bond", value: { amount, payee: payeeOf(a, other) } } };
    case "bondExtra":
    case "unbond":
      return { name, call: { tag: kind as "unbond", value: amount } };
    case "withdrawUnbonded":
    case "chill":
      return { name, call: { tag: kind as "chill", value: undefined } };
    case "validate": {
      const value = { commission: a * 1_001_001, blocked: b % 9 === 0 };
      return { name: STASHES[who % STASHES.length]!, call: { tag: "validate", value } };
    }
    case "nominate": {
      const targets = STASHES.filter((_, at) => (b >> at) % 2 === 1).map(idOf);
      return { name, call: { tag: "nominate", value: targets } };
    }
    case "setPayee":
      return { name, call: { tag: "setPayee", value: payeeOf(a, other) } };
    case "setKeys":
      return { name, call: { tag: "setKeys", value: publicOf(b % 2 === 0 ? identity(name) : worker) } };
    case "registerWorker":
      return { name, call: registration(network, name, b % 2 === 0 ? identity(name) : worker, a) };
    case "deregisterWorker":
      return { name, call: { tag: "deregisterWorker", value: publicOf(b % 2 === 0 ? identity(name) : worker) } };
    case "setEcdhKey":
      return {
        name: worker,
        call: { tag: "setEcdhKey", value: b % 5 === 0 ? `0x${"02".repeat(33)}` : publicOf(name) },
      };
    case "heartbeat":
      return { name: worker, call: beat(Math.max(network.state.session - (b % 3), 0), String(b % 2)) };
    case "reportOffence":
      return { name, call: report(network, identity(STASHES[a % STASHES.length]!), b) };
    case "govern": {
      const round = network.state.governanceRound + (b % 11 === 0 ? 1 : 0);
      return { name: MEMBERS[who % 3]!, call: { tag: "govern", value: { round, action: actionOf(network, a, b) } } };
    }
    case "deployContract":
      return { name, call: { tag: "deployContract", value: { name: Buffer.from([b % 2]), worker: publicOf(worker) } } };
    case "assignContract": {
      const value = { contract: contractIn(network, b), worker: publicOf(worker) };
      return { name: ownerOf(network, value.contract) ?? name, call: { tag: "assignContract", value } };
    }
    case "publishContractKeys":
      return published(network, worker, a, b);
    case "setEndpoint": {
      const endpoint = b % 3 === 0 ? null : Buffer.from(b % 7 === 0 ? "ftp://x" : `http://host-${b}:80/`);
      const identityKey = publicOf(b % 2 === 0 ? identity(name) : worker);
      return { name, call: { tag: "setEndpoint", value: { identityKey, endpoint } } };
    }
  }
}

function payeeOf(choice: number, id: string): Payee {
  const tag = (["staked", "stash", "none", "account"] as const)[choice % 4]!;
  return tag === "account" ? { tag, value: id } : { tag, value: undefined };
}

function beat(session: number, digit: string): Call {
  return { tag: "heartbeat", value: { session, stateHash: `0x${digit.repeat(64)}` } };
}

/** Few different ones, of which governance allows some and withdraws others. */
const measurementOf = (choice: number): string => toHex(Buffer.alloc(32, choice % 2));

function attestationOf(choice: number): Uint8Array {
  if (choice % 11 === 0) return Buffer.alloc(choice % 40, choice);
  return encodeAttestation({ tag: "software", value: { measurement: measurementOf(choice) } });
}

function registration(network: Network, operator: string, worker: string, choice: number): Call {
  const registered = {
    identityKey: publicOf(worker),
    ecdhKey: publicOf(`${worker}/ecdh ${choice % 3}`),
    attestation: attestationOf(choice),
    sequence: network.sequenceOf(worker) + (choice % 13 === 0 ? 1 : 0),
  };
  const { genesisHash } = network.ledger;
  const value = signRegistration(signerOf(worker), genesisHash, idOf(operator), registered);
  // Sometimes it is for another operator than the one who sends it.
  return { tag: "registerWorker", value: choice % 7 === 0 ? { ...value, attestation: Buffer.from("other") } : value };
}

/** Two heartbeats of one session, most of them different, of an era that may be long over. */
function report(network: Network, worker: string, choice: number): Call {
  const session = Math.max(network.state.session - (choice % 9), 0);
  const [first, second] = [beat(session, "1"), beat(choice % 10 === 0 ? session + 1 : session, String(choice % 8))];
  return {
    tag: "reportOffence",
    value: {
      tag: "equivocation",
      value: { first: network.message(worker, first), second: network.message(worker, second, choice % 3) },
    },
  };
}

/** The id of a contract that there is, or of none. */
function contractIn({ state }: Network, choice: number): string {
  const ids = [...state.contracts.keys()];
  return ids[choice % (ids.length + 1)] ?? idOf("no contract");
}

function ownerOf({ state }: Network, contract: string): string | undefined {
  const owner = state.contracts.get(contract)?.owner;
  return PEOPLE.find((name) => idOf(name) === owner);
}

/** The keys of all contracts of a pRuntime, or those of another's. */
function published(network: Network, worker: string, a: number, b: number): { name: string; call: Call } {
  const { contracts } = network.state;
  const [some] = [...contracts.values()].map((contract) => contract.worker);
  const name = WORKERS.find((each) => publicOf(each) === some) ?? worker;
  const keys = [...contracts]
    .filter(([, contract]) => b % 5 === 0 || contract.worker === publicOf(name))
    .map(([contract]) => ({
      contract,
      ecdhKey: a % 9 === 0 ? `0x${"02".repeat(33)}` : publicOf(`${contract} ${b % 3}`),
    }));
  return { name, call: { tag: "publishContractKeys", value: { rotationId: b % 3, keys } } };
}

/** Few different ones, so that members agree. */
function actionOf(network: Network, a: number, b: number): Action {
  const measurement = measurementOf(a);
  const unapplied = [...network.state.unapplied.values()];
  switch (b % 5) {
    case 0:
      return { tag: "setRotationInterval", value: 1 + (a % 3) };
    case 1:
      return { tag: "allow", value: measurement };
    case 2:
      return { tag: "withdraw", value: measurement };
    case 3:
      return { tag: "cancelSlash", value: unapplied[0]?.id ?? 0 };
    default: {
      const height = network.state.height + (a % 3);
      const suites = { envelopeVersion: 1, cipherSuite: "aes-256-gcm", keySuite: 1 } as const;
      return { tag: "migrate", value: { measurement, ...suites, store: measurement, height } };
    }
  }
}
