/** The step of the ledger: a block's messages, in their order, on the state that was before. */
import type { AuthenticMessage, Unreadable } from "./authenticate.ts";
import { transfer } from "./balances.ts";
import { bond, bondExtra, unbond, withdrawUnbonded } from "./bonding.ts";
import type { Call } from "./call.ts";
import { chill, nominate, setKeys, setPayee, validate } from "./candidacy.ts";
import { assignContract, deployContract, publishContractKeys } from "./contracts.ts";
import { type Draft, Failure, draftOf, ensure, tell } from "./draft.ts";
import type { Effect, RefusalReason } from "./effect.ts";
import { advanceSession } from "./eras.ts";
import { reportWrongPartials } from "./exclusion.ts";
import { govern } from "./governance.ts";
import { confirmShare, declareDestroyed, judgeDealings, postDealing, registerDealingKey } from "./key-session-calls.ts";
import { advanceKeySession } from "./key-session-phases.ts";
import type { Ledger } from "./ledger.ts";
import {
  announceStore,
  certifyRotation,
  declareAbandoned,
  declareCompacted,
  recordPartitions,
  workPartitions,
} from "./rotation-calls.ts";
import { advanceRotation } from "./rotation-phases.ts";
import { reportEquivocation } from "./offences.ts";
import { deregisterWorker, heartbeat, registerWorker, setEcdhKey, setEndpoint } from "./registry.ts";
import { bondedOf } from "./staking-ledger.ts";

/** What a block does to a ledger, wherever it comes from. */
export interface LedgerBlock {
  readonly height: number;
  readonly timestamp: number;
  readonly messages: readonly (AuthenticMessage | Unreadable)[];
}

/**
 * The ledger after a block. A message that can't be read, is not signed by who has an account, or is out of its
 * sender's sequence is refused: it changes nothing. One whose call can't be done is counted as sent, and changes
 * nothing else.
 * @param block - the next height; its time is checked where its header is.
 */
export function apply(
  ledger: Ledger,
  block: LedgerBlock,
): { readonly ledger: Ledger; readonly effects: readonly Effect[] } {
  const draft = openBlock(ledger, block);
  for (const [index, message] of block.messages.entries()) applyMessage(draft, message, index);
  return { ledger: ledger.with(draft.state), effects: draft.effects };
}

/** A block's beginning: what its height alone brings. */
export function openBlock(ledger: Ledger, { height, timestamp }: Omit<LedgerBlock, "messages">): Draft {
  const draft = draftOf(ledger.genesis, ledger.genesisHash, { ...ledger.state, height, timestamp });
  advanceSession(draft, ledger.stateHash());
  advanceRotation(draft);
  advanceKeySession(draft, ledger.stateHash());
  return draft;
}

/** @returns why the message was refused, or null if it counts. */
export function applyMessage(
  draft: Draft,
  message: AuthenticMessage | Unreadable,
  index: number,
): RefusalReason | null {
  draft.index = index;
  const refused = typeof message === "string" ? message : refusalOf(draft, message);
  if (refused !== null) tell(draft, { kind: "MessageRefused", reason: refused });
  else if (typeof message !== "string") count(draft, message);
  return refused;
}

/** A message that counts: whether or not what it asks for can be done. */
function count(draft: Draft, message: AuthenticMessage): void {
  const { state, effects } = draft;
  const { sender } = message;
  const account = state.accounts.get(sender)!;
  state.accounts = state.accounts.set(sender, { ...account, sequence: account.sequence + 1 });
  const before = { ...state };
  const told = effects.length;
  try {
    perform(draft, message);
    tell(draft, { kind: "MessageDone", sender });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    Object.assign(state, before);
    effects.length = told;
    tell(draft, { kind: "MessageFailed", sender, reason: error.reason });
  }
}

function refusalOf({ state }: Draft, { sender, sequence }: AuthenticMessage): RefusalReason | null {
  const account = state.accounts.get(sender);
  if (account === undefined) return "UnknownSender";
  if (sequence === account.sequence) return null;
  return sequence < account.sequence ? "SequenceTooLow" : "SequenceTooHigh";
}

