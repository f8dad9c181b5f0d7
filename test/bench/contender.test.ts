import { describe, expect, it } from "vitest";
import { type Contender, checkContender } from "../../bench/contender.ts";
import { engineContender, kernelContender } from "../../bench/ours.ts";
import { chainsafeContender, makeLibsodium, nobleContender, nodeContender } from "../../bench/peers.ts";
import { type AadKind, type Workload, makeWorkload } from "../../bench/workload.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";

function small(suite: Suite, aad: AadKind): Workload {
  return makeWorkload({ suite, aad, size: 40, contracts: 2, recordsEach: 3 });
}

describe.each(ALL_SUITES.flatMap((suite) => (["16 B", "78 B"] as const).map((aad) => ({ suite, aad }))))(
  "with $suite and an AAD of $aad",
  ({ suite, aad }) => {
    it.each([
      ["engine", engineContender],
      ["kernel", kernelContender],
      ["node:crypto", nodeContender],
      ["noble", nobleContender],
    ])("%s passes the check", (name, make) => {
      const workload = small(suite, aad);
      checkContender(name, workload, make(workload));
    });
  },
);

describe("contenders of one suite", () => {
  it("pass the check", async () => {
    const workload = small("chacha20-poly1305", "16 B");
    checkContender("libsodium", workload, (await makeLibsodium())(workload));
    checkContender("chainsafe", workload, chainsafeContender(workload));
  });
});

describe("the check refuses a contender that", () => {
  const workload = small("aes-256-gcm", "78 B");
  const last = workload.records.at(-1)!;

  /** A right contender, and then something wrong with the last record. */
  function spoiled(spoil: (arena: Uint8Array, before: Uint8Array) => void): Contender {
    const right = nodeContender(workload);
    return {
      arena: () => right.arena(),
      reencrypt: (from) => {
        const before = right.arena().slice();
        right.reencrypt(from);
        spoil(right.arena(), before);
      },
    };
  }

  const flip = (at: number) => (arena: Uint8Array) => {
    arena[at] = arena[at]! ^ 1;
  };

  it.each<[string, RegExp, (arena: Uint8Array, before: Uint8Array) => void]>([
    [
      "leaves a record",
      /record 5 .* kept its nonce/,
      (arena, before) => arena.set(before.subarray(last.offset), last.offset),
    ],
    ["spoils a text", /record 5 .* not what node:crypto seals/, flip(last.offset + 20)],
    ["spoils a tag", /record 5 .* not what node:crypto seals/, flip(workload.arena().length - 1)],
    ["changes an AAD", /record 5 .* another AAD/, flip(last.aadOffsets[0])],
  ])("%s", (_, message, spoil) => {
    expect(() => checkContender("spoiled", workload, spoiled(spoil))).toThrow(message);
  });
});
