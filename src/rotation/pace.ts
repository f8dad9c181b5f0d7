/** A limit of bytes a second, for work that must leave room for others. */
import { setTimeout as sleep } from "node:timers/promises";
import { checkAtLeastOne } from "../store/commit.ts";

/** Time, as a pace sees it. */
export interface Clock {
  /** Milliseconds since any moment; never goes back. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** This process's monotonic clock. */
const MONOTONIC_CLOCK: Clock = {
  now: () => performance.now(),
  sleep: (milliseconds) => sleep(milliseconds),
};

/** No longer than this in one sleep, so that a stop is heard. */
const SLEEP_MS = 200;

/** A token bucket that holds one second's bytes. What is spent beyond that is a debt, which is waited for. */
export class Pace {
  readonly #bytesPerSecond: number;
  readonly #clock: Clock;
  #bytes: number;
  #at: number;

  /** @throws GatekeeperError INVALID_ARGUMENT unless it is a whole number of at least 1. */
  constructor(bytesPerSecond: number, clock: Clock = MONOTONIC_CLOCK) {
    checkAtLeastOne(bytesPerSecond, "bytes a second");
    this.#bytesPerSecond = bytesPerSecond;
    this.#clock = clock;
    this.#bytes = bytesPerSecond;
    this.#at = clock.now();
  }

  /** Takes note of work that was done. */
  spend(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** Waits until no debt is left, or until told to stop. */
  async wait(stopped: () => boolean): Promise<void> {
    for (;;) {
      const now = this.#clock.now();
      const gained = ((now - this.#at) * this.#bytesPerSecond) / 1_000;
      this.#bytes = Math.min(this.#bytesPerSecond, this.#bytes + gained);
      this.#at = now;
      if (this.#bytes >= 0 || stopped()) return;
      await this.#clock.sleep(Math.min(SLEEP_MS, Math.ceil((-this.#bytes * 1_000) / this.#bytesPerSecond)));
    }
  }
}
