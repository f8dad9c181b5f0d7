/** A local home's store, and what it says of its home: public, for whoever opens the home, with its keys or without. */
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

/** How a home's store is opened. */
export function homeStore(folder: string, create = false): StoreLocation {
  return { module: EMBEDDED_STORE, options: { path: homeStorePath(folder), create } };
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
