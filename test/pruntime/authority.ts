/** The authority of a chain in memory: it makes blocks, honest ones and others, and forks. */
import { apply } from "../../src/protocol/apply.ts";
import { Authenticator } from "../../src/protocol/authenticate.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import { type Block, type Header, encodeBlock, hashHeader, hashMessages } from "../../src/protocol/block.ts";
import type { Call, Registration } from "../../src/protocol/call.ts";
import { type Genesis, encodeGenesis } from "../../src/protocol/genesis.ts";
import { Ledger } from "../../src/protocol/ledger.ts";
import { Ecdsa } from "../../src/keys/ecdsa.ts";
import { signMessage } from "../../src/protocol/message.ts";
import { CURVE, genesisOf, idOf, keyOf, outcomes, publicOf, signerOf } from "../protocol/network.ts";

const ECDSA = new Ecdsa(CURVE);

/** The keys of a pRuntime that the chain begins with. */
export interface Keys {
  readonly identityKey: string;
  readonly ecdhKey: string;
}

/** A genesis with these pRuntimes, of which some act as gatekeepers; sessions of two blocks, EcdhKeys of six. */
export function enclaveGenesis(workers: readonly Keys[], changes: Partial<Genesis> = {}): Genesis {
  return genesisOf({
    gatekeepers: { tag: "listed", value: workers.slice(0, 1).map(({ identityKey }) => identityKey) },
    ecdhKeys: { interval: 6, overlap: 3 },
    workers: workers.map((keys) => ({ ...keys, operator: idOf("rich"), endpoint: null })),
    stakers: [],
    ...changes,
  });
}

/** What another authority, or an altered block, has in the place of what is right. */
interface Forgery {
  readonly header?: Partial<Header>;
  /** Name of the key that signs. */
  readonly by?: string;
  /** The messages that come with the header. */
  readonly messages?: readonly Uint8Array[];
}

/** A chain of one authority. */
export class Authority {
  readonly genesis: Uint8Array;
  ledger: Ledger;
  /** From the first on. */
  readonly blocks: Uint8Array[] = [];
  /** What became of each message of the last block, by its place: "done", or why not. */
  outcomes: readonly string[] = [];
  /** What the last block did. */
  effects: readonly Effect[] = [];
  readonly #authenticator: Authenticator;
  #headHash: Uint8Array;

  constructor(genesis: Genesis) {
    this.genesis = encodeGenesis(genesis);
    this.ledger = Ledger.atGenesis(genesis);
    this.#headHash = this.ledger.genesisHash;
    this.#authenticator = new Authenticator(CURVE, this.ledger.genesisHash);
  }

  get height(): number {
    return this.ledger.state.height;
  }

  /** The same chain up to here, that goes on by itself. */
  fork(): Authority {
    const fork = new Authority(this.ledger.genesis);
    fork.ledger = this.ledger;
    fork.blocks.push(...this.blocks);
    fork.#headHash = this.#headHash;
    return fork;
  }

  /** Makes a block of these messages. */
  block(messages: readonly Uint8Array[] = [], milliseconds = 6_000): Uint8Array {
    const { block, ledger, effects } = this.#next(messages, milliseconds);
    this.ledger = ledger;
    this.#headHash = hashHeader(block.header);
    this.outcomes = outcomes(effects);
    this.effects = effects;
    this.blocks.push(encodeBlock(block));
    return this.blocks.at(-1)!;
  }

  /** Makes empty blocks up to a height, and gives all that were made. */
  to(height: number): Uint8Array[] {
    const from = this.blocks.length;
    while (this.height < height) this.block();
    return this.blocks.slice(from);
  }

  /** What the next block would be, but for something; it is not appended. */
  forged({ header = {}, by = "authority", messages }: Forgery, milliseconds = 6_000): Uint8Array {
    const { block } = this.#next([], milliseconds);
    const altered = { ...block.header, ...header };
    return encodeBlock({
      header: altered,
      signature: ECDSA.sign(keyOf(by), hashHeader(altered)),
      messages: messages ?? block.messages,
    });
  }

  /** A message of whoever has the key of that name. */
  message(name: string, call: Call, ahead = 0): Uint8Array {
    const sequence = (this.ledger.state.accounts.get(idOf(name))?.sequence ?? 0) + ahead;
    return signMessage(signerOf(name), this.ledger.genesisHash, sequence, call);
  }

  transfer(amount = 1_000n): Uint8Array {
    return this.message("rich", { tag: "transfer", value: { to: idOf("a"), amount } });
  }

  /** Makes a block with a registration, and says what became of it. */
  register(value: Registration, operator = "rich"): string {
    this.block([this.message(operator, { tag: "registerWorker", value })]);
    return this.outcomes[0]!;
  }

  #next(messages: readonly Uint8Array[], milliseconds: number) {
    const { state } = this.ledger;
    const { height, timestamp } = { height: state.height + 1, timestamp: state.timestamp + milliseconds };
    const { ledger, effects } = apply(this.ledger, {
      height,
      timestamp,
      messages: this.#authenticator.authenticate(messages),
    });
    const header: Header = {
      height,
      parentHash: this.#headHash,
      timestamp,
      messagesHash: hashMessages(messages),
      stateHash: ledger.stateHash(),
    };
    const block: Block = { header, signature: ECDSA.sign(keyOf("authority"), hashHeader(header)), messages };
    return { block, ledger, effects };
  }
}

/** A pRuntime that is on a chain's list, and that nobody runs. */
export const STRANGER: Keys = { identityKey: publicOf("stranger"), ecdhKey: publicOf("stranger/ecdh") };
