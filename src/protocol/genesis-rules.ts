/** Which rules of a genesis make sense together. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { fromHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { ECDH_INTERVALS_KEPT, type Genesis } from "./genesis.ts";
import { PERBILL } from "./perbill.ts";
import { GATEKEEPERS_MAX } from "./sharing.ts";

/** Rounds of balancing, at most: they cost as much as the election itself. */
const BALANCING_MAX = 100;

/** Sessions of an era, and eras of a duration, at most: their products stay far below 2^32. */
const ERAS_MAX = 10_000;
/** Blocks of a phase of a key session: whoever hears in one that it begins says nothing before the next. */
const PHASE_BLOCKS_MIN = 2;
const PHASE_BLOCKS_MAX = 100_000;
/**
 * Of a rotation's phase: in that of the abandonment whoever had keys of it publishes an EcdhKey, vouches for an era, and declares
 * shares and keys destroyed, one word a block, and is punished where its time does not do for them.
 */
const ROTATION_PHASE_BLOCKS_MIN = 6;
/** Blocks from one rotation to the next, at most: heights stay far below 2^32. */
const ROTATION_INTERVAL_MAX = 1 << 30;
/** Milliseconds: what timers take. */
const INTERVAL_MAX = 2 ** 31 - 1;
/** Room for every time that comes after. */
const TIMESTAMP_MAX = 2 ** 52;
/** No account has as much. */
const AMOUNT_MAX = 1n << 120n;

/** @throws GatekeeperError GENESIS_INVALID with the first rule that is broken. */
export function checkRules(genesis: Genesis): void {
  const { staking, governance, gatekeepers, attestation } = genesis;
  const { inflation, offences } = staking;
  const fractions = { ...inflation, ...offences, ...fractionsOf(staking) };
  for (const [name, fraction] of Object.entries(fractions)) check(fraction <= PERBILL, `${name} is more than all`);
  check(genesis.blockMilliseconds > 0, "blocks take no time");
  check(genesis.blockMilliseconds <= INTERVAL_MAX, "blocks take longer than timers can wait");
  check(genesis.sessionBlocks > 0, "sessions have no blocks");
  check(genesis.existentialDeposit > 0n, "the existential deposit is nothing");
  check(genesis.timestamp <= TIMESTAMP_MAX, "it begins beyond all clocks");
  check(genesis.workerDeposit >= genesis.existentialDeposit, "a pRuntime costs less than an account");
  check(genesis.contractDeposit >= genesis.existentialDeposit, "a contract costs less than an account");
  for (const [name, amount] of Object.entries(amountsOf(genesis))) check(amount < AMOUNT_MAX, `${name} is too much`);
  check(staking.sessionsPerEra > 0, "eras have no sessions");
  check(staking.sessionsPerEra <= ERAS_MAX, `eras have ${ERAS_MAX} sessions at most`);
  check(staking.bondingDuration <= ERAS_MAX, `stake is bonded for ${ERAS_MAX} eras at most`);
  check(staking.bondingDuration > 0, "stake is not bonded for any era");
  check(staking.slashDeferDuration < staking.bondingDuration, "slashes wait until the stake is gone");
  check(inflation.minimum <= inflation.maximum, "the least inflation is more than the most");
  check(inflation.idealStake > 0 && inflation.falloff > 0, "the ideal stake and the falloff are more than nothing");
  check(governance.threshold >= 1 && governance.threshold <= governance.members.length, "nobody can govern");
  check(distinct(governance.members), "a member of governance is there twice");
  check(distinct(genesis.measurements), "a measurement is there twice");
  check(distinct(attestation.tcbStatuses), "a TCB status is there twice");
  check(attestation.software || attestation.tcbStatuses.length > 0, "no pRuntime could prove what it is");
  const { interval, overlap } = genesis.ecdhKeys;
  check(interval > 0, "EcdhKeys are changed without end");
  const opens = `an EcdhKey opens for ${ECDH_INTERVALS_KEPT} intervals at most after its own`;
  check(overlap <= ECDH_INTERVALS_KEPT * interval, opens);
  checkKeys(genesis);
  checkMasterKey(genesis);
  checkRotation(genesis);
  if (gatekeepers.tag === "listed") {
    check(gatekeepers.value.length <= GATEKEEPERS_MAX, `${GATEKEEPERS_MAX} gatekeepers are listed at most`);
    check(distinct(gatekeepers.value), "a gatekeeper is listed twice");
  } else {
    const { seats, minimum, balancing } = gatekeepers.value;
    check(seats >= 1 && seats <= GATEKEEPERS_MAX, `there are 1 to ${GATEKEEPERS_MAX} seats`);
    check(minimum >= 1 && minimum <= seats, "the minimum of gatekeepers is more than there are seats, or none");
    check(balancing <= BALANCING_MAX, `there are ${BALANCING_MAX} rounds of balancing at most`);
  }
}

