/**
 * A client of the dstack guest agent, which gives the programs of a confidential virtual machine their keys and quotes:
 * JSON in a POST over a Unix socket, the surface of dstack OS 0.5, which 0.6 serves unchanged at the same paths
 * (Dstack-TEE/dstack: guest-agent/rpc/proto/agent_rpc.proto, sdk/curl/api.md). Bytes are hex without 0x; what is
 * refused has another status than 200 and says why in the field `error`.
 *
 * The agent belongs to the virtual machine that this program trusts anyway. It is read strictly all the same: of hex
 * that is cut off or has a stray digit, a lenient decoder makes another key.
 */
import { type IncomingMessage, request } from "node:http";
import * as v from "valibot";
import { GatekeeperError } from "../errors.ts";
import { Secret } from "../secret.ts";

/** Bytes of a key that GetKey gives: a scalar of secp256k1. */
const AGENT_KEY_BYTES = 32;
/** Bytes of the report data of a quote. */
const REPORT_DATA_BYTES = 64;

/** From connecting to the last byte; a quote takes the machine's quoting enclave a second or two. */
const ANSWER_SECONDS = 30;
/** A quote has about 5 KB, its event log some ten; nothing else is longer. */
const ANSWER_BYTES_MAX = 1 << 20;
/** How much of the agent's own words an error repeats. */
const REASON_CHARACTERS_MAX = 300;

const KEY_DIGITS = 2 * AGENT_KEY_BYTES;
/** Stands in the answer where the key was: no hex. */
const TAKEN = "-";
const KEY_NAME = Buffer.from('"key"', "ascii");
const COLON = 0x3a;
const QUOTE = 0x22;
const SPACE = Buffer.from(" \t\r\n", "ascii");
const hexSchema = v.pipe(v.string(), v.regex(/^(?:[0-9a-fA-F]{2})+$/));
const keySchema = v.object({ key: v.literal(TAKEN.repeat(KEY_DIGITS)), signature_chain: v.array(hexSchema) });
const quoteSchema = v.object({ quote: hexSchema, event_log: v.string() });
const errorSchema = v.object({ error: v.string() });

/** One agent, asked anew on a connection of its own each time. */
export class DstackAgent {
  readonly #socketPath: string;

  /** @param socketPath - of the Unix socket; /var/run/dstack.sock in most images. */
  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * The key of this app at a path, the same each time; the caller owns it.
   *
   * It never becomes a string here: its digits are read from the answer's bytes, which are wiped. What Node's socket
   * and the agent keep of them is out of reach.
   * @param purpose - stands in the agent's signature over the public key; the key does not depend on it.
   * @throws GatekeeperError DSTACK_FAILED.
   */
  async getKey(path: string, purpose: string): Promise<Secret> {
    const answer = await this.#ask("GetKey", { path, purpose, algorithm: "secp256k1" });
    try {
      const key = takeKey(answer);
      if (key === null) throw this.#failed("GetKey", `its answer has no key of ${AGENT_KEY_BYTES} bytes in hex`);
      const owned = new Secret(key);
      try {
        this.#parse("GetKey", keySchema, answer);
        return owned;
      } catch (error) {
        owned[Symbol.dispose]();
        throw error;
      }
    } finally {
      answer.fill(0);
    }
  }

