import { setImmediate } from "node:timers/promises";
import { Piscina } from "piscina";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { Engine } from "../../src/engine/engine.ts";
import { EnginePool } from "../../src/engine/pool.ts";
import runTask, { type BatchTask } from "../../src/engine/pool-task.ts";
import { ROW, RecordStatus } from "../../src/engine/rows.ts";
import { ALL_SUITES } from "../../src/engine/suite.ts";
import { GatekeeperError } from "../../src/errors.ts";
import { Secret } from "../../src/secret.ts";
import { nativeOpen } from "./native-aead.ts";
import { keyBytes, layOut, nativeBox, type TestBatch, testRecord } from "./record-batch.ts";

const pool = new EnginePool({ threads: 2 });
afterAll(() => pool[Symbol.asyncDispose]());
afterEach(() => vi.restoreAllMocks());

const VERBS = ["seal", "open", "verify", "reencrypt"] as const;
const withCode = (code: string) => expect.objectContaining({ code, name: "GatekeeperError" });

/** A batch of sealed records that differ from those of every other seed. */
function sealedBatch(seed: number, count = 50, suite = ALL_SUITES[seed % 2]!): TestBatch {
  const records = Array.from({ length: count }, (_, index) => testRecord(seed * 1000 + index, (index * 31) % 200, 4));
  return layOut(
    records,
    4,
    records.map((record, index) => nativeBox(suite, record, seed * 1000 + index)),
  );
}

/** A batch that keeps a thread busy for a tenth of a second. */
function longBatch(seed = 1): TestBatch {
  return layOut([testRecord(seed, 2 ** 24, 2)], 2);
}

/** Waits until a batch has gone to a thread, which is when its arena is gone here. */
async function untilTaken(batch: TestBatch): Promise<void> {
  while (batch.arena.length > 0) await setImmediate();
}

/** Notes the tasks that pools hand on, and so the buffers of their keys. */
function spyOnTasks(): BatchTask[] {
  const tasks: BatchTask[] = [];
  const run = Piscina.prototype.run;
  vi.spyOn(Piscina.prototype, "run").mockImplementation(function (this: Piscina, task: BatchTask, options) {
    tasks.push(task);
    return run.call(this, task, options);
  });
  return tasks;
}

