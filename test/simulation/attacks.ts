/** All attacks within key sessions, by name; simulation.ts says what each is. */
import { COMPLAINT_ATTACKS } from "./complaint-attacks.ts";
import { CONFIRMATION_ATTACKS } from "./confirmation-attacks.ts";
import { DEALING_ATTACKS } from "./dealing-attacks.ts";
import { REGISTRATION_ATTACKS } from "./registration-attacks.ts";
import type { Attack } from "./scene.ts";

const LIST = { ...REGISTRATION_ATTACKS, ...DEALING_ATTACKS, ...COMPLAINT_ATTACKS, ...CONFIRMATION_ATTACKS };

export type AttackName = keyof typeof LIST;

export const ATTACKS: Readonly<Record<AttackName, Attack>> = LIST;
export const ATTACK_NAMES = Object.keys(LIST) as AttackName[];
/** Those besides, which adversary.ts makes when a share is to be destroyed. */
export const ATTACKS_AFTERWARDS = ["never declared", "declared, and kept", "declared what is in force"] as const;
