/** What holds of shares that are to be destroyed: nobody's is forgotten before he says so, or so few are left that it is told. */
import type { Effect } from "../../src/protocol/effect.ts";
import type { KeySession } from "../../src/protocol/key-session.ts";
import type { State } from "../../src/protocol/state.ts";
import { type Made, ensure } from "./invariants.ts";

/** Shares of one session that are to be destroyed, and whose they are. */
interface Owed {
  readonly epoch: number;
  readonly threshold: number;
  readonly owing: readonly string[];
}

/** @param after - the block. */
export function checkRetired({ before, effects }: Made, after: State): void {
  for (const { epoch, threshold, owing } of [...before.state.retired, ...retiredNow(before.state, effects, after)]) {
    const left = after.retired.find((retired) => retired.epoch === epoch)?.owing ?? [];
    if (effects.some((effect) => effect.kind === "SharesOutstanding" && effect.epoch === epoch)) {
      ensure(owing.length < threshold, "shares that make the MasterKey are not waited for");
      continue;
    }
    const declared = effects.flatMap((effect) =>
      effect.kind === "ShareDestroyed" && effect.epoch === epoch ? [effect.identityKey] : [],
    );
    const expected = owing.filter((identityKey) => !declared.includes(identityKey));
    ensure(expected.join() === left.join(), `shares of session ${epoch} are owed by others than those who have them`);
  }
}

/** What went out of force in this block, or failed when some had what says something of a key that is in use. */
function retiredNow(before: State, effects: readonly Effect[], after: State): Owed[] {
  const { keySession: session } = before;
  const gone = before.sharings
    .filter(({ epoch }) => after.sharings.every((sharing) => sharing.epoch !== epoch))
    .map(({ epoch, threshold, members }) => ({ epoch, threshold, owing: keysOf(members.filter(hasShare)) }));
  const hasFailed = effects.some((effect) => effect.kind === "KeySessionAborted" && effect.epoch === session?.epoch);
  if (session === null || !hasFailed) return gone;
  const owing = owingOf(session, before);
  return owing.length === 0 ? gone : [...gone, { epoch: session.epoch, threshold: session.threshold, owing }];
}

/** Shares of the key lie on the chain once they were dealt, and dealing keys open them; a refresh deals shares of zero. */
function owingOf({ kind, phase, members }: KeySession, { dealings }: State): string[] {
  if (kind === "resharing")
    return dealings.size === 0 ? [] : keysOf(members.filter(({ dealingKey }) => dealingKey !== null));
  return kind === "refresh" && phase === "confirmation" ? keysOf(members.filter(hasShare)) : [];
}

function hasShare({ verificationShare }: { readonly verificationShare: string | null }): boolean {
  return verificationShare !== null;
}

function keysOf(members: readonly { readonly identityKey: string }[]): string[] {
  return members.map(({ identityKey }) => identityKey);
}
