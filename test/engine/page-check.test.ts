import { describe, expect, it } from "vitest";
import { compareBytes, toHex } from "../../src/bytes.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import { type CheckJob, type CheckOutcome, PageEngine, type SealedUnder } from "../../src/engine/page-engine.ts";
import { MEASURED } from "../../src/engine/paths.ts";
import { encodeHeader, sealedAad } from "../../src/engine/sealed-state.ts";
import { ALL_SUITES, suiteId } from "../../src/engine/suite.ts";
import { pageOf } from "../assembly/page-bytes.ts";
import { EVERY_WAY, EVERY_WAY_BETWEEN } from "./all-paths.ts";
import { bytesOf, numberOf } from "./deterministic-bytes.ts";
import { nativeSeal } from "./native-aead.ts";
import {
  type MovedRecord,
  type PlainRecord,
  parse,
  plainRecords,
  sealRecord,
  statementOf,
  type TestContract,
  testContract,
} from "./sealed-pages.ts";

const FROM = 3;
const TO = 4;
/** Nobody moves what is under this one. */
const NEITHER = 9;
const MALFORMED: CheckOutcome = {
  wellFormed: false,
  moved: 0,
  later: 0,
  absent: 0,
  wrong: [],
  unopenable: [],
  statement: null,
};
const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });

interface Sealed {
  readonly key: Uint8Array;
  readonly sealed: Buffer;
}

function jobOf(contract: TestContract, before: Uint8Array, after: readonly Uint8Array[]): CheckJob {
  return { contract: contract.id, before, after, key: contract.material(FROM), newKey: contract.material(TO) };
}

function sorted(records: readonly Sealed[]): Sealed[] {
  return records.toSorted((a, b) => compareBytes(a.key, b.key));
}

/** Pages that records are split to, in order. */
function split(records: readonly Sealed[], pages: number): Buffer[] {
  const each = Math.ceil(records.length / pages);
  return Array.from({ length: pages }, (_, index) => pageOf(records.slice(index * each, (index + 1) * each)));
}

const ALL_WAYS = [...EVERY_WAY.map((way) => ({ ...way, newSuite: way.suite })), ...EVERY_WAY_BETWEEN];

