/** The one place that reads the environment. */
import { GatekeeperError } from "../errors.ts";

/**
 * The home's folder: what the option names, else GATEKEEPER_HOME, else ./gatekeeper-home.
 * @throws GatekeeperError USAGE when the option is empty, which the system would take for the current folder.
 */
export function homeFolder(option: string | undefined): string {
  if (option === "") throw new GatekeeperError("USAGE", "--home names no folder");
  // Set but empty is what `GATEKEEPER_HOME= gatekeeper …` means by unset.
  return option ?? (process.env["GATEKEEPER_HOME"] || "gatekeeper-home");
}
