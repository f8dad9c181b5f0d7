/**
 * The second part of `npm start`: a network of real processes makes a MasterKey that nobody holds, gives the keys of a
 * contract to the pRuntime that runs it, hands the MasterKey on to another committee, and rotates it.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fromHex } from "../bytes.ts";
import { readAccountKey } from "../chain/account-key.ts";
import { EmbeddedChain } from "../chain/embedded.ts";
import { openReplica } from "../chain/follow.ts";
import { sendCall } from "../chain/send.ts";
import { GatekeeperError } from "../errors.ts";
import { createLocalNetwork, storePath } from "../gatekeeper/local-network.ts";
import type { Call } from "../protocol/call.ts";
import { replicaCurve } from "../protocol/curve.ts";
import { accountSigner } from "../protocol/message.ts";
import type { State } from "../protocol/state.ts";
import { openStore } from "../store/embedded.ts";
import { recordsOf } from "../store/page.ts";
import { execute } from "./contract-commands.ts";
import { liesIn } from "./demo-old-record.ts";
import type { Listed } from "./listing.ts";
import { runNetwork } from "./network-command.ts";
import type { Terminal } from "./terminal.ts";

const SIZE = {
  gatekeepers: 4,
  threshold: 2,
  candidates: 1,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 100,
  refreshBlocks: 100_000,
  rotationBlocks: 0,
  port: 7_450,
};
const KEY = Buffer.from("where the treasure is", "utf8");
const VALUE = Buffer.from("under the third palm tree, forty paces from the well", "utf8");
/** What the candidate's operator adds to his stake: then he has most. */
const RAISE = 500_000n;
/** How long a step may take, on a machine with other work to do. */
const STEP_MILLISECONDS = 120_000;
/** How often a pRuntime is asked again that has just begun anew. */
const RETRIES = 200;
const RETRY_MILLISECONDS = 100;
/** Version, suite, rotation id and write version. */
const SEALED_HEADER_BYTES = 14;

/** One that is waited for. */
type Kind =
  "SharingAdopted" | "ContractKeyPublished" | "GatekeeperChange" | "MasterPubkeyRotated" | "MasterKeyAbandoned";

/** Runs it, and says what happens. @throws GatekeeperError ABORTED when a step takes too long; and as a network does. */
export async function demoNetwork(terminal: Terminal, folder: string): Promise<void> {
  await terminal.write(
    `\nA network: ${folder}, ${SIZE.gatekeepers} gatekeepers elected of ${SIZE.gatekeepers + SIZE.candidates} who stand, any ${SIZE.threshold} of whom stand for the MasterKey;\neach node and each pRuntime is a process, and so is the chain:\n`,
  );
  await createLocalNetwork(folder, SIZE, Date.now());
  const stop = new AbortController();
  const waiting = new Waiting(stop);
  const running = runNetwork(
    folder,
    async (news) => {
      await terminal.write(`  ${news.text.replaceAll(/0x([0-9a-f]{8})[0-9a-f]{50,}/g, "0x$1…")}\n`);
      waiting.told(news);
    },
    stop.signal,
  );
  try {
    await Promise.race([story(terminal, folder, waiting), running]);
  } finally {
    stop.abort();
    await running;
  }
}

async function story(terminal: Terminal, folder: string, waiting: Waiting): Promise<void> {
  const made = await waiting.for("SharingAdopted");
  await terminal.write("\nA contract is deployed, and its pRuntime asks gatekeepers for what its keys are made of:\n");
  await send(folder, "worker-1", ({ workers }) => ({
    tag: "deployContract",
    value: { name: Buffer.from("demo", "utf8"), worker: workers.at(-1)!.identityKey },
  }));
  const { contract } = (await waiting.for("ContractKeyPublished")) as { readonly contract: string };
  await terminal.write(
    "\nA user has the contract keep something: commands and answers are sealed, and so is the state:\n",
  );
  await put(folder, contract);
  const before = await isKept(folder, contract);
  await answer(terminal, "the user gets back what he put", before, true);
  await answer(terminal, "it lies in a file of the network as it is", liesIn(folder, VALUE), false);
  await terminal.write(
    "\nThe candidate raises its stake, is elected, and the MasterKey is handed on before it acts:\n",
  );
  await send(folder, "candidate-1", () => ({ tag: "bondExtra", value: RAISE }));
  const handedOn = await waiting.for("SharingAdopted");
  await waiting.for("GatekeeperChange");
  await answer(terminal, "the MasterKey's public key is the same", made["publicKey"] === handedOn["publicKey"], true);
  await answer(terminal, "its holders are the same", String(made["holders"]) === String(handedOn["holders"]), false);
  await answer(terminal, "what the contract kept can still be got", await isKept(folder, contract), true);
  await terminal.write(
    "\nGovernance orders a rotation: a new MasterKey is made, states are re-encrypted and verified, the old one is destroyed:\n",
  );
  const sealed = await sealedStateOf(folder, contract);
  await sendAs(folder, "governance.key", ({ governanceRound }) => ({
    tag: "govern",
    value: { round: governanceRound, action: { tag: "rotate", value: undefined } },
  }));
  const rotated = await waiting.for("MasterPubkeyRotated");
  await waiting.for("MasterKeyAbandoned");
  await answer(terminal, "the MasterKey's public key is the same", made["publicKey"] === rotated["publicKey"], false);
  await answer(terminal, "the state's bytes of before lie in a file", liesIn(folder, sealed), false);
  await answer(terminal, "what the contract kept can still be got", await isKeptSoon(folder, contract), true);
}

