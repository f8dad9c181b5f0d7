/**
 * Recognises an import format by its top-level keys and parses it: a Substrate raw chain spec or state export has
 * "genesis", a geth genesis has "alloc", and a bare geth alloc has accounts only.
 */
import { AccountRule, AllocRule } from "./geth-genesis.ts";
import { JsonParser } from "./json-parser.ts";
import { Rule, type StringForm } from "./json-rule.ts";
import { TEXT_BYTES_MAX } from "./json-string.ts";
import { Place } from "./place.ts";
import { SkippedRule } from "./skipped.ts";
import type { StateEntry } from "./state-entry.ts";
import { SubstrateGenesisRule } from "./substrate-spec.ts";

const FORMATS = "a Substrate raw chain spec (genesis.raw), a state export, or a geth genesis (alloc)";
const TOP_LEVEL_KEY: StringForm = {
  as: "text",
  maxBytes: TEXT_BYTES_MAX,
  name: "a top-level key",
  tooLarge: "IMPORT_INVALID",
};
const ADDRESS = /^(?:0[xX])?([0-9a-fA-F]{40})$/;

/** Turns the chunks of one file into states. */
export class StateParser {
  readonly #json: JsonParser;
  readonly #document: DocumentRule;
  readonly #entries: StateEntry[] = [];

  /** @param file - names the file in errors. */
  constructor(file: string) {
    const place = new Place(file);
    this.#document = new DocumentRule(place, this.#entries);
    this.#json = new JsonParser(this.#document, place);
  }

  /**
   * The states that end in the next chunk of the file, which is not kept.
   * @throws GatekeeperError IMPORT_INVALID or RECORD_TOO_LARGE; the parser must not be used after it.
   */
  write(chunk: Uint8Array): StateEntry[] {
    this.#json.write(chunk);
    return this.#entries.splice(0);
  }

  /**
   * Ends the file.
   * @throws GatekeeperError IMPORT_INVALID when it is not complete.
   */
  end(): void {
    this.#json.end();
  }
}

type Format = "substrate" | "geth" | "alloc";

/** The whole document. */
class DocumentRule extends Rule {
  override readonly keys = TOP_LEVEL_KEY;
  readonly #skipped: SkippedRule;
  readonly #genesis: SubstrateGenesisRule;
  readonly #alloc: AllocRule;
  readonly #account: AccountRule;
  #format: Format | null = null;
  #otherKeys = false;

  constructor(place: Place, entries: StateEntry[]) {
    super(place, FORMATS);
    this.#skipped = new SkippedRule(place);
    this.#genesis = new SubstrateGenesisRule(place, entries);
    this.#alloc = new AllocRule(place, entries);
    this.#account = new AccountRule(place, entries);
  }

  override textKey(key: string): Rule {
    const address = ADDRESS.exec(key);
    if (address !== null || this.#format === "alloc") {
      if (address === null || this.#otherKeys) this.place.fail("accounts stand beside other top-level keys");
      this.#format = "alloc";
      return this.#account.of(Uint8Array.from(Buffer.from(address[1]!, "hex")));
    }
    this.#otherKeys = true;
    if (key === "genesis") return this.#recognise("substrate", this.#genesis);
    if (key === "alloc") return this.#recognise("geth", this.#alloc);
    return this.#skipped;
  }

  #recognise(format: Format, rule: Rule): Rule {
    if (this.#format === format) this.place.fail("the section genesis or alloc stands twice");
    if (this.#format !== null) this.place.fail("the file holds both genesis and alloc: split it");
    this.#format = format;
    return rule;
  }

  override objectEnd(): void {
    if (this.#format === null) this.place.fail(`the file holds no states: expected ${FORMATS}`);
  }
}
