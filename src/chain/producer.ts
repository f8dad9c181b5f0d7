/** Makes the blocks of an embedded chain, with the authority's key. */
import { type ErrorCode, GatekeeperError } from "../errors.ts";
import { applyMessage, openBlock } from "../protocol/apply.ts";
import { type Block, hashHeader, hashMessages } from "../protocol/block.ts";
import { publicKeyOf, sign } from "../protocol/message.ts";
import type { Applied, Replica } from "../protocol/replica.ts";
import type { Secret } from "../secret.ts";
import type { EmbeddedChain, Refused } from "./embedded.ts";
import { catchUp } from "./follow.ts";

/** Blocks after which the state is kept anew; and with each election. */
const SNAPSHOT_BLOCKS = 1_000;

/** What a snapshot may fail with. */
const MAY_FAIL: ReadonlySet<ErrorCode> = new Set(["STORE_FULL", "STORE_BUSY", "IO_FAILED"]);

/** A block that was made, with what it did. */
export interface Produced extends Applied {
  readonly block: Block;
  /** Messages that are not in it, because they are refused. */
  readonly refused: number;
}

/** Makes blocks. */
export class Producer {
  readonly #chain: EmbeddedChain;
  readonly #replica: Replica;
  readonly #authority: Secret;

  /**
   * @param replica - of this chain; follows what is made.
   * @param authority - stays the caller's.
   * @throws GatekeeperError KEY_UNAVAILABLE when it is not the key of this chain's authority.
   */
  constructor(chain: EmbeddedChain, replica: Replica, authority: Secret) {
    this.#chain = chain;
    this.#replica = replica;
    this.#authority = authority;
    if (publicKeyOf(authority) !== chain.genesis.authority) {
      throw new GatekeeperError("KEY_UNAVAILABLE", `this key is not the authority's, ${chain.genesis.authority}`);
    }
  }

  /**
   * Makes the next block of the messages that wait; those that are refused leave the inbox with their reason. The block
   * is on disk when this returns.
   * @param now - milliseconds since 1970.
   * @param empty - whether a block is made without messages too.
   * @returns null if none was made.
   * @throws GatekeeperError as EmbeddedChain.append does; nothing was made then.
   */
  produce(now: number, empty: boolean): Produced | null {
    // Somebody else with the key may have made some.
    for (const _ of catchUp(this.#chain, this.#replica));
    const waiting = this.#chain.waiting();
    if (waiting.length === 0 && !empty) return null;
    const { ledger, authenticator, headHash } = this.#replica;
    const height = ledger.state.height + 1;
    const timestamp = Math.max(now, ledger.state.timestamp + 1);
    const draft = openBlock(ledger, { height, timestamp });
    const messages: Uint8Array[] = [];
    const taken: number[] = [];
    const refused: Refused[] = [];
    for (const [index, message] of authenticator.authenticate(waiting.map(({ bytes }) => bytes)).entries()) {
      const { id, bytes } = waiting[index]!;
      const reason = applyMessage(draft, message, messages.length);
      if (reason === null) {
        messages.push(bytes);
        taken.push(id);
      } else {
        refused.push({ id, reason });
      }
    }
    if (messages.length === 0 && !empty) {
      this.#chain.append(height, null, taken, refused);
      return null;
    }
    const next = ledger.with(draft.state);
    const messagesHash = hashMessages(messages);
    const header = { height, timestamp, parentHash: headHash, messagesHash, stateHash: next.stateHash() };
    const block = { header, signature: sign(this.#authority, hashHeader(header)), messages };
    if (!this.#chain.append(height, block, taken, refused)) return null;
    this.#replica.followOwn(block, next);
    const effects = draft.effects.filter(({ kind }) => kind !== "MessageRefused");
    // An election takes longer than anything else that a start would have to do again.
    if (height % SNAPSHOT_BLOCKS === 0 || effects.some(({ kind }) => kind === "StakersElected")) this.keepSnapshot();
    return { height, effects, block, refused: refused.length };
  }

  /** Keeps the state as it is, for a quick start; where there is no room for it, the next start takes longer. */
  keepSnapshot(): void {
    const { ledger } = this.#replica;
    try {
      this.#chain.keepSnapshot({ height: ledger.state.height, state: ledger.encode() });
    } catch (error) {
      if (!(error instanceof GatekeeperError) || !MAY_FAIL.has(error.code)) throw error;
    }
  }
}