async function answer(terminal: Terminal, question: string, is: boolean, wanted: boolean): Promise<void> {
  await terminal.write(`  ${question.padEnd(44)} ${is ? "yes" : "no"}\n`);
  if (is !== wanted) terminal.complain("  and that is wrong");
}

async function put(folder: string, contract: string): Promise<void> {
  const signal = AbortSignal.timeout(STEP_MILLISECONDS);
  await execute({ home: folder }, contract, { tag: "put", value: { key: KEY, value: VALUE } }, signal);
}

async function isKept(folder: string, contract: string): Promise<boolean> {
  const signal = AbortSignal.timeout(STEP_MILLISECONDS);
  const got = await execute({ home: folder }, contract, { tag: "get", value: KEY }, signal);
  return got.tag === "value" && Buffer.compare(got.value, VALUE) === 0;
}

/** Sends a call of the operator of a node, and waits for its block. */
function send(folder: string, node: string, call: (genesis: EmbeddedChain["genesis"]) => Call): Promise<void> {
  return sendAs(folder, join(node, "operator.key"), (_, genesis) => call(genesis));
}

async function sendAs(
  folder: string,
  keyFile: string,
  call: (state: State, genesis: EmbeddedChain["genesis"]) => Call,
): Promise<void> {
  using chain = EmbeddedChain.open(join(folder, "chain.sqlite"));
  using key = readAccountKey(join(folder, keyFile));
  const replica = openReplica(chain, replicaCurve());
  const made = call(replica.ledger.state, chain.genesis);
  await sendCall(chain, replica, accountSigner(key), made, AbortSignal.timeout(STEP_MILLISECONDS));
}

/** The bytes of the contract's state as they lie in the network's store: what a nonce is the beginning of. */
async function sealedStateOf(folder: string, contract: string): Promise<Uint8Array> {
  const store = await openStore({ path: storePath(folder) });
  try {
    const [page] = await store.scan(
      { from: { contract: fromHex(contract, "a contract"), lowerBound: new Uint8Array(0) }, to: null },
      null,
      1,
    );
    const [record] = recordsOf(page!);
    return Uint8Array.from(record!.sealed.subarray(SEALED_HEADER_BYTES));
  } finally {
    await store.close();
  }
}

/** As isKept, once the pRuntime has the keys again: it has replaced its process. */
async function isKeptSoon(folder: string, contract: string): Promise<boolean> {
  for (let tries = 0; ; tries++) {
    try {
      return await isKept(folder, contract);
    } catch (error) {
      if (tries >= RETRIES || !(error instanceof GatekeeperError) || error.code !== "PEER_FAILED") throw error;
      await sleep(RETRY_MILLISECONDS);
    }
  }
}

type Told = Readonly<Record<string, unknown>>;

/** What was told and not waited for yet, by its kind. */
class Waiting {
  readonly #told: Told[] = [];
  readonly #stop: AbortController;
  #wake = (): void => undefined;

  /** @param stop - fires when nothing more is waited for. */
  constructor(stop: AbortController) {
    this.#stop = stop;
  }

  told({ document }: Listed): void {
    this.#told.push(document as Told);
    this.#wake();
  }

  /** The next of this kind; what was told before it is forgotten. */
  async for(kind: Kind): Promise<Told> {
    const timer = setTimeout(() => this.#wake(), STEP_MILLISECONDS);
    const end = performance.now() + STEP_MILLISECONDS;
    try {
      for (;;) {
        const at = this.#told.findIndex((told) => told["kind"] === kind);
        if (at >= 0) return this.#told.splice(0, at + 1).at(-1)!;
        if (this.#stop.signal.aborted || performance.now() >= end) {
          throw new GatekeeperError("ABORTED", `the network did not come to ${kind}: is this machine very busy?`);
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}
