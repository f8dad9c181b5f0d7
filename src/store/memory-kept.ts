/** What the store in memory has kept aside: bodies that were replaced, and what was said of them. */
import { comparePlaces } from "./page.ts";
import { countBefore } from "./sorted-array.ts";
import type { Keep, KeptPage, KeptRef, KeptStatement, Page, PageRange } from "./store.ts";

/** A step that takes one change back. */
export type Undo = () => void;

function compareKept(a: KeptRef, b: KeptRef): number {
  return comparePlaces(a, b) || a.version - b.version;
}

// No slice: a Buffer's is no copy.
const copy = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

function copyOfStatement({ contract, lowerBound, version, by, statement }: KeptStatement): KeptStatement {
  return {
    contract: copy(contract),
    lowerBound: copy(lowerBound),
    version,
    by: copy(by),
    statement: copy(statement),
  };
}

/** Kept bodies in order of place, then version. It takes copies and gives copies. */
export class KeptPages {
  readonly #kept: KeptPage[] = [];

  get count(): number {
    return this.#kept.length;
  }

  /** See StateStore.kept. */
  pages(range: PageRange, after: KeptRef | null, maxBytes: number): KeptPage[] {
    const pages: KeptPage[] = [];
    let bytes = 0;
    for (const kept of this.#from(range, after)) {
      pages.push({ ...copyOfStatement(kept), body: copy(kept.body) });
      bytes += kept.body.length;
      if (bytes >= maxBytes) break;
    }
    return pages;
  }

  /** See StateStore.keptStatements. */
  statements(range: PageRange, after: KeptRef | null, limit: number): KeptStatement[] {
    const statements: KeptStatement[] = [];
    for (const kept of this.#from(range, after)) {
      statements.push(copyOfStatement(kept));
      if (statements.length === limit) break;
    }
    return statements;
  }

  /** Keeps a page that is being replaced. */
  add(page: Page, { by, statement }: Keep): Undo {
    const kept = { ...copyOfStatement({ ...page, by, statement }), body: copy(page.body) };
    this.#kept.splice(this.#at(kept), 0, kept);
    return () => this.#kept.splice(this.#at(kept), 1);
  }

  /** Forgets what was kept; nothing if it is not there. */
  drop(ref: KeptRef): Undo {
    const at = this.#at(ref);
    const kept = this.#kept[at];
    if (kept === undefined || compareKept(kept, ref) !== 0) return () => undefined;
    this.#kept.splice(at, 1);
    return () => this.#kept.splice(this.#at(kept), 0, kept);
  }

  #at(ref: KeptRef): number {
    return countBefore(this.#kept, (kept) => compareKept(kept, ref) < 0);
  }

  *#from({ from, to }: PageRange, after: KeptRef | null): Generator<KeptPage, void, undefined> {
    const first = countBefore(this.#kept, (kept) => {
      const beforeRange = from !== null && comparePlaces(kept, from) < 0;
      return beforeRange || (after !== null && compareKept(kept, after) <= 0);
    });
    for (let at = first; at < this.#kept.length; at++) {
      const kept = this.#kept[at]!;
      if (to !== null && comparePlaces(kept, to) >= 0) return;
      yield kept;
    }
  }
}
