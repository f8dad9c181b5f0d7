/**
 * A migration: a rotation of the MasterKey whose new generation is of other suites, or is held by other pRuntimes, or whose states
 * go to another store. Governance orders it; it begins when its block has come and all who hold shares of the MasterKey run what
 * it names, which is how shares get to them: operators have others stand for election, and the election hands them over.
 *
 * Where the store stays, it is a rotation in all else. Where states go to another store, they are copied there, and written in both,
 * under either generation: the network reads the one that it had until t gatekeepers certify the copy, and that is the switch. Until
 * then it can be called off.
 */
import type { Codec } from "scale-ts";
import type { Suite } from "../engine/suite.ts";
import type { KeySuite } from "../keys/group.ts";
import { type PublicKey, accountOf, hashCodec } from "./account.ts";
import { currentSharing, keysOf } from "./key-session.ts";
import { type Hex, mapped, nullable, struct, u32, u8 } from "./scale.ts";
import { cipherSuiteCodec, keySuiteCodec } from "./sharing.ts";
import type { State } from "./state.ts";

/** Version bytes of sealed states that there are. */
export const ENVELOPE_VERSIONS: readonly number[] = [1];

/** Where and how states are to move. */
export interface Migration {
  /** Of the pRuntimes that they move to; null: of whichever may serve. */
  readonly measurement: Hex | null;
  /** Version byte of sealed states, cipher suite and key suite there. */
  readonly envelopeVersion: number;
  readonly cipherSuite: Suite;
  readonly keySuite: KeySuite;
  /** Id of the store; null: the one that they are in. */
  readonly store: Hex | null;
  /** Block from which on it may begin. */
  readonly height: number;
}

export const migrationCodec: Codec<Migration> = struct<Migration>({
  measurement: nullable(hashCodec),
  envelopeVersion: mapped(
    u8,
    (version: number) => version,
    (byte) => {
      if (!ENVELOPE_VERSIONS.includes(byte)) throw new RangeError("no envelope version");
      return byte;
    },
  ),
  cipherSuite: cipherSuiteCodec,
  keySuite: keySuiteCodec,
  store: nullable(hashCodec),
  height: u32,
});

/** Whether a migration that is ordered may begin, and if not, whom it waits for: holders of shares that run something else. */
export function missingForMigration(
  state: Pick<State, "sharings" | "workers">,
  { measurement }: Pick<Migration, "measurement">,
): PublicKey[] {
  if (measurement === null) return [];
  const holders = keysOf(currentSharing(state)?.members ?? []);
  return holders.filter((identityKey) => state.workers.get(accountOf(identityKey))?.measurement !== measurement);
}
