import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compareBytes, toHex } from "../../src/bytes.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { PageEngine, type ReencryptJob, type SealedUnder } from "../../src/engine/page-engine.ts";
import type { Paths } from "../../src/engine/paths.ts";
import { RecordStatus } from "../../src/engine/rows.ts";
import { decodeHeader } from "../../src/engine/sealed-state.ts";
import { ALL_SUITES, type Suite } from "../../src/engine/suite.ts";
import { pageOf } from "../assembly/page-bytes.ts";
import { EVERY_WAY_BETWEEN } from "./all-paths.ts";
import { bytesOf, numberOf } from "./deterministic-bytes.ts";
import { boxOf, type GivenRecord, runRecords } from "./given-nonces.ts";
import { foundIn, keyForms, keystream, type Searched } from "./leftovers.ts";
import { nativeSeal } from "./native-aead.ts";
import {
  openSealed,
  parse,
  type PlainRecord,
  plainRecords,
  sealRecord,
  statementOf,
  testContract,
  type TestContract,
} from "./sealed-pages.ts";

/** Around blocks, groups of four ChaCha20 blocks, what GCM stages, and the scratch of 128 KiB for AES. */
const LENGTHS = [
  ...Array.from({ length: 301 }, (_, n) => n),
  ...[5, 6, 7, 8, 16, 63, 64].flatMap((blocks) => [-1, 0, 1].map((off) => 64 * blocks + off)),
  ...[255, 256, 1000, 1023].map((blocks) => 16 * blocks + 5),
  16_384,
];
const LONG = [-33, -17, -16, -15, -1, 0, 1, 15, 63, 64, 191, 192, 193].map((off) => 131_072 + off);

interface Moved extends GivenRecord {
  readonly plaintext: Uint8Array;
}

function recordOf(suite: Suite, seed: number, length: number, key = seed, newKey = seed): Moved {
  const aad = bytesOf(seed + 1_000, numberOf(seed, 120));
  const nonce = bytesOf(seed + 2_000, 12);
  const plaintext = bytesOf(seed + 3_000, length);
  const box = nativeSeal(suite, bytesOf(key, 32), nonce, aad, plaintext);
  // As long as the old AAD in every other record, as in a page.
  const newAadLength = seed % 2 === 0 ? aad.length : numberOf(seed + 7, 120);
  const to = { key: bytesOf(newKey, 32), nonce: bytesOf(seed + 4_000, 12), aad: bytesOf(seed + 5_000, newAadLength) };
  return { key: bytesOf(key, 32), nonce, aad, text: box.subarray(12, -16), tag: box.subarray(-16), to, plaintext };
}

/** What node:crypto makes of a record on the other side. */
function arrived(suite: Suite, { to, plaintext }: Moved): Buffer {
  return nativeSeal(suite, to!.key, to!.nonce, to!.aad, plaintext);
}

