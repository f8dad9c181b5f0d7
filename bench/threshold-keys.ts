/**
 * The whole path of contract keys from shares of a MasterKey: ids in, keys out. Each gatekeeper of the quorum hashes
 * the ids, multiplies by its share and proves it; whoever asked hashes the ids too, checks every proof, combines, and
 * derives the keys. All of it is on one thread, so a contract's time is the work of all who take part; and beside it that of
 * one who is asked, and of who asks.
 *
 * Of products with secret scalars there is one for who is asked, none for who asks. A proof takes a sum with weights of 128 bits
 * of the points to make, which of hundreds is a ninth of a product for each, and two such sums to check.
 */
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import { createECDH, hkdfSync, randomBytes, randomInt } from "node:crypto";
import { Kernels } from "../src/engine/kernels.ts";
import { combinePartials } from "../src/keys/combination.ts";
import { CONTEXT } from "../src/context.ts";
import { CONTRACT_KEY_BYTES, contractKeyInfo, prfOutputs } from "../src/keys/contract-key.ts";
import { CONTRACT_POINT_DST } from "../src/keys/contract-points.ts";
import { KEY_SUITE } from "../src/keys/group.ts";
import { type PartialReply, evaluatePartials, sortReplies } from "../src/keys/partial.ts";
import type { PartialRequest } from "../src/keys/partial-request.ts";
import { Secp256k1Group } from "../src/keys/secp256k1-group.ts";
import { type Share, dealShares, verificationShare } from "../src/keys/shamir.ts";
import { Secret } from "../src/secret.ts";
import { oneIn } from "./contender.ts";
import { contractKeyRows } from "./contract-keys.ts";
import { NOBLE_CURVES } from "./curve-peers.ts";
import { CURVE, ID_BYTES, ORDER, bytesOf, numberOf, publicKeyOf, randomScalar } from "./curve-workload.ts";
import { decodeKey, proveDleq, verifyDleq } from "./noble-dleq.ts";
import { ENGINE } from "./reencrypt.ts";
import type { Case, Table } from "./table.ts";

/** t and n, and which gatekeepers answer. */
const MIN_SHARES = 3;
const MAX_SHARES = 5;
const QUORUM: readonly number[] = [1, 3, 5];
const SHARED = `t = ${MIN_SHARES} of n = ${MAX_SHARES}`;
const ROWS = { whole: SHARED, answer: `${SHARED}, one who is asked`, derive: `${SHARED}, who asks` } as const;
/** What contract keys are bound to besides their contract. */
const CIPHER_SUITE = 1;
const ROTATION_ID = 7;

const BATCH_CONTRACTS = 1_024;
const NOBLE_CONTRACTS = 2;
const NO_SALT = new Uint8Array(0);
const { Point } = secp256k1;

/** A MasterKey of which gatekeepers have shares, and contracts. */
export interface SharedKeyWorkload {
  /** Its scalar: what nobody has who derives keys. */
  readonly masterKey: Uint8Array;
  readonly ids: readonly Uint8Array[];
}

export interface KeyPathContender {
  readonly column: string;
  /** Contracts that it is given at once. */
  readonly contracts: number;
  /** Deals the shares, and makes whatever lies ready before there are ids. */
  readonly make: (workload: SharedKeyWorkload) => KeyPath;
}

/** From ids to contract keys, which come one after the other. */
interface KeyPath {
  readonly whole: () => Uint8Array;
  /** What one of those does who are asked. */
  readonly answer: () => void;
  /** What remains for who asks, of answers that lie there. */
  readonly derive: () => Uint8Array;
}

