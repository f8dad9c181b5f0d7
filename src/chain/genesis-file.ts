/** Genesis files: JSON for people, made into the genesis of a chain. */
import * as v from "valibot";
import { GatekeeperError } from "../errors.ts";
import { accountOf } from "../protocol/account.ts";
import { TCB_STATUSES } from "../protocol/attestation-policy.ts";
import { ENDPOINT_BYTES_MAX, NOMINATIONS_MAX } from "../protocol/call.ts";
import { type Genesis, type GenesisStaker, MEMBERS_MAX } from "../protocol/genesis.ts";
import { PERBILL } from "../protocol/perbill.ts";
import { GATEKEEPERS_MAX, KEY_SUITES } from "../protocol/sharing.ts";

/** Polkadot's, where it has such a number. */
const DEFAULTS = Object.freeze({
  sessionsPerEra: 6,
  bondingDuration: 28,
  slashDeferDuration: 27,
  minNominatorBond: "1",
  minValidatorBond: "1",
  minCommission: 0,
  maxValidatorCount: 1_000,
  maxNominatorCount: 22_500,
  slashRewardFraction: 0.1,
  offences: {
    unresponsive: 0,
    equivocation: 0.1,
    misdealing: 0.1,
    falseComplaint: 0.1,
    wrongPartials: 0.1,
    falseReceipt: 0.1,
    falseVerdict: 0.1,
    undestroyed: 0.01,
  },
  /** Ten minutes and a week, of blocks of six seconds. */
  masterKey: { phaseBlocks: 100, refreshBlocks: 100_800 },
  /** A month, a minute, five minutes, an hour; as many leases in a block as there are partitions. */
  rotation: { intervalBlocks: 432_000, leadBlocks: 10, leaseBlocks: 50, phaseBlocks: 600, leasesPerBlock: 512 },
  inflation: { minimum: 0.025, maximum: 0.1, idealStake: 0.75, falloff: 0.05 },
});

