/**
 * A chain on this machine: blocks of one authority, in an SQLite file. A block is there whole or not at all, and final
 * once it is there. Any number of processes read it, follow it and hand in messages; whoever has the authority's key
 * appends, and there is one block at each height, so that no fork can come into being.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { GatekeeperError } from "../errors.ts";
import { BLOCK_BYTES_MAX, BLOCK_MESSAGES_MAX, type Block, decodeBlock, encodeBlock } from "../protocol/block.ts";
import { MESSAGE_BYTES_MAX } from "../protocol/call.ts";
import { type Genesis, decodeGenesis, encodeGenesis } from "../protocol/genesis.ts";
import { type DatabaseKind, createDatabaseFile, openDatabaseFile } from "../store/database-file.ts";
import { corrupt, storeError } from "../store/embedded-error.ts";

/** Messages that wait, at most: what one block may have, so that each block looks at all of them. */
export const INBOX_MAX = BLOCK_MESSAGES_MAX;
/** Messages whose refusal is remembered. */
const REFUSED_MAX = 16_384;
/** Blocks that are read at a time, at most. */
const READ_BLOCKS_MAX = 1_024;
/** Bytes of blocks that are read at a time: the last may go beyond. */
const READ_BYTES = 8 << 20;
/** How long a subscriber waits before he looks again. */
const POLL_MILLISECONDS = 20;

const CHAIN: DatabaseKind = {
  applicationId: 0x474b6368,
  format: 1,
  schema: {
    chain: "CREATE TABLE chain (\n  id INTEGER PRIMARY KEY CHECK (id = 1),\n  genesis BLOB NOT NULL\n) STRICT",
    block: "CREATE TABLE block (\n  height INTEGER PRIMARY KEY,\n  bytes BLOB NOT NULL\n) STRICT",
    // One row: the last state that was kept, so that a start does not replay everything.
    snapshot:
      "CREATE TABLE snapshot (\n  id INTEGER PRIMARY KEY CHECK (id = 1),\n  height INTEGER NOT NULL,\n  state BLOB NOT NULL\n) STRICT",
    // AUTOINCREMENT: an id never comes again, so nobody takes another's outcome for his.
    inbox:
      "CREATE TABLE inbox (\n  id INTEGER PRIMARY KEY AUTOINCREMENT,\n  bytes BLOB NOT NULL,\n  refused TEXT\n) STRICT",
  },
  rowBytesMax: 1_000_000_000,
};

/** A message that waits. */
export interface Waiting {
  readonly id: number;
  readonly bytes: Uint8Array;
}

/** A message that is in no block, because it can't be. */
export interface Refused {
  readonly id: number;
  readonly reason: string;
}

/** The last state that was kept. */
export interface Snapshot {
  readonly height: number;
  readonly state: Uint8Array;
}

/** An opened chain. Owns its connection. */
export class EmbeddedChain implements Disposable {
  readonly path: string;
  readonly genesis: Genesis;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(path: string, genesis: Genesis, database: DatabaseSync) {
    this.path = path;
    this.genesis = genesis;
    this.#database = database;
  }

  /**
   * Makes a chain without blocks. It appears at `path` complete or not at all.
   * @param genesis - one that a ledger can begin with.
   * @throws GatekeeperError ALREADY_EXISTS, STORE_UNAVAILABLE.
   */
  static create(path: string, genesis: Genesis): void {
    createDatabaseFile(CHAIN, path, (database) => {
      database.prepare("INSERT INTO chain (id, genesis) VALUES (1, ?)").run(encodeGenesis(genesis));
    });
  }

  /** @throws GatekeeperError NOT_FOUND, STORE_UNAVAILABLE, STORE_CORRUPT. */
  static open(path: string): EmbeddedChain {
    const database = openDatabaseFile(CHAIN, path);
    try {
      const row = database.prepare("SELECT genesis FROM chain").get();
      const genesis = row === undefined ? null : decodeGenesis(row["genesis"] as Uint8Array);
      if (genesis === null) throw corrupt(path, "it has no genesis");
      return new EmbeddedChain(path, genesis, database);
    } catch (cause) {
      database.close();
      throw storeError(cause, path);
    }
  }

