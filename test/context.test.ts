import { expect, test } from "vitest";
import { CONTEXT } from "../src/context.ts";

const entries = Object.entries(CONTEXT);

test("no context string is another's prefix, so they are also unique", () => {
  for (const [name, text] of entries) {
    for (const [other, longer] of entries) {
      if (name !== other) expect(longer.startsWith(text), `${name} is a prefix of ${other}`).toBe(false);
    }
  }
});

test("context strings are printable ASCII and name project and version", () => {
  for (const [, text] of entries) expect(text).toMatch(/^gatekeeper\/v1 [\x20-\x7e]+$/);
});

test("nobody can change a context string while the program runs", () => {
  expect(Object.isFrozen(CONTEXT)).toBe(true);
});
