import { createCipheriv, randomBytes } from "node:crypto";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Binding,
  DONE,
  type Outcome,
  PENDING,
  type Record,
  runBatch,
  SKIPPED,
  sealed,
  TAG_MISMATCH,
  toHex,
} from "./chacha20-poly1305-batch.ts";
import { compileKernel } from "./compile.ts";
import { KernelInstance } from "./instance.ts";

const NO_TAG = new Uint8Array(16).fill(0xee);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
const fresh = (aadLength: number, key: Uint8Array = randomBytes(32)): Binding => ({
  key,
  nonce: randomBytes(12),
  aad: randomBytes(aadLength),
});

/** Every length up to 300, those around multiples of 64 up to 700, and those around what re-encryption stages. */
const lengths = [
  ...Array.from({ length: 301 }, (_, n) => n),
  ...[5, 6, 7, 8, 9, 10].flatMap((blocks) => [-1, 0, 1].map((off) => 64 * blocks + off)),
  ...[1920, 1984, 1985, 1999, 2000, 2001, 2015, 2016, 2017, 2031, 2032, 2033, 2047, 2048, 2049, 4095, 4096, 5000],
];

interface Case {
  readonly plaintext: Uint8Array;
  readonly from: Binding;
  readonly to: Binding;
}

/** Distinct bytes everywhere, AAD lengths that differ from row to row, and now and then within a row. */
function randomCase(length: number, row: number): Case {
  const aadLength = [0, 1, 15, 16, 17, 31, 32, 48, 78, 100][row % 10]!;
  return {
    plaintext: randomBytes(length),
    from: fresh(aadLength),
    to: fresh(row % 7 === 3 ? aadLength + 33 : row % 7 === 5 ? 0 : aadLength),
  };
}

const sealedRecord = ({ plaintext, from, to }: Case): Record => ({ ...from, ...sealed(from, plaintext), to });
const unsealedRecord = ({ plaintext, from }: Case): Record => ({ ...from, text: plaintext, tag: NO_TAG });
const sealedOutcome = (binding: Binding, plaintext: Uint8Array): Outcome => {
  const { text, tag } = sealed(binding, plaintext);
  return { status: DONE, nonce: toHex(binding.nonce), text: toHex(text), tag: toHex(tag) };
};
const unchanged = (record: Record, status: number): Outcome => ({
  status,
  nonce: toHex(record.nonce),
  text: toHex(record.text),
  tag: toHex(record.tag),
});
const opened = (record: Record, plaintext: Uint8Array): Outcome => ({
  ...unchanged(record, DONE),
  text: toHex(plaintext),
});

describe("ChaCha20-Poly1305, RFC 8439", () => {
  const published = {
    key: hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
    nonce: hex("070000004041424344454647"),
    aad: hex("50515253c0c1c2c3c4c5c6c7"),
    plaintext: Buffer.from(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
    ),
    text:
      "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b29" +
      "05d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b" +
      "6116",
    tag: "1ae10b594f09e26a7e902ecbd0600691",
  };
  const other = randomCase(114, 0);

  it("§2.8.2: seals, opens and verifies the sunscreen text", () => {
    const row = { ...published, text: published.plaintext, tag: NO_TAG };
    const wanted = { status: DONE, nonce: toHex(published.nonce), text: published.text, tag: published.tag };
    expect(runBatch(new KernelInstance(), "Seal", [row, unsealedRecord(other)])[0]).toEqual(wanted);
    const record = { ...published, text: hex(published.text), tag: hex(published.tag) };
    expect(runBatch(new KernelInstance(), "Verify", [record])).toEqual([wanted]);
    expect(runBatch(new KernelInstance(), "Open", [record])).toEqual([opened(record, published.plaintext)]);
  });

  it("§2.8.2: re-encrypts to and from the sunscreen text", () => {
    const record = sealedRecord({ plaintext: published.plaintext, from: other.from, to: published });
    const [outcome] = runBatch(new KernelInstance(), "Reencrypt", [record]);
    expect(outcome).toEqual({ status: DONE, nonce: toHex(published.nonce), text: published.text, tag: published.tag });
    const back = { ...published, text: hex(published.text), tag: hex(published.tag), to: other.to };
    const [away] = runBatch(new KernelInstance(), "Reencrypt", [back]);
    expect(away).toEqual(sealedOutcome(other.to, published.plaintext));
  });

  it("A.5: opens the Internet-Draft text", () => {
    const record = {
      key: hex("1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0"),
      nonce: hex("000000000102030405060708"),
      aad: hex("f33388860000000000004e91"),
      text: hex(
        `64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43eea09ee94e382d26b0
        bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b948114ad176e008d33bd60f982b1ff37c855
        9797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e9
        9040c5a40433225ee282a1b0a06c523eaf4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a
        0bb2316053fa76991955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130
        305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b`,
      ),
      tag: hex("eead9d67890cbb22392336fea1851f38"),
    };
    const text =
      "Internet-Drafts are draft documents valid for a maximum of six months and may be updated, replaced, or obsoleted " +
      "by other documents at any time. It is inappropriate to use Internet-Drafts as reference material or to cite them " +
      "other than as /\u201cwork in progress./\u201d";
    expect(runBatch(new KernelInstance(), "Open", [record])).toEqual([opened(record, Buffer.from(text))]);
  });
});

