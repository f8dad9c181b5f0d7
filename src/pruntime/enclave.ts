/**
 * A pRuntime of a network: it has an identity and EcdhKeys, follows the chain itself, and acts on the word of its own
 * ledger alone. The host gives it blocks and takes what it signs; whatever the host drops, delays, repeats, reorders or
 * forges, nothing is signed that an honest chain would not have had signed, and no secret comes out.
 *
 * What it signs, and what follows from it, is sealed before it is given away: one that starts again from what it sealed
 * never signs two things where it may sign one. Where the chain has more messages of its IdentityKey than it remembers, what
 * is sealed was put back to an older version, and it does not act.
 */
import { toHex } from "../bytes.ts";
import type { Secp256k1 } from "../engine/secp256k1.ts";
import type { Engine } from "../engine/engine.ts";
import { GatekeeperError } from "../errors.ts";
import { type AccountId, type PublicKey, accountOf } from "../protocol/account.ts";
import { type Block, decodeBlock } from "../protocol/block.ts";
import type { Call, Registration } from "../protocol/call.ts";
import { type Genesis, decodeGenesis, hashGenesis } from "../protocol/genesis.ts";
import type { Effect } from "../protocol/effect.ts";
import { Ledger } from "../protocol/ledger.ts";
import { signMessage, signRegistration } from "../protocol/message.ts";
import { nextHeartbeat } from "../protocol/registry.ts";
import { Replica } from "../protocol/replica.ts";
import type { Hex } from "../protocol/scale.ts";
import type { ContractName, StateStore } from "../store/store.ts";
import { Abandonment } from "./abandonment.ts";
import { ContractWorker, assignedContract } from "./contract-worker.ts";
import type { Delivered, Followed, PRuntimeStatus, Provisioned } from "./boundary.ts";
import type { EcdhKeys } from "./ecdh-keys.ts";
import type { EnclaveFiles } from "./enclave-files.ts";
import { duePublication } from "./key-publication.ts";
import { MessageSequences } from "./message-sequences.ts";
import { PeerExchange, peerOf } from "./peer-exchange.ts";
import type { ProgressRecord } from "./progress-record.ts";
import { ProvisionedKeys } from "./provisioned-keys.ts";
import { Provisioning } from "./provisioning.ts";
import { type StartThreads, startThreads } from "../rotation/partition-pool.ts";
import { type RotationPace, Rotator } from "./rotator.ts";
import type { NetworkStore } from "../store/network-store.ts";
import type { Service } from "../store/service.ts";
import type { Shareholder } from "./shareholder.ts";
import { agrees } from "./store-switch.ts";
import { WrongPartials } from "./wrong-partials.ts";

/** Blocks after which the ledger is saved anew. */
const SAVE_BLOCKS = 1_000;

/** One pRuntime. Owns its files and keys; dispose saves the ledger and wipes them. */
export class Enclave implements Disposable {
  readonly #files: EnclaveFiles;
  readonly #curve: Secp256k1;
  readonly #id: AccountId;
  readonly #shareholder: Shareholder;
  #progress: ProgressRecord;
  #ecdhKeys: EcdhKeys;
  /** Whether the file has them as they are. */
  #ecdhKeysSealed = true;
  /** Whether the file has the secrets of the shareholder as they are. */
  #sharesSealed = true;
  #replica: Replica | null = null;
  readonly #wrongPartials: WrongPartials;
  readonly #peers: PeerExchange;
  readonly #contractKeys = new ProvisionedKeys();
  #provisioning: Provisioning;
  readonly #abandonment: Abandonment;
  #stores: readonly NetworkStore[] = [];
  #rotator: Rotator | null = null;
  /** The height at which it was last asked without a block. */
  #askedAgainAt = -1;

