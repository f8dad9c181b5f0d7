/**
 * What a host knows of the chain by itself: a replica of the ledger that follows whatever is there, and what becomes of the
 * network's keys, as blocks say it.
 */
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { beginReplica } from "../chain/follow.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Happening } from "../protocol/effect.ts";
import type { Replica } from "../protocol/replica.ts";
import type { State } from "../protocol/state.ts";

const POLL_MILLISECONDS = 20;

/** What becomes of MasterKeys and of who holds and uses them, of the store, and of rotations. */
const KEY_HAPPENINGS = [
  ...(["GatekeeperChange", "HandoverFailed", "Launched", "Convicted"] as const),
  ...(["KeySessionStarted", "KeySessionAdvanced", "KeySessionAborted", "SharingAdopted"] as const),
  ...(["ShareConfirmed", "ShareDestroyed", "SharesOutstanding"] as const),
  ...(["ContractDeployed", "ContractAssigned", "ContractKeyPublished"] as const),
  ...(["StoreAnnounced", "StoreSet", "RotationIntervalSet", "RotationWorkerSet", "RotationOrdered"] as const),
  ...(["MigrationOrdered", "MigrationCancelled"] as const),
  ...(["RotationStarted", "RotationAborted", "SwitchPlanned", "MasterPubkeyRotated"] as const),
  ...(["RotationRestarted", "RotationAdvanced", "RotationLate"] as const),
  ...([
    "PartitionsRecorded",
    "PartitionPromised",
    "PartitionLeased",
    "LeaseExpired",
    "PartitionSwept",
    "PartitionBlocked",
  ] as const),
  ...(["PartitionJudged", "PartitionReopened", "QuarantineOrdered"] as const),
  ...(["RotationCertified", "StoreCompacted", "KeysDestroyed", "MasterKeyAbandoned", "AbandonmentClosed"] as const),
] as const;
const KEY_KINDS: ReadonlySet<string> = new Set(KEY_HAPPENINGS);

/** Such a happening. */
export type KeyHappening = Extract<Happening, { readonly kind: (typeof KEY_HAPPENINGS)[number] }>;
/** One, with the block that it happened in. */
export type KeyEvent = KeyHappening & { readonly height: number };

/** Whether it is one. */
export function isKeyHappening(happening: Happening): happening is KeyHappening {
  return KEY_KINDS.has(happening.kind);
}

/** Follows a chain, whoever asks it; its replica is this host's own. */
export class ChainWatch {
  readonly #chain: EmbeddedChain;
  #replica: Replica | null = null;
  #following: Promise<Replica> | null = null;
  /** What has not been told yet; null while nobody is told anything. */
  #events: KeyEvent[] | null = null;

  /** @param chain - lent. */
  constructor(chain: EmbeddedChain) {
    this.#chain = chain;
  }

  /**
   * The ledger's state after the last block that is there.
   * @throws GatekeeperError STORE_*, BLOCK_INVALID, GENESIS_INVALID.
   */
  async state(): Promise<State> {
    this.#following ??= this.#follow().finally(() => {
      this.#following = null;
    });
    return (await this.#following).ledger.state;
  }

  /**
   * Tells what becomes of the network's keys until the signal fires: from the blocks on that are not there yet. What was before,
   * rotation-history.ts can tell.
   * @throws GatekeeperError as `state`; and what `tell` throws.
   */
  async run(tell: (event: KeyEvent) => Promise<void>, signal: AbortSignal): Promise<void> {
    await this.state();
    const events: KeyEvent[] = [];
    this.#events = events;
    while (!signal.aborted) {
      await this.state();
      for (const event of events.splice(0)) await tell(event);
      await sleep(POLL_MILLISECONDS, undefined, { signal }).catch(() => undefined);
    }
    this.#events = null;
  }

  /** A few MiB of blocks at a time, so that nothing else here waits for long. */
  async #follow(): Promise<Replica> {
    this.#replica ??= beginReplica(this.#chain, replicaCurve());
    const replica = this.#replica;
    for (;;) {
      const blocks = this.#chain.blocks(replica.ledger.state.height + 1);
      if (blocks.length === 0) return replica;
      for (const { height, effects } of replica.follow(blocks)) {
        if (this.#events === null) continue;
        for (const { index: _, ...happening } of effects) {
          if (isKeyHappening(happening)) this.#events.push({ ...happening, height });
        }
      }
      await turn();
    }
  }
}
