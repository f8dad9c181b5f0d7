/**
 * A local home, with its keys: a folder with a store, the key file, and the MasterKey generations sealed under it. Its
 * owner owns the plaintexts; what this protects from, and what not, is in SECURITY.md.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fromHex, toHex } from "../bytes.ts";
import { syncFolder } from "../durable-file.ts";
import type { Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import type { MasterKey } from "../keys/master-key.ts";
import { firstRotation } from "../rotation/control.ts";
import { homeStore, homeStorePath, keyFilePath, newHomeCell, noHome, readHomeCell } from "../store/home.ts";
import { openStoreAt } from "../store/location.ts";
import type { StateStore, StoreLocation } from "../store/store.ts";
import { HOME_ID_BYTES, MasterKeyFiles } from "./master-key-files.ts";
import type { Sealer } from "./sealer.ts";
import { createSoftwareKeyFile, openSoftwareSealer } from "./software-sealer.ts";

/** An opened home. Owns a store handle and the sealer. */
export class LocalHome implements AsyncDisposable {
  readonly folder: string;
  readonly suite: Suite;
  readonly store: StateStore;
  readonly location: StoreLocation;
  readonly #sealer: Sealer;
  readonly #keys: MasterKeyFiles;

  private constructor(folder: string, suite: Suite, opened: { store: StateStore; sealer: Sealer; id: Uint8Array }) {
    this.folder = folder;
    this.suite = suite;
    this.store = opened.store;
    this.location = homeStore(folder);
    this.#sealer = opened.sealer;
    this.#keys = new MasterKeyFiles(join(folder, "master-key"), opened.id, opened.sealer);
  }

  /**
   * Makes a new home with MasterKey generation 0. It is built beside its place and moved there when it is whole, so
   * that nothing half-made is ever found.
   * @throws GatekeeperError ALREADY_EXISTS when there is anything at `folder`; IO_FAILED.
   */
  static async init(folder: string, suite: Suite): Promise<void> {
    const home = resolve(folder);
    let building: string | null = null;
    try {
      if (existsSync(home) && readdirSync(home).length > 0) throw occupied(home);
      mkdirSync(dirname(home), { recursive: true });
      // Not named after the process: ids come again, and what a killed one left must not be in the way.
      building = mkdtempSync(join(dirname(home), `.${basename(home)}.new-`));
      await build(building, suite);
      renameSync(building, home);
      syncFolder(dirname(home));
    } catch (cause) {
      if (building !== null) rmSync(building, { recursive: true, force: true });
      if (cause instanceof GatekeeperError) throw cause;
      if (existsSync(home) && ["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(codeOf(cause))) throw occupied(home);
      throw new GatekeeperError(
        "IO_FAILED",
        `the home ${home} can't be made (${codeOf(cause)})`,
        { path: home },
        { cause },
      );
    }
  }

  /**
   * Opens a home.
   * @throws GatekeeperError NOT_FOUND when there is none, KEY_UNAVAILABLE when its key file is missing, STORE_*.
   */
  static async open(folder: string): Promise<LocalHome> {
    const home = resolve(folder);
    if (!existsSync(homeStorePath(home))) throw noHome(home);
    const store = await openStoreAt(homeStore(home));
    try {
      const { id, suite } = await readHomeCell(store, home);
      const sealer = openSoftwareSealer(keyFilePath(home), null);
      return new LocalHome(home, suite, { store, sealer, id: fromHex(id, "home id") });
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /**
   * A MasterKey generation that exists; the caller owns it.
   * @throws GatekeeperError KEY_UNAVAILABLE once it is destroyed.
   */
  async masterKey(rotationId: number): Promise<MasterKey> {
    return this.#keys.open(rotationId);
  }

  /** The generation to rotate to, made and sealed durably if it was not yet; the caller owns it. */
  async createMasterKey(rotationId: number): Promise<MasterKey> {
    return this.#keys.create(rotationId);
  }

  /** Destroys a generation's sealed file. */
  async destroyMasterKey(rotationId: number): Promise<void> {
    this.#keys.destroy(rotationId);
  }

  /** Wipes the key and closes the store. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#sealer[Symbol.dispose]();
    await this.store.close();
  }
}

/** Everything of a new home but its place. */
async function build(folder: string, suite: Suite): Promise<void> {
  const id = Uint8Array.from(randomBytes(HOME_ID_BYTES));
  createSoftwareKeyFile(keyFilePath(folder), null);
  using sealer = openSoftwareSealer(keyFilePath(folder), null);
  new MasterKeyFiles(join(folder, "master-key"), id, sealer).create(0)[Symbol.dispose]();
  const store = await openStoreAt(homeStore(folder, true));
  try {
    const cells = [newHomeCell({ id: toHex(id), suite }), firstRotation()];
    await store.commit({ groups: [], sealedUnder: null, cells });
  } finally {
    await store.close();
  }
}

function occupied(home: string): GatekeeperError {
  return new GatekeeperError(
    "ALREADY_EXISTS",
    `${home} is not empty: a home is never overwritten; choose another folder`,
    {
      home,
    },
  );
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code);
}
