/**
 * What the states of contracts must be: what was acknowledged last, or what was asked for since and may have been done. After
 * every block all of the store is read by whoever knows all keys (known-keys.ts), and held against it.
 */
import type { ContractName, StateStore } from "../../../src/store/store.ts";
import { parse } from "../../rotation/page-records.ts";
import { ensure } from "../invariants.ts";
import { type KnownKeys, headOf } from "./known-keys.ts";

const EVERYTHING = { from: null, to: null };
const ALL_BYTES = 2 ** 30;
/** Letters of a contract's id before a key. */
const ID_LENGTH = 32;

/** Whether a state is one of some. */
type IsMeant = (contract: Uint8Array, key: Uint8Array) => boolean;

/** A value, or null where there is none. */
export type Value = string | null;

/** One state of a contract. */
interface Known {
  /** What it may be: more than one after a write that was not acknowledged. */
  possible: Set<Value>;
  /** What it could also be, if the machine lost what somebody has read. */
  readonly doubted: Set<Value>;
  /** Values that somebody began to write, in order. */
  readonly begun: Value[];
  isBusy: boolean;
  /** Who does not do what he should has altered it, in the rotation that is under way; null: nobody has. */
  altered: Alteration | null;
}

/** What was done to a state by who re-encrypted it. */
export interface Alteration {
  readonly what: string;
  /** Whether it can't be known any more that it was there, once somebody writes in its page. */
  readonly isForgettable: boolean;
  /** Whether somebody has written in that page, or it, since. */
  isWritten: boolean;
}

/** A write that is under way. */
export interface Pending {
  readonly known: Known;
  readonly value: Value;
}

/** A read that is under way. */
export interface Reading {
  /** What it may give; null where somebody has altered the state. */
  readonly allowed: () => readonly Value[] | null;
  /** What it has given: where nobody has written since it began, it is that for good. */
  readonly was: (value: Value) => void;
}

export class States {
  readonly #keys: KnownKeys;
  /** By contract and key. */
  readonly #known = new Map<string, Known>();

  constructor(keys: KnownKeys) {
    this.#keys = keys;
  }

  /** Whether nobody writes a state now. */
  isFree(contract: ContractName, key: string): boolean {
    return this.#of(contract.id, key).isBusy === false;
  }

  /** Somebody writes a state. */
  begin(contract: ContractName, key: string, value: Value): Pending {
    const known = this.#of(contract.id, key);
    known.isBusy = true;
    known.possible.add(value);
    known.begun.push(value);
    return { known, value };
  }

  /** It was acknowledged. */
  acknowledge({ known, value }: Pending): void {
    known.isBusy = false;
    known.possible = new Set([value]);
    known.doubted.clear();
    if (known.altered !== null) known.altered.isWritten = true;
  }

  /** It came to nothing, or its writer died: nobody knows. */
  leave({ known }: Pending): void {
    known.isBusy = false;
  }

  /** What a state may be read as between now and when that was done. */
  reading(contract: ContractName, key: string): Reading {
    const known = this.#of(contract.id, key);
    const [before, from, wasBusy] = [[...known.possible], known.begun.length, known.isBusy];
    const wasAltered = known.altered !== null;
    return {
      allowed: () => (wasAltered || known.altered !== null ? null : [...before, ...known.begun.slice(from)]),
      was: (value) => {
        if (wasBusy || known.isBusy || known.begun.length > from) return;
        for (const other of known.possible) if (other !== value) known.doubted.add(other);
        known.possible = new Set([value]);
      },
    };
  }

  /** The machine has lost what was not synced, perhaps what somebody has read. */
  losePower(): void {
    for (const { possible, doubted } of this.#known.values()) {
      for (const value of doubted) possible.add(value);
      doubted.clear();
    }
  }

  /** Who re-encrypts a state alters it. */
  alter(contract: Uint8Array, key: Uint8Array, what: string, isForgettable: boolean): Alteration {
    const known = this.#of(contract, Buffer.from(key).toString("latin1"));
    known.altered = { what, isForgettable, isWritten: false };
    return known.altered;
  }

  /** A value that a state had before the one that was written last; null where there was none. */
  earlier(contract: Uint8Array, key: Uint8Array): Value {
    const { begun } = this.#of(contract, Buffer.from(key).toString("latin1"));
    return begun.findLast((value, at) => value !== null && at < begun.length - 1) ?? null;
  }

