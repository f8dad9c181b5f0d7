/**
 * The embedded store as a rotation of the benchmark opens it: the same store, which notes where the time goes and, for
 * the peer that has no cipher, puts a copy of the pages in its place. A rotation opens its store in each of its
 * threads by module, so this module reaches them without a switch in the product.
 *
 * The first that opens it for a rotation is the rotation itself, whose calls mark its phases; all others are sweepers.
 */
import { PageEngine, type ReencryptJob, type ReencryptOutcome, type SealedUnder } from "../dist/engine/page-engine.js";
import { ContractKeyRing } from "../dist/keys/contract-key-ring.js";
import { openStore as openEmbedded } from "../dist/store/embedded.js";
import type { StateStore } from "../dist/store/store.js";

/** Where a rotation's time goes. */
export const PARTS = [
  "begin",
  "start of threads",
  "scan",
  "contract keys",
  "cipher",
  "commit",
  "rest of the sweep",
  "verification",
  "compaction",
  "end",
] as const;
export type Part = (typeof PARTS)[number];

/** Words of the shared notes, each nanoseconds but for the first. */
const OPENED = 0;
const BEGUN = 1;
const SWITCHED = 2;
const SWEPT = 3;
const VERIFIED = 4;
const COMPACTING = 5;
const COMPACTED = 6;
/** Sums over the sweepers, until the first sweep has ended. */
const STARTING = 7;
const SCAN = 8;
const KEYS = 9;
const CIPHER = 10;
const COMMIT = 11;
const WORDS = 12;

/** What a rotation's threads share while it is observed. */
export interface Observation {
  readonly path: string;
  /** Whether the pages are copied instead of re-encrypted; only their rotation ids change then. */
  readonly copies: boolean;
  readonly notes: SharedArrayBuffer;
}

/** Notes on one rotation of the store at `path`. */
export function observation(path: string, copies: boolean): Observation {
  return { path, copies, notes: new SharedArrayBuffer(WORDS * BigInt64Array.BYTES_PER_ELEMENT) };
}

/** Nanoseconds of each part; those that sweepers share are the mean of them. Call it when `rotate` has returned. */
export function partsOf({ notes }: Observation): ReadonlyMap<Part, number> {
  const words = Array.from(new BigInt64Array(notes), Number);
  const word = (index: number): number => words[index]!;
  const mean = (index: number): number => word(index) / (word(OPENED) - 1);
  const sweep = word(SWEPT) - word(SWITCHED);
  const of: Record<Part, number> = {
    begin: word(SWITCHED) - word(BEGUN),
    "start of threads": mean(STARTING),
    scan: mean(SCAN),
    "contract keys": mean(KEYS),
    cipher: mean(CIPHER),
    commit: mean(COMMIT),
    "rest of the sweep": sweep - [STARTING, SCAN, KEYS, CIPHER, COMMIT].reduce((sum, index) => sum + mean(index), 0),
    verification: word(VERIFIED) - word(SWEPT),
    compaction: word(COMPACTED) - word(COMPACTING),
    end: word(COMPACTING) - word(VERIFIED) + now() - word(COMPACTED),
  };
  return new Map(PARTS.map((part) => [part, of[part]]));
}

/** The same clock in every thread. */
function now(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1e6);
}

/** The `openStore` of a StoreModule, for options made by `observation`. */
export async function openStore(options: unknown): Promise<StateStore> {
  const { path, copies, notes } = options as Observation;
  const words = new BigInt64Array(notes);
  const opening = now();
  const first = Atomics.add(words, OPENED, 1n) === 0n;
  const store = await openEmbedded({ path });
  if (first) {
    Atomics.store(words, BEGUN, BigInt(opening));
    return withPhases(store, words);
  }
  // A sweeper that starts late sweeps nothing of the first pass.
  add(words, STARTING, now() - Number(Atomics.load(words, SWITCHED)));
  observeSweeping(words, copies);
  return withTimes(store, words);
}

/** Notes when the rotation's own commits take it from phase to phase. */
function withPhases(store: StateStore, words: BigInt64Array): StateStore {
  const marks = [SWITCHED, SWEPT, VERIFIED];
  return wrapped(store, {
    async commit(commit) {
      const result = await store.commit(commit);
      const mark = marks.shift();
      if (mark !== undefined) words[mark] = BigInt(now());
      return result;
    },
    async compact() {
      words[COMPACTING] = BigInt(now());
      await store.compact();
      words[COMPACTED] = BigInt(now());
    },
  });
}

function withTimes(store: StateStore, words: BigInt64Array): StateStore {
  return wrapped(store, {
    scan: (...args) => timed(words, SCAN, () => store.scan(...args)),
    commit: (commit) => timed(words, COMMIT, () => store.commit(commit)),
  });
}

/** A store with some of its methods replaced. */
function wrapped(store: StateStore, replaced: Partial<StateStore>): StateStore {
  return new Proxy(store, {
    get(target, name) {
      const method: unknown = Reflect.get(name in replaced ? replaced : target, name);
      return typeof method === "function" ? method.bind(name in replaced ? replaced : target) : method;
    },
  });
}

/** Times the keys and the cipher of this thread, or takes the cipher out. */
function observeSweeping(words: BigInt64Array, copies: boolean): void {
  const { materials } = ContractKeyRing.prototype;
  ContractKeyRing.prototype.materials = function (...args) {
    return timed(words, KEYS, () => materials.apply(this, args));
  };
  const { reencrypt } = PageEngine.prototype;
  PageEngine.prototype.reencrypt = function (from, to, jobs, options) {
    return timed(words, CIPHER, () => (copies ? copyPages(to, jobs) : reencrypt.call(this, from, to, jobs, options)));
  };
}

function timed<T>(words: BigInt64Array, word: number, body: () => T): T {
  const started = now();
  try {
    return body();
  } finally {
    // What the store's calls do is done when they return their promise.
    add(words, word, now() - started);
  }
}

function add(words: BigInt64Array, word: number, nanoseconds: number): void {
  if (words[SWEPT] === 0n) Atomics.add(words, word, BigInt(nanoseconds));
}

let copy = new Uint8Array(0);

/** What is left of re-encryption without a cipher: a copy of each page with other rotation ids in it. */
function copyPages({ rotationId }: SealedUnder, jobs: readonly ReencryptJob[]): ReencryptOutcome[] {
  const bytes = jobs.reduce((sum, { body }) => sum + body.length, 0);
  if (copy.length < bytes) copy = new Uint8Array(bytes);
  const view = new DataView(copy.buffer);
  let end = 0;
  return jobs.map(({ body }) => {
    const begin = end;
    copy.set(body, begin);
    end += body.length;
    const records = view.getUint32(begin + 4, true);
    let at = begin + 16;
    for (let left = records; left > 0; left--) {
      const sealed = at + 6 + view.getUint16(at, true);
      at = sealed + view.getUint32(at + 2, true);
      view.setUint32(sealed + 2, rotationId, true);
    }
    const moved = { done: records, bytes: 0, mismatched: [], body: copy.subarray(begin, end) };
    return { wellFormed: true, ...moved, statement: null };
  });
}
