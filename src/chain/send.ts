/** Sends a call to an embedded chain and waits for what becomes of it. */
import { setTimeout as sleep } from "node:timers/promises";
import { GatekeeperError } from "../errors.ts";
import { type PublicKey, accountOf } from "../protocol/account.ts";
import type { Call } from "../protocol/call.ts";
import type { Effect } from "../protocol/effect.ts";
import { type Signer, readMessage, signMessage } from "../protocol/message.ts";
import type { Applied, Replica } from "../protocol/replica.ts";
import type { EmbeddedChain, Waiting } from "./embedded.ts";
import { catchUp } from "./follow.ts";

const POLL_MILLISECONDS = 20;

/** A message in a block, with what it did. */
export interface Sent {
  readonly height: number;
  readonly effects: readonly Effect[];
}

/**
 * Signs a call with the next sequence of its sender, hands it in and waits for its block. Any number of processes may do
 * so with one key at a time.
 * @param replica - of this chain; follows it meanwhile.
 * @throws GatekeeperError MESSAGE_REFUSED, with the reason; INBOX_FULL; ABORTED when the signal fires: the message may
 * still come into a block then.
 */
export async function sendCall(
  chain: EmbeddedChain,
  replica: Replica,
  signer: Signer,
  call: Call,
  signal: AbortSignal,
): Promise<Sent> {
  const [id, bytes] = handIn(chain, replica, signer, call);
  let sent: Sent | null = null;
  for (;;) {
    // Asked before the chain is followed: what is taken by then is found.
    const outcome = chain.outcome(id);
    sent ??= follow(chain, replica, bytes);
    if (typeof outcome === "object") throw refused(outcome.refused, "the chain did not take the message", null);
    if (outcome === "gone") return sent ?? forgotten();
    if (signal.aborted) throw new GatekeeperError("ABORTED", "the message waits, and no block was made meanwhile");
    await sleep(POLL_MILLISECONDS);
  }
}

/** Signs and hands in, with the sequence that is next then. */
function handIn(chain: EmbeddedChain, replica: Replica, signer: Signer, call: Call): [id: number, bytes: Uint8Array] {
  for (;;) {
    for (const _ of catchUp(chain, replica));
    const { genesisHash, state } = replica.ledger;
    let bytes: Uint8Array = new Uint8Array(0);
    const id = chain.submitAfter(state.height, (waiting) => {
      bytes = signMessage(signer, genesisHash, nextSequence(replica, waiting, signer.publicKey), call);
      return bytes;
    });
    if (id !== null) return [id, bytes];
  }
}

function forgotten(): never {
  throw refused("Forgotten", "the chain did not take the message", null);
}

/**
 * The number of messages that the signer sent, those that wait among them. Only what he signed counts: a forged one would
 * make him sign ahead of his sequence, and who keeps that message could send it later.
 */
function nextSequence({ ledger, authenticator }: Replica, waiting: readonly Waiting[], signer: PublicKey): number {
  const own = waiting.map(({ bytes }) => bytes).filter((bytes) => readMessage(bytes)?.signer === signer);
  let next = ledger.state.accounts.get(accountOf(signer))?.sequence ?? 0;
  for (const message of authenticator.authenticate(own)) {
    if (typeof message !== "string" && message.sequence === next) next++;
  }
  return next;
}

/** Follows the chain; @returns the message's block if it is among what came. */
function follow(chain: EmbeddedChain, replica: Replica, bytes: Uint8Array): Sent | null {
  const blocks = chain.blocks(replica.ledger.state.height + 1);
  const applied = replica.follow(blocks);
  for (const [at, block] of blocks.entries()) {
    const index = block.messages.findIndex((message) => Buffer.compare(message, bytes) === 0);
    if (index >= 0) return sentOf(applied[at]!, index);
  }
  return null;
}

/** @throws GatekeeperError MESSAGE_REFUSED if it was not done. */
function sentOf({ height, effects }: Applied, index: number): Sent {
  const own = effects.filter((effect) => effect.index === index);
  for (const effect of own) {
    if (effect.kind !== "MessageFailed" && effect.kind !== "MessageRefused") continue;
    throw refused(effect.reason, `it is in block ${height}, but could not be done`, height);
  }
  return { height, effects: own.filter(({ kind }) => kind !== "MessageDone") };
}

function refused(reason: string, what: string, height: number | null): GatekeeperError {
  return new GatekeeperError("MESSAGE_REFUSED", `${what}: ${reason}`, { reason, height });
}
