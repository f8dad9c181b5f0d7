/** Homes: which kind one is, where its files lie, and what a local home's store says of it. All of that is public. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { ALL_SUITES, type Suite } from "../engine/suite.ts";
import { GatekeeperError } from "../errors.ts";
import { EMBEDDED_STORE } from "./location.ts";
import type { CellWrite, StateStore, StoreLocation } from "./store.ts";

const CELL = "home";
const schema = v.strictObject({
  /** 16 bytes that no other home shares, bound into everything that is sealed in it. */
  id: v.pipe(v.string(), v.regex(/^0x[0-9a-f]{32}$/)),
  suite: v.picklist(ALL_SUITES),
});

/** A home's id, as 0x-hex, and its cipher suite. */
export interface HomeCell {
  readonly id: string;
  readonly suite: Suite;
}

/** Where a home's store lies. */
export function homeStorePath(folder: string): string {
  return join(folder, "store.sqlite");
}

/** Where a local home's key file lies: whoever loses it loses everything. */
export function keyFilePath(folder: string): string {
  return join(folder, "key");
}

/** Where a home has the files of its pRuntime, if it is a home of a network. */
export function enclaveFolder(home: string): string {
  return join(home, "pruntime");
}

/** Whether a home is one of a network. */
export function isNetworkHome(home: string): boolean {
  return existsSync(enclaveFolder(home));
}

/** What a home of a network answers to what only a local home does. */
export function notLocal(home: string): GatekeeperError {
  return new GatekeeperError(
    "NOT_LOCAL",
    `${home} is a home of a network: its keys are no owner's, and its states are read and written by contracts alone`,
    { home },
  );
}

/** How a home's store is opened. */
export function homeStore(folder: string, create = false): StoreLocation {
  return { module: EMBEDDED_STORE, options: { path: homeStorePath(folder), create } };
}

/** Where the store of contracts' states lies of a home of a network that is told of no other. */
export function contractStatesPath(home: string): string {
  return join(home, "contract-states.sqlite");
}

/** The cell of a new home. */
export function newHomeCell(home: HomeCell): CellWrite {
  return { name: CELL, expected: null, value: new TextEncoder().encode(JSON.stringify(home)) };
}

/** @throws GatekeeperError STORE_CORRUPT when the cell is missing or malformed. */
export async function readHomeCell(store: StateStore, folder: string): Promise<HomeCell> {
  const cell = await store.cell(CELL);
  try {
    return v.parse(schema, JSON.parse(new TextDecoder().decode(cell?.value)));
  } catch (cause) {
    throw new GatekeeperError(
      "STORE_CORRUPT",
      `the store of ${folder} does not say whose it is`,
      { home: folder },
      { cause },
    );
  }
}

/** What whoever opens a home is told where there is none. */
export function noHome(folder: string): GatekeeperError {
  return new GatekeeperError(
    "NOT_FOUND",
    `there is no home at ${folder}; make one with gatekeeper init --home ${folder}`,
    {
      home: folder,
    },
  );
}
