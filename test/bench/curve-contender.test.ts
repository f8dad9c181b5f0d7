import { describe, expect, it } from "vitest";
import { type CurveContender, checkedRun } from "../../bench/curve-contender.ts";
import { ourCurveContenders } from "../../bench/curve-ours.ts";
import { curvePeers } from "../../bench/curve-peers.ts";
import { type Operation, OPERATIONS, firstItems, makeCurveWorkload } from "../../bench/curve-workload.ts";
import { loadSecp256k1Addon } from "../../bench/secp256k1-addon.ts";
import { type Points, Secp256k1 } from "../../src/engine/secp256k1.ts";

const workload = makeCurveWorkload(6);
const peers = curvePeers(await loadSecp256k1Addon());

/** The one of ours that does an operation, some methods of its curve being others. */
function oursOver(spoiled: Partial<Secp256k1>, operation: Operation): CurveContender {
  const contenders = ourCurveContenders({
    compressed: Object.assign(new Secp256k1("compressed"), spoiled),
    uncompressed: Object.assign(new Secp256k1("uncompressed"), spoiled),
  });
  return contenders.find((each) => each.operation === operation)!;
}

describe("the check of secp256k1's operations", () => {
  it.each(peers.map((contender) => [contender.column, OPERATIONS[contender.operation], contender] as const))(
    "is passed by %s, %s",
    (_, __, contender) => {
      const run = checkedRun(contender, workload, 1);
      expect(run()).toHaveLength(6);
    },
  );

  it.each(ourCurveContenders().map((contender) => [OPERATIONS[contender.operation], contender] as const))(
    "is passed by ours, %s",
    (_, contender) => {
      expect(() => checkedRun(contender, workload, 1)).not.toThrow();
    },
  );

  it("looks at few items where it is told to, and at all that judges", () => {
    const late = { ...workload, points: workload.points.with(5, workload.points[4]!) };
    const contender = oursOver({}, "multiplyAll");
    expect(() => checkedRun(contender, late, 1)).toThrow("engine, points × one secret scalar: item 5 is wrong");
    expect(() => checkedRun(contender, late, 1e9)).not.toThrow();
    expect(() => checkedRun(oursOver({ convert: acceptAll }, "decompress"), workload, 1e9)).toThrow("is wrong");
  });

  const [short, long] = [new Secp256k1("compressed"), new Secp256k1("uncompressed")];
  const flipped = (bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => bytes.with(-1, bytes.at(-1)! ^ 1);
  const flippedPoints = ({ points, invalid }: Points): Points => ({ points: flipped(points), invalid });
  const acceptAll: Secp256k1["convert"] = (points, form) => ({ ...long.convert(points, form), invalid: [] });

  it.each<[Operation, string, Partial<Secp256k1>]>([
    ["publicKeys", "item 5 is wrong", { publicKeys: (...args) => flippedPoints(short.publicKeys(...args)) }],
    ["hashToCurve", "item 5 is wrong", { hashToCurve: (...args) => flipped(short.hashToCurve(...args)) }],
    ["partials", "item 5 is wrong", { partials: (...args) => flipped(short.partials(...args)) }],
    ["multiplyEach", "item 0 is wrong", { multiplyEach: (points) => ({ points: points.slice(), invalid: [] }) }],
    ["multiplyAll", "item 3 is wrong", { multiplyAll: (...args) => ({ ...short.multiplyAll(...args), invalid: [3] }) }],
    ["publicKeys", "5 answers for 6 items", { publicKeys: (scalars) => short.publicKeys(scalars.subarray(32)) }],
    ["decompress", "item 5 is wrong", { convert: (...args) => flippedPoints(long.convert(...args)) }],
    ["decompress", "item 5 is wrong", { convert: (...args) => ({ ...long.convert(...args), invalid: [5] }) }],
    ["verifyEcdsa", "item 5 is wrong", { invalidSignatures: (...args) => short.invalidSignatures(...args).concat(5) }],
    ["verifyEcdsa", "item 1 is wrong", { invalidSignatures: () => [] }],
  ])("refuses %s that are wrong: %s", (operation, message, spoiled) => {
    expect(() => checkedRun(oursOver(spoiled, operation), workload, 1)).toThrow(message);
  });
});

describe("firstItems", () => {
  it("takes as many of everything", () => {
    const { scalar, ...lists } = firstItems(workload, 4);
    expect(scalar).toBe(workload.scalar);
    expect(Object.values(lists).map(({ length }) => length)).toEqual([4, 4, 4, 4, 4]);
    expect(lists.points).toEqual(workload.points.slice(0, 4));
  });
});

describe("the peers", () => {
  it("are there without the addon, if it is not to be had", () => {
    const columns = new Set(curvePeers(null).map(({ column }) => column));
    expect([...columns]).toEqual(["@noble/curves", "tiny-secp256k1"]);
  });
});
