/** Answers with a list that is never held whole: text, item by item, or exactly one JSON document, piece by piece. */
import { plainJson } from "./plain-json.ts";
import type { Terminal } from "./terminal.ts";

/** Where it is written. */
type Output = Pick<Terminal, "json" | "write">;

/** One of what is listed. */
export interface Listed {
  /** With --json; */
  readonly document: unknown;
  /** else, without a newline at its end. */
  readonly text: string;
}

/** A list that is being written. Where nobody ends it, it broke off, and with --json it is no document. */
export class Listing {
  readonly #terminal: Output;
  readonly #begin: string;
  #count = 0;

  /** @param field - under which the document has the list; null where the list is the document. */
  constructor(terminal: Output, field: string | null) {
    this.#terminal = terminal;
    this.#begin = field === null ? "[" : `{${JSON.stringify(field)}:[`;
  }

  /** Items so far. */
  get count(): number {
    return this.#count;
  }

  /** Adds items; waits while the reader is behind. */
  async add(...items: readonly Listed[]): Promise<void> {
    if (items.length === 0) return;
    const json = (): string => items.map(({ document }) => JSON.stringify(plainJson(document))).join(",\n");
    const before = this.#count === 0 ? this.#begin : ",\n";
    this.#count += items.length;
    await this.#terminal.write(
      this.#terminal.json ? `${before}${json()}` : items.map(({ text }) => `${text}\n`).join(""),
    );
  }

  /**
   * Ends it.
   * @param rest - fields that come behind the list, where it is under one.
   * @param text - a last line, if there is one.
   */
  async end(rest: Readonly<Record<string, unknown>> = {}, text: string | null = null): Promise<void> {
    if (!this.#terminal.json) {
      if (text !== null) await this.#terminal.write(`${text}\n`);
      return;
    }
    const begin = this.#count === 0 ? this.#begin : "";
    const fields = Object.entries(rest).map(([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`);
    await this.#terminal.write(`${begin}]${this.#begin === "[" ? "" : `${fields.join("")}}`}\n`);
  }
}

/**
 * Lists what happens, with --json as an array, until `body` ends. Where it throws, what was listed until then is a document
 * still; where nothing was, the error is left to be it.
 */
export async function listWhile(terminal: Output, body: (happening: Listing) => Promise<void>): Promise<void> {
  const happening = new Listing(terminal, null);
  try {
    await body(happening);
  } catch (error) {
    if (happening.count > 0) await happening.end();
    throw error;
  }
  await happening.end();
}
