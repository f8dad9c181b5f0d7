/**
 * The states in a geth-style genesis: `alloc` {"address": {balance, nonce?, code?, storage?: {"slot":"value"}}}.
 *
 * An account is a contract, named by its 20 address bytes. Its storage slots lie under their 32-byte key; code,
 * balance and nonce under those ASCII words, which no slot can equal. Slots and their values are widened to 32 bytes,
 * integers are minimal big-endian bytes (zero is the empty value). What an account leaves out gets no state. Notations
 * are those that geth reads: hex of addresses and storage with or without 0x, integers in 0x-hex or decimal, quoted or
 * not. An unknown field of an account is refused, lest a state be lost unseen. An account that stands twice is handed
 * on twice.
 */
import { CONTRACT_KIND } from "../../contract-id.ts";
import { Rule, type StringForm } from "./json-rule.ts";
import { TEXT_BYTES_MAX } from "./json-string.ts";
import type { Place } from "./place.ts";
import { type StateEntry, VALUE_BYTES_MAX } from "./state-entry.ts";

const ADDRESS_BYTES = 20;
const SLOT_BYTES = 32;
const BALANCE_BITS = 256;
const NONCE_BITS = 64;

const ADDRESS: StringForm = {
  as: "hex",
  maxBytes: ADDRESS_BYTES,
  name: "an account's address",
  tooLarge: "IMPORT_INVALID",
  isName: true,
  bare: true,
};
const FIELD: StringForm = {
  as: "text",
  maxBytes: TEXT_BYTES_MAX,
  name: "an account's field",
  tooLarge: "IMPORT_INVALID",
};
const INTEGER: StringForm = { ...FIELD, name: "an integer" };
const CODE: StringForm = { as: "hex", maxBytes: VALUE_BYTES_MAX, name: "code", tooLarge: "RECORD_TOO_LARGE" };
const SLOT: StringForm = { ...ADDRESS, maxBytes: SLOT_BYTES, name: "a storage slot" };
const SLOT_VALUE: StringForm = { ...SLOT, name: "a storage slot's value", isName: false };

/** What the rules of one account share. */
class Account {
  readonly #entries: StateEntry[];
  readonly #place: Place;
  #address: Uint8Array = new Uint8Array(0);

  constructor(place: Place, entries: StateEntry[]) {
    this.#place = place;
    this.#entries = entries;
  }

  begin(address: Uint8Array): void {
    this.#address = address;
    this.#place.contract = address;
  }

  add(key: Uint8Array, value: Uint8Array): void {
    this.#entries.push({ kind: CONTRACT_KIND.account, name: this.#address, key, value });
    this.#place.key = null;
  }
}

/** The object under "alloc". */
export class AllocRule extends Rule {
  override readonly keys = ADDRESS;
  readonly #account: AccountRule;

  /** @param entries - every state is pushed there. */
  constructor(place: Place, entries: StateEntry[]) {
    super(place, "alloc: an object of accounts");
    this.#account = new AccountRule(place, entries);
  }

  override bytesKey(address: Uint8Array): Rule {
    return this.#account.of(address);
  }
}

/** One account. */
export class AccountRule extends Rule {
  override readonly keys = FIELD;
  readonly #account: Account;
  readonly #fields: ReadonlyMap<string, Rule>;
  readonly #seen = new Set<string>();

  /** @param entries - every state is pushed there. */
  constructor(place: Place, entries: StateEntry[]) {
    super(place, "an account: an object with balance, nonce, code and storage");
    this.#account = new Account(place, entries);
    this.#fields = new Map<string, Rule>([
      ["balance", new IntegerRule(place, this.#account, "balance", BALANCE_BITS)],
      ["nonce", new IntegerRule(place, this.#account, "nonce", NONCE_BITS)],
      ["code", new CodeRule(place, this.#account)],
      ["storage", new StorageRule(place, this.#account)],
    ]);
  }

  /**
   * This rule, ready for the account at an address.
   * @throws GatekeeperError IMPORT_INVALID when the address has not 20 bytes.
   */
  of(address: Uint8Array): Rule {
    if (address.length !== ADDRESS_BYTES) {
      this.place.fail(`an account's address has ${ADDRESS_BYTES} bytes, not ${address.length}`);
    }
    this.#account.begin(address);
    return this;
  }

  override objectStart(): void {
    this.#seen.clear();
  }

  override textKey(field: string): Rule {
    const rule = this.#fields.get(field);
    if (rule === undefined) {
      this.place.fail("an account has a field other than balance, nonce, code and storage: remove it first");
    }
    this.place.key = field;
    if (this.#seen.has(field)) this.place.fail(`an account's ${field} stands twice`);
    this.#seen.add(field);
    return rule;
  }

  override objectEnd(): void {
    this.place.contract = null;
  }
}

/** A balance or a nonce. */
class IntegerRule extends Rule {
  override readonly strings = INTEGER;
  readonly #account: Account;
  readonly #key: Uint8Array;
  readonly #bits: number;

  constructor(place: Place, account: Account, field: string, bits: number) {
    super(place, "an integer in decimal or 0x-hex");
    this.#account = account;
    this.#key = new TextEncoder().encode(field);
    this.#bits = bits;
  }

  override text(value: string): void {
    if (!/^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(value)) this.refuse("another string");
    this.#add(BigInt(value));
  }

  override number(digits: string): void {
    if (!/^[0-9]+$/.test(digits)) this.refuse("another number");
    this.#add(BigInt(digits));
  }

  #add(value: bigint): void {
    if (value >> BigInt(this.#bits) !== 0n) this.place.fail(`an integer is longer than ${this.#bits} bits`);
    let digits = value === 0n ? "" : value.toString(16);
    if (digits.length % 2 === 1) digits = `0${digits}`;
    this.#account.add(this.#key, Uint8Array.from(Buffer.from(digits, "hex")));
  }
}

class CodeRule extends Rule {
  override readonly strings = CODE;
  readonly #account: Account;
  readonly #key = new TextEncoder().encode("code");

  constructor(place: Place, account: Account) {
    super(place, "code in hex");
    this.#account = account;
  }

  override bytes(code: Uint8Array): void {
    this.#account.add(this.#key, code);
  }
}

class StorageRule extends Rule {
  override readonly keys = SLOT;
  readonly #value: SlotValueRule;

  constructor(place: Place, account: Account) {
    super(place, "an object of storage slots");
    this.#value = new SlotValueRule(place, account);
  }

  override bytesKey(slot: Uint8Array): Rule {
    this.#value.slot = widened(slot);
    this.place.key = this.#value.slot;
    return this.#value;
  }

  override objectEnd(): void {
    this.place.key = null;
  }
}

class SlotValueRule extends Rule {
  override readonly strings = SLOT_VALUE;
  readonly #account: Account;
  slot: Uint8Array = new Uint8Array(0);

  constructor(place: Place, account: Account) {
    super(place, "a storage slot's value in hex");
    this.#account = account;
  }

  override bytes(value: Uint8Array): void {
    this.#account.add(this.slot, widened(value));
  }
}

/** Zeros to the left up to 32 bytes. */
function widened(bytes: Uint8Array): Uint8Array {
  if (bytes.length === SLOT_BYTES) return bytes;
  const word = new Uint8Array(SLOT_BYTES);
  word.set(bytes, SLOT_BYTES - bytes.length);
  return word;
}
