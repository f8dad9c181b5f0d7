/** The chain of a local network, followed by a test: what has happened on it, and sending calls of its operators and governance. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readAccountKey } from "../../src/chain/account-key.ts";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { catchUp, openReplica } from "../../src/chain/follow.ts";
import { sendCall } from "../../src/chain/send.ts";
import type { Call } from "../../src/protocol/call.ts";
import { replicaCurve } from "../../src/protocol/curve.ts";
import type { Effect } from "../../src/protocol/effect.ts";
import type { Genesis } from "../../src/protocol/genesis.ts";
import { accountSigner } from "../../src/protocol/message.ts";
import type { Replica } from "../../src/protocol/replica.ts";
import type { State } from "../../src/protocol/state.ts";
import { plainJson } from "../../src/cli/plain-json.ts";

const POLL_MILLISECONDS = 50;

/** Follows as far as it is asked. Dispose closes its connection. */
export class WatchedChain implements Disposable {
  /** All that was told since the first block, but for messages that were done. */
  readonly told: Effect[] = [];
  readonly #folder: string;
  readonly #chain: EmbeddedChain;
  readonly #replica: Replica;

  /** @param folder - the network's, which has just been made. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
    this.#replica = openReplica(this.#chain, replicaCurve());
  }

  get genesis(): Genesis {
    return this.#chain.genesis;
  }

  get genesisHash(): Uint8Array {
    return this.#replica.ledger.genesisHash;
  }

  get state(): State {
    return this.#replica.ledger.state;
  }

  /** What there is of a kind. */
  all<K extends Effect["kind"]>(kind: K): Extract<Effect, { readonly kind: K }>[] {
    this.follow();
    return this.told.filter((effect): effect is Extract<Effect, { readonly kind: K }> => effect.kind === kind);
  }

  /** Takes in the blocks that are there. */
  follow(): void {
    for (const { effects } of catchUp(this.#chain, this.#replica)) {
      this.told.push(...effects.filter(({ kind }) => kind !== "MessageDone"));
    }
  }

  /** Waits until something is so. @throws Error with what was told last, when it takes too long. */
  async until(isSo: () => boolean | Promise<boolean>, milliseconds: number): Promise<void> {
    const end = Date.now() + milliseconds;
    for (;;) {
      this.follow();
      if (await isSo()) return;
      if (Date.now() > end) throw new Error(`it did not come to that: ${this.#describe()}`);
      await sleep(POLL_MILLISECONDS);
    }
  }

  /** Has a call sent by whoever has a key below the network's folder, such as `governance.key`; waits for its block. */
  async send(keyFile: string, call: Call): Promise<void> {
    using chain = EmbeddedChain.open(join(this.#folder, "chain.sqlite"));
    using key = readAccountKey(join(this.#folder, keyFile));
    const replica = openReplica(chain, replicaCurve());
    await sendCall(chain, replica, accountSigner(key), call, AbortSignal.timeout(60_000));
  }

  /** Deploys a contract that the last of the workers runs. @returns its id, when it has keys. */
  async deploy(name: string, milliseconds: number): Promise<string> {
    const { identityKey } = this.genesis.workers.at(-1)!;
    const before = this.all("ContractDeployed").length;
    await this.send("worker-1/operator.key", {
      tag: "deployContract",
      value: { name: Buffer.from(name, "utf8"), worker: identityKey },
    });
    this.follow();
    const { contract } = this.all("ContractDeployed")[before]!;
    await this.until(() => this.all("ContractKeyPublished").some((each) => each.contract === contract), milliseconds);
    return contract;
  }

  [Symbol.dispose](): void {
    this.#chain[Symbol.dispose]();
  }

  #describe(): string {
    const last = this.told.slice(-30);
    const { height, rotation } = this.state;
    return JSON.stringify(plainJson({ height, rotation, last }));
  }
}
