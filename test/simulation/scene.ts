/** What a Byzantine gatekeeper knows when it speaks, and what it says. */
import { fromHex } from "../../src/bytes.ts";
import type { DealingTerms } from "../../src/keys/dealing.ts";
import type { Group } from "../../src/keys/group.ts";
import type { Share } from "../../src/keys/shamir.ts";
import type { Secret } from "../../src/secret.ts";
import type { Call } from "../../src/protocol/call.ts";
import { type KeySession, type KeySessionPhase, dealersOf } from "../../src/protocol/key-session.ts";
import { ledgerGroup, termsOf } from "../../src/protocol/key-terms.ts";
import type { Ledger } from "../../src/protocol/ledger.ts";
import type { Seeded } from "../slow/seeded.ts";

type CallOf<T extends Call["tag"]> = Extract<Call, { readonly tag: T }>;
export type Registering = CallOf<"registerDealingKey">;
export type Dealt = CallOf<"deal">;
export type Judging = CallOf<"judgeDealings">;
export type Confirming = CallOf<"confirmShare">;

/** A call that somebody made. */
export interface Heard {
  /** The IdentityKey. */
  readonly signer: string;
  readonly call: Call;
}

/** What the ledger must do with a call: anything, count it as done, not do it, or convict its signer if it is done. */
export type Fate = "any" | "done" | "refused" | "convicted";

/** What a Byzantine gatekeeper says. */
export interface Said {
  readonly call: Call;
  readonly fate: Fate;
  /** Indices of the receivers who got a bad sub-share by this dealing, the dealer's fellows too. */
  readonly spoils?: readonly number[];
  /** It is said when the phase is over. */
  readonly held?: boolean;
}

/** For one Byzantine gatekeeper, in one phase of a key session. */
export interface Scene {
  readonly random: Seeded;
  readonly ledger: Ledger;
  readonly session: KeySession;
  readonly identityKey: string;
  /** IdentityKeys of all Byzantine ones: they have no secrets from each other. */
  readonly byzantine: readonly string[];
  /** What an honest one would say in its place. */
  readonly own: Call | null;
  /** What others say in the coming block. */
  readonly pending: readonly Heard[];
  /** What was ever said, the oldest first. */
  readonly archive: readonly Heard[];
  /** The own dealing key of this session. */
  readonly dealingKey: Secret | null;
  /** Own shares that it should not have any more, or has. */
  readonly shares: readonly { readonly epoch: number; readonly share: Share }[];
}

/** Who wants what in one phase. Null where there is nothing to be had by it now. */
export interface Attack {
  readonly phase: KeySessionPhase;
  says(scene: Scene): readonly Said[] | null;
}

export const groupOf = ({ session }: Scene): Group => ledgerGroup(session.keySuite);
export const sessionOf = ({ session }: Scene): Uint8Array => fromHex(session.id, "a session");

export function dealingTerms({ ledger, session }: Scene): DealingTerms {
  return termsOf(ledger.genesisHash, ledger.state, session);
}

/** Its index among the receivers; 0 if it is none. */
export function receiverIndex({ session, identityKey }: Scene): number {
  return session.members.findIndex((member) => member.identityKey === identityKey) + 1;
}

/** Its index among the dealers. */
export function dealerIndex({ ledger, session, identityKey }: Scene): number {
  return dealersOf(ledger.state, session).find((dealer) => dealer.identityKey === identityKey)!.index;
}

/** What others said in this session, of one kind: what is on chain already, and what comes into the next block. */
export function heard<T extends Call["tag"]>(scene: Scene, tag: T): { signer: string; call: CallOf<T> }[] {
  const { session, identityKey, archive, pending } = scene;
  return [...archive, ...pending].filter(
    (each): each is { signer: string; call: CallOf<T> } =>
      each.call.tag === tag &&
      each.signer !== identityKey &&
      (each.call.value as { readonly epoch?: number }).epoch === session.epoch,
  );
}

/** What the gatekeeper itself said of one kind in another session. */
export function saidBefore<T extends Call["tag"]>({ archive, identityKey, session }: Scene, tag: T): CallOf<T>[] {
  return archive
    .filter(({ signer, call }) => signer === identityKey && call.tag === tag)
    .map(({ call }) => call as CallOf<T>)
    .filter(({ value }) => (value as { readonly epoch?: number }).epoch !== session.epoch);
}

/** Bytes as long as an element that are none. */
export function noElement(group: Group): Uint8Array {
  const bytes = new Uint8Array(group.elementBytes).fill(0xff);
  if (group.elementBytes === 33) bytes[0] = 2;
  return bytes;
}

/** With one bit that is another. */
export function flippedAt(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.map((byte, place) => (place === at ? byte ^ 1 : byte));
}

/** Something wrong instead of an element. */
export function malformed(group: Group, random: Seeded): Uint8Array {
  return random.of([
    noElement(group),
    new Uint8Array(group.elementBytes),
    new Uint8Array(0),
    group.generator.slice(1),
    Buffer.concat([group.generator.slice(0, 32), Uint8Array.of(1)]).subarray(0, group.elementBytes - 2),
  ]);
}

/** Says this besides, or instead, of what an honest one would say. */
export function withOwn({ own, random }: Scene, ...said: readonly Said[]): Said[] {
  return own !== null && random.below(2) === 0 ? [...said, { call: own, fate: "any" }] : [...said];
}
