/**
 * Finds what SQLite left of replaced rows in the file of the embedded store: bytes that belong to nothing, and are
 * not zero, in the table's leaf pages, in the ends of overflow chains and in free pages.
 * SQLite's file format: https://www.sqlite.org/fileformat2.html, sections 1.3 to 1.6.
 *
 * Reads pages, never a log: the file must not change meanwhile (embedded-still-file.ts). It reads only as much of a leaf
 * as is not one row, holds one interior page for each level of the tree, and follows no reference without a bound.
 */
import { type StillFile, StructureUnexpected } from "./embedded-still-file.ts";

/** One leaf of a table, with what the compaction needs to know of it. */
export interface Leaf {
  /** Ids of its rows, ascending. */
  readonly ids: readonly number[];
  /** Whether all bytes in it that belong to nothing are zero. */
  readonly clean: boolean;
  /** Ids of those of its rows that overflow, where bytes behind the end of the overflow chain are not zero. */
  readonly overflowing: readonly number[];
  /** Its number among the children of the page above it. */
  readonly child: number;
}

type LeafRows = Omit<Leaf, "child">;

const FILE_HEADER_BYTES = 100;
const INTERIOR_TABLE = 5;
const LEAF_TABLE = 13;
const LEAF_HEADER_BYTES = 8;
const INTERIOR_HEADER_BYTES = 12;
/** Enough of a leaf that one page body fills: its header, what is unused, and where its row begins. */
const PREFIX_BYTES = 1_024;
/** Two varints of a cell have at most so many bytes. */
const CELL_HEADER_BYTES_MAX = 18;
/** A tree of 2^32 pages is less deep than this. */
const DEPTH_MAX = 20;

function check(holds: boolean): asserts holds {
  if (!holds) throw new StructureUnexpected("its tables do not lie as they should");
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;
}

function isZero(bytes: Uint8Array, from: number, to: number): boolean {
  let any = 0;
  for (let at = from; at < to; at++) any |= bytes[at]!;
  return any === 0;
}

/** Where a varint ends and what it says; those here are below 2^53. */
function varint(bytes: Uint8Array, at: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let length = 1; length <= 8; length++) {
    const byte = bytes[at++]!;
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) {
      check(Number.isSafeInteger(value));
      return { value, end: at };
    }
  }
  throw new StructureUnexpected("a number in it is out of range");
}

/** One row's place in a leaf. */
interface Cell {
  readonly id: number;
  readonly end: number;
  /** Bytes of the row that lie in overflow pages, and the first of these. */
  readonly overflow: number;
}

function cellAt(file: StillFile, page: Uint8Array, at: number): Cell {
  const payload = varint(page, at);
  const id = varint(page, payload.end);
  // Section 1.6: of a row that does not fit, so much stays here that its overflow pages are full, or little.
  const usable = file.pageBytes;
  const most = usable - 35;
  if (payload.value <= most) return { id: id.value, end: id.end + payload.value, overflow: 0 };
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const filling = least + ((payload.value - least) % (usable - 4));
  const local = filling <= most ? filling : least;
  return { id: id.value, end: id.end + local + 4, overflow: payload.value - local };
}

/**
 * The leaves of a table in order.
 * @param root - the page that its tree begins at.
 * @throws StructureUnexpected where the file is not as SQLite lays it.
 */
export function* leavesOf(file: StillFile, root: number): Generator<Leaf, void, undefined> {
  // No page belongs to two places, so none is looked at twice: what refers to itself ends here.
  const budget = { pages: file.pages };
  const levels: { readonly children: readonly number[]; next: number }[] = [{ children: [root], next: 0 }];
  for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
    const number = level.children[level.next++];
    if (number === undefined) {
      levels.pop();
      continue;
    }
    // The first page has a file header before its own, and no table but the schema begins there.
    check(number > 1 && number <= file.pages && budget.pages-- > 0 && levels.length <= DEPTH_MAX);
    const prefix = file.read(number, 0, PREFIX_BYTES);
    if (prefix[0] === INTERIOR_TABLE) levels.push({ children: childrenOf(file, number), next: 0 });
    else yield { ...(fullLeaf(file, prefix) ?? anyLeaf(file, number, budget)), child: level.next - 1 };
  }
}

function childrenOf(file: StillFile, number: number): number[] {
  const page = file.read(number, 0, file.pageBytes);
  const cells = u16(page, 3);
  check(INTERIOR_HEADER_BYTES + 2 * cells <= page.length);
  const children: number[] = [];
  for (let index = 0; index < cells; index++) {
    const at = u16(page, INTERIOR_HEADER_BYTES + 2 * index);
    check(at + 4 <= page.length);
    children.push(u32(page, at));
  }
  children.push(u32(page, 8));
  return children;
}

