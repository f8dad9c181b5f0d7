/** Where in an import file the parser stands, so that every error names it. */
import { toHex } from "../../bytes.ts";
import { type ErrorDetail, GatekeeperError } from "../../errors.ts";

// A key in a message is cut to what a person compares; detail.key has all of it.
const KEY_CHARACTERS_SHOWN = 80;

/** The position that errors report. Parser and rules move it on; nothing in it is a state's value. */
export class Place {
  readonly file: string;
  /** Byte offset in the decompressed stream of the token being read. */
  offset = 0;
  /** Native name of the contract being read, where a file names it apart from its keys. */
  contract: Uint8Array | null = null;
  /** The storage key whose value is being read: bytes, or an account's field. */
  key: Uint8Array | string | null = null;

  /** @param file - as the user wrote it; in every message. */
  constructor(file: string) {
    this.file = file;
  }

  /** Throws IMPORT_INVALID: the file is malformed at `offset`. */
  fail(problem: string, offset = this.offset): never {
    throw this.#error("IMPORT_INVALID", problem, offset);
  }

  /** Throws RECORD_TOO_LARGE: the token at the current offset is longer than `limit` bytes. */
  failTooLarge(what: string, limit: number): never {
    throw this.#error("RECORD_TOO_LARGE", `${what} is longer than ${limit} bytes`, this.offset);
  }

  #error(code: "IMPORT_INVALID" | "RECORD_TOO_LARGE", problem: string, offset: number): GatekeeperError {
    const detail: Record<string, string | number> = { file: this.file, offset };
    let where = "";
    if (this.contract !== null) {
      detail["contract"] = toHex(this.contract);
      where += `, contract ${shortened(detail["contract"])}`;
    }
    if (this.key !== null) {
      detail["key"] = typeof this.key === "string" ? this.key : toHex(this.key);
      where += `, key ${shortened(detail["key"])}`;
    }
    return new GatekeeperError(code, `${this.file}: ${problem} (byte ${offset}${where})`, detail satisfies ErrorDetail);
  }
}

function shortened(text: string): string {
  return text.length <= KEY_CHARACTERS_SHOWN ? text : `${text.slice(0, KEY_CHARACTERS_SHOWN)}…`;
}
