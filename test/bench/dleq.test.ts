import { describe, expect, it } from "vitest";
import { OUR_DLEQ } from "../../bench/dleq-ours.ts";
import { type DleqContender, NOBLE_DLEQ, casesOf, makeDleqWorkload } from "../../bench/dleq.ts";

const workload = makeDleqWorkload(2);

describe.each([
  ["noble", NOBLE_DLEQ, "proof 0 is wrong"],
  ["ours", OUR_DLEQ, "the proof is wrong"],
] as const)("proofs of equal discrete logarithms by %s", (_, contender: DleqContender, wrong) => {
  const { make } = contender;

  it("pass the check", () => {
    const cases = casesOf(contender, workload);
    expect(cases.map(({ row, items }) => [row, items])).toEqual([
      ["prove", 2],
      ["verify", 2],
    ]);
    for (const { run } of cases) run();
  });

  it("are refused when they are for another secret, or not of the workload's points", () => {
    const other = makeDleqWorkload(2);
    const foreign: DleqContender = {
      ...contender,
      make: (given) => ({ ...make(given), prove: () => make(other).prove() }),
    };
    expect(() => casesOf(foreign, workload)).toThrow(wrong);
    const lying: DleqContender = {
      ...contender,
      make: (given) => ({ ...make(given), prove: () => make({ ...given, secret: other.secret }).prove() }),
    };
    expect(() => casesOf(lying, workload)).toThrow(wrong);
  });

  it.each<[string, boolean, string]>([
    ["refuses everything", false, "refuses its own proof"],
    ["takes everything", true, "takes its proof for another output"],
  ])("are refused when their verifier %s", (_, verdict, message) => {
    const verifier: DleqContender = {
      ...contender,
      make: (given) => ({ ...make(given), verify: () => verdict }),
    };
    expect(() => casesOf(verifier, workload)).toThrow(message);
  });

  it("are refused when their verifier looks at the first byte of the proof only", () => {
    const verifier: DleqContender = {
      ...contender,
      make: (given) => {
        const prover = make(given);
        let made = new Uint8Array(0);
        return {
          prove: () => (made = Uint8Array.from(prover.prove())),
          verify: (proof) => (made.length === 0 ? prover.verify(proof) : proof[0] === made[0]),
        };
      },
    };
    expect(() => casesOf(verifier, workload)).toThrow("takes a spoiled proof");
  });
});
