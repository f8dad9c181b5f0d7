/**
 * A whole rotation over an embedded store, beside three peers in the same run:
 *
 * - the same rotation with the cipher replaced by a copy of the pages (observed-store.ts): what all but it costs;
 * - the bare loop over the same pages, compare-and-swap and nothing else (paged-loop.ts): what the store costs at least;
 * - the program that one would write without this library (row-store.ts): one row per record in SQLite, one decipher and
 *   one cipher per record. It derives the same contract keys in the same way, makes its commits durable and ends with
 *   a check that nothing is left under the old key. Its rate does not depend on the number of records, so it has fewer.
 *
 * A second table says where the time of a rotation goes.
 */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../dist/engine/engine.js";
import type { Suite } from "../dist/engine/suite.js";
import { CONTRACT_KIND, contractId } from "../dist/contract-id.js";
import { MASTER_KEY_BYTES, MasterKey, generateMasterKey } from "../dist/keys/master-key.js";
import { type ContractEdit, ContractStates } from "../dist/pruntime/contract-states.js";
import { firstRotation } from "../dist/rotation/control.js";
import { rotate } from "../dist/rotation/rotation.js";
import { Secret } from "../dist/secret.js";
import { openStore } from "../dist/store/embedded.js";
import type { ContractName, Page } from "../dist/store/store.js";
import { type Part, observation, partsOf } from "./observed-store.ts";
import { PagedLoop } from "./paged-loop.ts";
import { type PlainRecord, RowStore } from "./row-store.ts";
import { type TableHead, type TableResult, resultOf } from "./table.ts";

/** How much is rotated, and how often. */
export interface RotationScale {
  readonly contracts: number;
  readonly recordsEach: number;
  /** Of those contracts, the ones that the loop over rows has. */
  readonly rowContracts: number;
  readonly rounds: number;
}

const SUITE: Suite = "aes-256-gcm";
const TEXT_BYTES = 200;
const STORAGE_KEY_BYTES = 32;
/** Records written in one commit while a store is filled, or those of one contract where they are more. */
const RECORDS_A_COMMIT = 20_000;
/** Records read back after a rotation, spread over the store. */
const RECORDS_READ = 1_000;
/** Page bytes read at once when pages are handed to the bare loop. */
const READ_BYTES = 1 << 20;
const ONE = "1 thread";
const TWO = "2 threads";
const COPY_ONE = "copy, 1 thread";
const COPY_TWO = "copy, 2 threads";
const LOOP = "paged loop";
const BASELINE = "node:crypto loop";

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

/** Times by row and column, in nanoseconds per record. */
class Times {
  readonly cases: { row: string; column: string; times: number[] }[] = [];

  add(row: string, column: string, nanoseconds: number, records: number): void {
    const time = nanoseconds / records;
    const entry = this.cases.find((each) => each.row === row && each.column === column);
    if (entry === undefined) this.cases.push({ row, column, times: [time] });
    else entry.times.push(time);
  }
}

/**
 * Rotates the same records with one thread and with two, and runs the peers, in turn, `rounds` times.
 * @returns the whole rotations beside the peers, and where their time went.
 */
