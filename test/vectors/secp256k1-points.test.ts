/** Points and multiples of them that other libraries publish, through src/engine/secp256k1.ts. */
import { expect, test } from "vitest";
import { Secp256k1 } from "../../src/engine/secp256k1.ts";
import { describeVectors, readVectors } from "./read.ts";

/** A case of secp256k1-points.json.gz: points in hex of 33 or 65 bytes, a scalar d, and null for infinity. */
interface PointCase {
  readonly description?: string;
  readonly P: string;
  readonly Q: string;
  readonly d: string;
  readonly expected: string | boolean | null;
}

type Cases = Readonly<Record<string, readonly PointCase[]>>;

const GENERATOR = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const ONE = `${"00".repeat(31)}01`;
const secp256k1 = new Secp256k1();

function cases(): { readonly valid: Cases; readonly invalid: Cases } {
  return JSON.parse(readVectors("fixtures/curves/secp256k1-points.json.gz").toString("utf8")) as ReturnType<
    typeof cases
  >;
}

function bytes(...hex: readonly string[]): Buffer {
  return Buffer.from(hex.join(""), "hex");
}

function hexes(points: Uint8Array): string[] {
  return Buffer.from(points).toString("hex").match(/.{66}/g) ?? [];
}

/** A point that is given with its y, without. */
function compressed(point: string): string {
  if (point.length === 66) return point;
  return `0${2 + (Number.parseInt(point.at(-1)!, 16) & 1)}${point.slice(2, 66)}`;
}

function isCompressed({ P, Q }: PointCase): boolean {
  return [P, Q].every((point) => point === undefined || point.length === 66);
}

describeVectors("points of other libraries", () => {
  test("compressed points are valid, and come out of a multiplication by 1 as they went in", () => {
    const file = readVectors("fixtures/curves/secp256k1-valid-compressed-points.txt").toString("ascii");
    const points = file.split("\n").filter((line) => line !== "");
    expect(points.length).toBe(636);
    expect(secp256k1.invalid(bytes(...points))).toEqual([]);
    const { points: same, invalid } = secp256k1.multiplyAll(bytes(...points), bytes(ONE));
    expect(invalid).toEqual([]);
    expect(hexes(same)).toEqual(points);
  });

  test("isPoint: what is a point and what is none, in one batch", () => {
    const asked = cases().valid["isPoint"]!.filter(isCompressed);
    expect(asked.length).toBeGreaterThan(400);
    const none = asked.flatMap(({ expected }, i) => (expected === false ? [i] : []));
    expect(none.length).toBeGreaterThan(0);
    expect(secp256k1.invalid(bytes(...asked.map(({ P }) => P)))).toEqual(none);
  });

  test("pointCompress", () => {
    const all = cases().valid["pointCompress"]!;
    const { points, invalid } = secp256k1.multiplyAll(bytes(...all.map(({ P }) => compressed(P))), bytes(ONE));
    expect(invalid).toEqual([]);
    expect(hexes(points)).toEqual(all.map(({ expected }) => compressed(expected as string)));
  });

  test("pointAdd and pointAddScalar: sums, some of them infinite", () => {
    const { pointAdd, pointAddScalar } = cases().valid;
    const all = [...pointAdd!.map((vector) => ({ ...vector, d: ONE })), ...pointAddScalar!];
    expect(all.length).toBe(68);
    for (const { P, Q = GENERATOR, d, expected, description } of all) {
      const { points, invalid } = secp256k1.combine([bytes(P), bytes(Q)], bytes(ONE, d));
      if (expected === null) expect(invalid, description).toEqual([0]);
      else expect([hexes(points), invalid], description).toEqual([[expected], []]);
    }
    const { points } = secp256k1.combine(
      [bytes(...pointAdd!.map(({ P }) => P)), bytes(...pointAdd!.map(({ Q }) => Q))],
      bytes(ONE, ONE),
    );
    expect(hexes(points)).toEqual(pointAdd!.map(({ expected }) => expected));
  });

  test("pointFromScalar and pointMultiply", () => {
    const { pointFromScalar, pointMultiply } = cases().valid;
    const keys = secp256k1.publicKeys(bytes(...pointFromScalar!.map(({ d }) => d)));
    expect([hexes(keys.points), keys.invalid]).toEqual([pointFromScalar!.map(({ expected }) => expected), []]);
    const all = [...pointMultiply!, ...pointFromScalar!.map((vector) => ({ ...vector, P: GENERATOR }))];
    const products = secp256k1.multiplyEach(bytes(...all.map(({ P }) => P)), bytes(...all.map(({ d }) => d)));
    expect([hexes(products.points), products.invalid]).toEqual([all.map(({ expected }) => expected), []]);
  });

  test("what is refused", () => {
    const { pointAdd, pointCompress, pointFromScalar, pointMultiply } = cases().invalid;
    const sums = pointAdd!.filter(isCompressed);
    const rows = [bytes(...sums.map(({ P }) => P)), bytes(...sums.map(({ Q }) => Q))];
    expect(sums.length).toBeGreaterThan(20);
    expect(secp256k1.combine(rows, bytes(ONE, ONE)).invalid).toEqual([...sums.keys()]);
    const points = pointCompress!.filter(isCompressed);
    expect(secp256k1.invalid(bytes(...points.map(({ P }) => P)))).toEqual([...points.keys()]);
    const keys = secp256k1.publicKeys(bytes(...pointFromScalar!.map(({ d }) => d)));
    expect(keys.invalid).toEqual([...pointFromScalar!.keys()]);
    const products = pointMultiply!.filter(isCompressed);
    const multiplied = secp256k1.multiplyEach(
      bytes(...products.map(({ P }) => P)),
      bytes(...products.map(({ d }) => d)),
    );
    expect(multiplied.invalid).toEqual([...products.keys()]);
  });

  test("noble's small and large secret keys", () => {
    const file = readVectors("fixtures/curves/noble-secp256k1/privates-2.txt").toString("ascii");
    const rows = file.split("\n").flatMap((line) => {
      const [d, x, y] = line.split(":");
      return y === undefined ? [] : [{ d: BigInt(d!).toString(16).padStart(64, "0"), point: compressed(`04${x}${y}`) }];
    });
    expect(rows.length).toBe(45);
    const { points, invalid } = secp256k1.publicKeys(bytes(...rows.map(({ d }) => d)));
    expect([hexes(points), invalid]).toEqual([rows.map(({ point }) => point), []]);
    const generators = bytes(...rows.map(() => GENERATOR));
    const products = secp256k1.multiplyEach(generators, bytes(...rows.map(({ d }) => d)));
    expect([hexes(products.points), products.invalid]).toEqual([rows.map(({ point }) => point), []]);
  });

  test("noble's scalars whose halves have every sign", () => {
    const file = readVectors("fixtures/curves/noble-secp256k1/endomorphism.json").toString("utf8");
    const all = JSON.parse(file) as readonly Record<"ax" | "ay" | "scalar" | "cx" | "cy" | "desc", string>[];
    expect(all.length).toBe(3);
    const point = (x: string, y: string): string => {
      const [xHex, yHex] = [x, y].map((decimal) => BigInt(decimal).toString(16).padStart(64, "0"));
      return compressed(`04${xHex}${yHex}`);
    };
    for (const { ax, ay, scalar, cx, cy, desc } of all) {
      const k = bytes(BigInt(scalar).toString(16).padStart(64, "0"));
      expect(hexes(secp256k1.multiplyAll(bytes(point(ax, ay)), k).points), desc).toEqual([point(cx, cy)]);
    }
  });
});
