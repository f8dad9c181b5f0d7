/** Where a network stands, as numbers: what its ledger says, and what of it is about one pRuntime. */
import type { PublicKey } from "../protocol/account.ts";
import { currentSharing } from "../protocol/key-session.ts";
import { unprovedAbandonments } from "../protocol/retirement.ts";
import { isBlocked, leasesOf } from "../protocol/rotation.ts";
import type { State } from "../protocol/state.ts";

const PHASES = ["idle", "keyGeneration", "reencryption", "verification", "abandonment"] as const;
const STAGES = ["unswept", "swept", "verified"] as const;

/** A number, or some under a label whose values are always these. */
export interface NetworkGauge {
  /** In Prometheus' manner, with its unit. */
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  /**
   * One value, or one for each value of the label.
   * @param own - the IdentityKey of this node's pRuntime; null while it is not known.
   */
  readonly values: (state: State, own: PublicKey | null) => number | Readonly<Record<string, number>>;
}

/** All of them. */
export const NETWORK_GAUGES: readonly NetworkGauge[] = [
  {
    name: "gatekeeper_chain_time_seconds",
    help: "Time of the chain's last block, since 1970, by the word of who made it.",
    values: ({ timestamp }) => timestamp / 1_000,
  },
  {
    name: "gatekeeper_shares_confirmed",
    help: "Acting gatekeepers that have confirmed a share of the newest MasterKey.",
    values: (state) => {
      const acting = new Set(state.gatekeepers);
      const members = currentSharing(state)?.members ?? [];
      return members.filter(({ identityKey, confirmed }) => confirmed && acting.has(identityKey)).length;
    },
  },
  {
    name: "gatekeeper_shares_needed",
    help: "How many shares stand for that MasterKey; 0 where there is none.",
    values: (state) => currentSharing(state)?.threshold ?? 0,
  },
  {
    name: "gatekeeper_rotation_phase",
    help: "1 for the phase that the rotation is in, or for idle.",
    label: "phase",
    values: ({ rotation }) => counted(PHASES, [rotation?.phase ?? "idle"]),
  },
  {
    name: "gatekeeper_rotation_phase_overdue",
    help: "How often the phase that the rotation is in was not over in time.",
    values: ({ rotation }) => rotation?.late ?? 0,
  },
  {
    name: "gatekeeper_rotation_partitions",
    help: "Partitions of the rotation under way, by how far they are.",
    label: "stage",
    values: ({ partitions }) =>
      counted(
        STAGES,
        [...partitions.values()].map(({ stage }) => stage),
      ),
  },
  {
    name: "gatekeeper_rotation_partitions_blocked",
    help: "Partitions with records that can't be opened.",
    values: ({ partitions }) => [...partitions.values()].filter(isBlocked).length,
  },
  {
    name: "gatekeeper_rotation_records",
    help: "Records that were re-encrypted in the rotation under way, by its receipts.",
    values: ({ rotation }) => rotation?.records ?? 0,
  },
  {
    name: "gatekeeper_rotation_bytes",
    help: "Bytes of the texts of those records.",
    values: ({ rotation }) => rotation?.bytes ?? 0,
  },
  {
    name: "gatekeeper_master_keys_unproved",
    help: "MasterKeys that are not shown to be destroyed, because governance closed their abandonment.",
    values: (state) => unprovedAbandonments(state).length,
  },
  {
    name: "gatekeeper_rotation_leases",
    help: "Partitions that this node's pRuntime has leased.",
    values: (state, own) => (own === null ? 0 : leasesOf(state, own).length),
  },
];

/** How many there are of each. */
function counted<T extends string>(names: readonly T[], found: readonly T[]): Record<T, number> {
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Record<T, number>;
  for (const name of found) counts[name]++;
  return counts;
}
