/**
 * Contracts of this network: who owns them, which pRuntime runs them, and what commands to them are encrypted to. A
 * gatekeeper gives partials of a contract's keys to the pRuntime that it is assigned to here, and to no other.
 *
 * An owner assigns a contract to any pRuntime, and its operator is not asked: so it keeps nobody from deregistering his
 * pRuntime, and whoever owns a contract whose pRuntime has gone assigns it to another.
 */
import { fromHex, toHex } from "../bytes.ts";
import { CONTRACT_KIND, contractId, deployedName } from "../contract-id.ts";
import type { KeySuite } from "../keys/group.ts";
import { type AccountId, type PublicKey, accountOf } from "./account.ts";
import { reserve } from "./balances.ts";
import type { PublishedKey } from "./call.ts";
import { type Draft, ensure, ensureFirstProof, tell } from "./draft.ts";
import { ledgerGroup } from "./key-terms.ts";
import { noteKeyUser } from "./partitions.ts";
import { mayServe, workerOf } from "./registry.ts";
import type { Hex } from "./scale.ts";
import type { Contract } from "./state.ts";

/** A new contract of an account, for a deposit. @throws Failure */
export function deployContract(draft: Draft, owner: AccountId, name: Uint8Array, worker: PublicKey): void {
  const { state, genesis } = draft;
  const native = deployedName(fromHex(owner, "an account id"), name);
  const contract = toHex(contractId(CONTRACT_KIND.deployed, native));
  ensure(!state.contracts.has(contract), "ContractExists");
  ensureServes(draft, worker);
  const deposit = genesis.contractDeposit;
  reserve(draft, owner, deposit);
  noteKeyUser(draft, worker);
  state.contracts = state.contracts.set(contract, { owner, name, worker, deposit, ecdhKey: null });
  tell(draft, { kind: "ContractDeployed", contract, owner, name, worker });
}

/** Another pRuntime runs a contract from here on, by its owner's word. @throws Failure */
export function assignContract(draft: Draft, owner: AccountId, id: Hex, worker: PublicKey): void {
  const { state } = draft;
  const contract = contractOf(draft, id);
  ensure(contract.owner === owner, "NotOwner");
  ensureServes(draft, worker);
  noteKeyUser(draft, worker);
  state.contracts = state.contracts.set(id, { ...contract, worker });
  tell(draft, { kind: "ContractAssigned", contract: id, worker });
}

/**
 * What commands to contracts are encrypted to, by the word of the pRuntime that runs them: all of these, or none.
 * @param worker - the IdentityKey that says it.
 * @throws Failure
 */
export function publishContractKeys(
  draft: Draft,
  worker: PublicKey,
  rotationId: number,
  keys: readonly PublishedKey[],
): void {
  const { state } = draft;
  ensureServes(draft, worker);
  const sharing = state.sharings.find((each) => each.rotationId === rotationId);
  ensure(sharing !== undefined, "NotInForce");
  for (const { contract } of keys) ensure(contractOf(draft, contract).worker === worker, "NotAssigned");
  ensureFirstProof(draft, worker);
  ensure(areElements(sharing.keySuite, keys), "BadProof");
  for (const { contract: id, ecdhKey: publicKey } of keys) {
    const contract = contractOf(draft, id);
    const ecdhKey = { rotationId, publicKey };
    state.contracts = state.contracts.set(id, { ...contract, ecdhKey });
    tell(draft, { kind: "ContractKeyPublished", contract: id, ecdhKey });
  }
}

/** A pRuntime that is registered, and that governance lets serve. @throws Failure */
function ensureServes(draft: Draft, identityKey: PublicKey): void {
  ensure(mayServe(draft.state, workerOf(draft, accountOf(identityKey))), "MeasurementNotAllowed");
}

function contractOf({ state }: Draft, id: Hex): Contract {
  const contract = state.contracts.get(id);
  ensure(contract !== undefined, "NoContract");
  return contract;
}

/** Whether all of them are elements of a key suite's group. */
function areElements(keySuite: KeySuite, keys: readonly PublishedKey[]): boolean {
  const group = ledgerGroup(keySuite);
  const digits = keys.map(({ ecdhKey }) => ecdhKey.slice(2));
  if (digits.some(({ length }) => length !== 2 * group.elementBytes)) return false;
  return group.invalid(Buffer.from(digits.join(""), "hex")).length === 0;
}
