/**
 * A whole rotation over an embedded store, beside the program that one would write without this library: one row per
 * record in SQLite, one decipher and one cipher per record. Both derive the same contract keys in the same way, both
 * make their commits durable, both end with a check that nothing is left under the old key.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../src/engine/engine.ts";
import type { Suite } from "../src/engine/suite.ts";
import { CONTRACT_KIND, contractId } from "../src/keys/contract-id.ts";
import { MASTER_KEY_BYTES, MasterKey, generateMasterKey } from "../src/keys/master-key.ts";
import { type ContractEdit, ContractStates } from "../src/pruntime/contract-states.ts";
import { firstRotation } from "../src/rotation/control.ts";
import { rotate } from "../src/rotation/rotation.ts";
import { Secret } from "../src/secret.ts";
import { openStore } from "../src/store/embedded.ts";
import type { ContractName, StoreLocation } from "../src/store/store.ts";
import { type PlainRecord, RowStore } from "./row-store.ts";
import { type TableHead, type TableResult, resultOf } from "./table.ts";

/** How much is rotated, and how often. */
export interface RotationScale {
  readonly contracts: number;
  readonly recordsEach: number;
  readonly rounds: number;
}

const SUITE: Suite = "aes-256-gcm";
const TEXT_BYTES = 200;
const STORAGE_KEY_BYTES = 32;
/** Contracts written in one commit while a store is filled. */
const CONTRACTS_A_COMMIT = 10;
/** Records read back after a rotation, spread over the store. */
const RECORDS_READ = 1_000;
const ONE = "1 thread";
const TWO = "2 threads";
const BASELINE = "node:crypto loop";
const SWEEP = "its sweep";

/** The generations of a MasterKey, for as long as the benchmark runs. */
class Generations implements Disposable {
  readonly #scalars = new Map<number, Uint8Array>();

  /** A copy for the caller, made when first asked for. */
  readonly masterKey = async (rotationId: number): Promise<MasterKey> => {
    let scalar = this.#scalars.get(rotationId);
    if (scalar === undefined) {
      using key = generateMasterKey(rotationId);
      scalar = key.use((bytes) => bytes.slice());
      if (scalar.length !== MASTER_KEY_BYTES) throw new Error("a MasterKey has another length");
      this.#scalars.set(rotationId, scalar);
    }
    return new MasterKey(rotationId, new Secret(scalar.slice()));
  };

  readonly abandon = async (rotationId: number): Promise<void> => {
    this.#scalars.get(rotationId)?.fill(0);
    this.#scalars.delete(rotationId);
  };

