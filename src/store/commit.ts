/**
 * What both stores check and add up in a commit, whatever they keep it in: its shape, and the sums of its counts.
 * Nothing here reads a page's records.
 */
import { toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { PAGE_BYTES_MAX, PAGE_HEADER_BYTES, STORAGE_KEY_BYTES_MAX } from "./page.ts";
import type { CellExpectation, CellWrite, Commit, ContractName, Keep, KeptRef, PageRef, PageWrite } from "./store.ts";

const CONTRACT_ID_BYTES = 32;
const CELL_NAME_BYTES_MAX = 1_024;
/** So that a cell can hold whatever a page can, and its place: one that is put aside, say. */
export const CELL_VALUE_BYTES_MAX = PAGE_BYTES_MAX + 8_192;
const CONTRACT_NAME_BYTES_MAX = STORAGE_KEY_BYTES_MAX;
const KEEPER_BYTES_MAX = 64;
const STATEMENT_BYTES = 32;
const U32_MAX = 0xffff_ffff;

function check(holds: boolean, message: string): void {
  if (!holds) throw new GatekeeperError("INVALID_ARGUMENT", message);
}

function isU32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= U32_MAX;
}

function isVersion(value: number | null): boolean {
  return value === null || (Number.isSafeInteger(value) && value >= 1 && value < Number.MAX_SAFE_INTEGER);
}

/**
 * @param value - how many of something a caller asks for: at least one.
 * @throws GatekeeperError INVALID_ARGUMENT.
 */
export function checkAtLeastOne(value: number, what: string): void {
  check(Number.isSafeInteger(value) && value >= 1, `${what} must be a whole number of at least 1, not ${value}`);
}

/** @throws GatekeeperError INVALID_ARGUMENT. */
export function checkContractId(id: Uint8Array): void {
  check(id.length === CONTRACT_ID_BYTES, `a contract id has ${CONTRACT_ID_BYTES} bytes, not ${id.length}`);
}

/** @throws GatekeeperError INVALID_ARGUMENT unless a cell may have this name: 1 … 1,024 bytes of well-formed UTF-8. */
export function checkCellName(name: string): void {
  const bytes = Buffer.byteLength(name);
  const holds = bytes >= 1 && bytes <= CELL_NAME_BYTES_MAX && name.isWellFormed() && !name.includes("\0");
  check(holds, `a cell's name has 1 to ${CELL_NAME_BYTES_MAX} bytes of UTF-8 without NUL; this one has ${bytes}`);
}

function checkPlace({ contract, lowerBound }: PageRef): void {
  checkContractId(contract);
  check(lowerBound.length <= STORAGE_KEY_BYTES_MAX, `a lower bound of ${lowerBound.length} bytes is too long`);
}

function checkKeep({ by, statement }: Keep, expected: number | null): void {
  check(expected !== null, "nothing can be kept where no page may lie yet");
  check(
    by.length >= 1 && by.length <= KEEPER_BYTES_MAX,
    `who replaces a page has 1 to ${KEEPER_BYTES_MAX} bytes, not ${by.length}`,
  );
  check(statement.length === STATEMENT_BYTES, `a statement has ${STATEMENT_BYTES} bytes, not ${statement.length}`);
}

function checkKeptRef(ref: KeptRef): void {
  checkPlace(ref);
  check(isVersion(ref.version), `no kept page has version ${ref.version}`);
}

function checkPageWrite(write: PageWrite): void {
  checkPlace(write);
  check(write.body.length >= PAGE_HEADER_BYTES, `a page body of ${write.body.length} bytes has no header`);
  check(isVersion(write.expected), `the expected version of a page can't be ${write.expected}`);
  if (write.body.length > PAGE_BYTES_MAX) {
    const page = { contract: toHex(write.contract), lowerBound: toHex(write.lowerBound) };
    throw new GatekeeperError("RECORD_TOO_LARGE", `a page body of ${write.body.length} bytes is too large`, page);
  }
  if (write.keep !== undefined) checkKeep(write.keep, write.expected);
  for (const [rotationId, records] of write.counts) {
    check(isU32(rotationId), `rotation id ${rotationId} is not a u32`);
    check(Number.isSafeInteger(records), `a count can't change by ${records}`);
  }
}

function checkExpectation({ name, expected }: CellExpectation): void {
  checkCellName(name);
  check(isVersion(expected), `the expected version of cell ${name} can't be ${expected}`);
}

function checkCellWrite(write: CellWrite): void {
  checkExpectation(write);
  const bytes = write.value?.length ?? 0;
  if (bytes > CELL_VALUE_BYTES_MAX) {
    throw new GatekeeperError("RECORD_TOO_LARGE", `the value of cell ${write.name} has ${bytes} bytes`, {
      cell: write.name,
    });
  }
}