describe.each(ALL_WAYS)("a check from $suite to $newSuite, $name", ({ suite, newSuite, paths }) => {
  const kernels = new Kernels();
  const engine = new PageEngine({ paths, kernels });
  const from: SealedUnder = { suite, rotationId: FROM };
  const to: SealedUnder = { suite: newSuite, rotationId: TO };
  const another = ALL_SUITES.find((candidate) => candidate !== newSuite)!;

  /** A record as it is sealed under its rotation id. */
  const seal = (contract: TestContract, record: PlainRecord, seed = 0): Buffer =>
    sealRecord(record.rotationId === TO ? newSuite : suite, contract, record, seed);
  /** A record as node:crypto moves it: its text sealed under the new key, with some nonce. */
  const moved = (contract: TestContract, record: PlainRecord, seed: number): Buffer =>
    seal(contract, { ...record, rotationId: TO }, seed + 31);

  it("finds what the engine itself re-encrypted as it must be, wherever pages were split since", () => {
    const contracts = Array.from({ length: 5 }, (_, index) => testContract(index + 60));
    const records = contracts.map((_, index) => plainRecords(index * 777, 1 + index * 14, [FROM, FROM, TO]));
    const befores = contracts.map((contract, index) =>
      pageOf(records[index]!.map((record, n) => ({ key: record.key, sealed: seal(contract, record, n) }))),
    );
    const sweep = contracts.map((contract, index) => ({
      ...jobOf(contract, befores[index]!, []),
      body: befores[index]!,
    }));
    const outcomes = engine.reencrypt(from, to, sweep, { statements: true });
    const swept = outcomes.map(({ body, done, statement }) => ({ body: Buffer.from(body), done, statement }));
    for (const pages of [1, 2, 7]) {
      const jobs = contracts.map((contract, index) => {
        // New records between those that were moved are nobody's business.
        const fresh = plainRecords(index + 40_000, 20, [TO])
          .filter(({ key }) => key.length > 0)
          .map((record) => ({ key: record.key, sealed: seal(contract, record) }));
        const now = sorted([...parse(contract, swept[index]!.body), ...fresh]);
        return jobOf(contract, befores[index]!, split(now, pages));
      });
      expect(engine.check(from, to, jobs)).toEqual(
        swept.map(({ done, statement }) => ({ ...MALFORMED, wellFormed: true, moved: done, statement })),
      );
    }
    expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
  });

  it("tells what became of each record, whatever that is", () => {
    /** What is there now in the place of a record, given its sealed state; null for nothing. */
    type Turn = (contract: TestContract, record: PlainRecord, before: Buffer, seed: number) => Buffer | null;
    const flipped = (state: Buffer, at: number): Buffer => {
      const copy = Buffer.from(state);
      copy[(at + copy.length) % copy.length]! ^= 0x40;
      return copy;
    };
    const resealed = (contract: TestContract, record: PlainRecord, seed: number): Buffer =>
      seal(contract, { ...record, rotationId: TO }, seed);
    const wrong: Record<string, Turn> = {
      "not moved": (_, __, before) => before,
      "another text": (contract, record, _, seed) =>
        resealed(contract, { ...record, text: bytesOf(seed + 1, record.text.length + 1).subarray(1) }, seed),
      "a longer text": (contract, record, _, seed) =>
        resealed(contract, { ...record, text: Buffer.concat([record.text, Buffer.of(0)]) }, seed),
      "a shorter text": (contract, record, _, seed) =>
        resealed(contract, { ...record, text: record.text.length > 0 ? record.text.subarray(1) : Buffer.of(1) }, seed),
      "a wrong tag": (contract, record, _, seed) => flipped(moved(contract, record, seed), -1 - (seed % 16)),
      "a wrong ciphertext or tag": (contract, record, _, seed) => flipped(moved(contract, record, seed), 26),
      "a wrong nonce": (contract, record, _, seed) => flipped(moved(contract, record, seed), 14 + (seed % 12)),
      "a wrong version": (contract, record, _, seed) => flipped(moved(contract, record, seed), 0),
      "a wrong suite": (contract, record, _, seed) => {
        const state = moved(contract, record, seed);
        state[1] = suiteId(another);
        return state;
      },
      "another rotation id": (contract, record, _, seed) => flipped(moved(contract, record, seed), 2),
      "relabelled only": (_, __, before) => {
        const state = Buffer.from(before);
        state[1] = suiteId(newSuite);
        state.writeUInt32LE(TO, 2);
        return state;
      },
      "sealed under the old key": (contract, record, _, seed) => {
        const header = encodeHeader({ suite: newSuite, rotationId: TO, writeVersion: record.writeVersion });
        const aad = sealedAad(header, contract.id, record.key);
        return Buffer.concat([header, nativeSeal(newSuite, contract.key(FROM), bytesOf(seed, 12), aad, record.text)]);
      },
      "sealed for another contract": (contract, record, _, seed) => {
        const header = encodeHeader({ suite: newSuite, rotationId: TO, writeVersion: record.writeVersion });
        const aad = sealedAad(header, testContract(999).id, record.key);
        return Buffer.concat([header, nativeSeal(newSuite, contract.key(TO), bytesOf(seed, 12), aad, record.text)]);
      },
      "sealed for another key": (contract, record, _, seed) =>
        resealed(contract, { ...record, key: Buffer.concat([record.key, Buffer.of(1)]) }, seed),
      "an older state": (contract, record, _, seed) =>
        resealed(contract, { ...record, writeVersion: record.writeVersion - 1n }, seed),
      "an older state, never moved": (contract, record) =>
        seal(contract, { ...record, writeVersion: record.writeVersion - 1n }),
    };
    const right: Record<string, Turn> = {
      moved: (contract, record, _, seed) => moved(contract, record, seed),
      later: (contract, record, _, seed) =>
        resealed(contract, { ...record, text: bytesOf(seed, 9), writeVersion: record.writeVersion + 1n }, seed),
      absent: () => null,
    };
    const names = [...Object.keys(right), ...Object.keys(wrong), "moved", "moved", "moved"];
    const seen = new Set<string>();
    for (let seed = 0; seed < (paths === MEASURED ? 400 : 100); seed++) {
      const [count, pages, calm] = [numberOf(seed, 20), 1 + (seed % 3), seed % 8 === 0];

      const contract = testContract(70 + (seed % 7));
      const records = plainRecords(seed * 50, count, [FROM, FROM, FROM, TO, NEITHER]);
      const expected = { moved: 0, later: 0, absent: 0, wrong: [] as string[], unopenable: [] as string[] };
      const stated: MovedRecord[] = [];
      let complete = true;
      const before: Sealed[] = [];
      const after: Sealed[] = [];
      records.forEach((record, index) => {
        const { key } = record;
        const n = numberOf(seed * 31 + index, 1000);
        const name = calm ? "moved" : names[n % names.length]!;
        const broken = n % 5 === 0 || record.rotationId === NEITHER;
        const original = seal(contract, record, index);
        // Of a record that can't be opened, any byte may be wrong but those that say what it is.
        const sealed = broken ? flipped(original, 26 + (n % (original.length - 26))) : original;
        before.push({ key, sealed });
        const now = (right[name] ?? wrong[name])!(contract, record, sealed, n);
        if (now !== null) after.push({ key, sealed: now });
        if (record.rotationId === TO) return;
        if (broken) expected.unopenable.push(toHex(key));
        const unchanged = now?.equals(sealed) ?? false;
        if (name in right && !(broken && name === "moved")) expected[name as "moved"]++;
        else if (!(broken && unchanged)) expected.wrong.push(toHex(key));
        if (now === null || now.compare(sealed, 6, 14, 6, 14) !== 0) complete = false;
        else if (!unchanged) stated.push({ key, before: sealed, after: now });
        seen.add(`${name}${broken ? ", unopenable" : ""}`);
      });
      const [outcome] = engine.check(from, to, [jobOf(contract, pageOf(before), split(after, pages))]);
      expect({
        ...outcome,
        wrong: outcome!.wrong.map(toHex),
        unopenable: outcome!.unopenable.map(toHex),
        statement: outcome!.statement && toHex(outcome!.statement),
      }).toEqual({
        wellFormed: true,
        ...expected,
        statement: complete && stated.length > 0 ? toHex(statementOf(contract, stated)) : null,
      });
    }
    if (paths === MEASURED) expect(seen.size).toBe(2 * new Set(names).size);
  });

  it("takes any bit of a moved record for what it is: wrong", () => {
    const contract = testContract(80);
    const record = { key: bytesOf(5, 20), text: bytesOf(6, 33), rotationId: FROM, writeVersion: 5n };
    const before = pageOf([{ key: record.key, sealed: seal(contract, record) }]);
    const good = moved(contract, record, 1);
    const jobs = Array.from({ length: good.length * 8 }, (_, bit) => {
      const state = Buffer.from(good);
      state[bit >> 3]! ^= 1 << (bit & 7);
      return jobOf(contract, before, [pageOf([{ key: record.key, sealed: state }])]);
    });
    const outcomes = engine.check(from, to, [
      ...jobs,
      jobOf(contract, before, [pageOf([{ key: record.key, sealed: good }])]),
    ]);
    expect(outcomes.pop()).toMatchObject({ moved: 1, wrong: [] });
    outcomes.forEach((outcome, bit) => {
      const isVersion = bit >= 48 && bit < 112;
      const higher = isVersion && ((5n >> BigInt(bit - 48)) & 1n) === 0n;
      const expected = higher ? { moved: 0, later: 1, wrong: [] } : { moved: 0, later: 0, wrong: [record.key] };
      expect({ ...outcome, wrong: outcome.wrong.map((key) => Uint8Array.from(key)) }, `bit ${bit}`).toMatchObject(
        expected,
      );
    });
  });

  it("says nothing of malformed pages, and does their neighbours", () => {
    const contract = testContract(81);
    const records = plainRecords(31, 9, [FROM]);
    const before = records.map((record, n) => ({ key: record.key, sealed: seal(contract, record, n) }));
    const after = records.map((record, n) => ({ key: record.key, sealed: moved(contract, record, n) }));
    const page = pageOf(before);
    const now = pageOf(after);
    const swapped = (of: readonly Sealed[]): Buffer => pageOf([of[0]!, of[2]!, of[1]!, ...of.slice(3)]);
    const twice = (of: readonly Sealed[]): Buffer => pageOf([...of.slice(0, 4), ...of.slice(3)]);
    const good = jobOf(contract, page, [now]);
    const bad = [
      ...[page.subarray(0, -1), new Uint8Array(0), swapped(before), twice(before)].map((body) =>
        jobOf(contract, body, [now]),
      ),
      ...[now.subarray(0, -1), new Uint8Array(0), swapped(after), twice(after)].map((body) =>
        jobOf(contract, page, [body]),
      ),
      jobOf(contract, page, [pageOf(after.slice(5)), pageOf(after.slice(0, 5))]),
      jobOf(contract, page, [now, now]),
      jobOf(contract, page, [now, now.subarray(0, 15)]),
    ];
    const outcomes = engine.check(from, to, [good, ...bad.flatMap((job) => [job, good])]);
    const sound = { wellFormed: true, moved: 9, wrong: [] };
    outcomes.forEach((outcome, index) => {
      if (index % 2 === 0) expect(outcome).toMatchObject(sound);
      else expect(outcome).toEqual(MALFORMED);
    });
    const none = engine.check(from, to, [jobOf(contract, page, []), jobOf(contract, pageOf([]), [now])]);
    expect(none).toMatchObject([
      { absent: 9, statement: null },
      { absent: 0, moved: 0, statement: null },
    ]);
    expect(engine.check(from, to, [])).toEqual([]);
  });

  it("checks a long record, down to its last byte", () => {
    const contract = testContract(82);
    const large = {
      key: bytesOf(1, 4096),
      text: bytesOf(2, 2 ** 21 - 3),
      rotationId: FROM,
      writeVersion: 2n ** 64n - 1n,
    };
    const before = pageOf([{ key: large.key, sealed: seal(contract, large) }]);
    const after = moved(contract, large, 3);
    const check = (): CheckOutcome =>
      engine.check(from, to, [jobOf(contract, before, [pageOf([{ key: large.key, sealed: after }])])])[0]!;
    expect(check()).toMatchObject({ moved: 1, wrong: [] });
    after[after.length - 17]! ^= 1;
    expect(check()).toMatchObject({ moved: 0, later: 0, absent: 0, unopenable: [], wrong: [expect.anything()] });
  });

  it("leaves nothing in memory when it throws", () => {
    const contract = testContract(83);
    const page = pageOf([]);
    const good = jobOf(contract, page, [page]);
    const wiped = { ...contract.material(TO), ikm: new Uint8Array(32) };
    const unavailable = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
    expect(() => engine.check(from, to, [good, { ...good, newKey: wiped }])).toThrow(unavailable);
    expect(() => engine.check(from, to, [good, { ...good, contract: contract.id.subarray(1) }])).toThrow(invalid);
    expect(() => engine.check(from, to, [good, { ...good, before: null as unknown as Uint8Array }])).toThrow();
    expect(kernels.bytes.subarray(kernels.constant("HEAP_BASE")).every((byte) => byte === 0)).toBe(true);
  });
});