/** @throws Failure */
function perform(draft: Draft, message: AuthenticMessage): void {
  ensure(message.proven, "BadProof");
  const { tag, value } = message.call;
  const handle = HANDLERS[tag] as (draft: Draft, value: Call["value"], message: AuthenticMessage) => void;
  handle(draft, value, message);
}

/** What each call does. */
const HANDLERS: {
  readonly [C in Call as C["tag"]]: (draft: Draft, value: C["value"], message: AuthenticMessage) => void;
} = {
  transfer: (draft, { to, amount }, { sender }) => transfer(draft, sender, to, amount),
  bond: (draft, { amount, payee }, { sender }) => bond(draft, sender, amount, payee),
  bondExtra: (draft, amount, { sender }) => bondExtra(draft, sender, amount),
  unbond: (draft, amount, { sender }) => unbond(draft, sender, amount),
  withdrawUnbonded: (draft, _, { sender }) => withdrawUnbonded(draft, sender),
  validate: (draft, prefs, { sender }) => validate(draft, sender, prefs),
  nominate: (draft, targets, { sender }) => nominate(draft, sender, targets),
  chill: (draft, _, { sender }) => {
    bondedOf(draft, sender);
    chill(draft, sender);
  },
  setPayee: (draft, payee, { sender }) => setPayee(draft, sender, payee),
  setKeys: (draft, identityKey, { sender }) => setKeys(draft, sender, identityKey),
  registerWorker: (draft, registration, { sender }) => registerWorker(draft, sender, registration),
  deregisterWorker: (draft, identityKey, { sender }) => deregisterWorker(draft, sender, identityKey),
  setEcdhKey: (draft, ecdhKey, { sender }) => setEcdhKey(draft, sender, ecdhKey),
  heartbeat: (draft, { session, stateHash }, { sender }) => heartbeat(draft, sender, session, stateHash),
  reportOffence: (draft, offence, { signer, sender, evidence: [first, second] }) =>
    offence.tag === "equivocation"
      ? reportEquivocation(draft, sender, first!, second!)
      : reportWrongPartials(draft, signer, offence.value),
  govern: (draft, { round, action }, { signer }) => govern(draft, signer, round, action),
  registerDealingKey: (draft, { epoch, dealingKey, proof }, { signer }) =>
    registerDealingKey(draft, signer, epoch, dealingKey, proof),
  deal: (draft, { epoch, dealing }, { signer }) => postDealing(draft, signer, epoch, dealing),
  judgeDealings: (draft, { epoch, complaints }, { signer }) => judgeDealings(draft, signer, epoch, complaints),
  confirmShare: (draft, { epoch, trial }, { signer }) => confirmShare(draft, signer, epoch, trial),
  declareDestroyed: (draft, epoch, { signer }) => declareDestroyed(draft, signer, epoch),
  deployContract: (draft, { name, worker }, { sender }) => deployContract(draft, sender, name, worker),
  assignContract: (draft, { contract, worker }, { sender }) => assignContract(draft, sender, contract, worker),
  publishContractKeys: (draft, { rotationId, keys }, { signer }) =>
    publishContractKeys(draft, signer, rotationId, keys),
  setEndpoint: (draft, { identityKey, endpoint }, { sender }) => setEndpoint(draft, sender, identityKey, endpoint),
  announceStore: (draft, store, { signer }) => announceStore(draft, signer, store),
  recordPartitions: (draft, { rotationId, bounds }, { signer }) => recordPartitions(draft, signer, rotationId, bounds),
  workPartitions: (draft, work, { signer }) => workPartitions(draft, signer, work),
  certifyRotation: (draft, certification, { signer }) => certifyRotation(draft, signer, certification),
  declareCompacted: (draft, rotationId, { signer }) => declareCompacted(draft, signer, rotationId),
  declareAbandoned: (draft, rotationId, { signer }) => declareAbandoned(draft, signer, rotationId),
};