describe.each(EVERY_WAY_BETWEEN)("from $suite to $newSuite, $name", ({ suite, newSuite, paths }) => {
  const move = (records: readonly GivenRecord[], kernels?: Kernels) =>
    runRecords(paths, suite, "Reencrypt", records, kernels, newSuite);

  it("records become what node:crypto seals on the other side, at every length", () => {
    for (const [lengths, keys] of [
      [LENGTHS, 1],
      [LENGTHS, 5],
      [LONG, 3],
      [[140_003, 7, 0, 600_001, 33], 2],
    ] as const) {
      const records = lengths.map((length, n) => recordOf(suite, n, length, 900 + (n % keys), 950 + (n % 3)));
      move(records).forEach(({ status, box }, n) => {
        expect(status).toBe(RecordStatus.done);
        expect(box.equals(arrived(newSuite, records[n]!)), `${lengths[n]} bytes`).toBe(true);
      });
    }
  });

  it("a record of which any bit of text, tag, nonce or AAD is wrong stays as it is, and its neighbours go", () => {
    for (const length of [0, 5, 64, 193, 1_500, 140_000]) {
      const good = recordOf(suite, length, length, 5, 6);
      const flip = (bytes: Uint8Array, at: number): Uint8Array => {
        const copy = Uint8Array.from(bytes);
        copy[at]! ^= 1 << (at % 8);
        return copy;
      };
      const places = (count: number): number[] =>
        [...new Set([0, 1, 7, 8, 15, count >> 1, count - 1])].filter((at) => at >= 0 && at < count);
      const bad: Moved[] = [
        ...places(length).map((at) => ({ ...good, text: flip(good.text, at) })),
        ...Array.from({ length: 16 }, (_, at) => ({ ...good, tag: flip(good.tag, at) })),
        ...places(12).map((at) => ({ ...good, nonce: flip(good.nonce, at) })),
        ...places(good.aad.length).map((at) => ({ ...good, aad: flip(good.aad, at) })),
        { ...good, key: bytesOf(7, 32) },
      ];
      const batch = bad.flatMap((record, n) => [record, recordOf(suite, n + 50, 20 * n, 5, 6)]);
      move(batch).forEach(({ status, box }, n) => {
        const record = batch[n]!;
        const isGood = n % 2 === 1;
        expect(status).toBe(isGood ? RecordStatus.done : RecordStatus.tagMismatch);
        expect(box.equals(isGood ? arrived(newSuite, record) : boxOf(record))).toBe(true);
      });
    }
  });

  it("what is skipped is not touched, and a row that another suite sealed is not moved", () => {
    const records = Array.from({ length: 40 }, (_, n) => ({
      ...recordOf(n % 5 === 0 ? newSuite : suite, n, 40 * n),
      skipped: n % 3 === 0,
    }));
    move(records).forEach(({ status, box }, n) => {
      const { skipped, pending } = { skipped: n % 3 === 0, pending: n % 5 !== 0 };
      if (skipped) expect(status).toBe(RecordStatus.skipped);
      else expect(status).toBe(pending ? RecordStatus.done : RecordStatus.tagMismatch);
      const moved = !skipped && pending;
      expect(box.equals(moved ? arrived(newSuite, records[n]!) : boxOf(records[n]!))).toBe(true);
    });
  });

  it("there and back again, a record is what node:crypto seals there", () => {
    const there = [0, 1, 100, 200, 5_000, 140_001].map((length, n) => recordOf(suite, 70 + n, length));
    const back = move(there).map(({ box }, n): Moved => {
      const { to, key, plaintext } = there[n]!;
      const home = { key, nonce: bytesOf(n, 12), aad: bytesOf(n + 1, 50) };
      return { ...to!, text: box.subarray(12, -16), tag: box.subarray(-16), to: home, plaintext };
    });
    runRecords(paths, newSuite, "Reencrypt", back, new Kernels(), suite).forEach(({ status, box }, n) => {
      expect(status).toBe(RecordStatus.done);
      expect(box.equals(arrived(suite, back[n]!))).toBe(true);
    });
  });

  it("leaves no key, keystream or plaintext in WebAssembly memory", () => {
    const kernels = new Kernels();
    const records = [0, 1, 31, 192, 300, 2_000, 140_000].map((length, n) => ({
      ...recordOf(suite, 30 + n, length),
      tag: n === 4 ? bytesOf(1, 16) : recordOf(suite, 30 + n, length).tag,
    }));
    move(records, kernels);
    const streams = records.flatMap(({ key, nonce, text, to, plaintext }): Searched[] => [
      keystream(suite, key, nonce, text.length),
      keystream(newSuite, to!.key, to!.nonce, text.length),
      { name: "a plaintext", bytes: plaintext },
    ]);
    expect(foundIn(kernels.bytes, streams)).toEqual([]);
    expect(kernels.bytes.subarray(kernels.alloc(0)).every((byte) => byte === 0)).toBe(true);
  });
});

