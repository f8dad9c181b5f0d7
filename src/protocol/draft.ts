/** A state on its way to the next one. Its tables never change, so a draft is copied and dropped at no cost. */
import type { PublicKey } from "./account.ts";
import type { Effect, FailureReason, Happening } from "./effect.ts";
import type { Genesis } from "./genesis.ts";
import type { Era, State } from "./state.ts";

/** What transitions work on: they replace fields of `state`, and tell what they did. */
export interface Draft {
  readonly genesis: Genesis;
  readonly genesisHash: Uint8Array;
  readonly state: { -readonly [K in keyof State]: State[K] };
  readonly effects: Effect[];
  /** Index of the message that is being applied. */
  index: number | null;
  /** Quotes that this block has had verified. A message that fails takes no part of this back. */
  quotes: number;
  /** Leases that this block has given. */
  leases: number;
  /** Whose elements and proofs this block has had verified. A message that fails takes no part of this back. */
  readonly proved: Set<PublicKey>;
}

/** Begins with a state; it is not changed. */
export function draftOf(genesis: Genesis, genesisHash: Uint8Array, state: State): Draft {
  return {
    genesis,
    genesisHash,
    state: { ...state },
    effects: [],
    index: null,
    quotes: 0,
    leases: 0,
    proved: new Set(),
  };
}

/** Adds to what there is to tell. */
export function tell({ effects, index }: Draft, happening: Happening): void {
  effects.push({ ...happening, index });
}

/** What a call ends with that can't be done; whoever catches it drops the draft. */
export class Failure extends Error {
  readonly reason: FailureReason;

  constructor(reason: FailureReason) {
    super(reason);
    this.reason = reason;
  }
}

/** @throws Failure with this reason unless the condition holds. */
export function ensure(condition: boolean, reason: FailureReason): asserts condition {
  if (!condition) throw new Failure(reason);
}

/**
 * Before elements and proofs of a message are verified: they cost what hundreds of messages cost, right or wrong. A pRuntime
 * says one thing at a time, so that one a block is enough for each; and nobody takes the place of another.
 * @throws Failure
 */
export function ensureFirstProof({ proved }: Draft, signer: PublicKey): void {
  ensure(!proved.has(signer), "TooManyProofs");
  proved.add(signer);
}

/** The era that is under way; none where gatekeepers are listed. */
export function activeEra({ state }: Draft): Era | undefined {
  return state.eras.at(-1);
}

/** Its number; 0 where there is none. */
export function activeEraIndex(draft: Draft): number {
  return activeEra(draft)?.index ?? 0;
}

/** The era that stake that is given now will stand for: the planned one, once there is one (`CurrentEra`). */
export function currentEraIndex(draft: Draft): number {
  return draft.state.planned?.index ?? activeEraIndex(draft);
}

/** Puts an era in the place of the one of its number. */
export function replaceEra({ state }: Draft, era: Era): void {
  state.eras = state.eras.map((each) => (each.index === era.index ? era : each));
}
