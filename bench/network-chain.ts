/** The chain of a network that is measured: what its blocks tell, and when they were made. */
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../dist/bytes.js";
import { readAccountKey } from "../dist/chain/account-key.js";
import type { EmbeddedChain } from "../dist/chain/embedded.js";
import { catchUp, openReplica } from "../dist/chain/follow.js";
import { accountOf } from "../dist/protocol/account.js";
import type { Call } from "../dist/protocol/call.js";
import { replicaCurve } from "../dist/protocol/curve.js";
import type { Effect } from "../dist/protocol/effect.js";
import { accountSigner, signMessage } from "../dist/protocol/message.js";
import type { Replica } from "../dist/protocol/replica.js";

const PATIENCE_MILLISECONDS = 900_000;
const POLL_MILLISECONDS = 50;

/** Something that a block told. */
interface Told {
  readonly effect: Effect;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** A chain as it goes on. */
export class FollowedChain {
  readonly replica: Replica;
  readonly #chain: EmbeddedChain;
  #told: Told[] = [];
  #leftAlone = false;

  /** @param chain - lent. */
  constructor(chain: EmbeddedChain) {
    this.#chain = chain;
    // The processes that are measured verify it, each of them: one more would take from them what processors there are.
    this.replica = openReplica(chain, Object.assign(replicaCurve(), { invalidSignatures: () => [] }));
  }

  /** Looks at the blocks that came since. */
  look(): void {
    for (const { effects } of catchUp(this.#chain, this.replica)) {
      for (const effect of effects) this.#told.push({ effect, time: this.replica.ledger.state.timestamp });
    }
  }

  /** Until it is disposed, who waits for something does not look himself: whoever has this does. */
  leftAlone(): Disposable {
    this.#leftAlone = true;
    return { [Symbol.dispose]: () => (this.#leftAlone = false) };
  }

  /** Of what was told before now nothing is looked up any more. */
  forget(): void {
    this.look();
    this.#told = [];
  }

  /** Waits until something of a kind was told that is as it should be. @returns the first. @throws Error if it takes too long. */
  async for<K extends Effect["kind"]>(
    kind: K,
    isIt: (effect: Extract<Effect, { readonly kind: K }>) => boolean = () => true,
  ): Promise<Extract<Effect, { readonly kind: K }>> {
    const found = (): Extract<Effect, { readonly kind: K }> | undefined =>
      this.#told
        .map(({ effect }) => effect as Extract<Effect, { readonly kind: K }>)
        .find((effect) => effect.kind === kind && isIt(effect));
    await until(kind, async () => {
      if (!this.#leftAlone) this.look();
      return found() !== undefined;
    });
    return found()!;
  }

  /** Milliseconds since 1970 of the block that told the first of a kind, or the last. */
  timeOf(kind: Effect["kind"], last = false): number {
    const told = this.#told.filter(({ effect }) => effect.kind === kind);
    return (last ? told.at(-1) : told[0])!.time;
  }

  /** Waits until the chain has the EcdhKey of each of these contracts. @param ids - theirs. @throws Error if it takes too long. */
  async ecdhKeysOf(ids: readonly Uint8Array[]): Promise<void> {
    const names = ids.map(toHex);
    await until("EcdhKeys of contracts", async () => {
      this.look();
      const { contracts } = this.replica.ledger.state;
      return names.every((name) => (contracts.get(name)?.ecdhKey ?? null) !== null);
    });
  }

  /** @param keyFile - of the account that sends them. */
  submit(keyFile: string, calls: readonly Call[]): void {
    this.look();
    const { ledger } = this.replica;
    using key = readAccountKey(keyFile);
    const signer = accountSigner(key);
    const sequence = ledger.state.accounts.get(accountOf(signer.publicKey))!.sequence;
    for (const [at, call] of calls.entries()) {
      this.#chain.submit(signMessage(signer, ledger.genesisHash, sequence + at, call));
    }
  }
}

/** @throws Error if it takes too long. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MILLISECONDS;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`no ${what} in time`);
    await sleep(POLL_MILLISECONDS);
  }
}
