/** Generations of the MasterKey by number: 0 is the first. */
import { ROTATION_ID_MAX } from "../engine/sealed-state.ts";
import { GatekeeperError } from "../errors.ts";

/** @throws GatekeeperError INVALID_ARGUMENT when it is not a whole number from 0 to ROTATION_ID_MAX. */
export function checkRotationId(rotationId: number): void {
  if (!Number.isInteger(rotationId) || rotationId < 0 || rotationId > ROTATION_ID_MAX) {
    throw new GatekeeperError("INVALID_ARGUMENT", `rotation id ${rotationId} is not a whole number below 2^32`);
  }
}
