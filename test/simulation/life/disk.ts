/**
 * What survives a pRuntime that is killed: what it has sealed, in memory, as src/pruntime/enclave-files.ts has it on a disk. A
 * write is durable when it returns; the process may be killed before it, or right after.
 */
import { Enclave } from "../../../src/pruntime/enclave.ts";
import { EcdhKeys } from "../../../src/pruntime/ecdh-keys.ts";
import type { EnclaveFiles } from "../../../src/pruntime/enclave-files.ts";
import { IdentityKey } from "../../../src/pruntime/identity-key.ts";
import { MessageSequences } from "../../../src/pruntime/message-sequences.ts";
import type { ProgressRecord } from "../../../src/pruntime/progress-record.ts";
import { Shareholder } from "../../../src/pruntime/shareholder.ts";
import { SECP256K1_SCALARS } from "../../../src/keys/scalars.ts";
import { Secret } from "../../../src/secret.ts";
import { CURVE } from "../../protocol/network.ts";

/** As if it had signed more than the chain will ever have. */
const FORGOTTEN: Partial<ProgressRecord> = { signed: 0xffff_ff00, message: null };

/** Thrown within a process that is killed. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/** What lies there in the clear, as whoever has the disk and its sealing key sees it. */
export interface Sealed {
  ecdhKeys: Uint8Array;
  shares: Uint8Array;
}

/** One pRuntime's. */
export class Disk {
  readonly identityKey: string;
  /** Its first one. */
  readonly ecdhKey: string;
  readonly sealed: Sealed;
  /** Whether what was signed is forgotten: its pRuntime then says what is due, whatever somebody says in its name. */
  forgets = false;
  readonly #identity: Uint8Array;
  #progress: ProgressRecord;
  #genesis: Uint8Array | null = null;
  #ledger: { readonly height: number; readonly bytes: Uint8Array } | null = null;

  constructor() {
    using identity = new IdentityKey(SECP256K1_SCALARS.random(), CURVE);
    using ecdhKeys = EcdhKeys.create(CURVE, 0);
    using shareholder = new Shareholder(identity.publicKey);
    this.identityKey = identity.publicKey;
    this.ecdhKey = ecdhKeys.pending!;
    this.#identity = identity.use((scalar) => scalar.slice());
    this.sealed = { ecdhKeys: copyOf(ecdhKeys.encode()), shares: copyOf(shareholder.encode()) };
    this.#progress = {
      genesisHash: null,
      head: null,
      saved: null,
      signed: 0,
      message: null,
      vouched: null,
      sequences: new MessageSequences().encode(),
    };
  }

  /** The last block that its pRuntime has acted on. */
  get height(): number {
    return this.#progress.head?.height ?? 0;
  }

  /** Its IdentityKey, which the caller disposes: for what a pRuntime signs that does not do what it should. */
  signer(): IdentityKey {
    return new IdentityKey(new Secret(this.#identity.slice()), CURVE);
  }

  /**
   * Starts a pRuntime on it.
   * @param beside - is called before and after each write, and may throw.
   * @returns `end` wipes its IdentityKey, as a kill does with all that it has.
   */
  start(beside: () => void): { readonly enclave: Enclave; readonly end: () => void } {
    const identity = this.signer();
    const write = (change: () => void): void => {
      beside();
      change();
      beside();
    };
    const files = {
      identity,
      software: true,
      readEcdhKeys: (overlap: number): EcdhKeys => {
        using encoded = new Secret(this.sealed.ecdhKeys.slice());
        return EcdhKeys.decode(CURVE, overlap, encoded);
      },
      writeEcdhKeys: (keys: EcdhKeys) => write(() => (this.sealed.ecdhKeys = copyOf(keys.encode()))),
      readShares: (): Shareholder => {
        using encoded = new Secret(this.sealed.shares.slice());
        return Shareholder.decode(this.identityKey, encoded);
      },
      writeShares: (shareholder: Shareholder) => write(() => (this.sealed.shares = copyOf(shareholder.encode()))),
      readProgress: () => this.#progress,
      writeProgress: (record: ProgressRecord) =>
        write(() => {
          this.#progress = record;
          if (this.forgets) Object.assign(record, FORGOTTEN);
        }),
      readGenesis: () => this.#genesis,
      writeGenesis: (bytes: Uint8Array) => write(() => (this.#genesis = bytes.slice())),
      readLedger: (height: number) => (this.#ledger?.height === height ? this.#ledger.bytes : null),
      writeLedger: (height: number, bytes: Uint8Array) => write(() => (this.#ledger = { height, bytes })),
      keepOnlyLedger: () => undefined,
      [Symbol.dispose]: () => identity[Symbol.dispose](),
    } satisfies { [K in keyof EnclaveFiles]: unknown } as unknown as EnclaveFiles;
    return { enclave: new Enclave(files, CURVE), end: () => identity[Symbol.dispose]() };
  }
}

function copyOf(encoded: Secret): Uint8Array {
  using secret = encoded;
  return secret.use((bytes) => bytes.slice());
}