describe("the engine pool", () => {
  it("moves a long record in every thread whether or not its plaintext may be in memory", async () => {
    for (const plaintextInMemory of [false, true]) {
      await using own = new EnginePool({ threads: 1, plaintextInMemory });
      for (const suite of ALL_SUITES) {
        const record = testRecord(9, 100_000, 2);
        const batch = layOut([record], 2, [nativeBox(suite, record, 9)]);
        const { arena, statuses } = await own.reencrypt(suite, batch);
        expect([...statuses]).toEqual([RecordStatus.done]);
        const opened = nativeOpen(suite, keyBytes(record.newKey), record.newAad, batch.box(0, arena));
        expect(opened?.equals(record.text)).toBe(true);
      }
    }
  });

  it("gives what the engine gives, with different data in every batch at once", async () => {
    const engine = new Engine();
    const batches = Array.from({ length: 8 }, (_, seed) => {
      const suite = ALL_SUITES[seed % 2]!;
      const verb = (["open", "verify", "open", "verify"] as const)[seed >> 1]!;
      const batch = sealedBatch(seed);
      batch.box(seed)[3]! ^= 1;
      const copy = { ...batch, arena: batch.arena.slice() };
      return { suite, verb, batch, statuses: engine[verb](suite, copy), arena: copy.arena };
    });
    const results = await Promise.all(batches.map(({ suite, verb, batch }) => pool[verb](suite, batch)));
    results.forEach((result, index) => {
      expect(result.statuses).toEqual(batches[index]!.statuses);
      expect(result.statuses[index]).toBe(RecordStatus.tagMismatch);
      expect(Buffer.compare(result.arena, batches[index]!.arena)).toBe(0);
    });
  });

  it("seals and re-encrypts what node:crypto opens", async () => {
    const runs = Array.from({ length: 6 }, async (_, seed) => {
      const suite = ALL_SUITES[seed % 2]!;
      const records = Array.from({ length: 40 }, (_, index) => testRecord(seed * 1000 + index, index * 7, 4));
      const batch = layOut(records, 4);
      const table = batch.table.slice();
      const sealed = await pool.seal(suite, batch);
      const moved = await pool.reencrypt(suite, { ...batch, arena: sealed.arena, table });
      expect([...new Set([...sealed.statuses, ...moved.statuses])]).toEqual([RecordStatus.done]);
      records.forEach(({ text, newAad, newKey }, index) => {
        const opened = nativeOpen(suite, keyBytes(newKey), newAad, batch.box(index, moved.arena));
        expect(opened?.equals(text)).toBe(true);
      });
    });
    await Promise.all(runs);
  });

  it("takes arena and table over, and leaves the keys to the caller", async () => {
    const batch = sealedBatch(0);
    await pool.open("aes-256-gcm", batch);
    expect([batch.arena.buffer.byteLength, batch.table.buffer.byteLength]).toEqual([0, 0]);
    const kept = batch.keys.map((key) => key.use((bytes) => [...bytes]));
    expect(kept).toEqual(batch.keys.map((_, index) => [...keyBytes(index)]));
  });

  it("brings errors back with their class, code and detail", async () => {
    for (const verb of VERBS) {
      const batch = sealedBatch(0);
      batch.table[10 + ROW.key] = 4;
      const error = await pool[verb]("aes-256-gcm", batch).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(GatekeeperError);
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", detail: { row: 1 } });
      expect((error as GatekeeperError).message).toMatch(/^row 1 of the batch/);
    }
    expect((await pool.verify("aes-256-gcm", sealedBatch(0))).statuses).toHaveLength(50);
  });

  it("refuses what can't be a batch, and wipes the keys that it had copied", async () => {
    const filled = vi.spyOn(Uint8Array.prototype, "fill");
    const batch = sealedBatch(0);
    const wiped = new Secret(new Uint8Array(32));
    wiped[Symbol.dispose]();
    const [key] = batch.keys;
    for (const [bad, code] of [
      [new Secret(new Uint8Array(31)), "INVALID_ARGUMENT"],
      [wiped, "KEY_UNAVAILABLE"],
    ] as const) {
      filled.mockClear();
      await expect(pool.verify("aes-256-gcm", { ...batch, keys: [key!, bad] })).rejects.toThrow(withCode(code));
      expect(filled.mock.contexts.map((bytes) => (bytes as Uint8Array).length)).toEqual([64]);
    }
    const table = batch.table.slice(1);
    await expect(pool.verify("aes-256-gcm", { ...batch, table })).rejects.toThrow(withCode("INVALID_ARGUMENT"));
    expect(batch.arena.length, "it was not taken over").toBeGreaterThan(0);
  });

  it("refuses an arena that can't be moved: handed in before, or part of a shared buffer", async () => {
    const batch = sealedBatch(0);
    const arena = Buffer.from(batch.arena.subarray(0, 100)) as unknown as Uint8Array<ArrayBuffer>;
    const pooled = { ...batch, arena };
    await expect(pool.verify("aes-256-gcm", pooled)).rejects.toThrow(withCode("INVALID_ARGUMENT"));
    await pool.verify("aes-256-gcm", sealedBatch(0));
    const twice = sealedBatch(0);
    await pool.verify("aes-256-gcm", twice);
    await expect(pool.verify("aes-256-gcm", twice)).rejects.toThrow(withCode("INVALID_ARGUMENT"));
  });

  it("refuses a number of threads that makes no pool", () => {
    for (const threads of [0, -1, 1.5, Number.NaN]) {
      expect(() => new EnginePool({ threads })).toThrow(withCode("INVALID_ARGUMENT"));
    }
  });
});