/** A leaf that one row fills, from its beginning; null when it is another and has to be looked at as a whole. */
function fullLeaf(file: StillFile, prefix: Uint8Array): LeafRows | null {
  const begin = u16(prefix, 5);
  // One row, and nothing that was freed between rows.
  if (prefix[0] !== LEAF_TABLE || u16(prefix, 1) !== 0 || u16(prefix, 3) !== 1 || prefix[7] !== 0) return null;
  if (begin < LEAF_HEADER_BYTES + 2 || begin + CELL_HEADER_BYTES_MAX > prefix.length) return null;
  if (u16(prefix, LEAF_HEADER_BYTES) !== begin) return null;
  const { id, end, overflow } = cellAt(file, prefix, begin);
  if (overflow !== 0 || end !== file.pageBytes) return null;
  return { ids: [id], clean: isZero(prefix, LEAF_HEADER_BYTES + 2, begin), overflowing: [] };
}

/** Any leaf: in a copy, what belongs to something is set to zero, so that what is left belongs to nothing. */
function anyLeaf(file: StillFile, number: number, budget: { pages: number }): LeafRows {
  const page = file.read(number, 0, file.pageBytes).slice();
  const cells = u16(page, 3);
  const cellsEnd = LEAF_HEADER_BYTES + 2 * cells;
  check(page[0] === LEAF_TABLE && cellsEnd <= page.length);
  const ids: number[] = [];
  const used: [from: number, to: number][] = [[0, cellsEnd]];
  const chains: { readonly id: number; readonly first: number; readonly bytes: number }[] = [];
  for (let index = 0; index < cells; index++) {
    const at = u16(page, LEAF_HEADER_BYTES + 2 * index);
    check(at >= cellsEnd);
    const { id, end, overflow } = cellAt(file, page, at);
    check(end <= page.length && id > (ids.at(-1) ?? 0));
    ids.push(id);
    used.push([at, end]);
    if (overflow > 0) chains.push({ id, first: u32(page, end - 4), bytes: overflow });
  }
  // Before the first row; the fragments; and the free blocks, in ascending order, each of which begins with the next
  // one's place and its own size.
  let free = u16(page, 5) - cellsEnd + page[7]!;
  for (let at = u16(page, 1), before = 0; at !== 0; before = at, at = u16(page, at)) {
    check(at > before && at >= cellsEnd && at + 4 <= page.length);
    used.push([at, at + 4]);
    free += u16(page, at + 2);
  }
  check(used.slice(1, 1 + cells).reduce((sum, [from, to]) => sum + to - from, free) === page.length - cellsEnd);
  for (const [from, to] of used) page.fill(0, from, to);
  const clean = isZero(page, 0, page.length);
  const overflowing = chains.filter(({ first, bytes }) => !hasCleanEnd(file, first, bytes, budget)).map(({ id }) => id);
  return { ids, clean, overflowing };
}

/** Whether nothing is left behind the end of an overflow chain. */
function hasCleanEnd(file: StillFile, first: number, bytes: number, budget: { pages: number }): boolean {
  const each = file.pageBytes - 4;
  let number = first;
  for (let left = bytes; ; left -= each) {
    check(number > 1 && number <= file.pages && budget.pages-- > 0);
    if (left <= each) return isZero(file.read(number, 4 + left, each - left), 0, each - left);
    number = u32(file.read(number, 0, 4), 0);
  }
}

/**
 * Whether the pages that nothing lies in are empty, one after the other.
 * @throws StructureUnexpected where the file is not as SQLite lays it.
 */
export function* freePagesAreZero(file: StillFile): Generator<boolean, void, undefined> {
  let left = u32(file.read(1, 0, FILE_HEADER_BYTES), 36);
  check(left < file.pages);
  for (let trunk = u32(file.read(1, 0, FILE_HEADER_BYTES), 32); trunk !== 0;) {
    check(trunk > 1 && trunk <= file.pages && left-- > 0);
    const page = file.read(trunk, 0, file.pageBytes).slice();
    trunk = u32(page, 0);
    const count = u32(page, 4);
    check(count <= left && 8 + 4 * count <= page.length);
    // Where numbers of pages stood that were free once, they still stand; nothing else is ever written there.
    let numbers = true;
    for (let at = 8; at < page.length; at += 4) numbers &&= u32(page, at) <= file.pages;
    yield numbers;
    for (let index = 0; index < count; index++, left--) {
      const number = u32(page, 8 + 4 * index);
      check(number > 1 && number <= file.pages);
      yield isZero(file.read(number, 0, file.pageBytes), 0, file.pageBytes);
    }
  }
}
