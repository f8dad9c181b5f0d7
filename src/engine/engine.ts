/**
 * The engine of one thread: seals, opens, verifies and re-encrypts batches of records, in WebAssembly and with native
 * ciphers where paths.ts says so.
 *
 * One call copies a batch into the kernels' private memory, runs it there and copies it back, so the cost of a call is
 * paid once for thousands of records. A record whose tag does not match is reported and left as it was; the others don't
 * notice.
 */
import { randomFillSync } from "node:crypto";
import { GatekeeperError } from "../errors.ts";
import type { Secret } from "../secret.ts";
import { type Batch, checkApart, checkBatch } from "./batch.ts";
import { KeyTable } from "./key-table.ts";
import { Kernels } from "./kernels.ts";
import { MEASURED, MEASURED_WITH_PLAINTEXT, type Paths } from "./paths.ts";
import { ROW, ROW_WORDS } from "./rows.ts";
import { RowRunner } from "./run.ts";
import { selfTest } from "./self-test.ts";
import { KEY_BYTES, NONCE_BYTES, type Suite, type Verb } from "./suite.ts";

/** How an engine works. */
export interface EngineOptions {
  /**
   * Lets `reencrypt` decrypt and encrypt long records natively, which is faster from 8 KiB (ChaCha20-Poly1305) or 12 KiB
   * on. What that gives up: the plaintext of one record at a time lies in the process's memory, wiped afterwards as far
   * as native-key.ts can, where a core dump, a swapped page or a debugger would find it. Off, no plaintext comes into
   * being.
   */
  readonly plaintextInMemory?: boolean;
  /** Another table than the measured ones: which way each record goes, whatever `plaintextInMemory` says. */
  readonly paths?: Paths;
  /** An instance of its own; the engine is its only user. */
  readonly kernels?: Kernels;
}

/**
 * Runs batches on the calling thread. Keys are expanded for each call and wiped from WebAssembly memory, with
 * everything else of the batch, before it returns; native-key.ts says what native ciphers keep for longer. A verb
 * that finds that this machine miscomputes throws KERNEL_SELF_TEST_FAILED and leaves the arena as it was.
 */
export class Engine {
  readonly #kernels: Kernels;
  readonly #runner: RowRunner;

  /**
   * @throws GatekeeperError KERNEL_UNAVAILABLE or KERNEL_SELF_TEST_FAILED: do not use this installation;
   * INVALID_ARGUMENT for `paths` with a negative threshold or NaN.
   */
  constructor(options: EngineOptions = {}) {
    const { kernels = new Kernels(), plaintextInMemory = false } = options;
    const { paths = plaintextInMemory ? MEASURED_WITH_PLAINTEXT : MEASURED } = options;
    this.#kernels = kernels;
    this.#runner = new RowRunner(kernels, paths);
    selfTest(kernels);
  }

  /**
   * Encrypts every record's text in place under its key, a fresh random nonce (written before the text) and its AAD,
   * and writes the tag.
   * @returns a `RecordStatus` for each record.
   * @throws GatekeeperError INVALID_ARGUMENT for a row out of range or records that overlap; the arena is
   * then as it was.
   */
  seal(suite: Suite, batch: Batch): Uint8Array<ArrayBuffer> {
    return this.#run(suite, "Seal", batch);
  }

  /**
   * Checks every record's tag and decrypts those that match in place. The arena then holds plaintexts: the caller
   * wipes it.
   * @returns a `RecordStatus` for each record.
   * @throws GatekeeperError INVALID_ARGUMENT for a row out of range or records that overlap; the arena is
   * then as it was.
   */
  open(suite: Suite, batch: Batch): Uint8Array<ArrayBuffer> {
    return this.#run(suite, "Open", batch);
  }

  /**
   * Checks every record's tag and changes nothing; no plaintext comes into being.
   * @returns a `RecordStatus` for each record.
   * @throws GatekeeperError INVALID_ARGUMENT for a row out of range or records that overlap.
   */
  verify(suite: Suite, batch: Batch): Uint8Array<ArrayBuffer> {
    return this.#run(suite, "Verify", batch);
  }

