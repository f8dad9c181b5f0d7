/**
 * What is left of a MasterKey that is abandoned: on disks, in memory, on the chain, in recorded traffic and in the store. Whoever has
 * all of it, with all keys that are alive then, opens nothing that was under it.
 */
import type { Effect } from "../../../src/protocol/effect.ts";
import type { State } from "../../../src/protocol/state.ts";
import { EcdhKeys } from "../../../src/pruntime/ecdh-keys.ts";
import { Secret } from "../../../src/secret.ts";
import { CURVE } from "../../protocol/network.ts";
import { ensure } from "../invariants.ts";
import { readSealed } from "../sealed-secrets.ts";
import type { LivePRuntime } from "./live-pruntime.ts";
import type { Machine } from "./machine.ts";
import type { Carried } from "./post.ts";

/** Who might have something left, and what is known of keys. */
export interface Remains {
  readonly pRuntimes: readonly LivePRuntime[];
  readonly byzantine: LivePRuntime | null;
  readonly machine: Machine;
  readonly carried: readonly Carried[];
}

export class Abandoned {
  readonly #remains: Remains;
  /** Rotation ids by the number of the key session. */
  readonly #generations = new Map<number, { readonly rotationId: number; readonly threshold: number }>();
  /** The first block of the abandonment that is under way. */
  #since = 0;
  /** Who was given up on, in this abandonment. */
  readonly #outstanding = new Set<string>();

  constructor(remains: Remains) {
    this.#remains = remains;
  }

  /** @param before, after - a block with these effects. @throws Error which says what is left. */
  async check(before: State, effects: readonly Effect[], after: State): Promise<void> {
    for (const { keySession } of [before, after])
      if (keySession !== null) this.#generations.set(keySession.epoch, keySession);
    for (const effect of effects) {
      if (effect.kind === "RotationAdvanced" && effect.phase === "abandonment")
        await this.#checkBegun(effect.rotationId, after);
      if (effect.kind === "SharesOutstanding") for (const key of effect.owing) this.#outstanding.add(key);
      if (effect.kind === "ShareDestroyed") {
        const { rotationId } = this.#generations.get(effect.epoch)!;
        // Said before the abandonment had begun, it is of a sharing that another has taken the place of.
        const isMeant = before.rotation?.phase === "abandonment" && rotationId === after.rotation?.from;
        if (isMeant) this.#checkDeclared(effect.identityKey, after, false);
      }
      if (effect.kind === "KeysDestroyed") this.#checkDeclared(effect.identityKey, after, true);
      if (effect.kind !== "MasterKeyAbandoned") continue;
      for (const key of effect.outstanding) this.#outstanding.add(key);
      await this.#checkGone(effect.rotationId, after);
    }
  }

  /** It does not come before all is done. */
  async #checkBegun(rotationId: number, state: State): Promise<void> {
    const { machine } = this.#remains;
    const { memory } = machine.inForce(state);
    this.#since = state.height;
    this.#outstanding.clear();
    ensure(
      (await memory.minimumRotationId()) === rotationId,
      "a MasterKey is abandoned that may still be written under",
    );
    const counts = await memory.countByRotationId();
    ensure(
      [...counts.keys()].every((id) => id === rotationId),
      "a MasterKey is abandoned that records are under",
    );
    ensure(machine.failures > 0 || (await memory.keptCount()) === 0, "kept pages are left");
  }

  /**
   * Who says that nothing is left has nothing, and never had in the memory that it has now.
   * @param ofContracts - whether it says so of keys of contracts: until the abandonment it had EcdhKeys that open them.
   */
  #checkDeclared(identityKey: string, { rotation, sharings }: State, ofContracts: boolean): void {
    const { byzantine, pRuntimes } = this.#remains;
    const pRuntime = pRuntimes.find((each) => each.identityKey === identityKey)!;
    if (rotation?.phase !== "abandonment" || pRuntime === byzantine) return;
    if (sharings.some(({ rotationId }) => rotationId === rotation.from)) return;
    this.#checkDisk(pRuntime, rotation.from);
    const { since, met } = pRuntime;
    const hadShares = [...met].some((epoch) => this.#generations.get(epoch)?.rotationId === rotation.from);
    const hadKeys = ofContracts && since !== null && since < this.#since;
    ensure(!hadShares && !hadKeys, "who declared has the memory that it had before");
  }

  async #checkGone(rotationId: number, state: State): Promise<void> {
    const { pRuntimes, byzantine, machine } = this.#remains;
    const left = new Map<number, number>();
    for (const pRuntime of pRuntimes) {
      if (pRuntime !== byzantine && !this.#outstanding.has(pRuntime.identityKey)) this.#checkDisk(pRuntime, rotationId);
      for (const { epoch } of readSealed(pRuntime.disk.sealed.shares).shares) {
        if (this.#generations.get(epoch)?.rotationId === rotationId) left.set(epoch, (left.get(epoch) ?? 0) + 1);
      }
    }
    for (const [epoch, shares] of left) {
      ensure(shares < Math.max(this.#generations.get(epoch)!.threshold, 1), "shares are left that make the MasterKey");
    }
    const { memory } = machine.inForce(state);
    const counts = await memory.countByRotationId();
    ensure(!counts.has(rotationId), "records are left under a MasterKey that is abandoned");
    for (const { body } of await memory.kept({ from: null, to: null }, null, 1)) {
      ensure(machine.failures > 0, `a kept page of ${body.length} bytes is left`);
    }
  }

  /** Neither shares, nor what opens what was dealt, nor what opens what was sent. */
  #checkDisk(pRuntime: LivePRuntime, rotationId: number): void {
    const { sealed, identityKey } = pRuntime.disk;
    const { shares, dealingKey } = readSealed(sealed.shares);
    const isOf = (epoch: number): boolean => this.#generations.get(epoch)?.rotationId === rotationId;
    ensure(!shares.some(({ epoch }) => isOf(epoch)), "a share is left of a MasterKey that is abandoned");
    ensure(dealingKey === null || !isOf(dealingKey.epoch), "a dealing key is left of a MasterKey that is abandoned");
    using encoded = new Secret(sealed.ecdhKeys.slice());
    using ecdhKeys = EcdhKeys.decode(CURVE, 0, encoded);
    for (const { to, ecdhKey, height } of this.#remains.carried) {
      if (to !== identityKey || height >= this.#since) continue;
      ensure(ecdhKeys.secretOf(ecdhKey) === undefined, "an EcdhKey is left that opens keys of an abandoned MasterKey");
    }
  }
}
