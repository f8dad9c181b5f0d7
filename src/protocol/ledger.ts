/** The ledger: rules, state, and what a block makes of it. Every pRuntime replays the same blocks to the same ledger. */
import { GatekeeperError } from "../errors.ts";
import { accountOf } from "./account.ts";
import { openAccount } from "./balances.ts";
import { bond } from "./bonding.ts";
import { nominate, setKeys, validate } from "./candidacy.ts";
import { type Draft, Failure, draftOf } from "./draft.ts";
import { electEra } from "./elections.ts";
import { beginPlannedEra, changeGatekeepers } from "./eras.ts";
import { type Genesis, hashGenesis } from "./genesis.ts";
import { checkRules } from "./genesis-rules.ts";
import { isEndpoint } from "./registry.ts";
import type { State } from "./state.ts";
import { decodeState, emptyTables, encodeState, hashState } from "./state-codec.ts";

/** Leaves inflation more than fifty years before balances have no room. */
const ISSUANCE_MAX = 1n << 120n;

/** A chain's rules and its state after some block. Nothing changes it: `apply` makes another. */
export class Ledger {
  readonly genesis: Genesis;
  readonly genesisHash: Uint8Array;
  readonly state: State;
  #stateHash: Uint8Array | null = null;

  private constructor(genesis: Genesis, genesisHash: Uint8Array, state: State) {
    this.genesis = genesis;
    this.genesisHash = genesisHash;
    this.state = state;
  }

  /**
   * The ledger that a chain begins with: accounts, stakes, and the gatekeepers of era 0.
   * @throws GatekeeperError GENESIS_INVALID, which says what can't be.
   */
  static atGenesis(genesis: Genesis): Ledger {
    checkRules(genesis);
    const genesisHash = hashGenesis(genesis);
    const draft = draftOf(genesis, genesisHash, emptyState(genesis));
    fillAccounts(draft);
    try {
      fillStakers(draft);
    } catch (error) {
      if (error instanceof Failure) throw invalid(`a staker can't have what it says: ${error.reason}`);
      throw error;
    }
    const { gatekeepers } = genesis;
    if (gatekeepers.tag === "listed") {
      const unknown = gatekeepers.value.find((identityKey) => !draft.state.workers.has(accountOf(identityKey)));
      if (unknown !== undefined) throw invalid(`gatekeeper ${unknown} is none of its pRuntimes`);
      changeGatekeepers(
        draft,
        gatekeepers.value.map((identityKey) => [null, identityKey]),
      );
    } else {
      draft.state.planned = electEra(draft, gatekeepers.value, 0);
      if (draft.state.planned === null) {
        throw invalid(`its stakers elect fewer than the ${gatekeepers.value.minimum} gatekeepers that it asks for`);
      }
      beginPlannedEra(draft);
    }
    return new Ledger(genesis, genesisHash, draft.state);
  }

  /**
   * A ledger that `encode` wrote.
   * @throws GatekeeperError LEDGER_INVALID when these are not the bytes of a state.
   */
  static decode(genesis: Genesis, bytes: Uint8Array): Ledger {
    const state = decodeState(bytes);
    if (state === null) throw new GatekeeperError("LEDGER_INVALID", "these bytes are not the state of a ledger");
    return new Ledger(genesis, hashGenesis(genesis), state);
  }

  /** The state as bytes; the genesis is not among them. */
  encode(): Uint8Array {
    return encodeState(this.state);
  }

  /** The same chain with another state. */
  with(state: State): Ledger {
    return new Ledger(this.genesis, this.genesisHash, state);
  }

  /** 32 bytes that stand for the state. */
  stateHash(): Uint8Array {
    this.#stateHash ??= hashState(this.state);
    return this.#stateHash;
  }
}

function emptyState(genesis: Genesis): State {
  return {
    ...emptyTables(),
    height: 0,
    timestamp: genesis.timestamp,
    totalIssuance: 0n,
    session: 0,
    sessionHeight: 0,
    sessionParent: `0x${"00".repeat(32)}`,
    gatekeepers: [],
    nextSlash: 0,
    governanceRound: 0,
    votes: [],
    measurements: [...genesis.measurements].sort(),
    rotationOrdered: null,
    rotationInterval: genesis.rotation.intervalBlocks,
    rotationEnded: 0,
    rotation: null,
    closedAbandonments: [],
    rotationWorkers: [],
    stateStore: null,
    migrationOrdered: null,
    launched: null,
    keySession: null,
    nextEpoch: 0,
    nextSessionHeight: 0,
    sharings: [],
    retired: [],
    excluded: [],
    eras: [],
    planned: null,
  };
}

function fillAccounts(draft: Draft): void {
  const { state, genesis } = draft;
  for (const { id, free } of genesis.accounts) {
    if (state.accounts.has(id)) throw invalid(`account ${id} is there twice`);
    if (free < genesis.existentialDeposit) throw invalid(`account ${id} has less than the existential deposit`);
    state.accounts = state.accounts.set(id, { sequence: 0, free, reserved: 0n });
    state.totalIssuance += free;
  }
  if (state.totalIssuance > ISSUANCE_MAX) throw invalid("its accounts have more than 2^120 together");
  for (const member of genesis.governance.members) openAccount(draft, accountOf(member));
  for (const { identityKey, ecdhKey, operator, endpoint } of genesis.workers) {
    const id = accountOf(identityKey);
    if (state.workers.has(id)) throw invalid(`pRuntime ${identityKey} is there twice`);
    if (endpoint !== null && !isEndpoint(endpoint)) throw invalid(`the endpoint of pRuntime ${identityKey} is no URL`);
    openAccount(draft, operator);
    openAccount(draft, id);
    const worker = { identityKey, ecdhKey, operator, measurement: null, deposit: 0n, endpoint };
    state.workers = state.workers.set(id, worker);
  }
}

/** Gatekeepers first, so that nominators find them. */
function fillStakers(draft: Draft): void {
  const { stakers } = draft.genesis;
  for (const { stash, bond: amount } of stakers) {
    const free = draft.state.accounts.get(stash)?.free ?? 0n;
    if (amount > free) throw invalid(`${stash} can't have ${amount} at stake of ${free}`);
    bond(draft, stash, amount, { tag: "staked", value: undefined });
  }
  for (const { stash, role } of stakers) {
    if (role.tag !== "validator") continue;
    const { identityKey, commission, blocked } = role.value;
    setKeys(draft, stash, identityKey);
    validate(draft, stash, { commission, blocked });
  }
  for (const { stash, role } of stakers) if (role.tag === "nominator") nominate(draft, stash, role.value);
}

function invalid(why: string): GatekeeperError {
  return new GatekeeperError("GENESIS_INVALID", `the genesis can't begin a chain: ${why}`);
}
