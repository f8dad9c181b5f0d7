/** A pRuntime of a network in this process, with its files: restarted, killed, and put back to what was kept. */
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Share } from "../../src/keys/shamir.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { readMessage } from "../../src/protocol/message.ts";
import { Enclave } from "../../src/pruntime/enclave.ts";
import { EnclaveFiles } from "../../src/pruntime/enclave-files.ts";
import { softwareMeasurement } from "../../src/pruntime/measurement.ts";
import { type Vault, softwareVault } from "../../src/pruntime/vault.ts";
import { CURVE } from "../protocol/network.ts";
import { Authority, type Keys, STRANGER, enclaveGenesis } from "./authority.ts";

const VAULT = softwareVault(softwareMeasurement(), null);

/** Its files by their names. */
export type Kept = ReadonlyMap<string, Buffer>;

/** Makes a pRuntime in a home. @returns its public keys. */
export async function createEnclave(home: string, vault: Vault = VAULT): Promise<Keys> {
  (await EnclaveFiles.create(home, CURVE, vault.create))[Symbol.dispose]();
  using enclave = await openEnclave(home, vault);
  return enclave.keys();
}

/** Opens the one that is in a home; the caller disposes it. */
export async function openEnclave(home: string, vault: Vault = VAULT): Promise<Enclave> {
  return new Enclave(await EnclaveFiles.open(home, CURVE, vault.open), CURVE);
}

/** One pRuntime. Dispose ends it as a shutdown does. */
export class EnclaveHome implements Disposable {
  readonly home: string;
  readonly vault: Vault;
  #files: EnclaveFiles;
  #killed = false;
  enclave: Enclave;

  private constructor(home: string, vault: Vault, files: EnclaveFiles) {
    this.home = home;
    this.vault = vault;
    this.#files = files;
    this.enclave = new Enclave(files, CURVE);
  }

  /** Makes one. */
  static async create(home: string, vault: Vault = VAULT): Promise<EnclaveHome> {
    (await EnclaveFiles.create(home, CURVE, vault.create))[Symbol.dispose]();
    return new EnclaveHome(home, vault, await EnclaveFiles.open(home, CURVE, vault.open));
  }

  get keys(): Keys {
    return this.enclave.keys();
  }

  /** Where its files are. */
  path(name: string): string {
    return join(this.home, "pruntime", name);
  }

  /** Its files as they are now, without its lock. */
  keep(): Kept {
    const names = readdirSync(join(this.home, "pruntime")).filter((name) => name !== "lock");
    return new Map(names.map((name) => [name, readFileSync(this.path(name))]));
  }

  /** Ends it as a kill does: nothing more is written. */
  kill(): void {
    if (!this.#killed) this.#files[Symbol.dispose]();
    this.#killed = true;
  }

  /** Kills it, puts back files that were kept, and starts it again. @param names - all of them where none is given. */
  async restart(kept: Kept = new Map(), ...names: string[]): Promise<void> {
    this.kill();
    for (const [name, bytes] of kept) if (names.length === 0 || names.includes(name)) this.write(name, bytes);
    await this.open();
  }

  /** Starts it where it was ended. */
  async open(): Promise<void> {
    this.#files = await EnclaveFiles.open(this.home, CURVE, this.vault.open);
    this.enclave = new Enclave(this.#files, CURVE);
    this.#killed = false;
  }

  /** Ends it as a shutdown does, and starts it again. */
  async shutDown(): Promise<void> {
    this[Symbol.dispose]();
    await this.open();
  }

  /** Whether what is sealed has this EcdhKey. */
  hasSealed(ecdhKey: string): boolean {
    using keys = this.#files.readEcdhKeys(0);
    return keys.secretOf(ecdhKey) !== undefined;
  }

  /** The share of a sharing, as it is sealed; the caller owns it. */
  sealedShare(epoch: number): Share {
    using shares = this.#files.readShares();
    const { index, secret } = shares.share(epoch)!;
    return new Share(index, secret.clone());
  }

  write(name: string, bytes: Uint8Array): void {
    writeFileSync(this.path(name), bytes, { mode: 0o600 });
  }

  remove(name: string): void {
    rmSync(this.path(name), { recursive: true, force: true });
  }

  /** Joins a chain, and follows all of it: a restarted one comes to where the chain is. */
  catchUp(chain: Authority, more = false): Uint8Array[] {
    const from = this.enclave.join(chain.genesis);
    return [...this.enclave.follow(chain.blocks.slice(from), more).messages];
  }

  /** The next blocks of a chain that it has joined. */
  follow(chain: Authority, more = false): Uint8Array[] {
    return [...this.enclave.follow(chain.blocks.slice(this.enclave.status.height), more).messages];
  }

  [Symbol.dispose](): void {
    if (!this.#killed) this.enclave[Symbol.dispose]();
    this.#killed = true;
  }
}

/** What a message asks for, with its sequence. */
export function said(message: Uint8Array): string {
  const { sequence, call } = readMessage(message)!;
  const what = call.tag === "heartbeat" ? `heartbeat of session ${call.value.session}` : call.tag;
  return `${sequence}: ${what}`;
}

/** A gatekeeper, and a chain that has it from its genesis on, both at height 0. */
export async function createGatekeeper(
  folder: string,
  changes: Partial<Genesis> = {},
): Promise<{ readonly home: EnclaveHome; readonly chain: Authority }> {
  const home = await EnclaveHome.create(folder);
  return { home, chain: new Authority(enclaveGenesis([home.keys, STRANGER], changes)) };
}

/**
 * Brings pRuntime and chain to a height as an honest host does: each message comes into the next block.
 * @param first - the messages of the first block.
 * @returns what it has to say then.
 */
export function relay(home: EnclaveHome, chain: Authority, height: number, first: readonly Uint8Array[]): Uint8Array[] {
  let messages = [...first];
  while (chain.height < height) {
    chain.block(messages);
    messages = home.follow(chain);
  }
  return messages;
}
