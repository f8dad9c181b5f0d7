import { expect, test } from "vitest";
import { compareIds } from "../../src/election/id.ts";

test("numbers go by value, strings by their bytes, numbers first", () => {
  // As UTF-16 the last two would change places.
  const ordered = [0, 2, 10, "", "1", "10", "2", "a", "aa", "b", "\u{fffd}", "\u{10000}"];
  for (const [i, a] of ordered.entries()) {
    for (const [j, b] of ordered.entries()) expect(Math.sign(compareIds(a, b))).toBe(Math.sign(i - j));
  }
});