export async function rotationResults(scale: RotationScale): Promise<TableResult[]> {
  const { contracts, recordsEach, rowContracts, rounds } = scale;
  const records = contracts * recordsEach;
  const whole = `${records.toLocaleString("en")} records`;
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-bench-"));
  const times = new Times();
  const parts = new Times();
  try {
    using ours = await OurStore.fill(join(folder, "pages.db"), scale);
    using copied = ours.copyTo(join(folder, "copied.db"));
    using loop = await PagedLoop.fill(join(folder, "loop.db"), ours.pages());
    using rows = RowStore.fill(join(folder, "rows.db"), SUITE, recordsOf({ ...scale, contracts: rowContracts }));
    const rotateStore = async (store: OurStore, threads: number, column: string): Promise<void> => {
      const { total, partTimes } = await store.rotate(threads);
      times.add(whole, column, total, records);
      if (store === ours) for (const [part, time] of partTimes) parts.add(part, column, time, records);
    };
    const timeSync = (run: () => void, column: string, count: number): void => {
      const started = performance.now();
      run();
      times.add(whole, column, (performance.now() - started) * 1e6, count);
    };
    const contenders: [column: string, run: () => void | Promise<void>][] = [
      [ONE, () => rotateStore(ours, 1, ONE)],
      [TWO, () => rotateStore(ours, 2, TWO)],
      [COPY_ONE, () => rotateStore(copied, 1, COPY_ONE)],
      [COPY_TWO, () => rotateStore(copied, 2, COPY_TWO)],
      [LOOP, () => timeSync(() => loop.run(), LOOP, records)],
      [BASELINE, () => timeSync(() => rows.rotate(), BASELINE, rowContracts * recordsEach)],
    ];
    for (let round = 0; round < rounds; round++) {
      for (const [, run] of round % 2 === 0 ? contenders : contenders.toReversed()) await run();
      await ours.check();
      await copied.checkCounts();
      loop.check();
      rows.check();
    }
    const order = contenders.map(([column]) => column);
    return [times, parts].map(({ cases }, index) =>
      resultOf(
        index === 0 ? wholeHead(scale) : partsHead(),
        cases.toSorted((a, b) => order.indexOf(a.column) - order.indexOf(b.column)),
      ),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function wholeHead({ contracts, recordsEach, rowContracts }: RotationScale): TableHead {
  return {
    name: `rotation/${SUITE}`,
    title: `Whole rotation, embedded store, ${SUITE}, records of ${TEXT_BYTES} B`,
    item: "record",
    ours: [ONE, TWO],
    notes: [
      `${contracts} contracts; starting threads, deriving keys, sweep, verification, abandonment, compaction included`,
      `copy: the same program, in which the cipher is replaced by a copy of the pages`,
      `${LOOP}: the same pages in node:sqlite, WAL, synchronous=FULL: scan, compare-and-swap, commit; one thread`,
      `${BASELINE}: one row per record in node:sqlite, WAL, synchronous=FULL, transactions of about 1 MiB; one thread, ${(rowContracts * recordsEach).toLocaleString("en")} records`,
    ],
  };
}

function partsHead(): TableHead {
  return {
    name: `rotation parts/${SUITE}`,
    title: `Where the time of a whole rotation goes, ${SUITE}, records of ${TEXT_BYTES} B`,
    item: "record",
    ours: [ONE, TWO],
    notes: [
      "wall-clock time; what two threads do side by side is the mean of both",
      "commit: waiting for the other thread's commit included",
    ],
  };
}

/** All records, contract by contract and in key order within each. */
function* recordsOf({
  contracts,
  recordsEach,
}: Pick<RotationScale, "contracts" | "recordsEach">): Generator<PlainRecord> {
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
  readonly #path: string;
  readonly #scale: RotationScale;
  /** Whether the cipher is replaced by a copy. */
  readonly #copies: boolean;
  readonly #generations = new Generations();
  #rotationId = 0;

  private constructor(path: string, scale: RotationScale, copies: boolean) {
    this.#path = path;
    this.#scale = scale;
    this.#copies = copies;
  }

  static async fill(path: string, scale: RotationScale): Promise<OurStore> {
    const made = new OurStore(path, scale, false);
    const store = await openStore({ path, create: true });
    try {
      await store.commit({ groups: [], sealedUnder: null, cells: [firstRotation()] });
      using states = made.#states(store);
      const atOnce = Math.max(1, Math.floor(RECORDS_A_COMMIT / scale.recordsEach));
      for (let c = 0; c < scale.contracts; c += atOnce) {
        const edits = Array.from({ length: Math.min(atOnce, scale.contracts - c) }, (_, more) =>
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

  /** The same store in another file, whose records will be copied, so that no key opens them any more. */
  copyTo(path: string): OurStore {
    copyFileSync(this.#path, path);
    return new OurStore(path, this.#scale, true);
  }

  /** Its pages in order. */
  async *pages(): AsyncGenerator<Page> {
    const store = await openStore({ path: this.#path });
    try {
      for (let after: Page | null = null; ;) {
        const pages = await store.scan({ from: null, to: null }, after, READ_BYTES);
        if (pages.length === 0) return;
        yield* pages;
        after = pages.at(-1)!;
      }
    } finally {
      await store.close();
    }
  }

  /** @returns nanoseconds of the whole rotation, and of its parts. */
  async rotate(threads: number): Promise<{ total: number; partTimes: ReadonlyMap<Part, number> }> {
    const { masterKey, abandon } = this.#generations;
    const observed = observation(this.#path, this.#copies);
    const started = performance.now();
    const summary = await rotate({
      store: { module: new URL("observed-store.ts", import.meta.url).href, options: observed },
      suite: SUITE,
      threads,
      masterKey,
      newMasterKey: masterKey,
      abandon,
    });
    const total = (performance.now() - started) * 1e6;
    const partTimes = partsOf(observed);
    this.#rotationId++;
    if (summary.failed !== 0 || summary.rotationId !== this.#rotationId) throw new Error("the rotation failed");
    return { total, partTimes };
  }

  /** @throws Error unless all records are counted under the current rotation id and those read back are right. */
  async check(): Promise<void> {
    await this.checkCounts();
    const { contracts, recordsEach } = this.#scale;
    const store = await openStore({ path: this.#path });
    try {
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

  /** @throws Error unless all records are counted under the current rotation id. */
  async checkCounts(): Promise<void> {
    const { contracts, recordsEach } = this.#scale;
    const store = await openStore({ path: this.#path });
    try {
      const counts = await store.countByRotationId();
      if (counts.size !== 1 || counts.get(this.#rotationId) !== contracts * recordsEach) {
        throw new Error(`the store does not hold its records under rotation id ${this.#rotationId} alone`);
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
