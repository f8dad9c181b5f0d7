/** What holds of shares that are to be destroyed: nobody's is forgotten before he says so, or so few are left that it is told. */
import type { Effect } from "../../src/protocol/effect.ts";
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

/** What went out of force in this block, or failed when some had shares already. */
function retiredNow(before: State, effects: readonly Effect[], after: State): Owed[] {
  const { keySession: session } = before;
  const hasFailed =
    session?.phase === "confirmation" &&
    session.kind !== "generation" &&
    effects.some((effect) => effect.kind === "KeySessionAborted" && effect.epoch === session.epoch);
  const gone = before.sharings.filter(({ epoch }) => after.sharings.every((sharing) => sharing.epoch !== epoch));
  return [...gone, ...(hasFailed ? [session] : [])].map(({ epoch, threshold, members }) => ({
    epoch,
    threshold,
    owing: members.filter(({ verificationShare }) => verificationShare !== null).map(({ identityKey }) => identityKey),
  }));
}