/** Whatever is elected, or listed, has enough gatekeepers for the threshold: genesis.ts says why. */
function checkMasterKey({ masterKey, gatekeepers }: Genesis): void {
  const { threshold, phaseBlocks, refreshBlocks } = masterKey;
  const fewest = gatekeepers.tag === "listed" ? gatekeepers.value.length : gatekeepers.value.minimum;
  check(threshold >= 1, "no share is enough for the MasterKey");
  check(fewest >= 2 * threshold - 1, `a threshold of ${threshold} needs ${2 * threshold - 1} gatekeepers at least`);
  const takesTime = phaseBlocks >= PHASE_BLOCKS_MIN && phaseBlocks <= PHASE_BLOCKS_MAX;
  check(takesTime, `a phase takes ${PHASE_BLOCKS_MIN} to ${PHASE_BLOCKS_MAX} blocks`);
  check(refreshBlocks >= 1, "shares are refreshed without end");
}

function checkRotation({ rotation }: Genesis): void {
  const { intervalBlocks, leadBlocks, leaseBlocks, phaseBlocks, leasesPerBlock } = rotation;
  check(intervalBlocks <= ROTATION_INTERVAL_MAX, `rotations are ${ROTATION_INTERVAL_MAX} blocks apart at most`);
  check(
    leadBlocks >= 1 && leadBlocks <= PHASE_BLOCKS_MAX,
    `a switch is announced 1 to ${PHASE_BLOCKS_MAX} blocks ahead`,
  );
  const times = [
    ["lease", leaseBlocks, PHASE_BLOCKS_MIN],
    ["phase of a rotation", phaseBlocks, ROTATION_PHASE_BLOCKS_MIN],
  ] as const;
  for (const [name, blocks, least] of times) {
    const takesTime = blocks >= least && blocks <= PHASE_BLOCKS_MAX;
    check(takesTime, `a ${name} takes ${least} to ${PHASE_BLOCKS_MAX} blocks`);
  }
  check(leasesPerBlock >= 1, "no partition can ever be leased");
}

/** A key that is no point can sign nothing, and nothing can be sent to it. */
function checkKeys({ authority, governance, gatekeepers, workers }: Genesis): void {
  const keys = [
    authority,
    ...governance.members,
    ...(gatekeepers.tag === "listed" ? gatekeepers.value : []),
    ...workers.flatMap(({ identityKey, ecdhKey }) => [identityKey, ecdhKey]),
  ];
  const wrong = keys.find((key) => !secp256k1.utils.isValidPublicKey(fromHex(key, "a public key"), true));
  check(wrong === undefined, `${wrong} is no public key`);
}

function amountsOf({ existentialDeposit, workerDeposit, contractDeposit, staking }: Genesis): Record<string, bigint> {
  const { minNominatorBond, minValidatorBond } = staking;
  return { existentialDeposit, workerDeposit, contractDeposit, minNominatorBond, minValidatorBond };
}

function fractionsOf({ minCommission, slashRewardFraction }: Genesis["staking"]): Record<string, number> {
  return { minCommission, slashRewardFraction };
}

function distinct(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

function check(holds: boolean, broken: string): void {
  if (!holds) throw new GatekeeperError("GENESIS_INVALID", `the genesis can't begin a chain: ${broken}`);
}
