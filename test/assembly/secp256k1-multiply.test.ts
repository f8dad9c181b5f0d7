import { createECDH } from "node:crypto";
import * as nobleSecp256k1 from "@noble/secp256k1";
import { describe, expect, test } from "vitest";
import { multiplyAll, multiplyEach } from "./secp256k1-batch.ts";
import { bigEndian, modulo, ORDER, scalarOf } from "./secp256k1-numbers.ts";
import {
  bentProgression,
  hexesOf,
  LAMBDA,
  type Point,
  pointBytes,
  pointsOf,
  progression,
  rawPoint,
  scalarBytes,
  scalarProgression,
  times,
} from "./secp256k1-points.ts";

/** Scalars at which a split, a recoding or a ladder may go wrong. */
const EDGES: readonly bigint[] = [
  ...[1n, 2n, 3n, 4n, 15n, 16n, 17n, 26n, 31n, 32n, 33n],
  ...[1n, 2n, 3n, 26n].map((small) => ORDER - small),
  (ORDER - 1n) / 2n,
  (ORDER + 1n) / 2n,
  // λ and small multiples of it; 26·λ is the one that splitScalar has to split in another way.
  ...[1n, 2n, 13n, 25n, 26n, 27n, 52n].flatMap((small) => [modulo(small * LAMBDA), modulo(-small * LAMBDA)]),
  modulo(LAMBDA * LAMBDA),
  modulo(1n + LAMBDA),
  modulo(1n - LAMBDA),
  modulo(26n + 26n * LAMBDA),
  ...[4n, 64n, 127n, 128n, 129n, 130n, 131n, 132n, 192n, 255n].map((bits) => 2n ** bits),
  ...[127n, 128n, 129n, 132n, 255n].map((bits) => 2n ** bits - 1n),
  2n ** 256n - ORDER,
];
const NO_SCALARS: readonly bigint[] = [0n, ORDER, ORDER + 1n, 2n ** 256n - 1n];
const COUNTS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 257, 258, 513];

/** All valid, and these points; kernels that refuse no batch return nothing. */
function all(points: readonly Point[], returned: number | undefined): object {
  return { returned, statuses: points.map(() => 1), points: hexesOf(points) };
}

describe("points times one scalar", () => {
  const k = scalarOf("multiplyAll, a scalar");
  const [first, step] = [times(scalarOf("multiplyAll, first")), times(scalarOf("multiplyAll, step"))];
  const points = progression(513, first, step);
  const products = progression(513, times(k, first), times(k, step));

  test.each(COUNTS)("%i points", (count) => {
    const input = pointBytes(points.slice(0, count));
    const expected = all(products.slice(0, count), 1);
    expect(multiplyAll(input, bigEndian(k))).toEqual(expected);
    expect(multiplyAll(input, bigEndian(k), true)).toEqual(expected);
  });

  test("every scalar that is peculiar", () => {
    const three = pointsOf("multiplyAll, peculiar scalars", 3);
    for (const edge of EDGES) {
      const expected = all(
        three.map((point) => times(edge, point)),
        1,
      );
      expect(multiplyAll(pointBytes(three), bigEndian(edge)), `${edge}`).toEqual(expected);
    }
  });

  test.each(NO_SCALARS)("%i is refused, and nothing written", (none) => {
    const untouched = Buffer.alloc(33, 0xa5).toString("hex");
    expect(multiplyAll(pointBytes(points.slice(0, 2)), bigEndian(none))).toEqual({
      returned: 0,
      statuses: [0xa5, 0xa5],
      points: [untouched, untouched],
    });
  });

  test("equal points, opposite ones and the generator's multiples share a batch", () => {
    const [p, q] = [points[0]!, points[1]!];
    const G = times(1n);
    const peculiar = [p, p, p.negate(), p, q, p.negate(), G, G.negate(), times(2n), times(LAMBDA), times(LAMBDA, p), q];
    const expected = all(
      peculiar.map((point) => times(k, point)),
      1,
    );
    expect(multiplyAll(pointBytes(peculiar), bigEndian(k))).toEqual(expected);
  });

  test("one bad point among 300, in either lane, at the ends and at a chunk's", () => {
    for (const at of [0, 1, 149, 254, 255, 256, 257, 299]) {
      const input = pointBytes(points.slice(0, 300));
      rawPoint(4, points[at]!.x).copy(input, 33 * at);
      const { statuses, points: written } = multiplyAll(input, bigEndian(k));
      expect(statuses).toEqual(points.slice(0, 300).map((_, i) => (i === at ? 0 : 1)));
      expect(written.toSpliced(at, 1)).toEqual(hexesOf(products.slice(0, 300)).toSpliced(at, 1));
    }
  });

  test("nothing but bad points", () => {
    const { statuses } = multiplyAll(Buffer.alloc(33 * 5), bigEndian(k));
    expect(statuses).toEqual([0, 0, 0, 0, 0]);
  });
});

