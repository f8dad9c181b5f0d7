/** Registered pRuntimes, and what acting gatekeepers do. */
import { type AccountId, type PublicKey, accountOf } from "./account.ts";
import { openAccount } from "./balances.ts";
import type { Registration } from "./call.ts";
import { type Draft, require, tell } from "./draft.ts";
import type { Era, Worker } from "./state.ts";

/** pRuntimes that one account operates at most. */
const WORKERS_MAX = 64;
/** What a heartbeat is worth: as much as a block in Polkadot. */
export const HEARTBEAT_POINTS = 20;

/** Registers a pRuntime, or registers it anew. @throws Failure */
export function registerWorker(draft: Draft, operator: AccountId, registration: Registration): void {
  const { state } = draft;
  const { identityKey, ecdhKey, attestation, sequence } = registration;
  const id = accountOf(identityKey);
  const known = state.workers.get(id);
  require(known === undefined || known.operator === operator, "NotOperator");
  const owner = openAccount(draft, operator);
  require(known !== undefined || owner.workers < WORKERS_MAX, "TooManyWorkers");
  require(sequence === (state.accounts.get(id)?.sequence ?? 0), "StaleRegistration");
  if (known === undefined) state.accounts = state.accounts.set(operator, { ...owner, workers: owner.workers + 1 });
  state.accounts = state.accounts.set(id, { ...openAccount(draft, id), sequence: sequence + 1 });
  state.workers = state.workers.set(id, { identityKey, ecdhKey, operator, attestation });
  tell(draft, { kind: "WorkerRegistered", identityKey, operator });
}

/** Forgets a pRuntime that neither acts as a gatekeeper nor was elected to. @throws Failure */
export function deregisterWorker(draft: Draft, operator: AccountId, identityKey: PublicKey): void {
  const { state } = draft;
  const id = accountOf(identityKey);
  require(workerOf(draft, id).operator === operator, "NotOperator");
  require(!state.gatekeepers.includes(identityKey) && !serves(state.planned, identityKey), "InUse");
  const owner = openAccount(draft, operator);
  state.accounts = state.accounts.set(operator, { ...owner, workers: owner.workers - 1 });
  state.workers = state.workers.delete(id);
  tell(draft, { kind: "WorkerDeregistered", identityKey });
}

/** A pRuntime's next EcdhKey. @throws Failure */
export function setEcdhKey(draft: Draft, id: AccountId, ecdhKey: PublicKey): void {
  const { state } = draft;
  const worker = workerOf(draft, id);
  state.workers = state.workers.set(id, { ...worker, ecdhKey });
  tell(draft, { kind: "EcdhKeyChanged", identityKey: worker.identityKey, ecdhKey });
}

/** A gatekeeper vouches for the state at the end of the session before, once a session. @throws Failure */
export function heartbeat(draft: Draft, id: AccountId, session: number, stateHash: string): void {
  const { state } = draft;
  const duty = state.duties.get(id);
  require(duty !== undefined, "NotGatekeeper");
  require(session === state.session, "WrongSession");
  require(duty.heartbeat !== session, "AlreadySent");
  require(stateHash === state.sessionParent, "WrongState");
  state.duties = state.duties.set(id, { ...duty, heartbeat: session, points: duty.points + HEARTBEAT_POINTS });
}

function workerOf({ state }: Draft, id: AccountId): Worker {
  const worker = state.workers.get(id);
  require(worker !== undefined, "NotWorker");
  return worker;
}

function serves(era: Era | null, identityKey: PublicKey): boolean {
  return era !== null && [...era.exposures.values()].some((exposure) => exposure.identityKey === identityKey);
}
