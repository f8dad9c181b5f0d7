/**
 * How operations of secp256k1 are done from Node without Gatekeeper: one call for each item. Each peer is used as well
 * as its interface allows: what it takes lies ready as bytes of its own, and where it can write to given bytes it does.
 */
import { secp256k1, secp256k1_hasher } from "@noble/curves/secp256k1.js";
import * as tiny from "tiny-secp256k1";
import { CONTEXT } from "../src/context.ts";
import { POINT_BYTES } from "../src/engine/secp256k1.ts";
import type { CurveContender, PreparedOperation } from "./curve-contender.ts";
import type { Answer, CurveWorkload, Operation } from "./curve-workload.ts";
import type { Secp256k1Addon } from "./secp256k1-addon.ts";

export const NOBLE_CURVES = "@noble/curves";
export const TINY = "tiny-secp256k1";
/** Constant time where a secret enters. */
export const ADDON = "secp256k1 addon";
/** What the addon has faster, but not for secrets. */
export const ADDON_VARIABLE_TIME = "secp256k1 addon, variable time";

/** Items of a call: 10 to 20 ms of work where a peer is slowest. */
const NOBLE_ITEMS = 8;
const TINY_ITEMS = 64;
const ADDON_ITEMS = 256;
const DIGEST_BYTES = 32;

/** Does an operation for one item of a workload. */
type Item = (workload: CurveWorkload, index: number) => Answer;

const { Point } = secp256k1;
/** A hash was signed, and is not hashed again. */
const PREHASHED = { prehash: false };

const NOBLE: Readonly<Record<Operation, Item>> = {
  multiplyAll: ({ points, scalar }, i) => Point.fromBytes(points[i]!).multiply(Point.Fn.fromBytes(scalar)).toBytes(),
  multiplyEach: ({ points, scalars }, i) => secp256k1.getSharedSecret(scalars[i]!, points[i]!),
  publicKeys: ({ scalars }, i) => secp256k1.getPublicKey(scalars[i]!),
  hashToCurve: ({ ids }, i) => nobleHash(ids[i]!).toBytes(),
  decompress: ({ points }, i) => orRefused(() => Point.fromBytes(points[i]!).toBytes(false)),
  partials: ({ ids, scalar }, i) => nobleHash(ids[i]!).multiply(Point.Fn.fromBytes(scalar)).toBytes(),
  verifyEcdsa: ({ signed }, i) => {
    const { hash, signature, publicKey } = signed[i]!;
    return secp256k1.verify(signature, hash, publicKey, PREHASHED);
  },
};

/** Compiled to WebAssembly from libsecp256k1; `pointMultiply` is variable time. */
const TINY_SECP256K1: Readonly<Partial<Record<Operation, Item>>> = {
  multiplyAll: ({ points, scalar }, i) => given(tiny.pointMultiply(points[i]!, scalar, true)),
  publicKeys: ({ scalars }, i) => given(tiny.pointFromScalar(scalars[i]!, true)),
  decompress: ({ points }, i) => orRefused(() => tiny.pointCompress(points[i]!, false)),
  verifyEcdsa: ({ signed }, i) => {
    const { hash, signature, publicKey } = signed[i]!;
    return tiny.verify(hash, publicKey, signature);
  },
};

/**
 * All peers.
 * @param addon - null where it is not to be had: then it has no column.
 */
export function curvePeers(addon: Secp256k1Addon | null): CurveContender[] {
  return [
    ...itemByItem(NOBLE_CURVES, NOBLE_ITEMS, NOBLE),
    ...itemByItem(TINY, TINY_ITEMS, TINY_SECP256K1),
    ...(addon === null ? [] : addonContenders(addon)),
  ];
}

function addonContenders(addon: Secp256k1Addon): CurveContender[] {
  const pointAt = slots(POINT_BYTES.compressed);
  const longPointAt = slots(POINT_BYTES.uncompressed);
  const digestAt = slots(DIGEST_BYTES);
  const ecdh = itemByItem(ADDON, ADDON_ITEMS, {
    multiplyAll: ({ points, scalar }, i) => addon.ecdh(points[i]!, scalar, {}, digestAt[i]!),
    multiplyEach: ({ points, scalars }, i) => addon.ecdh(points[i]!, scalars[i]!, {}, digestAt[i]!),
  });
  return [
    ...ecdh.map((contender): CurveContender => ({ ...contender, digests: true })),
    ...itemByItem(ADDON, ADDON_ITEMS, {
      publicKeys: ({ scalars }, i) => addon.publicKeyCreate(scalars[i]!, true, pointAt[i]!),
      decompress: ({ points }, i) => orRefused(() => addon.publicKeyConvert(points[i]!, false, longPointAt[i]!)),
      verifyEcdsa: ({ signed }, i) => {
        const { hash, signature, publicKey } = signed[i]!;
        return addon.ecdsaVerify(signature, hash, publicKey);
      },
    }),
    ...itemByItem(ADDON_VARIABLE_TIME, ADDON_ITEMS, {
      multiplyAll: ({ points, scalar }, i) => addon.publicKeyTweakMul(points[i]!, scalar, true, pointAt[i]!),
    }),
  ];
}

/** Contenders whose interface does one item at a time. */
function itemByItem(column: string, items: number, by: Readonly<Partial<Record<Operation, Item>>>): CurveContender[] {
  return Object.entries(by).map(([operation, item]) => ({
    operation: operation as Operation,
    column,
    items,
    prepare: (workload): PreparedOperation => {
      const answers = (): Answer[] => workload.points.map((_, index) => item(workload, index));
      return { run: answers, answers };
    },
  }));
}

/** Bytes that the addon's results are written to. */
function slots(bytes: number): Uint8Array[] {
  return Array.from({ length: ADDON_ITEMS }, () => new Uint8Array(bytes));
}

/** Peers throw what is no point, an error of no class in particular. */
function orRefused(decompress: () => Uint8Array): Answer {
  try {
    return decompress();
  } catch {
    return false;
  }
}

/** tiny-secp256k1 says null where the result is the point at infinity. */
function given(point: Uint8Array | null): Uint8Array {
  if (point === null) throw new Error(`${TINY} gave no point`);
  return point;
}

function nobleHash(message: Uint8Array): ReturnType<typeof secp256k1_hasher.hashToCurve> {
  return secp256k1_hasher.hashToCurve(message, { DST: CONTEXT.contractPoint });
}
