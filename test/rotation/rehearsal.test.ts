import { describe, expect, it } from "vitest";
import { PageEngine } from "../../src/engine/page-engine.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";
import { KEY_SUITE } from "../../src/keys/group.ts";
import type { Generation } from "../../src/rotation/partition-keys.ts";
import { rehearse } from "../../src/rotation/rehearsal.ts";

const engine = new PageEngine();

const under = (suite: Suite, rotationId = 7): Generation => ({ rotationId, suite, keySuite: KEY_SUITE.secp256k1 });
const [FROM, TO] = [under("aes-256-gcm", 7), under("aes-256-gcm", 8)];

/** An engine one of whose calls is another. */
function engineWith(calls: Partial<Pick<PageEngine, "reencrypt" | "verify" | "check">>): PageEngine {
  const own = { reencrypt: engine.reencrypt, verify: engine.verify, check: engine.check };
  const bound = Object.entries({ ...own, ...calls }).map(([name, call]) => [name, call.bind(engine as never)]);
  return Object.fromEntries(bound) as PageEngine;
}

describe("a rehearsal", () => {
  it.each(ALL_SUITES.flatMap((from) => ALL_SUITES.map((to) => [from, to] as const)))(
    "goes from %s to %s",
    async (from, to) => {
      await expect(rehearse(engine, under(from, 7), under(to, 8))).resolves.toBeUndefined();
    },
  );

  it("goes with the keys of either key suite", async () => {
    const other = { ...TO, keySuite: KEY_SUITE.ristretto255 };
    await expect(rehearse(engine, FROM, other)).resolves.toBeUndefined();
  });

  it("fails where the kernels re-encrypt something else", async () => {
    const reencrypt: PageEngine["reencrypt"] = (...args) => {
      const outcomes = engine.reencrypt(...args);
      for (const { body } of outcomes) body[body.length - 20]! ^= 1;
      return outcomes;
    };
    await expect(rehearse(engineWith({ reencrypt }), FROM, TO)).rejects.toMatchObject({
      code: "KERNEL_SELF_TEST_FAILED",
    });
  });

  it("fails where the kernels say that they have moved, or opened, fewer records than there are", async () => {
    const reencrypt: PageEngine["reencrypt"] = (...args) =>
      engine.reencrypt(...args).map((outcome) => ({ ...outcome, done: outcome.done - 1 }));
    await expect(rehearse(engineWith({ reencrypt }), FROM, TO)).rejects.toMatchObject({
      code: "KERNEL_SELF_TEST_FAILED",
    });
    const verify: PageEngine["verify"] = (...args) =>
      engine.verify(...args).map((outcome) => ({ ...outcome, done: outcome.done - 1 }));
    await expect(rehearse(engineWith({ verify }), FROM, TO)).rejects.toMatchObject({ code: "KERNEL_SELF_TEST_FAILED" });
  });

  it("fails where the kernels find wrong what is right", async () => {
    const check: PageEngine["check"] = (...args) =>
      engine.check(...args).map((outcome) => ({ ...outcome, wrong: [new Uint8Array(1)] }));
    await expect(rehearse(engineWith({ check }), FROM, TO)).rejects.toMatchObject({ code: "KERNEL_SELF_TEST_FAILED" });
  });
});
