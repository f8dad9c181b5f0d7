import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Kernels } from "../../src/engine/kernels.ts";
import { PageEngine, type PageOutcome, type ReencryptJob, type SealedUnder } from "../../src/engine/page-engine.ts";
import { MEASURED } from "../../src/engine/paths.ts";
import { decodeHeader } from "../../src/engine/sealed-state.ts";
import { ALL_SUITES, type Suite, suiteId } from "../../src/engine/suite.ts";
import { editPage } from "../../src/store/page-edit.ts";
import type { PageWrite } from "../../src/store/store.ts";
import { headerOf, pageOf } from "../assembly/page-bytes.ts";
import { EVERY_WAY } from "./all-paths.ts";
import { bytesOf } from "./deterministic-bytes.ts";
import { foundIn, keyForms, keystream, type Searched } from "./leftovers.ts";
import {
  openSealed,
  pageBodies,
  parse,
  plainRecords,
  sealRecord,
  statementOf,
  type PlainRecord,
  type TestContract,
  testContract,
} from "./sealed-pages.ts";

const FROM = 3;
const TO = 4;
const under = (suite: Suite, rotationId: number): SealedUnder => ({ suite, rotationId });
const bothUnder = (suite: Suite): [SealedUnder, SealedUnder] => [under(suite, FROM), under(suite, TO)];
const hexes = (keys: readonly Uint8Array[]): string[] => keys.map((key) => Buffer.from(key).toString("hex"));
const invalid = expect.objectContaining({ code: "INVALID_ARGUMENT" });

function jobOf(contract: TestContract, body: Uint8Array): ReencryptJob {
  return { contract: contract.id, body, key: contract.material(FROM), newKey: contract.material(TO) };
}

interface Expected {
  /** Texts of the records that must have been moved, by key in hex. */
  readonly moved: ReadonlyMap<string, Uint8Array>;
  /** Keys in hex of those that must be named. */
  readonly mismatched?: readonly string[];
}

/** Checks a re-encrypted page against what went in: what was to be moved was, and nothing else changed. */
function expectPage(
  suite: Suite,
  contract: TestContract,
  input: Uint8Array,
  outcome: PageOutcome & { readonly body: Uint8Array },
  { moved, mismatched = [] }: Expected,
): void {
  expect(outcome.wellFormed).toBe(true);
  expect(hexes(outcome.mismatched)).toEqual(mismatched);
  expect(Buffer.from(outcome.body.subarray(0, 16))).toEqual(Buffer.from(input.subarray(0, 16)));
  const [before, after] = [parse(contract, input), parse(contract, outcome.body)];
  expect(after).toHaveLength(before.length);
  let bytes = 0;
  before.forEach((old, index) => {
    const now = after[index]!;
    expect(now.key.equals(old.key)).toBe(true);
    const text = moved.get(old.key.toString("hex"));
    if (text === undefined) {
      expect(now.sealed.equals(old.sealed), "what is not to be moved stays as it was").toBe(true);
      return;
    }
    bytes += text.length;
    const { writeVersion } = decodeHeader(old.sealed);
    expect(decodeHeader(now.sealed)).toEqual({ suite, rotationId: TO, writeVersion });
    expect(now.sealed.subarray(14, 26).equals(old.sealed.subarray(14, 26)), "a new nonce").toBe(false);
    expect(openSealed(suite, contract, TO, now)?.equals(text)).toBe(true);
  });
  expect(outcome.done).toBe(before.filter(({ key }) => moved.has(key.toString("hex"))).length);
  expect(outcome.bytes).toBe(bytes);
}

/** The texts of records by key in hex. */
function textsOf(records: readonly PlainRecord[]): Map<string, Uint8Array> {
  return new Map(records.map(({ key, text }) => [Buffer.from(key).toString("hex"), text]));
}