function checkContractName(contract: ContractName): void {
  checkContractId(contract.id);
  check(Number.isInteger(contract.kind) && contract.kind >= 0 && contract.kind <= 255, `${contract.kind} is no kind`);
  if (contract.name.length > CONTRACT_NAME_BYTES_MAX) {
    const detail = { contract: toHex(contract.id) };
    throw new GatekeeperError("RECORD_TOO_LARGE", `a contract's name has ${contract.name.length} bytes`, detail);
  }
}

/**
 * Checks everything of a commit that needs no look into the store.
 * @throws GatekeeperError INVALID_ARGUMENT; RECORD_TOO_LARGE.
 */
export function checkCommit(commit: Commit): void {
  const { sealedUnder, minimumRotationId } = commit;
  for (const group of commit.groups) for (const write of group) checkPageWrite(write);
  for (const contract of commit.contracts ?? []) checkContractName(contract);
  for (const ref of commit.drop ?? []) checkKeptRef(ref);
  const names = new Set<string>();
  for (const write of commit.cells ?? []) checkCellWrite(write);
  for (const expectation of commit.expects ?? []) checkExpectation(expectation);
  for (const { name } of expectationsOf(commit)) {
    check(!names.has(name), `cell ${name} is named twice in one commit`);
    names.add(name);
  }
  check(sealedUnder === null || isU32(sealedUnder), `rotation id ${sealedUnder} is not a u32`);
  if (minimumRotationId === undefined) return;
  check(isU32(minimumRotationId), `rotation id ${minimumRotationId} is not a u32`);
  check(
    sealedUnder === null || sealedUnder >= minimumRotationId,
    `a commit can't seal under rotation id ${sealedUnder} and raise the minimum to ${minimumRotationId}`,
  );
}

/** All cells that must be as they were read, so that a commit is applied: those that it writes come first. */
export function expectationsOf({ cells = [], expects = [] }: Commit): readonly CellExpectation[] {
  return [...cells, ...expects];
}

/**
 * Checks a commit against the store's minimum rotation id.
 * @throws GatekeeperError ROTATION_ID_RETIRED; INVALID_ARGUMENT when it would lower the minimum.
 */
export function checkRotationId(commit: Commit, minimum: number): void {
  const { sealedUnder, minimumRotationId } = commit;
  if (sealedUnder !== null && sealedUnder < minimum) {
    const message = `records sealed under rotation id ${sealedUnder} are refused: the minimum is ${minimum}; seal them again`;
    throw new GatekeeperError("ROTATION_ID_RETIRED", message, { sealedUnder, minimum });
  }
  check(
    minimumRotationId === undefined || minimumRotationId >= minimum,
    `the minimum rotation id can't be lowered from ${minimum} to ${minimumRotationId}`,
  );
}

/** INVALID_ARGUMENT for a group that writes one page twice: the second write could never hold. */
export function writtenTwice(write: PageWrite): GatekeeperError {
  const page = { contract: toHex(write.contract), lowerBound: toHex(write.lowerBound) };
  const message = `one group writes the page of contract ${page.contract} from key ${page.lowerBound} twice`;
  return new GatekeeperError("INVALID_ARGUMENT", message, page);
}

/** What the applied groups of a commit change in a store's counts. */
export class CountChanges {
  /** Change of the number of records by rotation id; may hold zeros. */
  readonly rotationIds = new Map<number, number>();
  /** Change of the number of records of each contract that got a page or whose number changes, by its id in hex. */
  readonly contracts = new Map<string, { readonly id: Uint8Array; records: number }>();

  /** Takes in a write that was applied. */
  add(write: PageWrite): void {
    let records = 0;
    for (const [rotationId, change] of write.counts) {
      this.rotationIds.set(rotationId, (this.rotationIds.get(rotationId) ?? 0) + change);
      records += change;
    }
    if (records === 0 && write.expected !== null) return;
    const hex = toHex(write.contract);
    const contract = this.contracts.get(hex);
    if (contract === undefined) this.contracts.set(hex, { id: write.contract, records });
    else contract.records += records;
  }
}

/**
 * A count after a change: never less than none. Where records were altered in a store's file, what they say that they are under is
 * not what they were counted under; that must not keep anybody from mending them.
 * @throws GatekeeperError STORE_CORRUPT when it would be no safe integer.
 */
export function countAfter(before: number, change: number, what: string): number {
  const after = Math.max(0, before + change);
  if (Number.isSafeInteger(after)) return after;
  const message = `${what}: ${before} records are counted and a commit changes that by ${change}; one of both is wrong`;
  throw new GatekeeperError("STORE_CORRUPT", message, { before, change });
}