describe.each(ALL_SUITES)("rows that leave %s", (suite) => {
  it("come out the same under any table of ways, with keys that several ways share", () => {
    const newSuite = ALL_SUITES.find((other) => other !== suite)!;
    const shape = fc.record({
      length: fc.oneof(fc.nat(200), fc.nat(1_200)),
      key: fc.nat(2),
      newKey: fc.nat(3),
      wrong: fc.nat(6).map((n) => n === 0),
      skipped: fc.nat(6).map((n) => n === 0),
    });
    const threshold = fc.constantFrom(0, 1, 17, 300, 1_000, Number.POSITIVE_INFINITY);
    const both = fc.tuple(threshold, threshold).map(([a, b]) => ({ "aes-256-gcm": a, "chacha20-poly1305": b }));
    const tables: fc.Arbitrary<Paths> = fc.record({
      hybridBlocks: fc.constantFrom(0, 5, Number.POSITIVE_INFINITY),
      checkBytes: fc.constantFrom(0, Number.POSITIVE_INFINITY),
      longBytes: both,
      betweenBytes: threshold,
      plaintextBytes: both,
    });
    fc.assert(
      fc.property(fc.array(shape, { maxLength: 25 }), tables, fc.nat(1_000), (shapes, paths, seed) => {
        const records = shapes.map(({ length, key, newKey, wrong, skipped }, n) => {
          const record = recordOf(suite, seed + n, length, key, newKey);
          return { ...record, skipped, tag: wrong ? bytesOf(n, 16) : record.tag };
        });
        runRecords(paths, suite, "Reencrypt", records, new Kernels(), newSuite).forEach(({ status, box }, n) => {
          const { wrong, skipped } = shapes[n]!;
          const { done, tagMismatch } = RecordStatus;
          expect(status).toBe(skipped ? RecordStatus.skipped : wrong ? tagMismatch : done);
          const stays = skipped || wrong;
          expect(box.equals(stays ? boxOf(records[n]!) : arrived(newSuite, records[n]!))).toBe(true);
        });
      }),
      { numRuns: 60 },
    );
  });
});

const FROM = 3;
const TO = 4;

