/**
 * The states in a Substrate raw chain spec, which is also what `export-state` writes:
 * `genesis.raw.top` {"0xkey":"0xvalue"} and `genesis.raw.childrenDefault` {"0xtrie id":{"0xkey":"0xvalue"}}.
 * Specs from before 2020 write `raw` as the array [top, children].
 *
 * A pallet's states begin with the 16-byte hash of its name, so those 16 bytes name a contract; the storage key stays
 * whole. A child trie is a contract. Keys that are no pallet's (":code" and other keys that begin with ':', and short
 * ones) belong to the well-known contract. A key that stands twice in a file is handed on twice.
 */
import { CONTRACT_KIND, type ContractKind } from "../../contract-id.ts";
import { Rule, type StringForm } from "./json-rule.ts";
import { TEXT_BYTES_MAX } from "./json-string.ts";
import type { Place } from "./place.ts";
import { KEY_BYTES_MAX, type StateEntry, VALUE_BYTES_MAX } from "./state-entry.ts";

const PALLET_PREFIX_BYTES = 16;
const COLON = 0x3a;
const WELL_KNOWN_NAME: Uint8Array = Uint8Array.of(COLON);
const HUMAN_SPEC =
  "this chain spec holds no raw states: make a raw one with " +
  "`NODE build-spec --chain FILE --raw` or `NODE export-state`, and import that";

const SECTION: StringForm = { as: "text", maxBytes: TEXT_BYTES_MAX, name: "a key", tooLarge: "IMPORT_INVALID" };
const STORAGE_KEY: StringForm = {
  as: "hex",
  maxBytes: KEY_BYTES_MAX,
  name: "a storage key",
  tooLarge: "RECORD_TOO_LARGE",
  isName: true,
};
const TRIE_ID: StringForm = { ...STORAGE_KEY, name: "a child trie's id" };
const VALUE: StringForm = { as: "hex", maxBytes: VALUE_BYTES_MAX, name: "a value", tooLarge: "RECORD_TOO_LARGE" };

/** The object under "genesis". */
export class SubstrateGenesisRule extends Rule {
  override readonly keys = SECTION;
  readonly #raw: RawRule;
  #seen = false;

  /** @param entries - every state is pushed there. */
  constructor(place: Place, entries: StateEntry[]) {
    super(place, "the object genesis of a chain spec");
    this.#raw = new RawRule(place, entries);
  }

  override textKey(key: string): Rule {
    if (key !== "raw") this.place.fail(HUMAN_SPEC);
    if (this.#seen) this.place.fail("the section genesis.raw stands twice");
    this.#seen = true;
    return this.#raw;
  }

  override objectEnd(): void {
    if (!this.#seen) this.place.fail(HUMAN_SPEC);
  }
}

/** `genesis.raw`, in its two forms. */
class RawRule extends Rule {
  override readonly keys = SECTION;
  override readonly items = true;
  readonly #top: TopRule;
  readonly #children: ChildrenRule;
  readonly #oldChildren: NoChildrenRule;
  readonly #seen = new Set<string>();

  constructor(place: Place, entries: StateEntry[]) {
    super(place, "genesis.raw with its sections top and childrenDefault");
    this.#top = new TopRule(place, entries);
    this.#children = new ChildrenRule(place, entries);
    this.#oldChildren = new NoChildrenRule(place);
  }

  override textKey(key: string): Rule {
    if (this.#seen.has(key)) this.place.fail(`the section genesis.raw.${key} stands twice`);
    this.#seen.add(key);
    if (key === "top") return this.#top;
    if (key === "childrenDefault") return this.#children;
    if (key === "children") return this.#oldChildren;
    this.place.fail("genesis.raw holds a section other than top and childrenDefault");
  }

  override objectEnd(): void {
    if (!this.#seen.has("top")) this.place.fail("genesis.raw has no section top");
  }

  override item(index: number): Rule {
    if (index === 0) return this.#top;
    if (index === 1) return this.#oldChildren;
    this.place.fail("genesis.raw as an array holds more than top and children");
  }
}

/** A value in `top` or in a child trie. */
class ValueRule extends Rule {
  override readonly strings = VALUE;
  readonly #entries: StateEntry[];
  kind: ContractKind = CONTRACT_KIND.wellKnown;
  name: Uint8Array = WELL_KNOWN_NAME;
  key: Uint8Array = WELL_KNOWN_NAME;

  constructor(place: Place, entries: StateEntry[]) {
    super(place, "a value in hex");
    this.#entries = entries;
  }

  override bytes(value: Uint8Array): void {
    this.#entries.push({ kind: this.kind, name: this.name, key: this.key, value });
    this.place.key = null;
  }
}

/** `genesis.raw.top`. */
class TopRule extends Rule {
  override readonly keys = STORAGE_KEY;
  readonly #value: ValueRule;

  constructor(place: Place, entries: StateEntry[]) {
    super(place, "an object of storage keys");
    this.#value = new ValueRule(place, entries);
  }

  override bytesKey(key: Uint8Array): Rule {
    this.place.key = key;
    const isPallet = key.length >= PALLET_PREFIX_BYTES && key[0] !== COLON;
    this.#value.kind = isPallet ? CONTRACT_KIND.pallet : CONTRACT_KIND.wellKnown;
    this.#value.name = isPallet ? key.subarray(0, PALLET_PREFIX_BYTES) : WELL_KNOWN_NAME;
    this.#value.key = key;
    return this.#value;
  }
}

/** `genesis.raw.childrenDefault`. */
class ChildrenRule extends Rule {
  override readonly keys = TRIE_ID;
  readonly #trie: ChildTrieRule;

  constructor(place: Place, entries: StateEntry[]) {
    super(place, "an object of child tries");
    this.#trie = new ChildTrieRule(place, entries);
  }

  override bytesKey(id: Uint8Array): Rule {
    if (id.length === 0) this.place.fail("a child trie's id is empty");
    this.place.contract = id;
    this.#trie.name = id;
    return this.#trie;
  }
}

/** One child trie. */
class ChildTrieRule extends Rule {
  override readonly keys = STORAGE_KEY;
  readonly #value: ValueRule;

  constructor(place: Place, entries: StateEntry[]) {
    super(place, "a child trie: an object of storage keys");
    this.#value = new ValueRule(place, entries);
    this.#value.kind = CONTRACT_KIND.childTrie;
  }

  set name(id: Uint8Array) {
    this.#value.name = id;
  }

  override bytesKey(key: Uint8Array): Rule {
    this.place.key = key;
    this.#value.key = key;
    return this.#value;
  }

  override objectEnd(): void {
    this.place.contract = null;
  }
}

/** Child tries as specs wrote them before `childrenDefault`: only their absence is understood. */
class NoChildrenRule extends Rule {
  override readonly keys = SECTION;

  constructor(place: Place) {
    super(place, "an empty object (no child tries)");
  }

  override textKey(): Rule {
    this.place.fail("child tries in the old form (children) are not read: export the state with a newer node");
  }
}
