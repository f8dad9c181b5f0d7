/**
 * A user of contracts who puts and gets values all the time, one command after the other, and takes the time of each: from
 * sealing it until its answer is opened, over HTTP, beside whatever else the network does. Every value must be the one that
 * was put last.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { fromHex, toHex } from "../dist/bytes.js";
import { GatekeeperError } from "../dist/errors.js";
import type { MessageClient } from "../dist/gatekeeper/message-client.js";
import { newReplyKey, openAnswer, sealCommand } from "../dist/keys/sealed-command.js";
import { accountOf } from "../dist/protocol/account.js";
import {
  type KeyValueCommand,
  decodeKeyValueAnswer,
  encodeKeyValueRequest,
} from "../dist/protocol/key-value-messages.js";
import { ledgerGroup } from "../dist/protocol/key-terms.js";
import type { FollowedChain } from "./network-chain.ts";

const VALUE_BYTES = 200;
/** Between an answer and the next command. */
const PAUSE_MILLISECONDS = 10;
/**
 * Before a command is sent again that could not be taken, or done: its pRuntime is replaced, the switch has come between, or the
 * contract's new key has not come yet.
 */
const RETRY_MILLISECONDS = 10;
/** Codes of failures that pass. */
const NOT_YET = ["KEY_NOT_PROVISIONED", "KEY_UNAVAILABLE", "STORE_BUSY"];
/** Keys of a contract. */
const KEYS = 4;
const NEVER = new AbortController().signal;

/** Of a command that was answered. */
interface Sample {
  readonly kind: "put" | "get";
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  readonly milliseconds: number;
}

/** Of commands of a kind, in milliseconds. */
export interface Latency {
  readonly commands: number;
  readonly p50: number;
  readonly p99: number;
  readonly longest: number;
}

/** One user, of some contracts. */
export class ContractUser {
  readonly #client: MessageClient;
  readonly #followed: FollowedChain;
  readonly #contracts: readonly string[];
  readonly #last = new Map<string, Uint8Array>();
  readonly #samples: Sample[] = [];

  /** @param client, followed - lent. @param contracts - ids. */
  constructor(client: MessageClient, followed: FollowedChain, contracts: readonly Uint8Array[]) {
    this.#client = client;
    this.#followed = followed;
    this.#contracts = contracts.map(toHex);
  }

  /** States that there are because of its puts: each contract has one of its own besides. */
  get states(): number {
    return this.#contracts.length * (KEYS + 1);
  }

  /** Puts a value under every key once, so that none is new later. */
  async prepare(): Promise<void> {
    for (const contract of this.#contracts) for (let key = 0; key < KEYS; key++) await this.#put(contract, key);
    this.#samples.length = 0;
  }

  /** Until the signal fires. @throws Error when a value is not the one that was put last. */
  async run(signal: AbortSignal): Promise<void> {
    for (let turn = 0; !signal.aborted; turn++) {
      const contract = this.#contracts[turn % this.#contracts.length]!;
      const key = Math.floor(turn / this.#contracts.length) % KEYS;
      await this.#put(contract, key);
      await sleep(PAUSE_MILLISECONDS);
      await this.#get(contract, key);
      await sleep(PAUSE_MILLISECONDS);
    }
  }

  /** Of commands that began in this time. @param from, to - milliseconds since 1970. */
  latency(kind: Sample["kind"], from: number, to: number): Latency {
    const times = this.#samples
      .filter((sample) => sample.kind === kind && sample.at >= from && sample.at < to)
      .map(({ milliseconds }) => milliseconds)
      .sort((a, b) => a - b);
    const quantile = (part: number): number => rounded(times[Math.ceil(part * times.length) - 1] ?? Number.NaN);
    return { commands: times.length, p50: quantile(0.5), p99: quantile(0.99), longest: quantile(1) };
  }

  async #put(contract: string, key: number): Promise<void> {
    const value = Uint8Array.from(randomBytes(VALUE_BYTES));
    await this.#execute(contract, { tag: "put", value: { key: keyOf(key), value } });
    this.#last.set(`${contract}/${key}`, value);
  }

  async #get(contract: string, key: number): Promise<void> {
    const value = await this.#execute(contract, { tag: "get", value: keyOf(key) });
    const last = this.#last.get(`${contract}/${key}`)!;
    if (value === null || Buffer.compare(value, last) !== 0)
      throw new Error("a value is not the one that was put last");
  }

  /** @returns the value of a get. */
  async #execute(contract: string, command: KeyValueCommand & { tag: Sample["kind"] }): Promise<Uint8Array | null> {
    // A user knows the chain before he has a command; what this process takes for that is not the network's.
    this.#followed.look();
    using _ = this.#followed.leftAlone();
    const [at, began] = [Date.now(), performance.now()];
    for (;;) {
      try {
        const value = await this.#send(contract, command);
        if (value !== "not yet") {
          this.#samples.push({ kind: command.tag, at, milliseconds: performance.now() - began });
          return value;
        }
      } catch (error) {
        if (!(error instanceof GatekeeperError) || error.code !== "PEER_FAILED") throw error;
      }
      await sleep(RETRY_MILLISECONDS);
      this.#followed.look();
    }
  }

  /** To the EcdhKey that the chain has of the contract now. */
  async #send(contract: string, command: KeyValueCommand): Promise<Uint8Array | null | "not yet"> {
    const { contracts, sharings, workers } = this.#followed.replica.ledger.state;
    const { ecdhKey, worker } = contracts.get(contract)!;
    const { keySuite } = sharings.find(({ rotationId }) => rotationId === ecdhKey!.rotationId)!;
    const group = ledgerGroup(keySuite);
    const replyKey = newReplyKey(group);
    using _ = replyKey.scalar;
    const recipient = {
      group,
      contract: fromHex(contract, "a contract id"),
      rotationId: ecdhKey!.rotationId,
      ecdhKey: fromHex(ecdhKey!.publicKey, "an EcdhKey"),
    };
    const sealed = sealCommand(recipient, encodeKeyValueRequest(group, { replyKey: replyKey.publicKey, command }));
    const endpoint = Buffer.from(workers.get(accountOf(worker))!.endpoint!).toString("latin1");
    const bytes = await this.#client.execute(endpoint, sealed, NEVER);
    using opened = openAnswer(group, replyKey, sealed, bytes);
    const answer = decodeKeyValueAnswer(opened);
    if (answer?.tag === "value") return answer.value.slice();
    if (answer?.tag === "done") return null;
    if (answer?.tag !== "failed") throw new Error(`a command was answered with ${answer?.tag ?? "what nobody knows"}`);
    const { code } = answer.value;
    if (!NOT_YET.includes(code)) throw new Error(`a command failed: ${code}`);
    return "not yet";
  }
}

function keyOf(key: number): Uint8Array {
  return Buffer.from(`key ${key}`);
}

function rounded(milliseconds: number): number {
  return Number(milliseconds.toFixed(1));
}