describe("ChaCha20-Poly1305 over batches", () => {
  const cases = lengths.map(randomCase);

  it("seals as OpenSSL and noble do", () => {
    const outcomes = runBatch(new KernelInstance(), "Seal", cases.map(unsealedRecord));
    expect(outcomes).toEqual(cases.map(({ from, plaintext }) => sealedOutcome(from, plaintext)));
    for (const row of [0, 1, 63, 64, 65, 127, 200, 300]) {
      const { from, plaintext } = cases[row]!;
      const whole = chacha20poly1305(from.key, from.nonce, from.aad).encrypt(plaintext);
      expect(outcomes[row]!.text + outcomes[row]!.tag).toBe(toHex(whole));
    }
  });

  it("verifies and opens what OpenSSL sealed", () => {
    const records = cases.map(sealedRecord);
    expect(runBatch(new KernelInstance(), "Verify", records)).toEqual(records.map((r) => unchanged(r, DONE)));
    const plain = records.map((record, i) => opened(record, cases[i]!.plaintext));
    expect(runBatch(new KernelInstance(), "Open", records)).toEqual(plain);
  });

  it("re-encrypts what OpenSSL sealed to what OpenSSL would seal", () => {
    const wanted = cases.map(({ to, plaintext }) => sealedOutcome(to, plaintext));
    expect(runBatch(new KernelInstance(), "Reencrypt", cases.map(sealedRecord))).toEqual(wanted);
    // And in an order in which short and long, staged and unstaged records follow each other.
    const mixed = cases.toSorted((a, b) => a.from.nonce[0]! - b.from.nonce[0]!);
    const mixedWanted = mixed.map(({ to, plaintext }) => sealedOutcome(to, plaintext));
    expect(runBatch(new KernelInstance(), "Reencrypt", mixed.map(sealedRecord))).toEqual(mixedWanted);
  });

  it("takes AADs of 8 KiB and more", () => {
    const long = [8191, 8192, 8193, 20_000].flatMap((aadLength) =>
      [0, 1, 64, 300].map((length) => ({
        plaintext: randomBytes(length),
        from: fresh(aadLength),
        to: fresh(aadLength + (length % 3)),
      })),
    );
    const wanted = long.map(({ to, plaintext }) => sealedOutcome(to, plaintext));
    expect(runBatch(new KernelInstance(), "Reencrypt", long.map(sealedRecord))).toEqual(wanted);
    const sealedWanted = long.map(({ from, plaintext }) => sealedOutcome(from, plaintext));
    expect(runBatch(new KernelInstance(), "Seal", long.map(unsealedRecord))).toEqual(sealedWanted);
  });

  it("takes records of 1 MiB and of 16 MiB", () => {
    for (const length of [2 ** 20 + 7, 2 ** 24]) {
      const one = { plaintext: randomBytes(length), from: fresh(48), to: fresh(48) };
      const [moved] = runBatch(new KernelInstance(), "Reencrypt", [sealedRecord(one)]);
      const wanted = sealedOutcome(one.to, one.plaintext);
      expect([moved!.status, moved!.tag, moved!.text === wanted.text]).toEqual([DONE, wanted.tag, true]);
      if (length === 2 ** 24) continue;
      const [made] = runBatch(new KernelInstance(), "Seal", [unsealedRecord(one)]);
      expect(made!.tag).toBe(sealedOutcome(one.from, one.plaintext).tag);
      const [plain] = runBatch(new KernelInstance(), "Open", [sealedRecord(one)]);
      expect(plain!.text === toHex(one.plaintext)).toBe(true);
    }
  });

  it("leaves rows alone that are not pending, wherever they stand", () => {
    const statuses = [SKIPPED, PENDING, DONE, PENDING, PENDING, TAG_MISMATCH, SKIPPED, PENDING, SKIPPED];
    for (const operation of ["Seal", "Open", "Verify", "Reencrypt"] as const) {
      const rows = statuses.map((status, i) => {
        const one = randomCase(40 * i, i);
        return { one, record: { ...(operation === "Seal" ? unsealedRecord(one) : sealedRecord(one)), status } };
      });
      const outcomes = runBatch(
        new KernelInstance(),
        operation,
        rows.map(({ record }) => record),
      );
      outcomes.forEach((outcome, i) => {
        const { one, record } = rows[i]!;
        if (record.status !== PENDING) expect(outcome).toEqual(unchanged(record, record.status));
        else if (operation === "Seal") expect(outcome).toEqual(sealedOutcome(one.from, one.plaintext));
        else if (operation === "Reencrypt") expect(outcome).toEqual(sealedOutcome(one.to, one.plaintext));
        else expect(outcome).toEqual(operation === "Open" ? opened(record, one.plaintext) : unchanged(record, DONE));
      });
    }
  });

  it("does nothing with no rows", () => {
    for (const operation of ["Seal", "Open", "Verify", "Reencrypt"] as const) {
      expect(runBatch(new KernelInstance(), operation, [])).toEqual([]);
    }
  });

  it("reads an AAD that ends where memory ends", () => {
    const kernel = new KernelInstance();
    const one = randomCase(20, 4);
    const record = sealedRecord(one);
    const at = kernel.put(Buffer.concat([record.nonce, record.text, record.tag])) + 12;
    const key = kernel.put(one.from.key);
    const rows = kernel.alloc(40);
    const end = kernel.memory.buffer.byteLength;
    const aad = end - one.from.aad.length;
    kernel.bytes.set(one.from.aad, aad);
    const words = Uint32Array.from([at, 20, aad, one.from.aad.length, key, 0, 0, 0, 0, PENDING]);
    kernel.bytes.set(new Uint8Array(words.buffer), rows);
    kernel.call("chacha20Poly1305Verify", rows, 1);
    expect(kernel.bytes[rows + 36]).toBe(DONE);
  });
});

