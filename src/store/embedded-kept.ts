/** What the embedded store has kept aside: bodies that were replaced, and what was said of them. */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from "node:sqlite";
import { corrupt } from "./embedded-error.ts";
import { BEGINNING, END } from "./embedded-place.ts";
import { asBytes, asNumber } from "./embedded-value.ts";
import { comparePlaces } from "./page.ts";
import type { KeptPage, KeptRef, KeptStatement, PageRange } from "./store.ts";

type Row = readonly SQLOutputValue[];

const KEY = "(kept.contract, kept.lower_bound, kept.version)";
const BELOW = "(kept.contract, kept.lower_bound) < (?, ?)";
const STATEMENT = "kept.contract, kept.lower_bound, kept.version, replaced_by, statement";
const ORDER = "ORDER BY kept.contract, kept.lower_bound, kept.version";

/** Reads kept bodies through one connection, with statements that are compiled once. What it throws may be SQLite's. */
export class KeptReader {
  readonly #path: string;
  readonly #statements: StatementSync;
  readonly #pages: StatementSync;
  readonly #count: StatementSync;

  /** @param path - the store's file, for messages. */
  constructor(database: DatabaseSync, path: string) {
    const prepare = (sql: string): StatementSync => {
      const statement = database.prepare(sql);
      statement.setReturnArrays(true);
      return statement;
    };
    this.#path = path;
    this.#statements = prepare(`SELECT ${STATEMENT} FROM kept WHERE ${KEY} >= (?, ?, ?) AND ${BELOW} ${ORDER} LIMIT ?`);
    // A left join, because a body that is not there is damage and must be seen.
    this.#pages = prepare(
      `SELECT ${STATEMENT}, page.version, body FROM kept LEFT JOIN page ON page.contract = kept.contract
       AND page.lower_bound = kept.lower_bound AND page.edition = kept.edition
       WHERE ${KEY} >= (?, ?, ?) AND ${BELOW} ${ORDER}`,
    );
    this.#count = prepare("SELECT count(*) FROM kept");
  }

  /** See StateStore.kept. */
  pages(range: PageRange, after: KeptRef | null, maxBytes: number): KeptPage[] {
    const pages: KeptPage[] = [];
    let bytes = 0;
    for (const row of this.#rows(this.#pages, ...bounds(range, after))) {
      const statement = this.#statement(row, pages.at(-1));
      if (row[5] !== statement.version) throw corrupt(this.#path, "a kept page is not the one that was replaced");
      const body = asBytes(row[6], this.#path);
      pages.push({ ...statement, body });
      bytes += body.length;
      if (bytes >= maxBytes) break;
    }
    return pages;
  }

  /** See StateStore.keptStatements. */
  statements(range: PageRange, after: KeptRef | null, limit: number): KeptStatement[] {
    const statements: KeptStatement[] = [];
    for (const row of this.#rows(this.#statements, ...bounds(range, after), limit)) {
      statements.push(this.#statement(row, statements.at(-1)));
    }
    return statements;
  }

  /** See StateStore.keptCount. */
  count(): number {
    return asNumber((this.#count.get() as unknown as Row | undefined)?.[0], this.#path);
  }

  #rows(statement: StatementSync, ...values: SQLInputValue[]): Iterable<Row> {
    return statement.iterate(...values) as Iterable<unknown> as Iterable<Row>;
  }

  #statement([contract, lowerBound, version, by, statement]: Row, before: KeptRef | undefined): KeptStatement {
    const kept = {
      contract: asBytes(contract, this.#path),
      lowerBound: asBytes(lowerBound, this.#path),
      version: asNumber(version, this.#path),
      by: asBytes(by, this.#path),
      statement: asBytes(statement, this.#path),
    };
    // In a damaged table places can go back, and reading step by step would never end.
    if (before !== undefined && compareKept(kept, before) <= 0) {
      throw corrupt(this.#path, "its kept pages are not in order");
    }
    return kept;
  }
}

/** The order of kept bodies: place, then version. */
function compareKept(a: KeptRef, b: KeptRef): number {
  return comparePlaces(a, b) || a.version - b.version;
}

/** The first that may be read of a range, and the place where it ends. */
function bounds({ from, to }: PageRange, after: KeptRef | null): SQLInputValue[] {
  const begin = from ?? BEGINNING;
  const end = to ?? END;
  const goesOn = after !== null && comparePlaces(after, begin) >= 0;
  const [first, version] = goesOn ? [after, after.version + 1] : [begin, 0];
  return [first.contract, first.lowerBound, version, end.contract, end.lowerBound];
}
