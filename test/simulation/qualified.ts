/** Whose dealings count, by what was told of them alone. */
import type { Dealing } from "../../src/keys/dealing.ts";
import type { Ledger } from "../../src/protocol/ledger.ts";

interface Qualified {
  readonly identityKey: string;
  readonly dealing: Dealing;
}

/**
 * Dealings of those who were not convicted in this session, in the order of their indices; of a resharing as many as the
 * sharing before has shares that stand for the key.
 * @param ledger - in the confirmation phase.
 */
export function qualifiedIn({ state }: Ledger, convicted: ReadonlySet<string>): Qualified[] {
  const session = state.keySession!;
  const sharing = state.sharings.find(({ rotationId }) => rotationId === session.rotationId);
  const dealers = session.kind === "generation" ? session.members : sharing!.members;
  const qualified = [...state.dealings.values()]
    .map((dealing) => ({ identityKey: dealers[dealing.dealer - 1]!.identityKey, dealing }))
    .filter(({ identityKey }) => !convicted.has(identityKey));
  return session.kind === "resharing" ? qualified.slice(0, sharing!.threshold) : qualified;
}