  /**
   * Moves every record whose tag matches from its key, nonce and AAD to its new key, a fresh random nonce and its new
   * AAD, in place. No plaintext comes into being, unless the engine was made with `plaintextInMemory` or with `paths`
   * that allow it.
   * @returns a `RecordStatus` for each record.
   * @throws GatekeeperError INVALID_ARGUMENT for a row out of range or records that overlap; the arena is
   * then as it was.
   */
  reencrypt(suite: Suite, batch: Batch): Uint8Array<ArrayBuffer> {
    return this.#run(suite, "Reencrypt", batch);
  }

  #run(suite: Suite, verb: Verb, batch: Batch): Uint8Array<ArrayBuffer> {
    const count = checkBatch(batch);
    const kernels = this.#kernels;
    try {
      const keys = this.#layKeys(suite, batch.keys);
      const arena = kernels.put(batch.arena);
      const rows = kernels.put(new Uint8Array(batch.table.buffer, batch.table.byteOffset, batch.table.byteLength));
      const nonces = verb === "Reencrypt" ? this.#randomNonces(count) : 0;
      const bad = kernels.call(
        "batchBind",
        rows,
        count,
        arena,
        batch.arena.length,
        keys.contexts,
        keys.count,
        keys.contextBytes,
        nonces,
      );
      if (bad >= 0) {
        throw new GatekeeperError(
          "INVALID_ARGUMENT",
          `row ${bad} of the batch reaches outside its arena, keys or limits`,
          { row: bad },
        );
      }
      const bound = new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
      checkApart(bound);
      if (verb === "Seal") drawNonces(kernels.bytes, bound);
      this.#runner.run(verb, rows, count, keys);
      if (verb !== "Verify") batch.arena.set(kernels.bytes.subarray(arena, arena + batch.arena.length));
      // A new view, as memory may have grown meanwhile.
      const words = new Uint32Array(kernels.bytes.buffer, rows, count * ROW_WORDS);
      // Uint8Array.from over a mapping function takes 34 ns a record, a tenth of what a small one costs in all.
      const statuses = new Uint8Array(count);
      for (let row = 0; row < count; row++) statuses[row] = words[row * ROW_WORDS + ROW.status]!;
      return statuses;
    } finally {
      kernels.wipe();
    }
  }

  /** Copies the keys to the kernels' memory, with room for their contexts. */
  #layKeys(suite: Suite, keys: readonly Secret[]): KeyTable {
    const kernels = this.#kernels;
    const contexts = kernels.alloc(keys.length * kernels.keyContextBytes(suite));
    const raw = kernels.alloc(keys.length * KEY_BYTES);
    keys.forEach((key, index) => {
      if (key.length !== KEY_BYTES)
        throw new GatekeeperError("INVALID_ARGUMENT", `key ${index} of the batch is not of 32 bytes`);
      key.use((bytes) => kernels.bytes.set(bytes, raw + index * KEY_BYTES));
    });
    return new KeyTable(kernels, suite, { raw, contexts, count: keys.length });
  }

  #randomNonces(count: number): number {
    const nonces = this.#kernels.alloc(Math.max(count, 1) * NONCE_BYTES);
    randomFillSync(this.#kernels.bytes, nonces, count * NONCE_BYTES);
    return nonces;
  }
}

/** Draws one nonce a row, all at once, and lays each before its row's text. */
function drawNonces(memory: Uint8Array, words: Uint32Array): void {
  const count = words.length / ROW_WORDS;
  const nonces = randomFillSync(new Uint8Array(count * NONCE_BYTES));
  for (let row = 0; row < count; row++) {
    const text = words[row * ROW_WORDS + ROW.text]!;
    memory.set(nonces.subarray(row * NONCE_BYTES, (row + 1) * NONCE_BYTES), text - NONCE_BYTES);
  }
}
