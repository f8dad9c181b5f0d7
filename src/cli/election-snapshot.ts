/** Snapshot files: an election's candidates and voters as JSON, written by anybody. */
import * as v from "valibot";
import type { Voter } from "../election/graph.ts";
import type { Id } from "../election/id.ts";
import { GatekeeperError } from "../errors.ts";

/** Chains allow 16 or 24. Reducing looks at all pairs of a voter's targets. */
const TARGETS_MAX = 1_024;
const ID_LENGTH_MAX = 256;

const id = v.custom<Id>(
  isId,
  `an id must be a whole number from 0 to 2^53 − 1, or a string of at most ${ID_LENGTH_MAX} characters`,
);
/** Whether it has 128 bits at most, the election checks. */
const stake = v.pipe(
  v.string("a stake must be a string of decimal digits"),
  v.regex(/^(?:0|[1-9][0-9]{0,38})$/, "a stake must be at most 39 decimal digits, without leading zeros"),
  v.transform((digits) => BigInt(digits)),
);
const targets = v.pipe(v.array(id), v.maxLength(TARGETS_MAX, `a voter has at most ${TARGETS_MAX} targets`));
const voter = v.pipe(
  v.strictTuple([id, stake, targets], "a voter must be [id, stake, [target…]]"),
  v.transform(([who, amount, chosen]): Voter<Id> => ({ id: who, stake: amount, targets: chosen })),
);
/** What else a file has, such as where it comes from, is nobody's concern. */
const schema = v.object({ candidates: v.array(id), voters: v.array(voter) });

/** What a snapshot has of an election. */
export type Snapshot = v.InferOutput<typeof schema>;

/**
 * Reads a snapshot.
 * @param file - names it in errors.
 * @throws GatekeeperError ELECTION_INVALID when it is malformed: `detail.place` says where, if it is JSON at all.
 */
export function parseSnapshot(bytes: Uint8Array, file: string): Snapshot {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new GatekeeperError("ELECTION_INVALID", `${file} is not JSON`, { file }, { cause });
  }
  const parsed = v.safeParse(schema, value, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const place = placeOf(issue.path ?? []);
  const where = place === "" ? file : `${file}, ${place}`;
  throw new GatekeeperError("ELECTION_INVALID", `${where}: ${issue.message}`, { file, place });
}

/** As one would write it in JavaScript: voters[3][1]. */
function placeOf(path: readonly { readonly key: unknown }[]): string {
  return path.map(({ key }) => (typeof key === "number" ? `[${key}]` : String(key))).join("");
}

function isId(value: unknown): boolean {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0;
  return typeof value === "string" && value.length <= ID_LENGTH_MAX && value.isWellFormed();
}
