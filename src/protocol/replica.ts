/**
 * A ledger that follows a chain of signed blocks and believes none of them: height, time, parent, authority, messages and
 * the state that comes out are checked. Signatures are verified for many blocks at once, ahead of the ledger.
 */
import type { Secp256k1 } from "../engine/secp256k1.ts";
import { fromHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import type { PublicKey } from "./account.ts";
import { apply } from "./apply.ts";
import { Authenticator } from "./authenticate.ts";
import { BLOCK_BYTES_MAX, type Block, hashHeader, hashMessages } from "./block.ts";
import type { Effect } from "./effect.ts";
import type { Ledger } from "./ledger.ts";
import { hasLowS } from "./message.ts";

/** A block's effects, with its height. */
export interface Applied {
  readonly height: number;
  readonly effects: readonly Effect[];
}

/** Follows a chain. */
export class Replica {
  readonly #curve: Secp256k1;
  readonly #authenticator: Authenticator;
  #ledger: Ledger;
  #headHash: Uint8Array;

  /**
   * @param curve - of compressed points.
   * @param ledger - where to begin.
   * @param headHash - of the block that it is after; the genesis hash before the first.
   */
  constructor(curve: Secp256k1, ledger: Ledger, headHash: Uint8Array = ledger.genesisHash) {
    this.#curve = curve;
    this.#authenticator = new Authenticator(curve, ledger.genesisHash);
    this.#ledger = ledger;
    this.#headHash = headHash;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Hash of the block that the ledger is after. */
  get headHash(): Uint8Array {
    return this.#headHash;
  }

  /** What reads the messages of this chain. */
  get authenticator(): Authenticator {
    return this.#authenticator;
  }

  /**
   * Follows the next blocks, up to the first that is not right: those before it were followed.
   * @returns what they did.
   * @throws GatekeeperError BLOCK_INVALID, with `height` and what is wrong as `reason`.
   */
  follow(blocks: readonly Block[]): Applied[] {
    const hashes = blocks.map(({ header }) => hashHeader(header));
    const unsigned = unsignedBlocks(this.#curve, this.#ledger.genesis.authority, blocks, hashes);
    const messages = this.#authenticator.authenticate(blocks.flatMap((block) => block.messages));
    const applied: Applied[] = [];
    let at = 0;
    for (const [index, block] of blocks.entries()) {
      const { height, timestamp } = block.header;
      this.#check(block, unsigned.has(index));
      const own = messages.slice(at, at + block.messages.length);
      at += own.length;
      const next = apply(this.#ledger, { height, timestamp, messages: own });
      this.#advance(block, hashes[index]!, next.ledger);
      applied.push({ height, effects: next.effects });
    }
    return applied;
  }

  /**
   * Follows the next block, whose state its maker has computed already.
   * @throws GatekeeperError BLOCK_INVALID, as follow does.
   */
  followOwn(block: Block, next: Ledger): void {
    const hash = hashHeader(block.header);
    const unsigned = unsignedBlocks(this.#curve, this.#ledger.genesis.authority, [block], [hash]);
    this.#check(block, unsigned.size > 0);
    this.#advance(block, hash, next);
  }

  #advance({ header }: Block, hash: Uint8Array, next: Ledger): void {
    if (!same(next.stateHash(), header.stateHash)) throw wrong(header.height, "stateHash");
    this.#ledger = next;
    this.#headHash = hash;
  }

  #check({ header, messages }: Block, unsigned: boolean): void {
    const { height, timestamp, parentHash, messagesHash } = header;
    const { state } = this.#ledger;
    const bytes = messages.reduce((sum, message) => sum + message.length, 0);
    if (height !== state.height + 1) throw wrong(height, "height");
    if (!same(parentHash, this.#headHash)) throw wrong(height, "parentHash");
    if (timestamp <= state.timestamp) throw wrong(height, "timestamp");
    if (unsigned) throw wrong(height, "signature");
    if (bytes > BLOCK_BYTES_MAX) throw wrong(height, "size");
    if (!same(hashMessages(messages), messagesHash)) throw wrong(height, "messagesHash");
  }
}

/**
 * Which blocks are not signed by the authority, by index.
 * @param hashes - of their headers.
 */
export function unsignedBlocks(
  curve: Secp256k1,
  authority: PublicKey,
  blocks: readonly Block[],
  hashes: readonly Uint8Array[],
): ReadonlySet<number> {
  const keys = Buffer.concat(blocks.map(() => fromHex(authority, "the authority")));
  const signatures = Buffer.concat(blocks.map(({ signature }) => signature));
  const unsigned = new Set(curve.invalidSignatures(Buffer.concat(hashes), signatures, keys));
  for (const [index, { signature }] of blocks.entries()) if (!hasLowS(signature)) unsigned.add(index);
  return unsigned;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function wrong(height: number, reason: string): GatekeeperError {
  return new GatekeeperError(
    "BLOCK_INVALID",
    `block ${height} does not follow: its ${reason} is wrong; it is not of this chain, or was altered`,
    { height, reason },
  );
}
