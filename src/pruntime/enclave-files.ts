/**
 * What a pRuntime of a network keeps, in the folder `pruntime` of its home:
 *
 *   key              the sealing key, where it is sealed by software
 *   identity.sealed  the IdentityKey
 *   ecdh.sealed      its EcdhKeys
 *   shares.sealed    its shares of MasterKeys, and its dealing key: shareholder.ts
 *   progress.sealed  what it must not forget: progress-record.ts
 *   genesis          of the chain that it has joined, as bytes, in the clear: `progress.sealed` has its hash
 *   ledger-HEIGHT    a state of the ledger, as bytes, in the clear: `progress.sealed` has its hash
 *   lock             held while a pRuntime runs
 */
import { existsSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { fromHex } from "../bytes.ts";
import { CONTEXT } from "../context.ts";
import { destroyFile, makeFolder, namesIn, readSmallFile, replaceFile, syncFolder } from "../durable-file.ts";
import { GatekeeperError } from "../errors.ts";
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { GENESIS_BYTES_MAX } from "../protocol/genesis.ts";
import { enclaveFolder, homeStorePath } from "../store/home.ts";
import { EcdhKeys } from "./ecdh-keys.ts";
import { FolderLock } from "./folder-lock.ts";
import { IdentityKey } from "./identity-key.ts";
import { MessageSequences } from "./message-sequences.ts";
import { type ProgressRecord, decodeProgress, encodeProgress } from "./progress-record.ts";
import { SealedFile } from "./sealed-file.ts";
import type { Sealer } from "./sealer.ts";
import { Shareholder } from "./shareholder.ts";

/** Bytes of a saved ledger, at most: a larger one is replayed. */
const LEDGER_BYTES_MAX = 1 << 30;
/** One that was saved, or that a kill left half-saved (durable-file.ts). */
const LEDGER_NAME = /^(ledger-[0-9]+|\.ledger-[0-9]+\.new-[0-9a-f]+)$/;
const NOT_BOUND = new Uint8Array(0);

/** The files of one pRuntime, locked while this lives. Owns the lock, the sealer and the IdentityKey. */
export class EnclaveFiles implements Disposable {
  readonly identity: IdentityKey;
  readonly #folder: string;
  readonly #lock: FolderLock;
  readonly #sealer: Sealer;
  readonly #ecdhKeys: SealedFile;
  readonly #shares: SealedFile;
  readonly #progress: SealedFile;
  readonly #curve: Secp256k1;

  private constructor(folder: string, lock: FolderLock, sealer: Sealer, identity: IdentityKey, curve: Secp256k1) {
    this.#folder = folder;
    this.#lock = lock;
    this.#sealer = sealer;
    this.identity = identity;
    this.#curve = curve;
    const binding = fromHex(identity.publicKey, "an IdentityKey");
    this.#ecdhKeys = new SealedFile(sealer, join(folder, "ecdh.sealed"), CONTEXT.sealEcdhKeys, binding);
    this.#shares = new SealedFile(sealer, join(folder, "shares.sealed"), CONTEXT.sealShares, binding);
    this.#progress = new SealedFile(sealer, join(folder, "progress.sealed"), CONTEXT.sealProgress, binding);
  }

  /**
   * Makes a pRuntime with a new identity and a first EcdhKey, whole or not at all, and opens it.
   * @param makeSealer - given the folder that is to be; may put its key there.
   * @throws GatekeeperError ALREADY_EXISTS when the home is of a network or has a store; IO_FAILED, and what `makeSealer`
   * throws.
   */
  static async create(
    home: string,
    curve: Secp256k1,
    makeSealer: (folder: string) => Promise<Sealer>,
  ): Promise<EnclaveFiles> {
    const folder = enclaveFolder(home);
    if (existsSync(folder)) throw occupied(home);
    if (existsSync(homeStorePath(home))) throw local(home);
    makeFolder(home);
    const prefix = `.${basename(folder)}.new-`;
    // What a killed one left.
    for (const name of namesIn(home)) if (name.startsWith(prefix)) destroyFolder(join(home, name));
    let [building, sealer, lock, identity]: [string?, Sealer?, FolderLock?, IdentityKey?] = [];
    try {
      building = mkdtempSync(join(home, prefix));
      sealer = await makeSealer(building);
      lock = new FolderLock(join(building, "lock"));
      identity = IdentityKey.generate(curve);
      new EnclaveFiles(building, lock, sealer, identity, curve).#writeFirst();
      renameSync(building, folder);
      syncFolder(home);
      return new EnclaveFiles(folder, lock, sealer, identity, curve);
    } catch (error) {
      for (const held of [identity, sealer, lock]) held?.[Symbol.dispose]();
      if (building !== undefined) destroyFolder(building);
      if (existsSync(folder)) throw occupied(home);
      throw error instanceof GatekeeperError ? error : notMade(home, error);
    }
  }

  /**
   * Opens what is there.
   * @param openSealer - given the folder.
   * @throws GatekeeperError NOT_FOUND, STORE_BUSY, KEY_UNAVAILABLE, IO_FAILED, and what `openSealer` throws.
   */
  static async open(
    home: string,
    curve: Secp256k1,
    openSealer: (folder: string) => Promise<Sealer>,
  ): Promise<EnclaveFiles> {
    const folder = enclaveFolder(home);
    if (!existsSync(folder)) {
      throw new GatekeeperError(
        "NOT_FOUND",
        `there is no pRuntime of a network at ${home}; make one with gatekeeper pruntime init --home ${home}`,
        { home },
      );
    }
    const lock = new FolderLock(join(folder, "lock"));
    let sealer: Sealer | null = null;
    try {
      sealer = await openSealer(folder);
      const file = new SealedFile(sealer, join(folder, "identity.sealed"), CONTEXT.sealIdentityKey, NOT_BOUND);
      const secret = file.read();
      if (secret === null) throw missing(join(folder, "identity.sealed"));
      return new EnclaveFiles(folder, lock, sealer, new IdentityKey(secret, curve), curve);
    } catch (error) {
      sealer?.[Symbol.dispose]();
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Whether the sealing key lies in a file: no protection from the machine's owner. */
  get software(): boolean {
    return this.#sealer.software;
  }

  /** The EcdhKeys; the caller owns them. @param overlap - blocks for which one is kept after the next. */
  readEcdhKeys(overlap: number): EcdhKeys {
    using encoded = this.#ecdhKeys.read();
    if (encoded === null) throw missing(join(this.#folder, "ecdh.sealed"));
    return EcdhKeys.decode(this.#curve, overlap, encoded);
  }

  /** Seals them in the place of those before, which are destroyed: keys that are no more among them are gone. */
  writeEcdhKeys(keys: EcdhKeys): void {
    using encoded = keys.encode();
    encoded.use((bytes) => this.#ecdhKeys.write(bytes));
  }

  /** The shares; the caller owns them. */
  readShares(): Shareholder {
    using encoded = this.#shares.read();
    if (encoded === null) throw missing(join(this.#folder, "shares.sealed"));
    return Shareholder.decode(this.identity.publicKey, encoded);
  }

  /** Seals them in the place of those before, which are destroyed. */
  writeShares(shareholder: Shareholder): void {
    using encoded = shareholder.encode();
    encoded.use((bytes) => this.#shares.write(bytes));
  }

  /** @throws GatekeeperError KEY_UNAVAILABLE when it is missing or malformed. */
  readProgress(): ProgressRecord {
    const path = join(this.#folder, "progress.sealed");
    using sealed = this.#progress.read();
    const record = sealed?.use(decodeProgress) ?? null;
    if (record === null) throw missing(path);
    return record;
  }

  /** Seals it in the place of the one before. */
  writeProgress(record: ProgressRecord): void {
    this.#progress.writeOpen(encodeProgress(record));
  }

  /** The genesis that was kept; null where there is none, or what can't be one. */
  readGenesis(): Uint8Array | null {
    return readIfSmall(join(this.#folder, "genesis"), GENESIS_BYTES_MAX);
  }

  /** Keeps a genesis. */
  writeGenesis(bytes: Uint8Array): void {
    replaceFile(join(this.#folder, "genesis"), bytes);
  }

  /** A state of the ledger as it was saved at a height; null where there is none, or what can't be one. */
  readLedger(height: number): Uint8Array | null {
    return readIfSmall(this.#ledgerPath(height), LEDGER_BYTES_MAX);
  }

  /** Saves a state of the ledger beside the one before: that goes when what is sealed speaks of the new one. */
  writeLedger(height: number, state: Uint8Array): void {
    replaceFile(this.#ledgerPath(height), state);
  }

  /** Removes all states of the ledger but that of a height. */
  keepOnlyLedger(height: number): void {
    const kept = basename(this.#ledgerPath(height));
    for (const name of namesIn(this.#folder)) {
      if (LEDGER_NAME.test(name) && name !== kept) rmSync(join(this.#folder, name), { recursive: true, force: true });
    }
  }

  /** Wipes the IdentityKey and the sealing key, and lets another process in. */
  [Symbol.dispose](): void {
    this.identity[Symbol.dispose]();
    this.#sealer[Symbol.dispose]();
    this.#lock[Symbol.dispose]();
  }

  #writeFirst(): void {
    const path = join(this.#folder, "identity.sealed");
    const file = new SealedFile(this.#sealer, path, CONTEXT.sealIdentityKey, NOT_BOUND);
    this.identity.use((scalar) => file.write(scalar));
    // The overlap is the chain's, and matters once a key has come after the first.
    using ecdhKeys = EcdhKeys.create(this.#curve, 0);
    this.writeEcdhKeys(ecdhKeys);
    using shareholder = new Shareholder(this.identity.publicKey);
    this.writeShares(shareholder);
    this.writeProgress(NOTHING_DONE);
  }

  #ledgerPath(height: number): string {
    return join(this.#folder, `ledger-${height}`);
  }
}

const NOTHING_DONE: ProgressRecord = {
  genesisHash: null,
  head: null,
  saved: null,
  signed: 0,
  message: null,
  vouched: null,
  sequences: new MessageSequences().encode(),
};

/** Bytes in the clear, for which what is sealed has a hash; null where there are none, or what can't be those. */
function readIfSmall(path: string, bytesMax: number): Uint8Array | null {
  try {
    return readSmallFile(path, bytesMax)?.bytes ?? null;
  } catch (cause) {
    if (cause instanceof GatekeeperError && cause.code === "KEY_UNAVAILABLE") return null;
    throw cause;
  }
}

/** Destroys what is in a folder that nobody relies on, and the folder. */
function destroyFolder(folder: string): void {
  for (const name of namesIn(folder)) destroyFile(join(folder, name));
  rmSync(folder, { recursive: true, force: true });
}

function notMade(home: string, cause: unknown): GatekeeperError {
  const systemCode = String((cause as NodeJS.ErrnoException).code);
  const message = `a pRuntime can't be made in ${home}: ${systemCode}`;
  return new GatekeeperError("IO_FAILED", message, { home, systemCode }, { cause });
}

function occupied(home: string): GatekeeperError {
  return new GatekeeperError("ALREADY_EXISTS", `${home} has a pRuntime already, which is never overwritten`, { home });
}

function local(home: string): GatekeeperError {
  const message = `${home} is a local home, whose states a pRuntime of a network would not give out; choose another folder`;
  return new GatekeeperError("ALREADY_EXISTS", message, { home });
}

function missing(path: string): GatekeeperError {
  return new GatekeeperError("KEY_UNAVAILABLE", `${path} is missing, or not what this program writes`, { file: path });
}