  /**
   * A TDX quote of this virtual machine over report data. It is not looked at: whoever it is for verifies it.
   * @param reportData - 64 bytes.
   * @throws GatekeeperError DSTACK_FAILED, also where the machine has no TDX; INVALID_ARGUMENT for other lengths.
   */
  async getQuote(reportData: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    if (reportData.length !== REPORT_DATA_BYTES) {
      const message = `report data has ${REPORT_DATA_BYTES} bytes, not ${reportData.length}`;
      throw new GatekeeperError("INVALID_ARGUMENT", message);
    }
    const answer = await this.#ask("GetQuote", { report_data: Buffer.from(reportData).toString("hex") });
    return Uint8Array.from(Buffer.from(this.#parse("GetQuote", quoteSchema, answer).quote, "hex"));
  }

  /** The body of the agent's answer with status 200; the caller owns it. */
  async #ask(method: string, question: Readonly<Record<string, string>>): Promise<Uint8Array> {
    const body = JSON.stringify(question);
    const headers = { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // No agent of node:http: it would keep the connection, and with it the process.
    const options = { socketPath: this.#socketPath, path: `/${method}`, method: "POST", agent: false, headers };
    const call = request(options, resolve);
    call.on("error", reject);
    // Comes without an error where the agent wants another protocol.
    call.on("close", () => reject(new Error("closed")));
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
      call.destroy();
      reject(deadline.signal.reason);
    }, ANSWER_SECONDS * 1000);
    try {
      call.end(body);
      const answer = await promise;
      const bytes = await readAll(answer);
      if (bytes === null) throw this.#failed(method, `its answer is longer than ${ANSWER_BYTES_MAX} bytes`);
      if (answer.statusCode !== 200) throw this.#failed(method, reasonOf(answer.statusCode, bytes));
      return bytes;
    } catch (error) {
      if (deadline.signal.aborted) throw this.#failed(method, `it did not answer within ${ANSWER_SECONDS} s`);
      if (error instanceof GatekeeperError) throw error;
      // Not passed on as the cause: errors of the HTTP parser hold what it read.
      const { code = "no answer" } = error as NodeJS.ErrnoException;
      throw this.#failed(method, `it can't be reached, or broke off (${code})`);
    } finally {
      clearTimeout(timer);
      call.destroy();
    }
  }

  /** What is wrong with an answer is said by its place alone: the parsers' own words repeat what they were given. */
  #parse<S extends v.GenericSchema>(method: string, schema: S, body: Uint8Array): v.InferOutput<S> {
    const parsed = v.safeParse(schema, parseJson(body));
    if (parsed.success) return parsed.output;
    const where = v.getDotPath(parsed.issues[0]);
    throw this.#failed(method, where === null ? "its answer is no JSON object" : `its answer is malformed at ${where}`);
  }

  #failed(method: string, why: string): GatekeeperError {
    const message = `the dstack guest agent at ${this.#socketPath} failed at ${method}: ${why}`;
    return new GatekeeperError("DSTACK_FAILED", message, { socket: this.#socketPath, method });
  }
}

/** The whole body, whose pieces are wiped; null when it is too long. */
async function readAll(answer: IncomingMessage): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const piece of answer as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      length += piece.length;
      if (length > ANSWER_BYTES_MAX) return null;
    }
    // Outside V8's heap, as secretCopy says.
    const whole = new Uint8Array(new ArrayBuffer(length));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  } finally {
    for (const piece of pieces) piece.fill(0);
  }
}

/**
 * Takes the key's digits out of an answer, and leaves TAKEN in their place; null when there are not exactly as many as a
 * key has. It looks at the first `"key"` there is: whether that is the field of this name, the schema tells, which wants
 * the dashes there.
 */
function takeKey(answer: Uint8Array): Uint8Array | null {
  const text = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  const name = text.indexOf(KEY_NAME);
  if (name < 0) return null;
  const colon = skipSpace(text, name + KEY_NAME.length);
  const open = skipSpace(text, colon + 1);
  const close = open + 1 + KEY_DIGITS;
  if (text[colon] !== COLON || text[open] !== QUOTE || text[close] !== QUOTE) return null;
  const digits = text.subarray(open + 1, close);
  // Outside V8's heap, as secretCopy says.
  const key = new Uint8Array(new ArrayBuffer(AGENT_KEY_BYTES));
  let strange = false;
  for (const [i, digit] of digits.entries()) {
    const value = hexValue(digit);
    strange ||= value === null;
    key[i >> 1] = (key[i >> 1]! << 4) | (value ?? 0);
  }
  digits.fill(TAKEN);
  if (!strange) return key;
  key.fill(0);
  return null;
}

/** Past what JSON takes for space (RFC 8259 §2). */
function skipSpace(text: Uint8Array, at: number): number {
  while (at < text.length && SPACE.includes(text[at]!)) at++;
  return at;
}

function hexValue(digit: number): number | null {
  if (digit >= 0x30 && digit <= 0x39) return digit - 0x30;
  const lower = digit | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : null;
}

/** Undefined for what is no JSON in UTF-8. */
function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/** What the agent says when it refuses; its words come from outside, and stay on one line. */
function reasonOf(status: number | undefined, body: Uint8Array): string {
  const said = v.safeParse(errorSchema, parseJson(body));
  if (!said.success) return `HTTP status ${status}`;
  const reason = said.output.error.slice(0, REASON_CHARACTERS_MAX).replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, " ");
  return `HTTP status ${status}: ${reason}`;
}
