/** Gatekeeper's secp256k1 as a contender: one call for a batch, bytes one after the other in and out. */
import { POINT_BYTES, type PointForm, type Points, Secp256k1 } from "../src/engine/secp256k1.ts";
import { CONTRACT_POINT_DST } from "../src/keys/contract-points.ts";
import { ENGINE } from "./reencrypt.ts";
import type { CurveContender, PreparedOperation } from "./curve-contender.ts";
import { type CurveWorkload, ID_BYTES, OPERATIONS, type Operation } from "./curve-workload.ts";

/** Items of a batch. */
export const BATCH_ITEMS = 1_024;

/** An instance by the form of the points that it takes and gives. */
export type Curves = Readonly<Record<PointForm, Secp256k1>>;

/** Every operation by one pair of instances, as a thread has. */
export function ourCurveContenders(
  curves: Curves = { compressed: new Secp256k1("compressed"), uncompressed: new Secp256k1("uncompressed") },
): CurveContender[] {
  return (Object.keys(OPERATIONS) as Operation[]).map((operation) => ({
    operation,
    column: ENGINE,
    items: BATCH_ITEMS,
    prepare: (workload) => prepareBatch(curves, operation, workload),
  }));
}

function prepareBatch(
  { compressed, uncompressed }: Curves,
  operation: Operation,
  workload: CurveWorkload,
): PreparedOperation {
  const { scalar } = workload;
  const points = Buffer.concat(workload.points);
  const scalars = Buffer.concat(workload.scalars);
  const ids = Buffer.concat(workload.ids);
  switch (operation) {
    case "multiplyAll":
      return pointBatch("compressed", () => compressed.multiplyAll(points, scalar));
    case "multiplyEach":
      return pointBatch("compressed", () => compressed.multiplyEach(points, scalars));
    case "publicKeys":
      return pointBatch("compressed", () => compressed.publicKeys(scalars));
    case "hashToCurve":
      return pointBatch("compressed", () => allValid(compressed.hashToCurve(ids, ID_BYTES, CONTRACT_POINT_DST)));
    case "decompress":
      return pointBatch("uncompressed", () => uncompressed.convert(points, "compressed"));
    case "partials":
      return pointBatch("compressed", () => allValid(compressed.partials(ids, ID_BYTES, CONTRACT_POINT_DST, scalar)));
    case "verifyEcdsa": {
      const hashes = Buffer.concat(workload.signed.map(({ hash }) => hash));
      const signatures = Buffer.concat(workload.signed.map(({ signature }) => signature));
      const publicKeys = Buffer.concat(workload.signed.map(({ publicKey }) => publicKey));
      const run = (): number[] => compressed.invalidSignatures(hashes, signatures, publicKeys);
      const answers = (): boolean[] => {
        const invalid = new Set(run());
        return workload.signed.map((_, index) => !invalid.has(index));
      };
      return { run, answers };
    }
  }
}

/** An operation that gives points; what it says is invalid, it refuses. */
function pointBatch(form: PointForm, run: () => Points): PreparedOperation {
  const size = POINT_BYTES[form];
  const answers = (): (Uint8Array | false)[] => {
    const { points, invalid } = run();
    const refused = new Set(invalid);
    return Array.from({ length: points.length / size }, (_, index) =>
      refused.has(index) ? false : points.subarray(index * size, (index + 1) * size),
    );
  };
  return { run, answers };
}

function allValid(points: Points["points"]): Points {
  return { points, invalid: [] };
}