describe.each(EVERY_WAY)("the page engine with $suite, $name", ({ suite, paths }) => {
  const engine = new PageEngine({ paths });
  const another = ALL_SUITES.find((candidate) => candidate !== suite)!;

  it("moves what is under the old rotation id and leaves what is under the new one", () => {
    const contracts = Array.from({ length: 12 }, (_, index) => testContract(index));
    const records = contracts.map((_, index) => plainRecords(index * 1000, 5 + index * 20, [FROM, FROM, TO]));
    const bodies = contracts.map((contract, index) => pageBodies(suite, contract, records[index]!));
    const owners = bodies.flatMap((pages, index) => pages.map(() => index));
    const jobs = bodies.flatMap((pages, index) => pages.map((body) => jobOf(contracts[index]!, body)));
    expect(jobs.length).toBeGreaterThan(20);
    const inputs = jobs.map(({ body }) => Buffer.from(body));
    const outcomes = engine.reencrypt(...bothUnder(suite), jobs);
    let done = 0;
    outcomes.forEach((outcome, index) => {
      const owner = owners[index]!;
      const moved = textsOf(records[owner]!.filter(({ rotationId }) => rotationId === FROM));
      expectPage(suite, contracts[owner]!, inputs[index]!, outcome, { moved });
      done += outcome.done;
    });
    expect(done).toBe(records.flat().filter(({ rotationId }) => rotationId === FROM).length);
    expect(
      jobs.every(({ body }, index) => inputs[index]!.equals(body)),
      "the jobs' own bodies are unchanged",
    ).toBe(true);

    const again = outcomes.map(({ body }, index) => jobOf(contracts[owners[index]!]!, Buffer.from(body)));
    const verified = engine.verify(
      suite,
      TO,
      FROM,
      again.map((job) => ({ ...job, key: job.newKey })),
    );
    expect(verified.reduce((sum, outcome) => sum + outcome.done, 0)).toBe(records.flat().length);
    expect(verified.flatMap(({ mismatched }) => mismatched)).toEqual([]);
    for (const [index, outcome] of engine.reencrypt(...bothUnder(suite), again).entries()) {
      expect([outcome.done, outcome.bytes, outcome.wellFormed, outcome.mismatched]).toEqual([0, 0, true, []]);
      expect(Buffer.compare(outcome.body, again[index]!.body), "a second time changes nothing").toBe(0);
    }
  });

  it("names every record that it can't move, leaves it as it is and does the others", () => {
    const contract = testContract(1);
    const records = plainRecords(77, 40, [FROM]).filter(({ text }) => text.length > 0 && text.length < 250);
    const sealed = records.map((record, index) => sealRecord(suite, contract, record, index));
    const foreign = (index: number, rotationId: number): Buffer =>
      sealRecord(suite, contract, { ...records[index]!, rotationId });
    const damages: ((state: Buffer, index: number) => Buffer)[] = [
      (state) => flip(state, state.length - 1),
      (state) => flip(state, 26),
      (state) => flip(state, 14),
      (state) => flip(state, 6), // write version
      (state) => flip(state, 13),
      (state) => flip(state, 0), // version
      (state) => flip(state, 1), // suite: unknown
      (state) => Buffer.concat([Buffer.of(1, suiteId(another)), state.subarray(2)]),
      (_, index) => sealRecord(another, contract, records[index]!),
      (_, index) => foreign(index, 0),
      (_, index) => foreign(index, FROM + 2),
      (_, index) => foreign(index, 2 ** 32 - 1),
      (_, index) => sealRecord(suite, testContract(2), records[index]!),
      (_, index) => sealed[index + 1]!, // another record's state, in the wrong place
      (state) => state.subarray(0, -1),
      (state) => Buffer.concat([state, Buffer.of(0)]),
      () => Buffer.concat([headerOf(suiteId(suite), FROM, 1n), Buffer.alloc(28)]),
    ];
    expect(records.length).toBeGreaterThan(damages.length + 5);
    const damaged = sealed.map((state, index) => damages[index - 3]?.(state, index) ?? state);
    const edits = records.map(({ key }, index) => ({ key, sealed: damaged[index]! }));
    const bad = (index: number): boolean => damages[index - 3] !== undefined;
    const pages = editPage(contract.id, null, edits, 2n ** 60n);
    const outcomes = engine.reencrypt(
      ...bothUnder(suite),
      pages.map(({ body }) => jobOf(contract, body)),
    );
    const names = hexes(records.filter((_, index) => bad(index)).map(({ key }) => key));
    const moved = textsOf(records.filter((_, index) => !bad(index)));
    outcomes.forEach((outcome, index) => {
      const { body } = pages[index]!;
      const here = new Set(parse(contract, body).map(({ key }) => key.toString("hex")));
      const mismatched = names.filter((name) => here.has(name));
      expectPage(suite, contract, body, outcome, { moved, mismatched });
    });
    expect(outcomes.flatMap(({ mismatched }) => hexes(mismatched))).toEqual(names);

    for (const leave of [FROM, TO, 99]) {
      const verified = engine.verify(
        suite,
        FROM,
        leave,
        pages.map(({ body }) => jobOf(contract, body)),
      );
      expect(verified.flatMap(({ mismatched }) => hexes(mismatched))).toEqual(names);
      expect(verified.reduce((sum, { done }) => sum + done, 0)).toBe(records.length - names.length);
    }
  });

  it("verifies what is not to be left, and changes nothing", () => {
    const contract = testContract(5);
    const records = plainRecords(900, 60, [FROM, TO, FROM + 5]);
    const bodies = pageBodies(suite, contract, records);
    const before = bodies.map((body) => Buffer.from(body));
    const keysUnder = (...ids: number[]): string[] =>
      hexes(records.filter(({ rotationId }) => ids.includes(rotationId)).map(({ key }) => key));
    const verify = (from: number, leave: number): { done: number; mismatched: string[]; bytes: number } => {
      const jobs = bodies.map((body) => ({ contract: contract.id, body, key: contract.material(from) }));
      const outcomes = engine.verify(suite, from, leave, jobs);
      expect(outcomes.every(({ wellFormed }) => wellFormed)).toBe(true);
      const done = outcomes.reduce((sum, outcome) => sum + outcome.done, 0);
      const bytes = outcomes.reduce((sum, outcome) => sum + outcome.bytes, 0);
      return { done, bytes, mismatched: outcomes.flatMap(({ mismatched }) => hexes(mismatched)) };
    };
    for (const from of [FROM, TO, FROM + 5]) {
      const texts = records.filter(({ rotationId }) => rotationId === from).map(({ text }) => text.length);
      const bytes = texts.reduce((sum, length) => sum + length, 0);
      for (const leave of [FROM, TO, FROM + 5]) {
        const others = [FROM, TO, FROM + 5].filter((id) => id !== from && id !== leave);
        expect(verify(from, leave)).toEqual({ done: texts.length, bytes, mismatched: keysUnder(...others) });
      }
    }
    expect(bodies.every((body, index) => before[index]!.equals(body))).toBe(true);
  });

  it("states what it moved on each page, and nothing where it moved nothing or is not asked", () => {
    const contracts = [testContract(30), testContract(31)];
    const records = contracts.map((_, index) => plainRecords(index * 555 + 9, 90, [FROM, FROM, TO]));
    const bodies = contracts.map((contract, index) => pageBodies(suite, contract, records[index]!));
    const jobs = contracts.flatMap((contract, index) =>
      bodies[index]!.map((body) => jobOf(contract, Buffer.from(body))),
    );
    const owners = contracts.flatMap((contract, index) => bodies[index]!.map(() => contract));
    // The tag of a record in the midst of the first page, which is then not moved.
    const broken = parse(owners[0]!, jobs[0]!.body).filter(
      ({ sealed }) => decodeHeader(sealed).rotationId === FROM,
    )[3]!;
    const at = Buffer.from(jobs[0]!.body).indexOf(broken.sealed) + broken.sealed.length - 1;
    jobs[0]!.body[at]! ^= 1;
    const malformed = { ...jobs[0]!, body: jobs[0]!.body.subarray(0, -1) };
    const all = [malformed, jobOf(contracts[0]!, pageOf([])), ...jobs];
    const outcomes = engine.reencrypt(...bothUnder(suite), all, { statements: true });
    expect(outcomes.slice(0, 2).map(({ statement }) => statement)).toEqual([null, null]);
    expect(outcomes[2]!.mismatched).toHaveLength(1);
    outcomes.slice(2).forEach(({ body, statement, done }, index) => {
      const before = parse(owners[index]!, jobs[index]!.body);
      const after = parse(owners[index]!, body);
      const moved = before
        .map(({ key, sealed }, row) => ({ key, before: sealed, after: after[row]!.sealed }))
        .filter((each) => !each.after.equals(each.before));
      expect(moved).toHaveLength(done);
      expect(statementOf(owners[index]!, moved).equals(statement!)).toBe(true);
    });
    const again = outcomes.slice(2).map(({ body }, index) => jobOf(owners[index]!, Buffer.from(body)));
    const rest = engine.reencrypt(...bothUnder(suite), again, { statements: true });
    expect(rest.every(({ statement }) => statement === null)).toBe(true);
    expect(engine.reencrypt(...bothUnder(suite), jobs).every(({ statement }) => statement === null)).toBe(true);
  });

  it("does the good pages among malformed ones, which it hands back as they were", () => {
    const contract = testContract(6);
    const records = plainRecords(4000, 30, [FROM]);
    const [good] = pageBodies(suite, contract, records.slice(0, 15));
    const bad = [
      good!.subarray(0, -1),
      Buffer.concat([good!, Buffer.of(0)]),
      flip(good!, 0),
      flip(good!, 4),
      Buffer.concat([good!.subarray(0, 4), Buffer.of(255, 255, 255, 255), good!.subarray(8)]),
      new Uint8Array(0),
      good!.subarray(0, 15),
      good!.subarray(0, 16),
      Buffer.concat([good!.subarray(0, 16), Buffer.alloc(4000, 0xff)]),
    ];
    const bodies = [good!, ...bad.flatMap((body) => [body, good!])];
    const outcomes = engine.reencrypt(
      ...bothUnder(suite),
      bodies.map((body) => jobOf(contract, body)),
    );
    const verified = engine.verify(
      suite,
      FROM,
      TO,
      bodies.map((body) => jobOf(contract, body)),
    );
    // Copied first, as the second call has overwritten the memory; so the first is made again.
    const fresh = engine.reencrypt(
      ...bothUnder(suite),
      bodies.map((body) => jobOf(contract, body)),
    );
    bodies.forEach((body, index) => {
      if (body === good) {
        expectPage(suite, contract, body, fresh[index]!, { moved: textsOf(records.slice(0, 15)) });
        expect(verified[index]).toMatchObject({ wellFormed: true, done: 15, mismatched: [] });
        return;
      }
      const nothing = { wellFormed: false, done: 0, bytes: 0, mismatched: [] };
      expect(outcomes[index]).toMatchObject(nothing);
      expect(verified[index]).toEqual(nothing);
      expect(Buffer.compare(fresh[index]!.body, body)).toBe(0);
    });
  });

  it("does a page of one record of 16 MiB, empty pages, and no pages", () => {
    const contract = testContract(7);
    const large = { key: bytesOf(1, 4096), text: bytesOf(2, 2 ** 24), rotationId: FROM, writeVersion: 2n ** 64n - 1n };
    const sealed = sealRecord(suite, contract, large);
    const [{ body }] = editPage(contract.id, null, [{ key: large.key, sealed }], 2n ** 64n - 1n) as [PageWrite];
    const empty = pageOf([]);
    const jobs = [empty, body, empty].map((each) => jobOf(contract, each));
    const [first, second, third] = engine.reencrypt(...bothUnder(suite), jobs);
    expectPage(suite, contract, body, second!, { moved: textsOf([large]) });
    for (const outcome of [first!, third!]) {
      expect(outcome).toMatchObject({ wellFormed: true, done: 0, bytes: 0, mismatched: [] });
      expect(Buffer.from(outcome.body)).toEqual(empty);
    }
    expect(engine.verify(suite, FROM, TO, jobs).map(({ done }) => done)).toEqual([0, 1, 0]);
    expect(engine.reencrypt(...bothUnder(suite), [])).toEqual([]);
    expect(engine.verify(suite, FROM, TO, [])).toEqual([]);
  });

  it("takes keys for what they are, whether jobs share their material or not", () => {
    const contracts = Array.from({ length: 30 }, (_, index) => testContract(index + 40));
    const records = contracts.map((_, index) => plainRecords(index * 99, 4, [FROM]));
    const bodies = contracts.map((contract, index) => pageBodies(suite, contract, records[index]!)[0]!);
    const copied = ({ ikm, info }: { ikm: Uint8Array; info: Uint8Array }) => ({ ikm: ikm.slice(), info: info.slice() });
    // Each page twice, with the same material and with a copy of it; the last contract moves to its own old key.
    const jobs = bodies.flatMap((body, index) => {
      const job = jobOf(contracts[index]!, body);
      return [job, job, { ...job, key: copied(job.key), newKey: copied(job.newKey) }];
    });
    const last = jobOf(contracts[29]!, bodies[29]!);
    jobs.push({ ...last, newKey: last.key });
    const outcomes = engine.reencrypt(...bothUnder(suite), jobs);
    outcomes.slice(0, -1).forEach((outcome, index) => {
      const owner = Math.floor(index / 3);
      expectPage(suite, contracts[owner]!, bodies[owner]!, outcome, { moved: textsOf(records[owner]!) });
    });
    const unmoved = parse(contracts[29]!, outcomes.at(-1)!.body);
    expect(unmoved.every((record) => openSealed(suite, contracts[29]!, FROM, record) !== null)).toBe(true);
    const nonces = outcomes.flatMap((outcome, index) =>
      parse(contracts[Math.min(29, Math.floor(index / 3))]!, outcome.body).map(({ sealed }) =>
        sealed.toString("hex", 14, 26),
      ),
    );
    expect(new Set(nonces).size).toBe(4 * jobs.length);
  });

  it("takes key material of any length", () => {
    const base = testContract(3);
    const material = { ikm: bytesOf(1, 200), info: bytesOf(2, 1) };
    const short = { ikm: Uint8Array.of(1), info: new Uint8Array(0) };
    const [body] = pageBodies(suite, base, plainRecords(1, 3, [FROM]));
    const job = { contract: base.id, body: body!, key: base.material(FROM), newKey: material };
    const [there] = engine.reencrypt(...bothUnder(suite), [job]);
    const back = { ...job, body: Buffer.from(there!.body), key: material, newKey: short };
    const [outcome] = engine.reencrypt(under(suite, TO), under(suite, FROM), [back]);
    expect(outcome).toMatchObject({ done: 3, mismatched: [] });
  });

  it("does to a mutated page what its bytes allow, and to its neighbours what they ask for", () => {
    const contract = testContract(8);
    const records = plainRecords(70, 8, [FROM, TO]);
    const [page] = pageBodies(suite, contract, records);
    const movable = textsOf(records.filter(({ rotationId }) => rotationId === FROM));
    const mutation = fc.tuple(fc.nat(page!.length - 1), fc.integer({ min: 1, max: 255 }));
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
        const mutated = Buffer.from(page!);
        for (const [at, change] of mutations) mutated[at]! ^= change;
        const outcomes = engine.reencrypt(
          ...bothUnder(suite),
          [page!, mutated, page!].map((body) => jobOf(contract, body)),
        );
        for (const index of [0, 2]) expectPage(suite, contract, page!, outcomes[index]!, { moved: movable });
        const { wellFormed, done, mismatched, body } = outcomes[1]!;
        if (!wellFormed) {
          expect(Buffer.compare(body, mutated)).toBe(0);
          return;
        }
        // Records that were not touched are moved, those that were are not.
        let moved = 0;
        let changed = 0;
        for (let at = 16, index = 0; index < records.length; index++) {
          const end = at + 6 + mutated.readUInt16LE(at) + mutated.readUInt32LE(at + 2);
          const same = Buffer.compare(mutated.subarray(at, end), page!.subarray(at, end)) === 0;
          const untouched = Buffer.compare(body.subarray(at, end), mutated.subarray(at, end)) === 0;
          const isMovable = movable.has(Buffer.from(records[index]!.key).toString("hex"));
          expect(untouched).toBe(!(same && isMovable));
          moved += Number(!untouched);
          changed += Number(!same);
          at = end;
        }
        expect(done).toBe(moved);
        expect(mismatched.length).toBeLessThanOrEqual(changed);
      }),
      { numRuns: paths === MEASURED ? 300 : 60 },
    );
  });

  it("leaves no key, key material, keystream or plaintext in WebAssembly memory", () => {
    const kernels = new Kernels();
    const own = new PageEngine({ kernels, paths });
    const contracts = [testContract(20), testContract(21), testContract(22)];
    const records = contracts.map((_, index) => plainRecords(5000 * index, 40, [FROM]));
    const jobs = contracts.flatMap((contract, index) =>
      pageBodies(suite, contract, records[index]!).map((body) => jobOf(contract, body)),
    );
    const secrets: Searched[] = contracts.flatMap((contract) =>
      [FROM, TO].flatMap((rotationId) => [
        ...keyForms(suite, contract.key(rotationId)),
        { name: "key material", bytes: contract.material(rotationId).ikm },
        { name: "a pseudorandom key", bytes: pseudorandomKey(contract.material(rotationId).ikm) },
      ]),
    );
    for (const { text } of records.flat()) secrets.push({ name: "a plaintext", bytes: text });
    const note = (contract: TestContract, rotationId: number, body: Uint8Array): void => {
      for (const { sealed } of parse(contract, body)) {
        const nonce = sealed.subarray(14, 26);
        secrets.push(keystream(suite, contract.key(rotationId), nonce, sealed.length - 42));
      }
    };
    const owner = (job: ReencryptJob): TestContract => contracts.find(({ id }) => id === job.contract)!;
    for (const job of jobs) note(owner(job), FROM, job.body);
    own.verify(suite, FROM, TO, jobs);
    expect(foundIn(kernels.bytes, secrets), "verify").toEqual([]);
    const outcomes = own.reencrypt(...bothUnder(suite), jobs);
    outcomes.forEach(({ body, done }, index) => {
      expect(done).toBeGreaterThan(0);
      note(owner(jobs[index]!), TO, body);
    });
    expect(foundIn(kernels.bytes, secrets), "re-encrypt").toEqual([]);
    const control = secrets.findLast(({ name }) => name === "key material")!;
    kernels.bytes.set(control.bytes, kernels.bytes.length - 33);
    expect(foundIn(kernels.bytes, secrets), "the control").toEqual(["key material"]);
  });

  it("leaves nothing behind when it throws", () => {
    const kernels = new Kernels();
    const own = new PageEngine({ kernels, paths });
    const contract = testContract(9);
    const [body] = pageBodies(suite, contract, plainRecords(1, 5, [FROM]));
    const job = jobOf(contract, body!);
    const secrets = [FROM, TO].flatMap((rotationId) => [
      ...keyForms(suite, contract.key(rotationId)),
      { name: "key material", bytes: contract.material(rotationId).ikm },
    ]);
    const bad: ReencryptJob[] = [
      { ...job, contract: contract.id.subarray(1) },
      { ...job, contract: Buffer.concat([contract.id, Buffer.of(0)]) },
      // No such material passes the type checker; whatever throws, the keys laid out before it must go.
      { ...job, newKey: { ikm: contract.material(TO).ikm, info: null as unknown as Uint8Array } },
      { ...job, body: null as unknown as Uint8Array },
    ];
    for (const each of bad) {
      expect(() => own.reencrypt(...bothUnder(suite), [job, each])).toThrow();
      expect(foundIn(kernels.bytes, secrets)).toEqual([]);
      expect(() => own.verify(suite, FROM, TO, [job, { ...each, key: each.newKey }])).toThrow();
      expect(foundIn(kernels.bytes, secrets)).toEqual([]);
    }
    expect(() => own.verify(suite, FROM, TO, [job, bad[0]!])).toThrow(invalid);
    expect(() => own.reencrypt(...bothUnder(suite), [bad[1]!])).toThrow(invalid);
    expect(own.reencrypt(...bothUnder(suite), [job])[0]).toMatchObject({ done: 5, mismatched: [] });
  });
});

const engine = new PageEngine();

it("refuses key material that was wiped: a key derived from zeros is everybody's", () => {
  const contract = testContract(1);
  const [body] = pageBodies("aes-256-gcm", contract, plainRecords(1, 3, [FROM]));
  const wiped = { ...contract.material(TO), ikm: new Uint8Array(32) };
  const job = jobOf(contract, body!);
  const refused = expect.objectContaining({ code: "KEY_UNAVAILABLE" });
  expect(() => engine.reencrypt(...bothUnder("aes-256-gcm"), [job, { ...job, newKey: wiped }])).toThrow(refused);
  expect(() => engine.verify("aes-256-gcm", FROM, TO, [{ ...job, key: wiped }])).toThrow(refused);
});

it("refuses a suite that does not exist", () => {
  expect(() => engine.verify("none" as Suite, FROM, TO, [])).toThrow(invalid);
});

/** A copy with one bit of one byte changed; of a suite byte, to a number that names no suite. */
function flip(bytes: Uint8Array, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0x80;
  return copy;
}

/** HKDF's first step without a salt (RFC 5869 §2.2). */
function pseudorandomKey(ikm: Uint8Array): Buffer {
  return createHmac("sha256", new Uint8Array(32)).update(ikm).digest();
}
