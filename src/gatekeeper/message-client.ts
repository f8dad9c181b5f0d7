/**
 * Brings messages to the hosts of other pRuntimes, and a user's commands to those of contracts, by HTTP (message-server.ts). Whoever is at the other end may be anybody:
 * time and bytes of his answer are bounded, no redirect is followed, and of what he says of errors a word is believed, if
 * it is one.
 */
import { Agent, type AgentOptions, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as TlsAgent, request as httpsRequest } from "node:https";
import * as v from "valibot";
import { GatekeeperError } from "../errors.ts";
import { COMMAND_MESSAGE_BYTES_MAX, PEER_MESSAGE_BYTES_MAX } from "../pruntime/boundary.ts";
import { COMMANDS_PATH, MESSAGES_PATH, peerFailed, transportAborted } from "./message-transport.ts";

/** From connecting to the last byte of the answer. */
export const ANSWER_MILLISECONDS = 20_000;
/** Connections to one host, at most, and of them those that are kept while nothing is asked. */
const CONNECTIONS_MAX = 16;
const KEPT_MAX = 2;
const KEPT_MILLISECONDS = 20_000;
/** Bytes of a refusal that are read. */
const REFUSAL_BYTES_MAX = 1_024;

const refusalSchema = v.object({
  code: v.pipe(v.string(), v.regex(/^[A-Z_]{1,40}$/)),
  reason: v.pipe(v.string(), v.regex(/^[A-Za-z_]{1,40}$/)),
});

/** What is posted, and how. */
interface Posting {
  readonly path: string;
  /** Bytes of an answer, at most. */
  readonly bytesMax: number;
  /** Whether it may come twice where a connection breaks off. */
  readonly repeatable: boolean;
}

const MESSAGE: Posting = { path: MESSAGES_PATH, bytesMax: PEER_MESSAGE_BYTES_MAX, repeatable: true };
const COMMAND: Posting = { path: COMMANDS_PATH, bytesMax: COMMAND_MESSAGE_BYTES_MAX, repeatable: false };

/** Asks hosts. Owns its connections; dispose ends them. */
export class MessageClient implements Disposable {
  readonly #agents = { "http:": new Agent(agentOptions()), "https:": new TlsAgent(agentOptions()) };

  /**
   * Posts a message to a host.
   * @param endpoint - its URL, http or https, from outside; the paths of message-server.ts are below it.
   * @param bytes - lent until the answer is there.
   * @returns the message that answers it, which is the caller's; null where there is none.
   * @throws GatekeeperError PEER_FAILED, with a `PeerFailure` as detail.reason; ABORTED when the signal fires.
   */
  async post(endpoint: string, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array | null> {
    return await this.#post(MESSAGE, endpoint, bytes, signal);
  }

  /**
   * Posts a command to the host of the pRuntime that runs its contract. It is sent once: where this throws, it may have been
   * executed or not.
   * @param endpoint, bytes, signal - as `post` takes them.
   * @returns its answer, which is the caller's.
   * @throws GatekeeperError as `post` does.
   */
  async execute(endpoint: string, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const answer = await this.#post(COMMAND, endpoint, bytes, signal);
    if (answer === null) throw peerFailed("Refused", "a command without an answer", { status: 204 });
    return answer;
  }

  async #post(posting: Posting, endpoint: string, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array | null> {
    const url = postingUrl(endpoint, posting.path);
    if (url === null) throw peerFailed("BadEndpoint", "its endpoint is no http or https URL that can be posted to");
    if (signal.aborted) throw transportAborted();
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), ANSWER_MILLISECONDS);
    try {
      return await this.#ask(posting, url, bytes, AbortSignal.any([signal, limit.signal]));
    } catch (error) {
      if (signal.aborted) throw transportAborted();
      if (limit.signal.aborted) throw peerFailed("TimedOut", `nothing within ${ANSWER_MILLISECONDS / 1_000} s`);
      if (error instanceof GatekeeperError) throw error;
      // Not passed on as the cause: errors of the HTTP parser hold what it read.
      const { code: systemCode = "no answer" } = error as NodeJS.ErrnoException;
      throw peerFailed("Unreachable", `it can't be reached, or broke off (${systemCode})`, { systemCode });
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.dispose](): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #ask(posting: Posting, url: URL, bytes: Uint8Array, signal: AbortSignal): Promise<Uint8Array | null> {
    for (;;) {
      const call = this.#begin(url, bytes, signal);
      try {
        return await readAnswer(await responseTo(call), posting.bytesMax);
      } catch (error) {
        // A connection that was kept, and that its host ended while this was sent. What it got twice, it opens once.
        const isRepeatable = posting.repeatable && call.reusedSocket;
        if (!isRepeatable || (error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
      }
    }
  }

  #begin(url: URL, bytes: Uint8Array, signal: AbortSignal): ClientRequest {
    const headers = { "Content-Type": "application/octet-stream", "Content-Length": bytes.length };
    const options = { method: "POST", headers, signal };
    const call =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, agent: this.#agents["https:"] })
        : httpRequest(url, { ...options, agent: this.#agents["http:"] });
    call.end(bytes);
    return call;
  }
}

function agentOptions(): AgentOptions {
  return { keepAlive: true, maxSockets: CONNECTIONS_MAX, maxFreeSockets: KEPT_MAX, timeout: KEPT_MILLISECONDS };
}

/** Where something is posted below an endpoint; null where it is no URL that can be posted to. */
function postingUrl(endpoint: string, path: string): URL | null {
  const url = URL.parse(endpoint);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return null;
  // They would go into a header of ours.
  if (url.username !== "" || url.password !== "") return null;
  url.pathname = url.pathname.replace(/\/*$/, path);
  url.search = "";
  url.hash = "";
  return url;
}

function responseTo(call: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  call.on("response", resolve);
  // Stays: it may break off again behind the response.
  call.on("error", reject);
  // Comes without an error where another protocol is wanted.
  call.on("close", () => reject(new Error("closed")));
  return promise;
}

/** @throws GatekeeperError PEER_FAILED; what the connection ends with. */
async function readAnswer(response: IncomingMessage, bytesMax: number): Promise<Uint8Array | null> {
  const { statusCode: status = 0 } = response;
  const isAnswer = status === 200 || status === 204;
  const body = await readUpTo(response, isAnswer ? bytesMax : REFUSAL_BYTES_MAX);
  if (!isAnswer) throw refused(status, body);
  if (body === null) throw peerFailed("TooLong", `its answer is longer than ${bytesMax} bytes`);
  return status === 204 ? null : body;
}

/** The whole body; null when it is longer: then its connection is ended, and nothing more is read. */
async function readUpTo(response: IncomingMessage, bytesMax: number): Promise<Uint8Array | null> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > bytesMax) return null;
    pieces.push(piece);
  }
  return Buffer.concat(pieces, length);
}

function refused(status: number, body: Uint8Array | null): GatekeeperError {
  const said = v.safeParse(refusalSchema, body === null ? null : parsedJson(body));
  if (!said.success) return peerFailed("Refused", `HTTP status ${status}`, { status });
  const { code, reason } = said.output;
  return peerFailed("Refused", `HTTP status ${status}, ${code}: ${reason}`, { status, code, why: reason });
}

/** Undefined for what is no JSON in UTF-8. */
function parsedJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}
