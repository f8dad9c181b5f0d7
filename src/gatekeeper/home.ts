/** A local home as its host sees it: the store, which holds no secret, and the pRuntime that has the keys. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Suite } from "../pruntime/boundary.ts";
import { homeStore, homeStorePath, isNetworkHome, noHome, notLocal, readHomeCell } from "../store/home.ts";
import { openStoreAt } from "../store/location.ts";
import type { StateStore } from "../store/store.ts";
import { PRuntime } from "./pruntime.ts";

/** An opened home. Owns a store handle, and a pRuntime once something is asked of it. */
export class Home implements AsyncDisposable {
  readonly folder: string;
  readonly suite: Suite;
  readonly store: StateStore;
  readonly pruntime: PRuntime;

  private constructor(folder: string, suite: Suite, store: StateStore) {
    this.folder = folder;
    this.suite = suite;
    this.store = store;
    this.pruntime = new PRuntime({ home: folder });
  }

  /**
   * Has a new home made, with MasterKey generation 0: whole or not at all.
   * @throws GatekeeperError ALREADY_EXISTS when there is anything at `folder`; IO_FAILED; PRUNTIME_UNAVAILABLE.
   */
  static async init(folder: string, suite: Suite): Promise<void> {
    await using pruntime = new PRuntime({ home: resolve(folder) });
    await pruntime.ask("createHome", suite);
  }

  /**
   * Opens a home; its keys are looked for when they are needed.
   * @throws GatekeeperError NOT_FOUND when there is none, STORE_*.
   */
  static async open(folder: string): Promise<Home> {
    const home = checkHome(folder);
    const store = await openStoreAt(homeStore(home));
    try {
      return new Home(home, (await readHomeCell(store, home)).suite, store);
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pruntime[Symbol.asyncDispose]();
    await this.store.close();
  }
}

/**
 * The whole path of a folder that is a local home.
 * @throws GatekeeperError NOT_FOUND; NOT_LOCAL when it is one of a network.
 */
export function checkHome(folder: string): string {
  const home = resolve(folder);
  if (existsSync(homeStorePath(home))) return home;
  throw isNetworkHome(home) ? notLocal(home) : noHome(home);
}