describe("ChaCha20-Poly1305 properties", () => {
  const bytes = (min: number, max = min): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: min, maxLength: max }) as fc.Arbitrary<Uint8Array>;
  const binding = fc.record({ key: bytes(32), nonce: bytes(12), aad: bytes(0, 90) });
  const anyCase = fc.record({ plaintext: bytes(0, 400), from: binding, to: binding });

  it("re-encrypt is open under the old key, then seal under the new one", () => {
    fc.assert(
      fc.property(fc.array(anyCase, { minLength: 1, maxLength: 9 }), (cases) => {
        const records = cases.map(sealedRecord);
        const plain = runBatch(new KernelInstance(), "Open", records);
        const again = plain.map(({ text }, i) => ({ ...cases[i]!.to, text: hex(text), tag: NO_TAG }));
        const wanted = runBatch(new KernelInstance(), "Seal", again);
        expect(runBatch(new KernelInstance(), "Reencrypt", records)).toEqual(wanted);
      }),
    );
  });

  it.each(["Open", "Verify", "Reencrypt"] as const)(
    "%s refuses every single-bit flip, leaves that record and serves its neighbours",
    (operation) => {
      for (const [length, aadLength] of [
        [0, 5],
        [33, 46],
        [64, 0],
        [130, 16],
        [2100, 3],
      ] as const) {
        const good = [1, 2].map((row) => ({
          ...randomCase(length, row),
          from: fresh(aadLength),
          to: fresh(aadLength),
        }));
        const neighbours = good.map(sealedRecord);
        const served = good.map(({ plaintext, to }, i) => {
          if (operation === "Reencrypt") return sealedOutcome(to, plaintext);
          return operation === "Open" ? opened(neighbours[i]!, plaintext) : unchanged(neighbours[i]!, DONE);
        });
        const base = sealedRecord({ plaintext: randomBytes(length), from: fresh(aadLength), to: fresh(aadLength) });
        const damaged = (["nonce", "text", "tag", "aad"] as const).flatMap((part) => {
          const step = base[part].length > 300 ? 41 : 1;
          return Array.from({ length: Math.ceil((8 * base[part].length) / step) }, (_, i): Record => {
            const flipped = Uint8Array.from(base[part]);
            flipped[(i * step) >> 3]! ^= 1 << ((i * step) & 7);
            return { ...base, [part]: flipped };
          });
        });
        for (let first = 0; first < damaged.length; first += 200) {
          const bad = damaged.slice(first, first + 200);
          const rows = bad.flatMap((record, i) => [neighbours[i % 2]!, record]);
          const wanted = bad.flatMap((record, i) => [served[i % 2]!, unchanged(record, TAG_MISMATCH)]);
          expect(runBatch(new KernelInstance(), operation, rows)).toEqual(wanted);
        }
      }
    },
  );

  it("refuses the wrong key", () => {
    const record = sealedRecord(randomCase(50, 3));
    const wrong = { ...record, key: Uint8Array.from(record.key, (byte, i) => byte ^ Number(i === 31)) };
    for (const operation of ["Open", "Verify", "Reencrypt"] as const) {
      expect(runBatch(new KernelInstance(), operation, [wrong])).toEqual([unchanged(wrong, TAG_MISMATCH)]);
    }
  });
});

