import { describe, expect, it } from "vitest";
import { type Contender, checkContender } from "../../bench/contender.ts";
import { engineContender, engineFromRawKeysContender, kernelContender } from "../../bench/ours.ts";
import {
  chainsafeContender,
  makeLibsodium,
  makeZepar,
  nobleContender,
  nodeContender,
  nodeFromRawKeysContender,
} from "../../bench/peers.ts";
import { type AadKind, type Workload, always, firstRecords, makeWorkload, uniform } from "../../bench/workload.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";

function small(suite: Suite, aad: AadKind): Workload {
  return makeWorkload({ suite, aad, size: always(40), contracts: 2, recordsEach: 3 });
}

describe.each(ALL_SUITES.flatMap((suite) => (["none", "16 B", "78 B"] as const).map((aad) => ({ suite, aad }))))(
  "with $suite and an AAD of $aad",
  ({ suite, aad }) => {
    it.each([
      ["engine", engineContender("measured")],
      ["engine, WebAssembly alone", engineContender("wasmOnly")],
      ["engine, plaintext allowed", engineContender("plaintextInMemory")],
      ["engine from raw keys", engineFromRawKeysContender],
      ["kernel", kernelContender],
      ["node:crypto", nodeContender],
      ["node:crypto from raw keys", nodeFromRawKeysContender],
      ["noble", nobleContender],
    ])("%s passes the check", (name, make) => {
      const workload = small(suite, aad);
      checkContender(name, workload, make(workload));
      const some = firstRecords(makeWorkload({ ...workload.shape, size: uniform(0, 300) }), 4);
      checkContender(name, some, make(some));
    });
  },
);

describe("contenders of one suite", () => {
  it("pass the check", async () => {
    const workload = small("chacha20-poly1305", "16 B");
    checkContender("libsodium", workload, (await makeLibsodium())(workload));
    checkContender("chainsafe", workload, chainsafeContender(workload));
    const bare = small("chacha20-poly1305", "none");
    checkContender("zepar", bare, (await makeZepar())(bare));
  });

  it("are refused records with an AAD when they can't take one", async () => {
    const make = await makeZepar();
    expect(() => make(small("chacha20-poly1305", "16 B"))).toThrow("no AAD");
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