  /** Height of the last block; 0 before the first. */
  height(): number {
    return Number(this.#get("SELECT coalesce(max(height), 0) AS height FROM block")!["height"]);
  }

  /**
   * Blocks from a height on, as many as are there, up to a few MiB.
   * @throws GatekeeperError STORE_CORRUPT
   */
  blocks(from: number): Block[] {
    return this.#reported(() => {
      const blocks: Block[] = [];
      let read = 0;
      // The limit is in the text: SQLite compiles a statement anew whenever one is bound, and this is asked all the time.
      const sql = `SELECT height, bytes FROM block WHERE height >= ? ORDER BY height LIMIT ${READ_BLOCKS_MAX}`;
      for (const { height, bytes } of this.#prepared(sql).iterate(from)) {
        const block = decodeBlock(bytes as Uint8Array);
        if (block === null || block.header.height !== height) throw corrupt(this.path, `block ${height} is damaged`);
        blocks.push(block);
        read += (bytes as Uint8Array).length;
        if (read >= READ_BYTES) break;
      }
      return blocks;
    });
  }

  /**
   * All blocks from a height on, and then each that comes, until `signal` fires or the chain is closed. However slow
   * its reader is, a few MiB wait for him.
   * @param from - 1 or more.
   */
  async *subscribeFinalized(from: number, signal: AbortSignal): AsyncGenerator<Block> {
    for (let next = from; !signal.aborted && this.#database.isOpen;) {
      const blocks = this.blocks(next);
      for (const block of blocks) {
        if (signal.aborted) return;
        yield block;
      }
      next += blocks.length;
      if (blocks.length === 0) await sleep(POLL_MILLISECONDS);
    }
  }

  /**
   * Hands in a message for the next blocks.
   * @returns its name in the inbox.
   * @throws GatekeeperError INBOX_FULL; MESSAGE_REFUSED if it is larger than messages are.
   */
  submit(bytes: Uint8Array): number {
    return this.#transaction(() => this.#insert(bytes));
  }

  /**
   * Hands in a message that depends on what waits already, with nobody else in between.
   * @param height - of the last block that its sender knows.
   * @returns its name in the inbox; null if there is a later block, and nothing was handed in.
   * @throws as submit.
   */
  submitAfter(height: number, message: (waiting: readonly Waiting[]) => Uint8Array): number | null {
    return this.#transaction(() => (height === this.height() ? this.#insert(message(this.waiting())) : null));
  }

  /** The messages that wait, in the order in which they came. */
  waiting(): Waiting[] {
    return this.#reported(() =>
      this.#prepared("SELECT id, bytes FROM inbox WHERE refused IS NULL ORDER BY id")
        .all()
        .map(({ id, bytes }) => ({ id: Number(id), bytes: bytes as Uint8Array })),
    );
  }

  /** What became of a message: it waits, it is in a block (or was refused long ago), or why it is in none. */
  outcome(id: number): "waiting" | "gone" | { readonly refused: string } {
    const row = this.#get("SELECT refused FROM inbox WHERE id = ?", id);
    if (row === undefined) return "gone";
    return row["refused"] === null ? "waiting" : { refused: String(row["refused"]) };
  }

  /**
   * Appends the next block, if there is to be one; the messages that are in it leave the inbox in the same transaction,
   * and why others are refused is remembered for a while.
   * @param height - of the next block: what was decided holds only before it.
   * @param taken - names in the inbox of the block's messages.
   * @returns false if another block took its place: then nothing was changed.
   * @throws GatekeeperError STORE_FULL, STORE_BUSY, IO_FAILED: nothing was changed.
   */
  append(height: number, block: Block | null, taken: readonly number[], refused: readonly Refused[]): boolean {
    return this.#transaction(() => {
      if (height !== this.height() + 1) return false;
      if (block !== null) {
        this.#prepared("INSERT INTO block (height, bytes) VALUES (?, ?)").run(height, encodeBlock(block));
      }
      const remove = this.#prepared("DELETE FROM inbox WHERE id = ?");
      for (const id of taken) remove.run(id);
      const refuse = this.#prepared("UPDATE inbox SET refused = ?, bytes = x'' WHERE id = ?");
      for (const { id, reason } of refused) refuse.run(reason, id);
      this.#prepared("DELETE FROM inbox WHERE refused IS NOT NULL AND id <= (SELECT max(id) FROM inbox) - ?").run(
        REFUSED_MAX,
      );
      return true;
    });
  }

  /** The last state that was kept, or null. */
  snapshot(): Snapshot | null {
    const row = this.#get("SELECT height, state FROM snapshot");
    return row === undefined ? null : { height: Number(row["height"]), state: row["state"] as Uint8Array };
  }

  /** Keeps a state in the place of the one before. @throws GatekeeperError as append does. */
  keepSnapshot({ height, state }: Snapshot): void {
    this.#reported(() =>
      this.#prepared("INSERT OR REPLACE INTO snapshot (id, height, state) VALUES (1, ?, ?)").run(height, state),
    );
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #insert(bytes: Uint8Array): number {
    if (bytes.length > MESSAGE_BYTES_MAX) {
      throw new GatekeeperError("MESSAGE_REFUSED", `a message of ${bytes.length} bytes is too large`, {
        reason: "Oversized",
      });
    }
    const { waiting, size } = this.#get(
      "SELECT count(*) AS waiting, total(length(bytes)) AS size FROM inbox WHERE refused IS NULL",
    )!;
    if (Number(waiting) >= INBOX_MAX || Number(size) + bytes.length > BLOCK_BYTES_MAX) {
      throw new GatekeeperError(
        "INBOX_FULL",
        `${Number(waiting)} messages wait already; try again after the next block`,
      );
    }
    return Number(this.#prepared("INSERT INTO inbox (bytes) VALUES (?)").run(bytes).lastInsertRowid);
  }

  #get(sql: string, ...values: number[]): Record<string, unknown> | undefined {
    return this.#reported(() => this.#prepared(sql).get(...values));
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #transaction<T>(body: () => T): T {
    return this.#reported(() => {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        const result = body();
        this.#database.exec("COMMIT");
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  #reported<T>(body: () => T): T {
    try {
      return body();
    } catch (cause) {
      throw storeError(cause, this.path);
    }
  }
}
