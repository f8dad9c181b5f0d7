/** MasterKeys and key sessions, as commands print them. */
import { leastHolders, missingIn } from "../protocol/key-session.ts";
import type { KeySession } from "../protocol/key-session.ts";
import type { Sharing } from "../protocol/sharing.ts";
import type { State } from "../protocol/state.ts";

/** What is said of a MasterKey. */
interface MasterKeyDocument extends Pick<
  Sharing,
  "rotationId" | "keySuite" | "cipherSuite" | "publicKey" | "epoch" | "threshold"
> {
  readonly warning?: string;
  readonly holders: readonly string[];
  readonly without: readonly string[];
  readonly mayFailForUse: number;
  readonly mayFailForNextKey: number;
}

/** What is said of a key session. */
interface KeySessionDocument extends Pick<
  KeySession,
  "epoch" | "kind" | "rotationId" | "threshold" | "phase" | "deadline"
> {
  readonly members: number;
  readonly missing: readonly string[];
  readonly excluded: readonly string[];
}

/** A MasterKey, who has shares of it, and how many of them may fail before it can't be used, or not handed on. */
export function masterKeyDocument({
  epoch,
  rotationId,
  keySuite,
  cipherSuite,
  threshold,
  publicKey,
  members,
}: Sharing): MasterKeyDocument {
  const holders = members.filter(({ confirmed }) => confirmed).map(({ identityKey }) => identityKey);
  const without = members.filter(({ confirmed }) => !confirmed).map(({ identityKey }) => identityKey);
  return {
    rotationId,
    keySuite,
    cipherSuite,
    publicKey,
    epoch,
    threshold,
    ...(threshold === 1 ? { warning: "with a threshold of 1 every gatekeeper holds the whole key" } : {}),
    holders,
    without,
    mayFailForUse: holders.length - threshold,
    mayFailForNextKey: Math.max(0, holders.length - leastHolders(threshold)),
  };
}

/** The key session that is under way, and who is missing in its phase. */
export function keySessionDocument(state: State): KeySessionDocument | null {
  const { keySession } = state;
  if (keySession === null) return null;
  const { epoch, kind, rotationId, threshold, phase, deadline, members } = keySession;
  return {
    epoch,
    kind,
    rotationId,
    threshold,
    phase,
    deadline,
    members: members.length,
    missing: missingIn(state, keySession),
    excluded: members.filter(({ excluded }) => excluded).map(({ identityKey }) => identityKey),
  };
}
