/** What a node's commands say: of its pRuntime, and of what happens. */
import type { NodeEvent } from "../gatekeeper/node.ts";
import type { PRuntimeStatus } from "../pruntime/boundary.ts";
import { describeHappening } from "./happening-words.ts";
import { counted } from "./progress.ts";

const SOFTWARE =
  "sealed by software: whoever owns this machine can read what it keeps and what it computes; only other users can't";

/** A pRuntime, for people. */
export function describeStatus(status: PRuntimeStatus): string {
  const { identityKey, ecdhKey, measurement, software, genesisHash, height, registered, gatekeeper, rotationFault } =
    status;
  const role = gatekeeper ? "acts as a gatekeeper" : registered ? "registered" : "not registered";
  return [
    `IdentityKey ${identityKey}`,
    `EcdhKey ${ecdhKey}`,
    `measurement ${measurement}`,
    software ? SOFTWARE : "sealed by a dstack machine, for this app alone",
    genesisHash === null ? "it follows no chain yet" : `chain ${genesisHash}, block ${height}: ${role}`,
    ...(rotationFault === null ? [] : [`its part in the rotation fails: ${rotationFault}${remedyOf(rotationFault)}`]),
  ].join("\n");
}

/** What its operator can do about it. */
function remedyOf(fault: string): string {
  switch (fault) {
    case "STORE_FULL":
      return "; make room on the disk of the store, and it goes on by itself";
    case "STORE_CORRUPT":
      return "; `store show` names pages that were damaged; else the store has to be restored from a copy";
    default:
      return "";
  }
}

/** Something that happened, for people. */
export function describeEvent(event: NodeEvent): string {
  switch (event.kind) {
    case "Started":
    case "Changed":
      return describeStatus(event.status);
    case "Sent":
      return `block ${event.height}: ${event.call ?? "a message that can't be read"} was handed in`;
    case "Registered":
      return `registered in block ${event.height}`;
    case "Interrupted":
      return `${event.reason}; it is tried again`;
    case "Fault":
      return `this should not have happened: ${event.reason}`;
    case "Provisioned":
      return event.missing === 0
        ? "all contracts have their keys"
        : `${counted(event.missing, "contract")} without keys`;
    case "PeerLate":
      return `${event.peer} has not answered in time; others are asked`;
    case "PeerFailed":
      return `${event.peer} can't be asked: ${event.reason}`;
    case "PeerRefused":
      return `${event.peer} gives no partials, at block ${event.height}: ${event.reason}`;
    case "PeerWrong":
      return `${event.peer} answered wrongly: ${event.reason}`;
    default:
      return `block ${event.height}: ${describeHappening(event, (key) => key)}`;
  }
}
