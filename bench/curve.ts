/** Operations of secp256k1, batches of Gatekeeper's beside one call an item of everybody else. */
import { oneIn } from "./contender.ts";
import { checkedRun } from "./curve-contender.ts";
import { BATCH_ITEMS, ourCurveContenders } from "./curve-ours.ts";
import { ADDON, ADDON_VARIABLE_TIME, NOBLE_CURVES, TINY, curvePeers } from "./curve-peers.ts";
import { OPERATIONS, firstItems, makeCurveWorkload } from "./curve-workload.ts";
import { ENGINE } from "./reencrypt.ts";
import type { Secp256k1Addon } from "./secp256k1-addon.ts";
import type { Case, Table } from "./table.ts";

/**
 * One row an operation.
 * @param addon - null where it is not to be had: its columns are then missing.
 * @param items - of a batch of ours, at most BATCH_ITEMS.
 */
export function curveTable(addon: Secp256k1Addon | null, items = BATCH_ITEMS): Table {
  const contenders = [...ourCurveContenders(), ...curvePeers(addon)];
  const rows = Object.keys(OPERATIONS);
  contenders.sort((a, b) => rows.indexOf(a.operation) - rows.indexOf(b.operation));
  return {
    name: "secp256k1",
    title: "Operations of secp256k1",
    item: "operation",
    ours: [ENGINE],
    pairs: [NOBLE_CURVES, TINY, ADDON, ADDON_VARIABLE_TIME].map((theirs) => [ENGINE, theirs] as const),
    unordered: true,
    notes: notesFor(addon, items),
    prepare: async (round) => {
      const workload = makeCurveWorkload(items);
      const cases = contenders.map((contender): Case => {
        const some = firstItems(workload, contender.items);
        const run = checkedRun(contender, some, oneIn(round));
        return {
          row: OPERATIONS[contender.operation],
          column: contender.column,
          items: some.points.length,
          run: () => void run(),
        };
      });
      return { cases, [Symbol.asyncDispose]: async () => undefined };
    },
  };
}

function notesFor(addon: Secp256k1Addon | null, items: number): string[] {
  return [
    `${ENGINE}: batches of ${items.toLocaleString("en")}, one thread; points compressed in and out, checked, secrets wiped; constant time but for ECDSA and where nothing is secret`,
    `${TINY}: libsecp256k1 in WebAssembly; its pointMultiply is variable time`,
    addon === null
      ? `${ADDON}: not measured, as its package has no binary that this machine can load`
      : `${ADDON}: libsecp256k1 in C; ecdh, which hashes the product, publicKeyCreate, publicKeyConvert, ecdsaVerify; variable time: publicKeyTweakMul`,
    "decompress and validate: compressed points in, uncompressed ones out, and what is no point is refused, by everybody",
    "contract partial: a contract id of 32 B, hashed to the curve, times a secret scalar",
  ];
}
