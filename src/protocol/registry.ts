/** Registered pRuntimes, and what acting gatekeepers do. */
import { toHex } from "../bytes.ts";
import { type AccountId, type PublicKey, accountOf } from "./account.ts";
import { openAccount, reserve, unreserve } from "./balances.ts";
import { reportData, verifyAttestation } from "./attestation.ts";
import type { Registration } from "./call.ts";
import { type Draft, Failure, ensure, tell } from "./draft.ts";
import type { Ledger } from "./ledger.ts";
import type { Hex } from "./scale.ts";
import type { State, Worker } from "./state.ts";

/** Scheme, something that may be a host, and no blank or letter beyond ASCII. */
const ENDPOINT = /^https?:\/\/[!-.0-~][!-~]*$/;

/** Whether bytes are an endpoint: an http or https URL in printable ASCII. */
export function isEndpoint(bytes: Uint8Array): boolean {
  return ENDPOINT.test(Buffer.from(bytes).toString("latin1"));
}

/** What a heartbeat is worth: as much as a block in Polkadot. */
export const HEARTBEAT_POINTS = 20;
/**
 * Quotes that a block may have verified, right or wrong: they cost what hundreds of messages cost, and whoever sends wrong
 * ones has nothing to lose but the chance of others to register in the same block.
 */
export const QUOTES_MAX = 16;

/**
 * Registers a pRuntime that proves what it is, or registers it anew. For the first time its operator puts a deposit down: a
 * pRuntime has an account to send messages from, and nothing in it. Its attestation is verified last, when nothing else
 * speaks against it, and at the time of the block.
 * @throws Failure
 */
export function registerWorker(draft: Draft, operator: AccountId, registration: Registration): void {
  const { state, genesis } = draft;
  const { identityKey, ecdhKey, sequence } = registration;
  const id = accountOf(identityKey);
  const known = state.workers.get(id);
  ensure(known === undefined || known.operator === operator, "NotOperator");
  ensure(sequence === (state.accounts.get(id)?.sequence ?? 0), "StaleRegistration");
  if (known === undefined) reserve(draft, operator, genesis.workerDeposit);
  const deposit = known?.deposit ?? genesis.workerDeposit;
  const endpoint = known?.endpoint ?? null;
  state.accounts = state.accounts.set(id, { ...openAccount(draft, id), sequence: sequence + 1 });
  const measurement = attestedMeasurement(draft, registration);
  state.workers = state.workers.set(id, { identityKey, ecdhKey, operator, measurement, deposit, endpoint });
  tell(draft, { kind: "WorkerRegistered", identityKey, operator, measurement });
}

/**
 * Forgets a pRuntime that neither acts as a gatekeeper nor was elected to, has no part in the MasterKey, and has not leased partitions in
 * a rotation that is not over: until then it may be convicted, or owe the destruction of keys, and its deposit answers for that.
 * @throws Failure
 */
export function deregisterWorker(draft: Draft, operator: AccountId, identityKey: PublicKey): void {
  const { state } = draft;
  const id = accountOf(identityKey);
  const worker = workerOf(draft, id);
  ensure(worker.operator === operator, "NotOperator");
  ensure(!state.duties.has(id) && state.planned?.stashes.has(id) !== true, "InUse");
  ensure(!hasPart(state, identityKey) && !isRotating(state, id), "InUse");
  unreserve(draft, operator, worker.deposit);
  state.workers = state.workers.delete(id);
  tell(draft, { kind: "WorkerDeregistered", identityKey });
}

/** Whether a pRuntime has a share, or is to get one. */
function hasPart({ keySession, sharings }: State, identityKey: PublicKey): boolean {
  const committees = [...sharings, ...(keySession === null ? [] : [keySession])];
  return committees.some(({ members }) => members.some((member) => member.identityKey === identityKey));
}

/** Whether a pRuntime has leased partitions, and has not declared that it has nothing any more of the MasterKey that a rotation leaves. */
function isRotating({ rotation, keyUsers }: State, id: AccountId): boolean {
  const user = keyUsers.get(id);
  return rotation !== null && user?.hasLeased === true && user.since <= rotation.from;
}

/** Whether governance lets a pRuntime serve: its measurement was not withdrawn since it was registered. */
export function mayServe({ measurements }: Pick<State, "measurements">, { measurement }: Worker): boolean {
  return measurement === null || measurements.includes(measurement);
}

/** A pRuntime's next EcdhKey. @throws Failure */
export function setEcdhKey(draft: Draft, id: AccountId, ecdhKey: PublicKey): void {
  const { state } = draft;
  const worker = workerOf(draft, id);
  state.workers = state.workers.set(id, { ...worker, ecdhKey });
  tell(draft, { kind: "EcdhKeyChanged", identityKey: worker.identityKey, ecdhKey });
}

/** Where a pRuntime's host takes messages of others, by the word of its operator. @throws Failure */
export function setEndpoint(
  draft: Draft,
  operator: AccountId,
  identityKey: PublicKey,
  endpoint: Uint8Array | null,
): void {
  const { state } = draft;
  const id = accountOf(identityKey);
  const worker = workerOf(draft, id);
  ensure(worker.operator === operator, "NotOperator");
  // As far as URLs are the same to all parsers that there ever were: the ledger is.
  ensure(endpoint === null || isEndpoint(endpoint), "BadEndpoint");
  state.workers = state.workers.set(id, { ...worker, endpoint });
  tell(draft, { kind: "EndpointSet", identityKey, endpoint });
}

/** What a heartbeat says that is to be in the next block. */
export function nextHeartbeat(ledger: Ledger): { readonly session: number; readonly stateHash: string } {
  const { session, sessionHeight, sessionParent, height } = ledger.state;
  if (height + 1 - sessionHeight < ledger.genesis.sessionBlocks) return { session, stateHash: sessionParent };
  // The next block begins a session, before its messages.
  return { session: session + 1, stateHash: toHex(ledger.stateHash()) };
}

/** A gatekeeper vouches for the state at the end of the session before, once a session. @throws Failure */
export function heartbeat(draft: Draft, id: AccountId, session: number, stateHash: string): void {
  const { state } = draft;
  const duty = state.duties.get(id);
  ensure(duty !== undefined, "NotGatekeeper");
  ensure(session === state.session, "WrongSession");
  ensure(duty.heartbeat !== session, "AlreadySent");
  ensure(stateHash === state.sessionParent, "WrongState");
  state.duties = state.duties.set(id, { ...duty, heartbeat: session, points: duty.points + HEARTBEAT_POINTS });
}

/** @throws Failure */
function attestedMeasurement(draft: Draft, { identityKey, ecdhKey, attestation }: Registration): Hex {
  const { measurements, timestamp } = draft.state;
  const proved = verifyAttestation(
    attestation,
    {
      reportData: reportData(draft.genesisHash, identityKey, ecdhKey),
      measurements,
      timestamp,
      policy: draft.genesis.attestation,
    },
    () => draft.quotes++ < QUOTES_MAX,
  );
  if (typeof proved === "string") throw new Failure(proved);
  return proved.measurement;
}

/** A registered pRuntime. @throws Failure */
export function workerOf({ state }: Draft, id: AccountId): Worker {
  const worker = state.workers.get(id);
  ensure(worker !== undefined, "NotWorker");
  return worker;
}
