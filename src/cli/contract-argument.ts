/**
 * The arguments CONTRACT, KEY and VALUE: what a user may call a contract and a state, and which bytes that means.
 *
 * CONTRACT is a contract id or a native name. Where its length leaves that open, the first of these that the home has
 * is meant: contract id (32 bytes), account (20), pallet (16), well-known (0x3a), child trie (any length).
 */
import { fromHex, toHex } from "../bytes.ts";
import { GatekeeperError } from "../errors.ts";
import { CONTRACT_ID_BYTES, CONTRACT_KIND, type ContractKind, contractId } from "../contract-id.ts";
import type { ContractName, StateStore } from "../store/store.ts";

const ADDRESS_BYTES = 20;
const PALLET_PREFIX_BYTES = 16;
const SLOT_BYTES = 32;
const WELL_KNOWN_NAME = "0x3a";
/** Bits of the integers among an account's states. */
const INTEGER_BITS: Readonly<Record<string, number>> = { balance: 256, nonce: 64 };
const ACCOUNT_FIELDS: readonly string[] = ["code", "balance", "nonce"];

const KIND_NAMES: ReadonlyMap<number, string> = new Map([
  [CONTRACT_KIND.account, "account"],
  [CONTRACT_KIND.pallet, "pallet"],
  [CONTRACT_KIND.childTrie, "child trie"],
  [CONTRACT_KIND.wellKnown, "well-known"],
  [CONTRACT_KIND.deployed, "deployed"],
]);

/** A kind in words. */
export function kindName(kind: number | null): string {
  return (kind === null ? undefined : KIND_NAMES.get(kind)) ?? "unknown";
}

/**
 * The contract that CONTRACT means in this home.
 * @throws GatekeeperError USAGE when it is not hex, NOT_FOUND when the home has no such contract.
 */
export async function findContract(store: StateStore, text: string): Promise<ContractName> {
  const bytes = fromHex(text, "CONTRACT");
  if (bytes.length === CONTRACT_ID_BYTES) {
    const entry = await store.contract(bytes);
    if (entry !== null && entry.kind !== null && entry.name !== null) {
      return { id: entry.id, kind: entry.kind, name: entry.name };
    }
  }
  for (const candidate of candidates(bytes)) {
    if ((await store.contract(candidate.id)) !== null) return candidate;
  }
  throw new GatekeeperError("NOT_FOUND", `there is no contract ${text} in this home`, { contract: text });
}

/**
 * The contract that CONTRACT means, or the new one that it names.
 * @throws GatekeeperError USAGE when it is not hex, NOT_FOUND when it looks like the id of a contract that the home
 * does not have: an id does not tell the name that it was made of.
 */
export async function findOrNameContract(store: StateStore, text: string): Promise<ContractName> {
  try {
    return await findContract(store, text);
  } catch (error) {
    if (!(error instanceof GatekeeperError) || error.code !== "NOT_FOUND") throw error;
    const bytes = fromHex(text, "CONTRACT");
    if (bytes.length !== CONTRACT_ID_BYTES) return candidates(bytes)[0]!;
    const message = `${text} is the id of no contract in this home; a new contract is named by its native name`;
    throw new GatekeeperError("NOT_FOUND", message, { contract: text });
  }
}

/**
 * The storage key that KEY means in a contract: `code`, `balance` or `nonce` of an account, else 0x-hex. An account's
 * slot is widened to 32 bytes, as the import does; a pallet's prefix is put in front where it is missing.
 * @throws GatekeeperError USAGE.
 */
export function storageKey({ kind, name }: ContractName, text: string): Uint8Array {
  if (kind === CONTRACT_KIND.account && ACCOUNT_FIELDS.includes(text)) return Buffer.from(text, "ascii");
  const known = kind === CONTRACT_KIND.account ? "KEY (unless it is code, balance or nonce)" : "KEY";
  const bytes = fromHex(text, known);
  if (kind === CONTRACT_KIND.pallet) {
    return Buffer.compare(bytes.subarray(0, name.length), name) === 0 ? bytes : Buffer.concat([name, bytes]);
  }
  if (kind !== CONTRACT_KIND.account || accountField(bytes) !== null) return bytes;
  if (bytes.length > SLOT_BYTES) {
    throw new GatekeeperError("USAGE", `KEY has ${bytes.length} bytes; an account's storage slot has ${SLOT_BYTES}`);
  }
  const slot = new Uint8Array(SLOT_BYTES);
  slot.set(bytes, SLOT_BYTES - bytes.length);
  return slot;
}

/**
 * The bytes that VALUE means under a storage key: of an account's balance or nonce an integer, decimal or 0x-hex, kept
 * as minimal big-endian bytes; else 0x-hex.
 * @throws GatekeeperError USAGE.
 */
export function stateValue({ kind }: ContractName, key: Uint8Array, text: string): Uint8Array {
  const field = kind === CONTRACT_KIND.account ? accountField(key) : null;
  const bits = field === null ? undefined : INTEGER_BITS[field];
  if (bits === undefined) return fromHex(text, "VALUE");
  if (!/^(?:0x[0-9a-fA-F]{1,64}|[0-9]{1,78})$/.test(text) || BigInt(text) >> BigInt(bits) !== 0n) {
    throw new GatekeeperError("USAGE", `VALUE must be a decimal or 0x-hex integer of at most ${bits} bits`);
  }
  const digits = BigInt(text) === 0n ? "" : BigInt(text).toString(16);
  return Uint8Array.from(Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex"));
}

/**
 * The account field whose ASCII bytes a key is. As hex, too, since that is how failures name it; a slot of that number
 * is given with all its 32 bytes.
 */
function accountField(key: Uint8Array): string | null {
  return ACCOUNT_FIELDS.find((field) => Buffer.from(field, "ascii").equals(key)) ?? null;
}

/** The contracts that a native name may name, the likeliest first. */
function candidates(name: Uint8Array): ContractName[] {
  const kinds: ContractKind[] = [CONTRACT_KIND.childTrie];
  if (name.length === ADDRESS_BYTES) kinds.unshift(CONTRACT_KIND.account);
  if (name.length === PALLET_PREFIX_BYTES) kinds.unshift(CONTRACT_KIND.pallet);
  if (toHex(name) === WELL_KNOWN_NAME) kinds.unshift(CONTRACT_KIND.wellKnown);
  return kinds.map((kind) => ({ id: contractId(kind, name), kind, name }));
}