describe("the pool's queue", () => {
  it.each([false, true])("is refused more than it may hold (with a signal: %s), then goes on", async (signalled) => {
    await using small = new EnginePool({ threads: 1 });
    const { signal } = new AbortController();
    const verify = (batch: TestBatch) => small.verify("aes-256-gcm", batch, ...(signalled ? [signal] : []));
    const batches = Array.from({ length: 9 }, () => sealedBatch(0));
    const results = await Promise.allSettled(batches.map(verify));
    expect(results.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 5 }, () => "fulfilled"),
      ...Array.from({ length: 4 }, () => "rejected"),
    ]);
    for (const result of results.slice(5)) {
      expect(result).toMatchObject({ reason: { code: "POOL_FULL", detail: { limit: 4 } } });
    }
    expect(batches[8]!.arena.length, "a refused batch is still the caller's").toBeGreaterThan(0);
    await expect(verify(batches[8]!)).resolves.toMatchObject({ statuses: { length: 50 } });
  });

  it("is refused once the pool is closed, and what runs or waits is rejected", async () => {
    const tasks = spyOnTasks();
    const small = new EnginePool({ threads: 1 });
    const [running, waiting] = [longBatch(), sealedBatch(0)];
    const outcomes = [small.seal("aes-256-gcm", running), small.verify("aes-256-gcm", waiting)];
    const settled = Promise.allSettled(outcomes);
    await untilTaken(running);
    await small[Symbol.asyncDispose]();
    for (const outcome of await settled) expect(outcome).toMatchObject({ reason: withCode("POOL_CLOSED") });
    expectWiped(tasks);
    await expect(small.verify("aes-256-gcm", sealedBatch(0))).rejects.toThrow(withCode("POOL_CLOSED"));
    await small[Symbol.asyncDispose]();
  });
});

describe("an abort signal", () => {
  it("stops a batch before it is handed in", async () => {
    const batch = sealedBatch(0);
    await expect(pool.verify("aes-256-gcm", batch, AbortSignal.abort())).rejects.toThrow(withCode("ABORTED"));
    expect(batch.arena.length).toBeGreaterThan(0);
  });

  it("stops a batch that waits, and leaves those around it alone", async () => {
    const tasks = spyOnTasks();
    await using small = new EnginePool({ threads: 1 });
    const controller = new AbortController();
    const running = longBatch();
    const first = small.seal("aes-256-gcm", running);
    const waiting = sealedBatch(0);
    const second = small.verify("aes-256-gcm", waiting, controller.signal);
    const third = small.verify("chacha20-poly1305", sealedBatch(1));
    const rejected = expect(second).rejects.toThrow(withCode("ABORTED"));
    await untilTaken(running);
    controller.abort();
    await rejected;
    expect(waiting.arena.length, "it never left").toBeGreaterThan(0);
    expect((await third).statuses.every((status) => status === RecordStatus.done)).toBe(true);
    expect([...(await first).statuses]).toEqual([RecordStatus.done]);
    expectWiped(tasks);
  });

  it("stops a batch that runs, and the pool goes on", async () => {
    await using small = new EnginePool({ threads: 1 });
    const controller = new AbortController();
    const running = longBatch();
    const first = small.seal("aes-256-gcm", running, controller.signal);
    const rejected = expect(first).rejects.toThrow(withCode("ABORTED"));
    await untilTaken(running);
    controller.abort();
    await rejected;
    const { statuses } = await small.verify("chacha20-poly1305", sealedBatch(1), new AbortController().signal);
    expect(statuses.every((status) => status === RecordStatus.done)).toBe(true);
  });
});

describe("a thread's task", () => {
  const taskOf = (batch: TestBatch, keys: Uint8Array<ArrayBuffer>): BatchTask => {
    return { suite: "aes-256-gcm", verb: "Seal", arena: batch.arena, table: batch.table, keys };
  };

  it("wipes the keys that came with it", () => {
    const keys = keyBytes(0);
    expect(runTask(taskOf(layOut([testRecord(1, 10, 1)], 1), keys))).not.toHaveProperty("error");
    expect([...new Set(keys)]).toEqual([0]);
  });

  it("wipes keys and plaintexts when it fails", () => {
    const keys = keyBytes(0);
    const batch = layOut([testRecord(1, 10, 1)], 1);
    batch.table[ROW.key] = 1;
    expect(runTask(taskOf(batch, keys))).toMatchObject({ error: { code: "INVALID_ARGUMENT", detail: { row: 0 } } });
    expect([...new Set([...keys, ...batch.arena])]).toEqual([0]);
  });
});

/** Every key buffer was moved away or is zeros. */
function expectWiped(tasks: readonly BatchTask[]): void {
  expect(tasks.length).toBeGreaterThan(1);
  expect(
    tasks.some(({ keys }) => keys.length > 0),
    "one never left",
  ).toBe(true);
  for (const { keys } of tasks) expect(keys.length === 0 || keys.every((byte) => byte === 0)).toBe(true);
}