  [Symbol.dispose](): void {
    for (const scalar of this.#scalars.values()) scalar.fill(0);
  }
}

/** Rotates the same records with one thread, with two, and by the baseline, in turn, `rounds` times. */
export async function rotationResult(scale: RotationScale): Promise<TableResult> {
  const { contracts, recordsEach, rounds } = scale;
  const records = contracts * recordsEach;
  const whole = `${records.toLocaleString("en")} records`;
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-bench-"));
  const cases: { row: string; column: string; times: number[] }[] = [];
  const note = (row: string, column: string, milliseconds: number): void => {
    const time = (milliseconds * 1e6) / records;
    const entry = cases.find((each) => each.row === row && each.column === column);
    if (entry === undefined) cases.push({ row, column, times: [time] });
    else entry.times.push(time);
  };
  try {
    using ours = await OurStore.fill(join(folder, "pages.db"), scale);
    using theirs = RowStore.fill(join(folder, "rows.db"), SUITE, recordsOf(scale));
    const rotateOurs = async (threads: number, column: string): Promise<void> => {
      const { total, sweep } = await ours.rotate(threads);
      note(whole, column, total);
      note(SWEEP, column, sweep);
    };
    const rotateTheirs = async (): Promise<void> => {
      const started = performance.now();
      theirs.rotate();
      note(whole, BASELINE, performance.now() - started);
    };
    const contenders = [() => rotateOurs(1, ONE), () => rotateOurs(2, TWO), rotateTheirs];
    for (let round = 0; round < rounds; round++) {
      for (const run of round % 2 === 0 ? contenders : contenders.toReversed()) await run();
      await ours.check();
      theirs.check();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const head: TableHead = {
    name: `rotation/${SUITE}`,
    title: `Whole rotation, embedded store, ${SUITE}, records of ${TEXT_BYTES} B`,
    item: "record",
    ours: [ONE, TWO],
    notes: [
      `${contracts} contracts; starting threads, deriving keys, sweep, verification, abandonment, compaction included`,
      `${SWEEP}: from the switch until the first sweep has ended`,
      `${BASELINE}: one row per record in node:sqlite, WAL, synchronous=FULL, transactions of about 1 MiB; one thread`,
    ],
  };
  return resultOf(
    head,
    cases.toSorted((a, b) => Number(a.row === SWEEP) - Number(b.row === SWEEP)),
  );
}

/** All records, contract by contract and in key order within each. */
function* recordsOf({ contracts, recordsEach }: RotationScale): Generator<PlainRecord> {
  for (let c = 0; c < contracts; c++) {
    const contract = contractOf(c);
    for (let n = 0; n < recordsEach; n++) yield { contract, key: storageKey(n), value: textOf(c, n) };
  }
}

function contractOf(index: number): ContractName {
  const name = new Uint8Array(20);
  new DataView(name.buffer).setUint32(0, index);
  const kind = CONTRACT_KIND.account;
  return { id: contractId(kind, name), kind, name };
}

function storageKey(n: number): Uint8Array {
  const key = new Uint8Array(STORAGE_KEY_BYTES);
  new DataView(key.buffer).setUint32(STORAGE_KEY_BYTES - 4, n);
  return key;
}

function textOf(contract: number, n: number): Uint8Array {
  const value = new Uint8Array(TEXT_BYTES);
  const view = new DataView(value.buffer);
  for (let at = 0; at < TEXT_BYTES; at += 8) {
    view.setUint32(at, contract + at);
    view.setUint32(at + 4, n);
  }
  return value;
}

/** The embedded store of this project, filled through ContractStates as any owner's writes are. */
class OurStore implements Disposable {
  readonly #location: StoreLocation;
  readonly #scale: RotationScale;
  readonly #generations = new Generations();
  #rotationId = 0;

  private constructor(path: string, scale: RotationScale) {
    this.#location = { module: new URL("../src/store/embedded.ts", import.meta.url).href, options: { path } };
    this.#scale = scale;
  }

  static async fill(path: string, scale: RotationScale): Promise<OurStore> {
    const made = new OurStore(path, scale);
    const store = await openStore({ path, create: true });
    try {
      await store.commit({ groups: [], sealedUnder: null, cells: [firstRotation()] });
      using states = made.#states(store);
      for (let c = 0; c < scale.contracts; c += CONTRACTS_A_COMMIT) {
        const edits = Array.from({ length: Math.min(CONTRACTS_A_COMMIT, scale.contracts - c) }, (_, more) =>
          editOf(c + more, scale.recordsEach),
        );
        await states.write(edits);
      }
    } finally {
      await store.close();
    }
    await made.check();
    return made;
  }

  /** @returns milliseconds of the whole rotation, and of that until the first sweep had ended. */
  async rotate(threads: number): Promise<{ total: number; sweep: number }> {
    const { masterKey, abandon } = this.#generations;
    const started = performance.now();
    let swept: number | null = null;
    const summary = await rotate({
      store: this.#location,
      suite: SUITE,
      threads,
      masterKey,
      newMasterKey: masterKey,
      abandon,
      onProgress: ({ phase }) => {
        if (phase !== "reencryption") swept ??= performance.now() - started;
      },
    });
    const total = performance.now() - started;
    this.#rotationId++;
    if (summary.failed !== 0 || summary.rotationId !== this.#rotationId) throw new Error("the rotation failed");
    return { total, sweep: swept ?? total };
  }

  /** @throws Error unless all records are counted under the current rotation id and those read back are right. */
  async check(): Promise<void> {
    const { contracts, recordsEach } = this.#scale;
    const store = await openStore(this.#location.options);
    try {
      const counts = await store.countByRotationId();
      if (counts.size !== 1 || counts.get(this.#rotationId) !== contracts * recordsEach) {
        throw new Error(`the store does not hold its records under rotation id ${this.#rotationId} alone`);
      }
      using states = this.#states(store);
      const step = Math.max(1, Math.floor((contracts * recordsEach) / RECORDS_READ));
      for (let at = 0; at < contracts * recordsEach; at += step) {
        const c = Math.floor(at / recordsEach);
        const n = at % recordsEach;
        const value = await states.get(contractOf(c).id, storageKey(n));
        if (value === null || Buffer.compare(value, textOf(c, n)) !== 0) throw new Error(`record ${at} was lost`);
      }
    } finally {
      await store.close();
    }
  }

  #states(store: Awaited<ReturnType<typeof openStore>>): ContractStates {
    const { masterKey } = this.#generations;
    return new ContractStates({ store, engine: new Engine(), suite: SUITE, masterKey });
  }

  [Symbol.dispose](): void {
    this.#generations[Symbol.dispose]();
  }
}

function editOf(contract: number, recordsEach: number): ContractEdit {
  const edits = Array.from({ length: recordsEach }, (_, n) => ({ key: storageKey(n), value: textOf(contract, n) }));
  return { contract: contractOf(contract), edits };
}