/** Blocks 0 … of a binding's keystream, by OpenSSL. */
function keystream({ key, nonce }: Binding, blocks: number): Buffer {
  const iv = Buffer.concat([Buffer.alloc(4), nonce]);
  return createCipheriv("chacha20", key, iv).update(Buffer.alloc(64 * blocks));
}

/** Whether any 8 neighbouring bytes of `secret`, from a multiple of 4 on, lie in memory. */
function found(memory: Buffer, secret: Uint8Array): boolean {
  for (let at = 0; at + 8 <= secret.length; at += 4)
    if (memory.includes(Buffer.from(secret.subarray(at, at + 8)))) return true;
  return false;
}

describe("what ChaCha20-Poly1305 leaves in memory", () => {
  // Staged, staged with a block left over for the next row, and in place.
  const mixed = [40, 100, 130, 64, 1500, 2500, 3000, 70].map((length, row) => ({ ...randomCase(length, row) }));

  it.each(["Seal", "Open", "Verify", "Reencrypt"] as const)("%s: its scratch is as it was before", (operation) => {
    const kernel = new KernelInstance();
    const pristine = kernel.get(0, kernel.constant("HEAP_BASE"));
    const records = operation === "Seal" ? mixed.map(unsealedRecord) : mixed.map(sealedRecord);
    runBatch(kernel, operation, records);
    expect(kernel.get(0, kernel.constant("HEAP_BASE"))).toEqual(pristine);
    const memory = Buffer.from(kernel.memory.buffer);
    for (const { from, to, plaintext } of mixed) {
      for (const binding of [from, to]) expect(found(memory, keystream(binding, 48))).toBe(false);
      if (operation === "Verify" || operation === "Reencrypt") expect(found(memory, plaintext)).toBe(false);
    }
  });

  it("wipe zeroes the scratch that a kernel without its own wipe would leave", async () => {
    const kernel = new KernelInstance(await unwiped());
    const heap = kernel.constant("HEAP_BASE");
    const pristine = kernel.get(0, heap);
    runBatch(kernel, "Reencrypt", mixed.map(sealedRecord));
    expect(kernel.get(0, heap)).not.toEqual(pristine);
    kernel.call("wipeAfterAll");
    expect(kernel.get(0, heap)).toEqual(pristine);
  });

  it("re-encryption stores no plaintext and no keystream of a text, even before it wipes", async () => {
    const module = await unwiped();
    const damaged = randomCase(3000, 2);
    for (const one of mixed) {
      // Each record alone, with a neighbour whose block 0 it makes, and before one that stops at its tag: every batch
      // leaves its last stores behind.
      for (const batch of [[one], [one, randomCase(65, 1)], [one, damaged]]) {
        const kernel = new KernelInstance(module);
        const records = batch.map((each) => {
          const record = sealedRecord(each);
          return each === damaged ? { ...record, tag: NO_TAG } : record;
        });
        runBatch(kernel, "Reencrypt", records);
        const memory = Buffer.from(kernel.memory.buffer);
        for (const { from, to, plaintext } of batch) {
          expect(found(memory, plaintext)).toBe(false);
          for (const binding of [from, to]) {
            const stream = keystream(binding, 1 + Math.ceil(plaintext.length / 64));
            expect(found(memory, stream.subarray(64))).toBe(false);
          }
        }
        // The search does find what is stored on purpose: the one-time keys of the last record.
        const last = batch.at(-1)!;
        expect(found(memory, keystream(last.from, 1).subarray(0, 32))).toBe(true);
      }
    }
  });
});

/** The kernels with a wipe that does nothing; the real one as wipeAfterAll. */
function unwiped(): Promise<WebAssembly.Module> {
  const from = "export function chacha20Poly1305Wipe(): void {";
  return compileKernel("chacha20-poly1305", {
    from,
    to: `export function chacha20Poly1305Wipe(): void {}\nexport function wipeAfterAll(): void {`,
  });
}
