/** One process at a time: two pRuntimes with one identity would sign what one of them has not seen. */
import { DatabaseSync } from "node:sqlite";
import { GatekeeperError } from "../errors.ts";
import { storeError } from "../store/embedded-error.ts";

/** A lock that the system takes back when its process ends, however it ends. */
export class FolderLock implements Disposable {
  readonly #database: DatabaseSync;

  /**
   * @param path - of a file that is made for it, and stays.
   * @throws GatekeeperError STORE_BUSY when another process has it; STORE_UNAVAILABLE, IO_FAILED.
   */
  constructor(path: string) {
    let database: DatabaseSync | null = null;
    try {
      database = new DatabaseSync(path);
      // SQLite's locks are the system's own, which Node has no other way to. Nothing is written, not even a journal.
      database.exec("PRAGMA journal_mode = MEMORY; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
      this.#database = database;
    } catch (cause) {
      database?.close();
      const error = storeError(cause, path);
      if (!(error instanceof GatekeeperError) || error.code !== "STORE_BUSY") throw error;
      throw new GatekeeperError("STORE_BUSY", `another pRuntime runs here: it has locked ${path}`, { file: path });
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