const hex = (bytes: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^0x[0-9a-f]{${2 * bytes}}$`), `0x and ${2 * bytes} lower-case hex digits`));
const count = (max = 0xffff_ffff) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
const publicKey = hex(33);
/** Accounts may be named by their keys. */
const account = v.union([hex(32), v.pipe(publicKey, v.transform(accountOf))]);
/** Up to 2^126 or so: the ledger has a bound of its own. */
const amount = v.pipe(
  v.string(),
  v.regex(/^[0-9]{1,38}$/, "a decimal number as a string"),
  v.transform((digits) => BigInt(digits)),
);
const fraction = v.pipe(
  v.number(),
  v.minValue(0),
  v.maxValue(1),
  v.transform((part) => Math.round(part * PERBILL)),
);

const stakingSchema = v.strictObject({
  sessionsPerEra: v.optional(count(), DEFAULTS.sessionsPerEra),
  bondingDuration: v.optional(count(), DEFAULTS.bondingDuration),
  slashDeferDuration: v.optional(count(), DEFAULTS.slashDeferDuration),
  minNominatorBond: v.optional(amount, DEFAULTS.minNominatorBond),
  minValidatorBond: v.optional(amount, DEFAULTS.minValidatorBond),
  minCommission: v.optional(fraction, DEFAULTS.minCommission),
  maxValidatorCount: v.optional(count(), DEFAULTS.maxValidatorCount),
  maxNominatorCount: v.optional(count(), DEFAULTS.maxNominatorCount),
  slashRewardFraction: v.optional(fraction, DEFAULTS.slashRewardFraction),
  offences: v.optional(
    v.strictObject({
      unresponsive: fraction,
      equivocation: fraction,
      misdealing: v.optional(fraction, DEFAULTS.offences.misdealing),
      falseComplaint: v.optional(fraction, DEFAULTS.offences.falseComplaint),
      wrongPartials: v.optional(fraction, DEFAULTS.offences.wrongPartials),
      falseReceipt: v.optional(fraction, DEFAULTS.offences.falseReceipt),
      falseVerdict: v.optional(fraction, DEFAULTS.offences.falseVerdict),
      undestroyed: v.optional(fraction, DEFAULTS.offences.undestroyed),
    }),
    DEFAULTS.offences,
  ),
  inflation: v.optional(
    v.strictObject({ minimum: fraction, maximum: fraction, idealStake: fraction, falloff: fraction }),
    DEFAULTS.inflation,
  ),
});

const attestationSchema = v.strictObject({
  software: v.optional(v.boolean(), false),
  tcbStatuses: v.optional(v.array(v.picklist(TCB_STATUSES)), ["UpToDate"]),
});

const stakerSchema = v.union(
  [
    v.strictObject({
      stash: account,
      bond: amount,
      validate: v.strictObject({
        identityKey: publicKey,
        commission: v.optional(fraction, 0),
        blocked: v.optional(v.boolean(), false),
      }),
    }),
    v.strictObject({
      stash: account,
      bond: amount,
      nominate: v.pipe(v.array(account), v.minLength(1), v.maxLength(NOMINATIONS_MAX)),
    }),
  ],
  "stash, bond, and either validate or nominate",
);

const schema = v.strictObject({
  name: v.pipe(v.string(), v.maxBytes(64)),
  /** Milliseconds since 1970; when the chain is made, if it is left out. */
  timestamp: v.optional(count(Number.MAX_SAFE_INTEGER)),
  blockMilliseconds: v.optional(count(), 6_000),
  sessionBlocks: count(),
  existentialDeposit: v.optional(amount, "1"),
  /** The existential deposit, if it is left out. */
  workerDeposit: v.optional(amount),
  /** The same. */
  contractDeposit: v.optional(amount),
  /** An election, or the list of those who act for ever. */
  gatekeepers: v.union([
    v.strictObject({ seats: count(), minimum: v.optional(count(), 1), balancing: v.optional(count(), 10) }),
    v.pipe(v.array(publicKey), v.maxLength(GATEKEEPERS_MAX)),
  ]),
  staking: v.optional(stakingSchema, {}),
  governance: v.strictObject({
    members: v.pipe(v.array(publicKey), v.maxLength(MEMBERS_MAX)),
    threshold: v.optional(count(), 1),
  }),
  /** What a pRuntime has to prove: that it runs on hardware in the best state, if nothing is said. */
  attestation: v.optional(attestationSchema, {}),
  /** Blocks: a day and an hour of six seconds each, if they are left out. */
  ecdhKeys: v.optional(v.strictObject({ interval: count(), overlap: count() }), { interval: 14_400, overlap: 600 }),
  /** The greatest threshold for which there are always gatekeepers enough, if it is left out. */
  masterKey: v.optional(
    v.strictObject({
      /** 1 secp256k1, 2 ristretto255. */
      keySuite: v.optional(v.picklist(KEY_SUITES), 1),
      threshold: v.optional(count()),
      phaseBlocks: v.optional(count(), DEFAULTS.masterKey.phaseBlocks),
      refreshBlocks: v.optional(count(), DEFAULTS.masterKey.refreshBlocks),
    }),
    {},
  ),
  /** Blocks; 0 as the interval: rotations begin by order of governance alone. */
  rotation: v.optional(
    v.strictObject({
      intervalBlocks: v.optional(count(), DEFAULTS.rotation.intervalBlocks),
      leadBlocks: v.optional(count(), DEFAULTS.rotation.leadBlocks),
      leaseBlocks: v.optional(count(), DEFAULTS.rotation.leaseBlocks),
      phaseBlocks: v.optional(count(), DEFAULTS.rotation.phaseBlocks),
      leasesPerBlock: v.optional(count(), DEFAULTS.rotation.leasesPerBlock),
    }),
    {},
  ),
  measurements: v.optional(v.array(hex(32)), []),
  accounts: v.array(v.strictObject({ account, free: amount })),
  workers: v.optional(
    v.array(
      v.strictObject({
        identityKey: publicKey,
        ecdhKey: publicKey,
        operator: account,
        endpoint: v.optional(v.pipe(v.string(), v.maxBytes(ENDPOINT_BYTES_MAX))),
      }),
    ),
    [],
  ),
  stakers: v.optional(v.array(stakerSchema), []),
});

/**
 * The genesis that a file describes.
 * @param bytes - JSON in UTF-8.
 * @param authority - public key of who makes the blocks.
 * @param now - milliseconds since 1970: two chains of one file are two, unless it says when they begin.
 * @throws GatekeeperError GENESIS_INVALID, which names the place in the file. Whether its rules make sense together is
 * for the ledger to say.
 */
export function parseGenesis(bytes: Uint8Array, authority: string, now: number): Genesis {
  const parsed = v.safeParse(schema, json(bytes), { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw invalid(`${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  }
  const { name, gatekeepers, accounts, workers, stakers, masterKey, timestamp = now, ...rest } = parsed.output;
  const { existentialDeposit, workerDeposit = existentialDeposit, contractDeposit = existentialDeposit } = rest;
  const fewest = Array.isArray(gatekeepers) ? gatekeepers.length : gatekeepers.minimum;
  const { threshold = Math.floor((fewest + 1) / 2) } = masterKey;
  return {
    ...rest,
    timestamp,
    workerDeposit,
    contractDeposit,
    name: Buffer.from(name, "utf8"),
    authority,
    masterKey: { ...masterKey, threshold },
    gatekeepers: Array.isArray(gatekeepers)
      ? { tag: "listed", value: gatekeepers }
      : { tag: "elected", value: gatekeepers },
    workers: workers.map(({ endpoint, ...worker }) => ({
      ...worker,
      endpoint: endpoint === undefined ? null : Buffer.from(endpoint, "utf8"),
    })),
    accounts: accounts.map(({ account: id, free }) => ({ id, free })),
    stakers: stakers.map((staker): GenesisStaker => ({
      stash: staker.stash,
      bond: staker.bond,
      role:
        "validate" in staker
          ? { tag: "validator", value: staker.validate }
          : { tag: "nominator", value: staker.nominate },
    })),
  };
}

function json(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(String(cause instanceof Error ? cause.message : cause));
  }
}

function invalid(why: string): GatekeeperError {
  return new GatekeeperError("GENESIS_INVALID", `the genesis file is malformed: ${why}`);
}
