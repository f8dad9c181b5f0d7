/** The order of values from the smallest on. */

/** Up to here a sort by insertion is the fastest; beyond it would take the square of it. */
const SHORT = 32;

/** Places of values, the smallest value's first; of values that are alike, the first one's first. */
export function risingOrder(values: readonly bigint[]): number[] {
  const order: number[] = [];
  if (values.length > SHORT) {
    for (let place = 0; place < values.length; place++) order.push(place);
    return order.sort((a, b) => (values[a]! < values[b]! ? -1 : values[a]! > values[b]! ? 1 : 0));
  }
  for (let place = 0; place < values.length; place++) {
    const value = values[place]!;
    let at = place;
    for (; at > 0 && values[order[at - 1]!]! > value; at--) order[at] = order[at - 1]!;
    order[at] = place;
  }
  return order;
}
