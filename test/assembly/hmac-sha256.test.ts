import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesOf, HMAC_SHA256, runKdf } from "./kdf-batch.ts";

type Mac = readonly [key: Uint8Array, message: Uint8Array];
const reference = ([key, message]: Mac): string => createHmac("sha256", key).update(message).digest("hex");
const run = (macs: readonly Mac[]): string[] =>
  runKdf(
    HMAC_SHA256,
    macs.map((inputs) => ({ inputs, outLength: 32 })),
  ).map((tag) => tag.toString("hex"));

describe("RFC 4231", () => {
  const ascii = (text: string): Uint8Array => Buffer.from(text, "ascii");
  const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
  const counting = Uint8Array.from({ length: 25 }, (_, i) => i + 1);
  const longKey = filled(131, 0xaa);
  const cases: [string, Mac, string][] = [
    ["1", [filled(20, 0x0b), ascii("Hi There")], "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"],
    [
      "2",
      [ascii("Jefe"), ascii("what do ya want for nothing?")],
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ],
    ["3", [filled(20, 0xaa), filled(50, 0xdd)], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"],
    ["4", [counting, filled(50, 0xcd)], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"],
    [
      "6, a key longer than a block",
      [longKey, ascii("Test Using Larger Than Block-Size Key - Hash Key First")],
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ],
    [
      "7, key and message longer than a block",
      [
        longKey,
        ascii(
          "This is a test using a larger than block-size key and a larger than block-size data. " +
            "The key needs to be hashed before being used by the HMAC algorithm.",
        ),
      ],
      "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ],
  ];

  test.each(cases)("case %s, alone", (_, mac, tag) => {
    expect(run([mac])).toEqual([tag]);
  });

  test("all cases in one batch, in either order", () => {
    expect(run(cases.map(([, mac]) => mac))).toEqual(cases.map(([, , tag]) => tag));
    const reversed = cases.toReversed();
    expect(run(reversed.map(([, mac]) => mac))).toEqual(reversed.map(([, , tag]) => tag));
  });

  test("case 5, cut to 128 bits", () => {
    const [tag] = run([[filled(20, 0x0c), ascii("Test With Truncation")]]);
    expect(tag!.slice(0, 32)).toBe("a3b6167473100ee06e0c796c2955552b");
  });
});

describe("hmacSha256Batch", () => {
  test("agrees with node:crypto for every key length around a block's edge, beside each other", () => {
    const macs = Array.from({ length: 140 }, (_, i): Mac => [bytesOf(i, i), bytesOf(1000 + i, (i * 37) % 200)]);
    expect(run(macs)).toEqual(macs.map(reference));
  });

  test("agrees with node:crypto for the empty key, in all lanes and in each of them", () => {
    const macs = Array.from({ length: 4 }, (_, i): Mac => [bytesOf(i, 0), bytesOf(100 + i, 50 * i)]);
    for (let count = 1; count <= 4; count++) {
      expect(run(macs.slice(0, count))).toEqual(macs.slice(0, count).map(reference));
    }
    for (let lane = 0; lane < 4; lane++) {
      const mixed = macs.with(lane, [bytesOf(9, 70), bytesOf(10, 20)]);
      expect(run(mixed)).toEqual(mixed.map(reference));
      const others = Array.from({ length: 4 }, (_, i): Mac => [bytesOf(i, i === lane ? 0 : 20 + i), bytesOf(i, 77)]);
      expect(run(others)).toEqual(others.map(reference));
    }
  });

  test("agrees with node:crypto with different keys, messages and lengths in every lane", () => {
    const mac = fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 400 }));
    fc.assert(
      fc.property(fc.array(mac, { maxLength: 9 }), (macs) => {
        expect(run(macs)).toEqual(macs.map(reference));
      }),
    );
  });
});
