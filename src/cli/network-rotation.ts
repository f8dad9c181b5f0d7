/** `rotate` where a network's chain is: governance orders a rotation, and the command waits until the chain says that it is over. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readAccountKey } from "../chain/account-key.ts";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { catchUp, openReplica } from "../chain/follow.ts";
import { sendCall } from "../chain/send.ts";
import { GatekeeperError } from "../errors.ts";
import { replicaCurve } from "../protocol/curve.ts";
import type { Effect } from "../protocol/effect.ts";
import { accountSigner } from "../protocol/message.ts";
import type { Replica } from "../protocol/replica.ts";
import type { State } from "../protocol/state.ts";
import { chainPath, openChain } from "./chain-home.ts";
import type { CommonOptions } from "./command-line.ts";
import { homeFolder } from "./environment.ts";
import { interruptible } from "./interruption.ts";
import { type Stage, counted } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { describeUnproved } from "./unproved-words.ts";

const POLL_MILLISECONDS = 50;
const WORDS = {
  stopping: "stopping; the network goes on",
  advice: "the network goes on with it; run gatekeeper rotate again to wait for it, or gatekeeper rotations to see it",
};

/** Where the chain is, and who orders. */
export interface NetworkRotationOptions extends CommonOptions {
  /** File with a key of governance; HOME/governance.key if it is left out. */
  readonly key?: string;
}

/** Whether a home has a network's chain. */
export function hasChain(options: CommonOptions): boolean {
  return existsSync(chainPath(options));
}

/**
 * Orders a rotation unless one is under way, and waits for its end.
 * @throws GatekeeperError MESSAGE_REFUSED when it can't be ordered; ROTATION_STATE when it was given up, or closed by governance; ABORTED.
 */
export async function rotateNetwork(terminal: Terminal, options: NetworkRotationOptions): Promise<void> {
  using chain = openChain(options);
  const replica = openReplica(chain, replicaCurve());
  await interruptible(terminal, WORDS, async (signal) => {
    const votes = await order(chain, replica, options, signal);
    if (votes !== null) {
      const { given, needed } = votes;
      const text = `voted for a rotation: ${given} of ${counted(needed, "vote")}; it begins when there are enough`;
      await terminal.answer({ ordered: false, votes: given, threshold: needed }, text);
      return;
    }
    await waitForEnd(terminal, chain, replica, signal);
  });
}

/** @returns null where one is under way or ordered; else how many votes there are for it. */
async function order(
  chain: EmbeddedChain,
  replica: Replica,
  options: NetworkRotationOptions,
  signal: AbortSignal,
): Promise<{ given: number; needed: number } | null> {
  const isOrdered = ({ rotation, rotationOrdered }: State): boolean => rotation !== null || rotationOrdered !== null;
  if (isOrdered(replica.ledger.state)) return null;
  using key = readAccountKey(resolve(options.key ?? join(homeFolder(options.home), "governance.key")));
  const value = { round: replica.ledger.state.governanceRound, action: { tag: "rotate", value: undefined } } as const;
  const { effects } = await sendCall(chain, replica, accountSigner(key), { tag: "govern", value }, signal);
  if (effects.some(({ kind }) => kind === "RotationOrdered")) return null;
  const voted = effects.find((effect) => effect.kind === "Voted");
  return { given: voted?.votes ?? 0, needed: voted?.threshold ?? 0 };
}

async function waitForEnd(
  terminal: Terminal,
  chain: EmbeddedChain,
  replica: Replica,
  signal: AbortSignal,
): Promise<void> {
  const { state } = replica.ledger;
  const from = state.rotation?.from ?? state.sharings.at(-1)!.rotationId;
  const began = state.height;
  for (;;) {
    for (const { height, effects } of catchUp(chain, replica)) {
      for (const effect of effects) {
        if (effect.kind === "RotationAborted" && effect.rotationId === from + 1) throw givenUp(from + 1);
        if (effect.kind === "AbandonmentClosed" && effect.rotationId === from) throw closed(effect);
        if (effect.kind !== "MasterKeyAbandoned" || effect.rotationId !== from) continue;
        terminal.progress.clear();
        await answer(terminal, effect, { began, ended: height });
        return;
      }
    }
    const stage = stageOf(replica.ledger.state);
    if (stage !== null) terminal.progress.report(stage.stage, stage.done);
    if (signal.aborted) throw new GatekeeperError("ABORTED", "the rotation is not over yet");
    await sleep(POLL_MILLISECONDS);
  }
}

async function answer(
  terminal: Terminal,
  { rotationId, records, bytes, outstanding }: Extract<Effect, { readonly kind: "MasterKeyAbandoned" }>,
  { began, ended }: { readonly began: number; readonly ended: number },
): Promise<void> {
  const document = { ordered: true, rotationId: rotationId + 1, records, bytes, began, ended, outstanding };
  const blocks = counted(ended - began, "block");
  const text = `rotation ${rotationId + 1} complete: ${counted(records, "record")}, ${counted(bytes, "byte")}, ${blocks}`;
  await terminal.answer(document, text);
  if (outstanding.length > 0) {
    terminal.note(`not declared that nothing of the old key is left: ${outstanding.join(", ")}`);
  }
}

function stageOf({ rotation }: State): { readonly stage: Stage; readonly done: number } | null {
  if (rotation === null) return null;
  const { phase, partitions, swept, verified } = rotation;
  const inPartitions = phase === "reencryption" || phase === "verification";
  const stage = { name: phase, unit: inPartitions ? "partitions" : "", total: inPartitions ? partitions : null };
  return { stage, done: phase === "reencryption" ? swept : phase === "verification" ? verified : 0 };
}

function closed(effect: Extract<Effect, { readonly kind: "AbandonmentClosed" }>): GatekeeperError {
  const { rotationId } = effect;
  return new GatekeeperError(
    "ROTATION_STATE",
    `governance closed the abandonment of MasterKey ${rotationId}: ${describeUnproved(effect, (key) => key)}`,
    { rotationId: rotationId + 1 },
  );
}

function givenUp(rotationId: number): GatekeeperError {
  return new GatekeeperError(
    "ROTATION_STATE",
    `the rotation was given up: MasterKey ${rotationId} did not come about in time, and the old one stays; gatekeeper chain show says who is missing`,
    { rotationId },
  );
}
