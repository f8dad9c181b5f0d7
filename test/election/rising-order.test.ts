import fc from "fast-check";
import { expect, test } from "vitest";
import { risingOrder } from "../../src/election/rising-order.ts";

test("is stable, for short and for long lists", () => {
  const lists = fc.oneof(
    fc.array(fc.bigInt({ min: 0n, max: 5n })),
    fc.array(fc.bigInt({ min: 0n, max: 9n }), { minLength: 30, maxLength: 80 }),
  );
  fc.assert(
    fc.property(lists, (values) => {
      const wanted = [...values.keys()].sort((a, b) => Number(values[a]! - values[b]!) || a - b);
      expect(risingOrder(values)).toEqual(wanted);
    }),
  );
});