describe.each(EVERY_WAY_BETWEEN)("the page engine from $suite to $newSuite, $name", ({ suite, newSuite, paths }) => {
  const engine = new PageEngine({ paths });
  const from: SealedUnder = { suite, rotationId: FROM };
  const jobOf = (contract: TestContract, body: Uint8Array, to: SealedUnder): ReencryptJob => ({
    contract: contract.id,
    body,
    key: contract.material(FROM),
    newKey: contract.material(to.rotationId),
  });

  /** A page of records under all pairs of suite and rotation id, and what is under each. */
  function mixedPage(contract: TestContract, seed: number, to: SealedUnder) {
    const records = plainRecords(seed, 40, [FROM, FROM, FROM, TO, 9]).map((record, n) => {
      const under = n % 4 === 0 ? newSuite : n % 4 === 1 ? suite : record.rotationId === TO ? newSuite : suite;
      return { ...record, under, sealed: sealRecord(under, contract, record, n) };
    });
    const is = (where: SealedUnder) => (record: PlainRecord & { under: Suite }) =>
      record.under === where.suite && record.rotationId === where.rotationId;
    return { body: pageOf(records), records, movable: is(from), left: is(to) };
  }

  // The rotation id may stay: then the suite alone tells the records apart.
  it.each([TO, FROM])(
    "moves what is under the one, leaves what is under the other: to rotation id %i",
    (rotationId) => {
      const to: SealedUnder = { suite: newSuite, rotationId };
      const contracts = Array.from({ length: 6 }, (_, n) => testContract(n + 300));
      const pages = contracts.map((contract, n) => mixedPage(contract, n * 400, to));
      const jobs = pages.map(({ body }, n) => jobOf(contracts[n]!, body, to));
      const outcomes = engine.reencrypt(from, to, jobs, { statements: true });
      const bodies = outcomes.map(({ body }) => Buffer.from(body));
      outcomes.forEach(({ done, bytes, mismatched, statement }, n) => {
        const { records, movable, left, body } = pages[n]!;
        const [before, after] = [parse(contracts[n]!, body), parse(contracts[n]!, bodies[n]!)];
        const moved: { key: Buffer; before: Buffer; after: Buffer }[] = [];
        records.forEach((record, row) => {
          const now = after[row]!;
          expect(compareBytes(now.key, record.key)).toBe(0);
          if (!movable(record)) {
            expect(now.sealed.equals(before[row]!.sealed)).toBe(true);
            return;
          }
          expect(decodeHeader(now.sealed)).toEqual({ ...to, writeVersion: record.writeVersion });
          expect(openSealed(newSuite, contracts[n]!, rotationId, now)!.equals(record.text)).toBe(true);
          moved.push({ key: now.key, before: before[row]!.sealed, after: now.sealed });
        });
        const texts = records.filter(movable).map(({ text }) => text.length);
        expect([done, bytes]).toEqual([texts.length, texts.reduce((sum, length) => sum + length, 0)]);
        expect(done).toBeGreaterThan(3);
        expect(records.filter(left).length).toBeGreaterThan(0);
        const others = records.filter((record) => !movable(record) && !left(record));
        expect(mismatched.map(toHex)).toEqual(others.map(({ key }) => toHex(key)));
        expect(others.length).toBeGreaterThan(0);
        expect(statementOf(contracts[n]!, moved).equals(statement!)).toBe(true);
      });
      const again = engine.reencrypt(
        from,
        to,
        bodies.map((body, n) => jobOf(contracts[n]!, body, to)),
        { statements: true },
      );
      again.forEach(({ done, body, statement }, n) => {
        expect([done, statement]).toEqual([0, null]);
        expect(bodies[n]!.equals(body), "a second time changes nothing").toBe(true);
      });
      const checked = engine.check(
        from,
        to,
        jobs.map(({ contract, body, key, newKey }, n) => ({
          contract,
          before: body,
          after: [bodies[n]!],
          key,
          newKey,
        })),
      );
      checked.forEach((check, n) => {
        const { done, mismatched, statement } = outcomes[n]!;
        expect(check).toMatchObject({ moved: done, later: 0, absent: 0, wrong: [], statement });
        expect(check.unopenable.map(toHex)).toEqual(mismatched.map(toHex));
      });
    },
  );

  it("does a page of one record of 16 MiB", () => {
    const to: SealedUnder = { suite: newSuite, rotationId: TO };
    const contract = testContract(7);
    const large = { key: bytesOf(1, 4096), text: bytesOf(2, 2 ** 24), rotationId: FROM, writeVersion: 2n ** 64n - 1n };
    const body = pageOf([{ key: large.key, sealed: sealRecord(suite, contract, large) }]);
    const [outcome] = engine.reencrypt(from, to, [jobOf(contract, body, to)]);
    expect(outcome).toMatchObject({ done: 1, bytes: 2 ** 24, mismatched: [] });
    const [now] = parse(contract, outcome!.body);
    expect(openSealed(newSuite, contract, TO, now!)!.equals(large.text)).toBe(true);
  });

  it("leaves no key or key material in WebAssembly memory, and nothing at all when it throws", () => {
    const to: SealedUnder = { suite: newSuite, rotationId: TO };
    const kernels = new Kernels();
    const own = new PageEngine({ kernels, paths });
    const contract = testContract(31);
    const { body, records } = mixedPage(contract, 8_000, to);
    const secrets: Searched[] = [FROM, TO].flatMap((rotationId) => [
      ...ALL_SUITES.flatMap((each) => keyForms(each, contract.key(rotationId))),
      { name: "key material", bytes: contract.material(rotationId).ikm },
    ]);
    for (const { text } of records) secrets.push({ name: "a plaintext", bytes: text });
    own.reencrypt(from, to, [jobOf(contract, body, to)]);
    expect(foundIn(kernels.bytes, secrets)).toEqual([]);
    const wiped = { ...jobOf(contract, body, to), newKey: { ...contract.material(TO), ikm: new Uint8Array(32) } };
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
    expect(() => own.reencrypt(from, to, [jobOf(contract, body, to), wiped])).toThrow(unavailable);
    expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
  });
});