  /**
   * @param files - taken over, also when this throws.
   * @param curve - of compressed points; lent.
   * @throws GatekeeperError KEY_UNAVAILABLE when a sealed file is missing or malformed; IO_FAILED.
   */
  constructor(files: EnclaveFiles, curve: Secp256k1) {
    this.#files = files;
    this.#curve = curve;
    this.#wrongPartials = new WrongPartials(curve);
    let shareholder: Shareholder | null = null;
    let sequences: MessageSequences;
    try {
      this.#id = accountOf(files.identity.publicKey);
      this.#progress = files.readProgress();
      sequences = MessageSequences.decode(this.#progress.sequences);
      shareholder = files.readShares();
      this.#ecdhKeys = files.readEcdhKeys(0);
    } catch (error) {
      shareholder?.[Symbol.dispose]();
      files[Symbol.dispose]();
      throw error;
    }
    this.#shareholder = shareholder;
    this.#peers = new PeerExchange({
      signer: files.identity,
      curve,
      sequences,
      remember: (encoded) => this.#record({ sequences: encoded, head: headOf(this.#joined()) }),
      share: (epoch) => this.#shareholder.share(epoch),
      keepEvidence: (ledger, evidence) => this.#wrongPartials.keep(ledger, evidence),
    });
    this.#provisioning = new Provisioning(files.identity.publicKey, this.#contractKeys);
    this.#abandonment = new Abandonment(files.identity.publicKey);
    const genesis = this.#knownGenesis();
    if (genesis !== null) this.#begin(genesis, null);
  }

  /**
   * Whether this process has to end, and another to go on from what is sealed: it has destroyed all that it had of a MasterKey
   * that is abandoned, but what its memory may remember.
   */
  get mustBeReplaced(): boolean {
    const replica = this.#replica;
    if (replica === null || !this.#isCurrent(replica)) return false;
    return this.#abandonment.mustBeReplaced(replica.ledger, this.#ecdhKeys, this.#shareholder, this.#contractKeys);
  }

  get status(): Omit<PRuntimeStatus, "measurement"> {
    const ledger = this.#replica?.ledger;
    const { identityKey, ecdhKey } = this.keys();
    return {
      identityKey,
      ecdhKey,
      software: this.#files.software,
      genesisHash: this.#progress.genesisHash === null ? null : toHex(this.#progress.genesisHash),
      height: ledger?.state.height ?? 0,
      registered: ledger?.state.workers.has(this.#id) ?? false,
      gatekeeper: ledger?.state.gatekeepers.includes(identityKey) ?? false,
      rotationFault: this.#rotator?.fault ?? null,
    };
  }

  /**
   * Begins to follow the chain of a genesis, from where its ledger was last saved: once it has acted on one, no other for
   * ever.
   * @returns the height that it is at; blocks follow from the next on.
   * @throws GatekeeperError GENESIS_INVALID when it is none, or of another chain.
   */
  join(bytes: Uint8Array): number {
    const genesis = decodeGenesis(bytes);
    if (genesis === null) throw new GatekeeperError("GENESIS_INVALID", "these bytes are no genesis");
    const genesisHash = hashGenesis(genesis);
    const { genesisHash: known, head, signed } = this.#progress;
    const isOther = known !== null && Buffer.compare(known, genesisHash) !== 0;
    if (isOther && (head !== null || signed > 0)) {
      throw new GatekeeperError("GENESIS_INVALID", `this pRuntime serves another chain, of genesis ${toHex(known)}`);
    }
    // Where it has not followed anything since it began, it is there already.
    const began = this.#replica?.ledger.state.height === (this.#progress.saved?.height ?? 0);
    if (!began || isOther) this.#begin(genesis, known === null || isOther ? bytes : null);
    // A host that joins waits for nothing that was asked before: it may never have had it.
    this.#provisioning.askAgain();
    return this.#joined().ledger.state.height;
  }

  /**
   * Follows the next blocks; up to the first that is not right, they were followed. Without any it says what there is to say by
   * now: a host that asks so between blocks is given what its threads have done until then.
   * @param more - whether the host knows of others: then it does not act yet. Not believed in anything else.
   * @returns where it stands, and what is to come into the chain's next block.
   * @throws GatekeeperError BLOCK_INVALID; SEALED_STATE_OLD; NOT_FOUND before it has joined a chain.
   */
  follow(encoded: readonly Uint8Array[], more: boolean): Followed {
    const replica = this.#joined();
    const blocks = encoded.map((bytes) => decodeBlock(bytes) ?? malformedBlock());
    const acted = this.#progress.head?.height ?? 0;
    const before = blocks.findIndex(({ header }) => header.height === acted) + 1;
    this.#followPart(replica, blocks.slice(0, before));
    this.#followPart(replica, blocks.slice(before));
    const { height } = replica.ledger.state;
    // A host that did after the block before is believed to do so again.
    const isAskedAgain = blocks.length > 0 && this.#askedAgainAt === height - blocks.length;
    if (blocks.length === 0) this.#askedAgainAt = height;
    if (!this.#isCurrent(replica)) return { height, messages: [] };
    this.#saveLedger(replica, SAVE_BLOCKS);
    return { height, messages: more ? [] : this.#act(replica, isAskedAgain) };
  }

  /**
   * What registers it through an operator.
   * @param attest - evidence of what it is, bound to its keys and this chain.
   * @throws GatekeeperError NOT_FOUND before it has followed the chain; SEALED_STATE_OLD.
   */
  async register(
    operator: AccountId,
    attest: (genesisHash: Uint8Array, keys: ReturnType<Enclave["keys"]>) => Promise<Uint8Array>,
  ): Promise<Registration> {
    for (;;) {
      const { genesisHash } = this.#actingReplica().ledger;
      const keys = this.keys();
      const attestation = await attest(genesisHash, keys);
      // Blocks may have come meanwhile, and the next EcdhKey with them: one that has had its time is not published again.
      const replica = this.#actingReplica();
      if (this.keys().ecdhKey !== keys.ecdhKey) continue;
      const sequence = this.#sequence(replica);
      const { signed, message } = this.#progress;
      // One that the chain has is not repeated, now that it is not the last that was signed.
      this.#record({ signed: sequence + 1, message: signed > sequence ? message : null, head: headOf(replica) });
      return signRegistration(this.#files.identity, genesisHash, operator, { ...keys, attestation, sequence });
    }
  }

  /** Its public keys. */
  keys(): { readonly identityKey: PublicKey; readonly ecdhKey: PublicKey } {
    const { current, pending } = this.#ecdhKeys;
    return { identityKey: this.#files.identity.publicKey, ecdhKey: current?.publicKey ?? pending! };
  }

  /**
   * A message that asks another pRuntime whether it lives, and opens what is sealed to it.
   * @throws GatekeeperError NOT_FOUND when it is not registered; SEALED_STATE_OLD.
   */
  ping(to: PublicKey): Uint8Array {
    return this.#peers.ping(this.#actingReplica().ledger, to);
  }

  /**
   * Opens a message of another pRuntime, and does what it asks for.
   * @throws GatekeeperError MESSAGE_INVALID, with the reason; NOT_FOUND before it has followed the chain.
   */
  deliver(bytes: Uint8Array): Delivered {
    const { ledger } = this.#actingReplica();
    const delivered = this.#peers.deliver(ledger, this.#ecdhKeys, this.#provisioning, bytes);
    if (delivered.tag === "taken") this.#rotator?.wake();
    return delivered;
  }

  /**
   * Asks gatekeepers for what the keys of contracts are derived from that it works with and has none of.
   * @param late - who has not answered and is not waited for any more: others are asked.
   * @returns messages to be delivered, and how many contracts are still without keys.
   * @throws GatekeeperError NOT_FOUND before it has followed the chain; SEALED_STATE_OLD.
   */
  provision(late: readonly PublicKey[]): Provisioned {
    const { ledger } = this.#actingReplica();
    const messages = this.#peers.ask(ledger, this.#provisioning, late);
    return { messages, missing: this.#provisioning.missing };
  }

  /**
   * What code in this pRuntime runs contracts with.
   * @param store - its states' store; lent, as the engine is, for as long as it is used.
   */
  contractWorker({ store, id }: Pick<NetworkStore, "store" | "id">, engine: Engine): ContractWorker {
    const mirrorOf = (other: string): StateStore | null =>
      this.#stores.find((here) => here.id === other)?.store ?? null;
    const isAgreed = (service: Service): boolean => agrees(this.#joined().ledger.state, id, service);
    return new ContractWorker({ store, engine, keys: this.#contractKeys, mirrorOf, agrees: isAgreed });
  }

  /**
   * One that it runs, by its ledger's word, and the store that its states are in.
   * @throws GatekeeperError KEY_NOT_PROVISIONED; STORE_UNAVAILABLE; NOT_FOUND, SEALED_STATE_OLD.
   */
  contract(id: Hex): { readonly name: ContractName; readonly store: NetworkStore } {
    const { state } = this.#actingReplica().ledger;
    const name = assignedContract(state, this.keys().identityKey, id);
    this.#provisioning.hurry(id);
    return { name, store: storeInForce(state.stateStore, this.#stores) };
  }

  /** Of the chain that it has joined. @throws GatekeeperError NOT_FOUND before it has. */
  get genesisHash(): Uint8Array {
    return this.#joined().ledger.genesisHash;
  }

  /**
   * Whether it has something to do with the network's store, and none is attached.
   * @param isNamed - whether its operator has named one; else it wants one where it runs contracts.
   */
  wantsStore(isNamed: boolean): boolean {
    const replica = this.#replica;
    if (this.#rotator !== null || replica === null || !this.#isCurrent(replica)) return false;
    return isNamed || this.#provisioning.runsContracts;
  }

  /**
   * Takes part in rotations from here on.
   * @param stores - the network's, and the one that a migration is to go to, if it is here; lent, until they are detached.
   * @param start - starts what works on partitions.
   */
  async attachStores(
    stores: readonly NetworkStore[],
    pace: RotationPace,
    start: StartThreads = startThreads,
  ): Promise<void> {
    await this.detachStores();
    this.#stores = stores;
    this.#rotator = new Rotator({
      stores,
      pace,
      startThreads: start,
      identityKey: this.keys().identityKey,
      keys: this.#contractKeys,
    });
  }

  /** Ends what is being done on them. */
  async detachStores(): Promise<void> {
    const rotator = this.#rotator;
    this.#rotator = null;
    this.#stores = [];
    await rotator?.[Symbol.asyncDispose]();
  }

  [Symbol.dispose](): void {
    try {
      if (this.#replica !== null && this.#isCurrent(this.#replica)) this.#saveLedger(this.#replica, 1);
    } finally {
      this.#provisioning[Symbol.dispose]();
      this.#contractKeys[Symbol.dispose]();
      this.#ecdhKeys[Symbol.dispose]();
      this.#shareholder[Symbol.dispose]();
      this.#files[Symbol.dispose]();
    }
  }

  #joined(): Replica {
    if (this.#replica !== null) return this.#replica;
    throw new GatekeeperError("NOT_FOUND", "this pRuntime follows no chain: it has to join one first");
  }

  /** @throws GatekeeperError NOT_FOUND before it knows as much of the chain as it did; SEALED_STATE_OLD. */
  #actingReplica(): Replica {
    const replica = this.#joined();
    if (!this.#isCurrent(replica)) {
      throw new GatekeeperError("NOT_FOUND", "this pRuntime has not followed the chain yet to where it was before");
    }
    this.#checkSealed(replica);
    return replica;
  }

  #followPart(replica: Replica, blocks: readonly Block[]): void {
    if (blocks.length > 0) this.#followBlocks(replica, blocks);
    const { head } = this.#progress;
    if (head === null || head.height !== replica.ledger.state.height) return;
    if (Buffer.compare(head.hash, replica.headHash) === 0) return;
    this.#replica = null;
    throw new GatekeeperError(
      "BLOCK_INVALID",
      `block ${head.height} is another than the one that this pRuntime acted on: the chain was forked`,
      { height: head.height, reason: "fork" },
    );
  }

  /** Also where it stops at a wrong one: those before it were followed. */
  #followBlocks(replica: Replica, blocks: readonly Block[]): void {
    let effects: readonly Effect[] | null = null;
    try {
      effects = replica.follow(blocks).flatMap((applied) => applied.effects);
    } finally {
      this.#provisioning.follow(replica.ledger, effects);
    }
  }

  /** Whether it knows all that it ever acted on. */
  #isCurrent(replica: Replica): boolean {
    return replica.ledger.state.height >= (this.#progress.head?.height ?? 0);
  }

  /** As many messages of its IdentityKey as the chain has. */
  #sequence(replica: Replica): number {
    return replica.ledger.state.accounts.get(this.#id)?.sequence ?? 0;
  }

  /** What the ledger's word asks for. @param mayWait - whether it is asked again before the next block. @returns what is to be sent. */
  #act(replica: Replica, mayWait: boolean): Uint8Array[] {
    this.#checkSealed(replica);
    const { ledger } = replica;
    this.#rotator?.follow(ledger, this.#provisioning);
    const isRegistered = ledger.state.workers.has(this.#id);
    if (this.#abandonment.follow(ledger, this.#ecdhKeys)) {
      this.#ecdhKeysSealed = false;
      this.#sealEcdhKeys(replica);
    }
    if (isRegistered) this.#turnEcdhKeys(replica);
    // Also where it was deregistered before it heard that its shares are not in force any more.
    this.#followShares(replica);
    const owed = isRegistered ? null : this.#shareholder.dueCall(ledger);
    if (!isRegistered && owed === null) return [];
    const sequence = this.#sequence(replica);
    const { message, signed } = this.#progress;
    if (message !== null && signed === sequence + 1) return [message];
    const call = owed ?? this.#dueCall(replica, mayWait);
    return call === null ? [] : [this.#sign(replica, sequence, call)];
  }

  /**
   * Holds what is sealed against the ledger, takes note of the EcdhKey that is published, and destroys those whose time is
   * over: before anything is done, so that an old file makes it neither act nor open what it should not any more.
   * @throws GatekeeperError SEALED_STATE_OLD.
   */
  #checkSealed(replica: Replica): void {
    if (this.#sequence(replica) > this.#progress.signed) throw sealedStateOld();
    const { workers, height } = replica.ledger.state;
    const keys = this.#ecdhKeys;
    const before = keys.current?.publicKey;
    const published = workers.get(this.#id)?.ecdhKey ?? before;
    try {
      if (published !== undefined) keys.published(published, height);
    } catch (cause) {
      if (cause instanceof GatekeeperError && cause.code === "KEY_UNAVAILABLE") throw sealedStateOld(cause);
      throw cause;
    }
    const expired = keys.destroyExpired(height);
    if (expired.length > 0 || before !== published) this.#ecdhKeysSealed = false;
    if (!this.#ecdhKeysSealed) this.#sealEcdhKeys(replica);
  }

  /** Makes the next EcdhKey when it is due, and seals it before the chain hears of it. */
  #turnEcdhKeys(replica: Replica): void {
    const { state, genesis } = replica.ledger;
    const keys = this.#ecdhKeys;
    if (keys.pending !== null || state.height - keys.current!.since < genesis.ecdhKeys.interval) return;
    this.#ecdhKeysSealed = false;
    keys.rotate();
    this.#sealEcdhKeys(replica);
  }

  /** Makes and destroys shares as the ledger has it, and seals that before anything is said of it. */
  #followShares(replica: Replica): void {
    if (this.#shareholder.follow(replica.ledger)) this.#sharesSealed = false;
    if (this.#sharesSealed) return;
    this.#record({ head: headOf(replica) });
    this.#files.writeShares(this.#shareholder);
    this.#sharesSealed = true;
  }

  /** The block first that they follow from: a kill in between leaves keys that can follow from it again. */
  #sealEcdhKeys(replica: Replica): void {
    this.#record({ head: headOf(replica) });
    this.#files.writeEcdhKeys(this.#ecdhKeys);
    this.#ecdhKeysSealed = true;
  }

  #dueCall(replica: Replica, mayWait: boolean): Call | null {
    const { ledger } = replica;
    const { pending } = this.#ecdhKeys;
    // First, because there is not always a block without a heartbeat: it would never come.
    if (pending !== null) return { tag: "setEcdhKey", value: pending };
    const { duties, keySession, height } = ledger.state;
    const duty = duties.get(this.#id);
    const isPhaseEnd = keySession?.deadline === height + 1;
    const declaration = this.#dueDeclaration(replica);
    if (declaration !== null && this.#abandonment.isPressing(ledger)) return declaration;
    // The first of an era: who has none is punished, and key sessions could leave no block of it for one. But not in the last block
    // of a phase, which fails where nobody says anything in it.
    const first = duty?.points === 0 && !isPhaseEnd ? this.#dueHeartbeat(ledger) : null;
    if (first !== null) return first;
    // Before a key session, too: who is silent in it is not punished, and who is late with these is. There are few of them.
    const destruction = this.#shareholder.urgentCall(ledger);
    if (destruction !== null) return destruction;
    if (declaration !== null && !isPhaseEnd) return declaration;
    // Before other heartbeats, because it has a deadline that is nearer.
    const keyCall = this.#shareholder.dueCall(ledger);
    if (keyCall !== null) return this.#rotator?.pressingCall(ledger) ?? keyCall;
    const heartbeat = duty === undefined ? null : this.#dueHeartbeat(ledger);
    if (heartbeat !== null) return heartbeat;
    const { identityKey } = this.keys();
    if (declaration !== null || peerOf(ledger, identityKey) === undefined) return declaration;
    // What is done until then is said with it, and nothing is in its way.
    if (mayWait && this.#rotator?.mayWait(ledger) === true) return null;
    return (
      this.#rotator?.dueCall(ledger) ??
      duePublication(ledger.state, identityKey, this.#contractKeys) ??
      this.#wrongPartials.dueReport(ledger)
    );
  }

  /** Of a gatekeeper. */
  #dueHeartbeat(ledger: Ledger): Call | null {
    const heartbeat = nextHeartbeat(ledger);
    return heartbeat.session > (this.#progress.vouched ?? -1) ? { tag: "heartbeat", value: heartbeat } : null;
  }

  /** That it has nothing any more of keys that were given to it. */
  #dueDeclaration({ ledger }: Replica): Call | null {
    return this.mustBeReplaced ? null : this.#abandonment.dueCall(ledger, this.#ecdhKeys);
  }

  #sign(replica: Replica, sequence: number, call: Call): Uint8Array {
    const message = signMessage(this.#files.identity, replica.ledger.genesisHash, sequence, call);
    const vouched = call.tag === "heartbeat" ? call.value.session : this.#progress.vouched;
    this.#record({ signed: sequence + 1, message, vouched, head: headOf(replica) });
    return message;
  }

  #record(changes: Partial<ProgressRecord>): void {
    const record = { ...this.#progress, ...changes };
    this.#files.writeProgress(record);
    this.#progress = record;
  }

  /**
   * From the ledger as it was saved, else from the genesis.
   * @param bytes - of the genesis, where it is to be kept.
   * @throws GatekeeperError GENESIS_INVALID, KEY_UNAVAILABLE, IO_FAILED: nothing was changed then.
   */
  #begin(genesis: Genesis, bytes: Uint8Array | null): void {
    const replica = this.#savedReplica(genesis) ?? new Replica(this.#curve, Ledger.atGenesis(genesis));
    const ecdhKeys = this.#files.readEcdhKeys(genesis.ecdhKeys.overlap);
    try {
      if (bytes !== null) {
        this.#files.writeGenesis(bytes);
        this.#record({ genesisHash: replica.ledger.genesisHash });
      }
    } catch (error) {
      ecdhKeys[Symbol.dispose]();
      throw error;
    }
    this.#ecdhKeys[Symbol.dispose]();
    this.#ecdhKeys = ecdhKeys;
    this.#ecdhKeysSealed = true;
    this.#provisioning[Symbol.dispose]();
    this.#contractKeys.clear();
    this.#provisioning = new Provisioning(this.keys().identityKey, this.#contractKeys);
    this.#provisioning.follow(replica.ledger, null);
    this.#replica = replica;
  }

  /** The genesis that it was given when it joined, if it lies there as it was. */
  #knownGenesis(): Genesis | null {
    const { genesisHash } = this.#progress;
    const bytes = genesisHash === null ? null : this.#files.readGenesis();
    const genesis = bytes === null ? null : decodeGenesis(bytes);
    return genesis !== null && Buffer.compare(hashGenesis(genesis), genesisHash!) === 0 ? genesis : null;
  }

  /** The ledger as it was saved, if it is what was sealed. */
  #savedReplica(genesis: Genesis): Replica | null {
    const { saved } = this.#progress;
    const bytes = saved === null ? null : this.#files.readLedger(saved.height);
    if (saved === null || bytes === null) return null;
    try {
      const ledger = Ledger.decode(genesis, bytes);
      if (Buffer.compare(ledger.stateHash(), saved.stateHash) !== 0) return null;
      return new Replica(this.#curve, ledger, saved.hash);
    } catch (cause) {
      if (cause instanceof GatekeeperError && cause.code === "LEDGER_INVALID") return null;
      throw cause;
    }
  }

  /** Saves the ledger for a quick start, if it is so many blocks further than when it was last saved. */
  #saveLedger(replica: Replica, blocks: number): void {
    const { ledger } = replica;
    const { height } = ledger.state;
    if (height < (this.#progress.saved?.height ?? 0) + blocks) return;
    this.#files.writeLedger(height, ledger.encode());
    const head = headOf(replica);
    this.#record({ head, saved: { ...head, stateHash: ledger.stateHash() } });
    this.#files.keepOnlyLedger(height);
  }
}

function headOf({ ledger, headHash }: Replica): { height: number; hash: Uint8Array } {
  return { height: ledger.state.height, hash: headHash };
}

/** The network's. @throws GatekeeperError STORE_UNAVAILABLE when it is not here, or not known yet. */
function storeInForce(known: Hex | null, here: readonly NetworkStore[]): NetworkStore {
  const store = here.find(({ id }) => id === known);
  if (store !== undefined) return store;
  const why =
    known === null || here.length === 0
      ? "the chain does not have it yet: it is announced as soon as this pRuntime may speak"
      : "the chain has another one: name it with --store";
  throw new GatekeeperError("STORE_UNAVAILABLE", `the store that is here is not the network's: ${why}`);
}

function malformedBlock(): never {
  throw new GatekeeperError("BLOCK_INVALID", "these bytes are no block", { reason: "malformed" });
}

function sealedStateOld(cause?: unknown): GatekeeperError {
  const message =
    "the chain has seen more of this pRuntime than it remembers: its sealed files are old ones that were put back, or another has its identity; it does not act";
  return new GatekeeperError("SEALED_STATE_OLD", message, {}, { cause });
}
