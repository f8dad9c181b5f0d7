/**
 * The pRuntime of an honest gatekeeper, as far as the MasterKey goes, with its host: it follows the chain some blocks late,
 * seals before it speaks, remembers what it has signed until the chain has it, and is killed at any step between.
 */
import { Shareholder } from "../../src/pruntime/shareholder.ts";
import type { Call } from "../../src/protocol/call.ts";
import type { Ledger } from "../../src/protocol/ledger.ts";
import { Secret } from "../../src/secret.ts";
import { idOf, identity, publicOf } from "../protocol/network.ts";

/** Where it is killed: after it has followed, sealed, decided what to say, or remembered that; or nowhere. */
export const KILLS = ["followed", "sealed", "decided", "remembered"] as const;
export type Kill = (typeof KILLS)[number];

/** A message of its IdentityKey. */
interface Signed {
  readonly call: Call;
  readonly sequence: number;
}

/** What survives it. */
interface Disk {
  /** What `Shareholder.encode` gave. */
  shares: Uint8Array | null;
  message: Signed | null;
  /** Height of the block that it last acted on. */
  height: number;
}

export class HonestPRuntime implements Disposable {
  readonly name: string;
  readonly identityKey: string;
  readonly disk: Disk = { shares: null, message: null, height: 0 };
  #memory: Shareholder | null;
  /** Whether the disk has its secrets as they are. */
  #sealed = true;

  /** @param name - the stash's. */
  constructor(name: string) {
    this.name = name;
    this.identityKey = publicOf(identity(name));
    this.#memory = new Shareholder(this.identityKey);
  }

  get isUp(): boolean {
    return this.#memory !== null;
  }

  /**
   * Does what a ledger asks for.
   * @param ledger - of no lower height than before.
   * @returns what it hands to its host; null when there is nothing to say, or it was killed.
   */
  act(ledger: Ledger, kill: Kill | null): Signed | null {
    const { disk } = this;
    const memory = this.#memory!;
    if (ledger.state.height < disk.height) throw new Error("a pRuntime was shown an older ledger than before");
    disk.height = ledger.state.height;
    if (memory.follow(ledger)) this.#sealed = false;
    if (kill === "followed") return this.kill();
    if (!this.#sealed) {
      using encoded = memory.encode();
      disk.shares = encoded.use((bytes) => bytes.slice());
      this.#sealed = true;
    }
    if (kill === "sealed") return this.kill();
    const sequence = ledger.state.accounts.get(idOf(identity(this.name)))!.sequence;
    if (disk.message !== null && disk.message.sequence === sequence) return disk.message;
    const call = memory.dueCall(ledger);
    if (call === null) return null;
    if (kill === "decided") return this.kill();
    disk.message = { call, sequence };
    return kill === "remembered" ? this.kill() : disk.message;
  }

  /** Only the disk is left. */
  kill(): null {
    this.#memory?.[Symbol.dispose]();
    this.#memory = null;
    this.#sealed = true;
    return null;
  }

  /** Begins again from what is on the disk. */
  restart(): void {
    this.kill();
    this.#memory = this.fromDisk();
  }

  /** What it would be if it began again from its disk now; the caller owns it. */
  fromDisk(): Shareholder {
    if (this.disk.shares === null) return new Shareholder(this.identityKey);
    using encoded = new Secret(this.disk.shares.slice());
    return Shareholder.decode(this.identityKey, encoded);
  }

  [Symbol.dispose](): void {
    this.kill();
  }
}
