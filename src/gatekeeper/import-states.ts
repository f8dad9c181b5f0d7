/**
 * The import: states as they stream from files, in batches, to the pRuntime, whose threads seal and write them.
 *
 * All states of a contract go through one lane, whose batches are written one after the other: so the last of several
 * puts of a key is the one that stays, and threads do not compete for a page. A lane that is behind stops the reading:
 * memory is bounded whatever the size of the files.
 */
import { availableParallelism } from "node:os";
import { CONTRACT_KIND } from "../contract-id.ts";
import type { StateBatch } from "../pruntime/boundary.ts";
import { checkAtLeastOne } from "../store/commit.ts";
import type { PRuntime } from "./pruntime.ts";
import { type NamedState, StatePacker } from "./state-packer.ts";

/** A batch is written when it has so many bytes or states; one state of 16 MiB may come on top. */
const BATCH_BYTES = 1 << 20;
const BATCH_STATES = 4_096;
/** Pallets are told apart by remembering them; a file with more of them than this is no chain's. */
const PALLETS_REMEMBERED = 65_536;

/** What an import did. */
export interface ImportSummary {
  /** Contracts in the files, */
  contracts: number;
  /** states in the files, */
  records: number;
  /** bytes of their values, */
  bytes: number;
  /** and how many of them lay in the home already, with the same value. */
  unchanged: number;
}

/** What an import is given. */
export interface ImportStatesOptions {
  /** Of the home. */
  readonly pruntime: PRuntime;
  /** The states, in chunks. */
  readonly states: AsyncIterable<readonly NamedState[]>;
  readonly threads?: number;
  /** Called after each chunk with the records handed to the threads so far. */
  readonly onProgress?: (records: number) => void;
}

interface Lane {
  /** The batch that is being filled. */
  readonly packer: StatePacker;
  /** The batch that is being written. */
  writing: Promise<void>;
}

/**
 * Seals states and writes them into a home. States that lie there with the same value are left alone, so an import
 * that was interrupted is simply run again.
 * @throws GatekeeperError RECORD_TOO_LARGE, STORE_*, KEY_UNAVAILABLE, INVALID_ARGUMENT for no thread, and whatever reading the states throws.
 */
export async function importStates(options: ImportStatesOptions): Promise<ImportSummary> {
  const threads = options.threads ?? availableParallelism();
  checkAtLeastOne(threads, "the number of threads");
  const summary: ImportSummary = { contracts: 0, records: 0, bytes: 0, unchanged: 0 };
  const write = async (batch: StateBatch): Promise<void> => {
    const { unchanged } = await options.pruntime.ask("import", { threads, batch });
    summary.unchanged += unchanged;
  };
  const lanes = Array.from({ length: threads }, (): Lane => ({
    packer: new StatePacker(),
    writing: Promise.resolve(),
  }));
  const count = new ContractCount();
  for await (const chunk of options.states) {
    for (const state of chunk) {
      count.add(state);
      summary.records++;
      summary.bytes += state.value.length;
      const lane = lanes[laneOf(state.name, threads)]!;
      lane.packer.add(state);
      if (lane.packer.bytes >= BATCH_BYTES || lane.packer.states >= BATCH_STATES) await flush(lane, write);
    }
    summary.contracts = count.contracts;
    options.onProgress?.(summary.records);
  }
  await Promise.all(lanes.map((lane) => flush(lane, write)));
  await Promise.all(lanes.map((lane) => lane.writing));
  return summary;
}

/** Waits for the lane's last batch and hands on the next. */
async function flush(lane: Lane, write: (batch: StateBatch) => Promise<void>): Promise<void> {
  await lane.writing;
  if (lane.packer.states === 0) return;
  lane.writing = write(lane.packer.take());
  // Whoever waits for the lane next gets the error; until then it must not count as unhandled.
  lane.writing.catch(() => undefined);
}

function laneOf(name: Uint8Array, lanes: number): number {
  let hash = 0;
  for (const byte of name) hash = (Math.imul(hash, 31) + byte) >>> 0;
  return hash % lanes;
}

/** Counts contracts in a stream in which each contract's states come together, except for those of pallets. */
class ContractCount {
  contracts = 0;
  #last = "";
  readonly #pallets = new Set<string>();

  add({ kind, name }: NamedState): void {
    const contract = `${kind} ${Buffer.from(name).toString("latin1")}`;
    if (contract === this.#last) return;
    this.#last = contract;
    if (kind === CONTRACT_KIND.pallet || kind === CONTRACT_KIND.wellKnown) {
      if (this.#pallets.has(contract)) return;
      if (this.#pallets.size < PALLETS_REMEMBERED) this.#pallets.add(contract);
    }
    this.contracts++;
  }
}