  /** States of a contract that were deleted, with the last value that each had. */
  deleted(contract: Uint8Array): { readonly key: Uint8Array; readonly text: string }[] {
    const prefix = Buffer.from(contract).toString("latin1");
    return [...this.#known].flatMap(([name, { possible, begun }]) => {
      const text = begun.findLast((value) => value !== null);
      const isGone = name.startsWith(prefix) && possible.size === 1 && possible.has(null);
      return isGone && text != null ? [{ key: Buffer.from(name.slice(prefix.length), "latin1"), text }] : [];
    });
  }

  /** A page of a contract is written: what was altered in it may be forgotten. */
  wrote(contract: Uint8Array): void {
    const prefix = Buffer.from(contract).toString("latin1");
    for (const [name, { altered }] of this.#known) {
      if (altered !== null && name.startsWith(prefix)) altered.isWritten = true;
    }
  }

  /** Whatever was altered is found by now, and put right. */
  endAlterations(): void {
    for (const known of this.#known.values()) {
      if (known.altered?.isForgettable === true && known.altered.isWritten) known.possible.add(null);
      known.altered = null;
    }
  }

  /**
   * Reads the store.
   * @param inForce - generations whose keys there are.
   * @param isMeant - which states it is to have; absent: all.
   * @throws Error which says what is not as it must be.
   */
  async check(store: StateStore, inForce: readonly number[], isMeant?: IsMeant): Promise<void> {
    const found = new Set<Known>();
    /** Of what was altered, what is there all the same. */
    const recoverable = new Set<Known>();
    const counts = new Map<number, number>();
    const pages = await store.scan(EVERYTHING, null, ALL_BYTES);
    for (const [at, page] of pages.entries()) {
      const next = pages[at + 1];
      const end = next !== undefined && Buffer.compare(next.contract, page.contract) === 0 ? next.lowerBound : null;
      for (const { key, sealed } of parse(page.body)) {
        if (isMeant?.(page.contract, key) === false) continue;
        const isInside = Buffer.compare(key, page.lowerBound) >= 0 && (end === null || Buffer.compare(key, end) < 0);
        ensure(isInside, "a record lies outside of its page");
        const { rotationId } = headOf(sealed);
        counts.set(rotationId, (counts.get(rotationId) ?? 0) + 1);
        const name = Buffer.from(key).toString("latin1");
        const known = this.#of(page.contract, name);
        ensure(!found.has(known), `${name} is there twice`);
        found.add(known);
        if (known.altered !== null) {
          const value = inForce.includes(rotationId) ? this.#keys.open(page.contract, key, sealed) : null;
          if (value !== null && known.possible.has(value)) recoverable.add(known);
          continue;
        }
        ensure(inForce.includes(rotationId), `${name} is under MasterKey ${rotationId}, which is not in force`);
        const value = this.#keys.open(page.contract, key, sealed);
        ensure(value !== null, `${name} can't be read`);
        ensure(
          known.possible.has(value),
          `${name} is ${brief(value)}, not ${[...known.possible].map(brief).join(" or ")}`,
        );
      }
    }
    for (const [name, known] of this.#known) {
      if (found.has(known) || known.altered !== null || known.possible.has(null)) continue;
      const [contract, key] = [name.slice(0, ID_LENGTH), name.slice(ID_LENGTH)].map((each) =>
        Buffer.from(each, "latin1"),
      );
      if (isMeant?.(contract!, key!) === false) continue;
      throw new Error(`${name.slice(ID_LENGTH)} is gone; it was ${[...known.possible].map(brief).join(" or ")}`);
    }
    if ([...this.#known.values()].some(({ altered }) => altered !== null)) {
      await this.#checkAltered(store, inForce, recoverable);
    }
    if (isMeant !== undefined) return;
    const told = [...(await store.countByRotationId())].join("; ");
    ensure(told === [...counts].sort(([a], [b]) => a - b).join("; "), `the store counts ${told}`);
  }

  /** What somebody has altered is not lost: what it was is kept aside, and a key is in force that opens it. */
  async #checkAltered(store: StateStore, inForce: readonly number[], recoverable: Set<Known>): Promise<void> {
    for (const { contract, body } of await store.kept(EVERYTHING, null, ALL_BYTES)) {
      for (const { key, sealed } of parse(body)) {
        const known = this.#of(contract, Buffer.from(key).toString("latin1"));
        if (known.altered === null || !inForce.includes(headOf(sealed).rotationId)) continue;
        const value = this.#keys.open(contract, key, sealed);
        if (value !== null && known.possible.has(value)) recoverable.add(known);
      }
    }
    for (const [name, known] of this.#known) {
      const { altered, possible } = known;
      if (altered === null || recoverable.has(known) || possible.has(null)) continue;
      if (altered.isForgettable && altered.isWritten) continue;
      throw new Error(`${name.slice(32)} is lost: ${altered.what}`);
    }
  }

  #of(contract: Uint8Array, key: string): Known {
    const name = `${Buffer.from(contract).toString("latin1")}${key}`;
    let known = this.#known.get(name);
    if (known === undefined) {
      known = { possible: new Set([null]), doubted: new Set(), begun: [], isBusy: false, altered: null };
      this.#known.set(name, known);
    }
    return known;
  }
}

const brief = (value: Value): string => (value === null ? "nothing" : value.slice(0, 24).trimEnd());