/** @param contracts - of a batch of ours, at most BATCH_CONTRACTS. */
export function thresholdKeyTable(contracts = BATCH_CONTRACTS): Table {
  return {
    name: "threshold-keys",
    title: "Contract keys from shares of a MasterKey, all who take part on one thread",
    item: "contract",
    ours: [ENGINE],
    unordered: true,
    perSecond: true,
    notes: [
      `ids in, keys out: ${QUORUM.length} gatekeepers hash ids, multiply and prove, the fourth party checks, combines and derives`,
      `${ENGINE}: one proof a gatekeeper for ${contracts.toLocaleString("en")} contracts, points uncompressed; keys by hkdfSha256Batch`,
      `${NOBLE_CURVES}: one proof a point, points compressed; keys by hkdfSync`,
    ],
    prepare: async (round) => {
      const workload = {
        masterKey: randomScalar(),
        ids: Array.from({ length: contracts }, () => randomBytes(ID_BYTES)),
      };
      const cases = [OUR_KEY_PATH, NOBLE_KEY_PATH].flatMap(({ column, contracts: items, make }): Case[] => {
        const some = { ...workload, ids: workload.ids.slice(0, items) };
        const path = make(some);
        for (const keys of [path.whole(), path.derive()]) checkKeys(column, some, keys, oneIn(round));
        return (["whole", "answer", "derive"] as const).map((part) => {
          return { row: ROWS[part], column, items: some.ids.length, run: () => void path[part]() };
        });
      });
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

/**
 * Checks contract keys against what OpenSSL derives from the MasterKey itself.
 * @param every - 1, or n to check only one key of n, chosen at random.
 * @throws Error that names the contender and the first key that is wrong.
 */
export function checkKeys(
  column: string,
  { masterKey, ids }: SharedKeyWorkload,
  keys: Uint8Array,
  every: number,
): void {
  if (keys.length !== ids.length * CONTRACT_KEY_BYTES) throw new Error(`${column}: not one key a contract`);
  const ecdh = createECDH(CURVE);
  ecdh.setPrivateKey(masterKey);
  ids.forEach((id, index) => {
    if (every > 1 && randomInt(every) !== 0) return;
    const expected = deriveKey(ecdh.computeSecret(hashed(id).toBytes()), id);
    const key = keys.subarray(index * CONTRACT_KEY_BYTES, (index + 1) * CONTRACT_KEY_BYTES);
    if (Buffer.compare(key, expected) !== 0) throw new Error(`${column}: key ${index} is wrong`);
  });
}

/** One proof a gatekeeper. All who take part compute with one group, as they are on one thread. */
export const OUR_KEY_PATH: KeyPathContender = {
  column: ENGINE,
  contracts: BATCH_CONTRACTS,
  make: ({ masterKey, ids }) => {
    const group = new Secp256k1Group("uncompressed");
    const kernels = new Kernels();
    using secret = new Secret(Uint8Array.from(masterKey));
    const { shares, commitments } = dealShares(group, secret, { minShares: MIN_SHARES, maxShares: MAX_SHARES });
    const asked = shares.filter(({ index }) => QUORUM.includes(index));
    const verificationShares = new Map(QUORUM.map((index) => [index, verificationShare(group, commitments, index)]));
    const [genesis, session] = [randomBytes(32), randomBytes(32)];
    const allIds = Buffer.concat(ids);
    const fields = { genesis, nonce: randomBytes(32), rotationId: ROTATION_ID, session, quorum: QUORUM };
    // Ids travel, points don't: who is asked hashes them, and so does who asks, in processes of their own.
    const request = (): PartialRequest => {
      const points = group.hashToGroup(allIds, ID_BYTES, CONTRACT_POINT_DST);
      return { ...fields, contracts: { group, count: ids.length, ids: allIds, points } };
    };
    const answer = (share: Share): PartialReply => evaluatePartials(request(), share);
    const keysOf = (replies: readonly PartialReply[]): Uint8Array => {
      const sorted = sortReplies(request(), verificationShares, replies);
      using elements = combinePartials(MIN_SHARES, sorted);
      using prfs = prfOutputs(group, elements);
      const keys = prfs.use((materials) => expandKeys(kernels, materials, ids));
      for (const { partials } of sorted.verified) partials.fill(0);
      return keys;
    };
    const replies = asked.map(answer);
    return {
      whole: () => keysOf(asked.map(answer)),
      answer: () => void answer(asked[0]!),
      derive: () => keysOf(replies),
    };
  },
};

/** Contract keys of all materials in one call, as the page engine expands them; the kernels' memory is wiped. */
function expandKeys(kernels: Kernels, prfs: Uint8Array, ids: readonly Uint8Array[]): Uint8Array {
  const ikm = kernels.put(prfs);
  const info = kernels.put(Buffer.concat(ids.map(infoOf)));
  const out = kernels.alloc(ids.length * CONTRACT_KEY_BYTES);
  kernels.call("hkdfSha256Batch", kernels.put(contractKeyRows(ids.length, ikm, info, out)), ids.length);
  const keys = kernels.bytes.slice(out, out + ids.length * CONTRACT_KEY_BYTES);
  kernels.wipe();
  return keys;
}

/** A gatekeeper of a quorum: λ_i·s_i, and λ_i·Y_i. */
interface ScaledShare {
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
}

/** Shares of a random polynomial, scaled by the Lagrange coefficients of the quorum. */
function dealScaledShares(masterKey: Uint8Array): ScaledShare[] {
  const coefficients = [masterKey, ...Array.from({ length: MIN_SHARES - 1 }, randomScalar)].map(numberOf);
  const share = (i: number): bigint => coefficients.reduceRight((sum, a) => (sum * BigInt(i) + a) % ORDER, 0n);
  return QUORUM.map((i) => {
    const scaled = Point.Fn.mul(lagrangeCoefficient(i), share(i));
    return { secret: bytesOf(scaled), publicKey: publicKeyOf(scaled) };
  });
}

/** λ_i = Π j / (j − i) over the others of the quorum. */
function lagrangeCoefficient(i: number): bigint {
  const { Fn } = Point;
  return QUORUM.filter((j) => j !== i).reduce(
    (product, j) => Fn.mul(product, Fn.div(BigInt(j), Fn.create(BigInt(j - i)))),
    1n,
  );
}

/** A partial with what it is checked against. */
interface Answer {
  readonly partial: Uint8Array;
  readonly proof: Uint8Array;
  readonly key: ReturnType<typeof decodeKey>;
}

/** One proof a point and gatekeeper. */
export const NOBLE_KEY_PATH: KeyPathContender = {
  column: NOBLE_CURVES,
  contracts: NOBLE_CONTRACTS,
  make: ({ masterKey, ids }) => {
    const gatekeepers = dealScaledShares(masterKey).map((share) => ({ ...share, key: decodeKey(share.publicKey) }));
    const answer = ({ secret, publicKey }: ScaledShare, id: Uint8Array): { partial: Uint8Array; proof: Uint8Array } => {
      const point = hashed(id);
      const partial = point.multiply(Point.Fn.fromBytes(secret)).toBytes();
      return { partial, proof: proveDleq(secret, publicKey, point.toBytes(), partial) };
    };
    const answersTo = (id: Uint8Array): Answer[] => gatekeepers.map((each) => ({ ...answer(each, id), key: each.key }));
    const keyOf = (id: Uint8Array, answers: readonly Answer[]): Uint8Array => {
      const point = hashed(id).toBytes();
      let sum = Point.ZERO;
      for (const { partial, proof, key } of answers) {
        if (!verifyDleq(key, point, partial, proof)) throw new Error(`${NOBLE_CURVES} refuses its own proof`);
        sum = sum.add(Point.fromBytes(partial));
      }
      return deriveKey(sum.toBytes().subarray(1), id);
    };
    const answers = ids.map(answersTo);
    return {
      whole: () => Buffer.concat(ids.map((id) => keyOf(id, answersTo(id)))),
      answer: () => {
        for (const id of ids) answer(gatekeepers[0]!, id);
      },
      derive: () => Buffer.concat(ids.map((id, at) => keyOf(id, answers[at]!))),
    };
  },
};

function hashed(id: Uint8Array): InstanceType<typeof Point> {
  return secp256k1_hasher.hashToCurve(id, { DST: CONTEXT.contractPoint });
}

function deriveKey(x: Uint8Array, id: Uint8Array): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", x, NO_SALT, infoOf(id), CONTRACT_KEY_BYTES));
}

function infoOf(id: Uint8Array): Uint8Array {
  return contractKeyInfo(KEY_SUITE.secp256k1, CIPHER_SUITE, ROTATION_ID, id);
}