describe("points times a scalar each", () => {
  // (k + i·e)·(P + i·Q) = k·P + i·(k·Q + e·P + e·Q) + i(i − 1)/2·2e·Q: a product an addition.
  const [k, e] = [scalarOf("multiplyEach, first"), scalarOf("multiplyEach, step")];
  const [p, q] = [times(scalarOf("multiplyEach, P")), times(scalarOf("multiplyEach, Q"))];
  const scalars = scalarProgression(513, k, e);
  const points = progression(513, p, q);
  const step = times(k + e, q).add(times(e, p));
  const products = bentProgression(513, times(k, p), step, times(2n * e, q));

  test.each(COUNTS)("%i points", (count) => {
    const [input, ks] = [pointBytes(points.slice(0, count)), scalarBytes(scalars.slice(0, count))];
    expect(multiplyEach(input, ks)).toEqual(all(products.slice(0, count), undefined));
    expect(multiplyEach(input, ks, true)).toEqual(all(products.slice(0, count), undefined));
  });

  test("every scalar that is peculiar, beside another one", () => {
    const some = pointsOf("multiplyEach, peculiar scalars", EDGES.length);
    const expected = all(
      some.map((point, i) => times(EDGES[i]!, point)),
      undefined,
    );
    expect(multiplyEach(pointBytes(some), scalarBytes(EDGES))).toEqual(expected);
    const [last, ...others] = [...EDGES].reverse();
    const turned = [...others.reverse(), last!];
    expect(multiplyEach(pointBytes(some), scalarBytes(turned))).toEqual(expected);
  });

  test("no scalar and no point, each between good ones in either lane", () => {
    const bad = new Map<number, bigint>([
      [1, NO_SCALARS[0]!],
      [4, NO_SCALARS[1]!],
      [7, NO_SCALARS[2]!],
      [256, NO_SCALARS[3]!],
      [258, 0n],
    ]);
    const count = 259;
    const ks = scalars.slice(0, count).map((scalar, i) => bad.get(i) ?? scalar);
    const input = pointBytes(points.slice(0, count));
    for (const at of [10, 11, 257]) input[33 * at] = 5;
    const { statuses, points: written } = multiplyEach(input, scalarBytes(ks));
    const good = (i: number): boolean => !bad.has(i) && ![10, 11, 257].includes(i);
    expect(statuses).toEqual(ks.map((_, i) => (good(i) ? 1 : 0)));
    expect(written.filter((_, i) => good(i))).toEqual(hexesOf(products.slice(0, count)).filter((_, i) => good(i)));
  });

  test("agrees with node:crypto and @noble/secp256k1 about Diffie–Hellman", () => {
    const some = pointsOf("multiplyEach, Diffie–Hellman", 9);
    const ks = scalarProgression(9, scalarOf("multiplyEach, a secret"), e);
    const { points: written } = multiplyEach(pointBytes(some), scalarBytes(ks));
    some.forEach((point, i) => {
      const ecdh = createECDH("secp256k1");
      ecdh.setPrivateKey(bigEndian(ks[i]!));
      expect(written[i]!.slice(2), `${i}`).toBe(ecdh.computeSecret(point.toBytes()).toString("hex"));
      const noble = nobleSecp256k1.getSharedSecret(bigEndian(ks[i]!), point.toBytes());
      expect(written[i], `${i}`).toBe(Buffer.from(noble).toString("hex"));
    });
  });
});
