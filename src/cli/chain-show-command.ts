/** `chain show`: what a chain knows, one of its blocks, or one of its accounts. */
import { type Command, Option } from "commander";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { openReplica } from "../chain/follow.ts";
import { GatekeeperError } from "../errors.ts";
import { hashHeader } from "../protocol/block.ts";
import { replicaCurve } from "../protocol/curve.ts";
import { readMessage } from "../protocol/message.ts";
import type { Replica } from "../protocol/replica.ts";
import type { State } from "../protocol/state.ts";
import { accountArgument, hashArgument, numberArgument, openChain } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { keySessionDocument, masterKeyDocument } from "./key-documents.ts";
import { oneLine } from "./one-line.ts";
import { plainJson } from "./plain-json.ts";
import { counted } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

interface ShowOptions extends CommonOptions {
  readonly block?: number;
  readonly account?: string;
  readonly contract?: string;
}

/** Adds the command. */
export function addChainShowCommand(chain: Command, terminal: Terminal): void {
  withCommonOptions(chain.command("show"))
    .description("print where the chain stands; or a block; or an account with its stake; or a contract")
    .addOption(new Option("--block <height>", "this block, with its messages").argParser(numberArgument))
    .addOption(
      new Option("--account <account>", "this account: its id or public key")
        .argParser(accountArgument)
        .conflicts("block"),
    )
    .addOption(
      new Option("--contract <id>", "this contract: its id").argParser(hashArgument).conflicts(["block", "account"]),
    )
    .action(async (options: ShowOptions) => {
      using chain = openChain(options);
      const document = documentOf(chain, options);
      await terminal.answer(document, textOf(document));
    });
}

function documentOf(chain: EmbeddedChain, { block, account, contract }: ShowOptions): Record<string, unknown> {
  if (block !== undefined) return blockDocument(chain, block);
  const replica = openReplica(chain, replicaCurve());
  if (account !== undefined) return accountDocument(replica.ledger.state, account);
  if (contract !== undefined) return contractDocument(replica.ledger.state, contract);
  return headDocument(chain, replica);
}

function headDocument(chain: EmbeddedChain, replica: Replica): Record<string, unknown> {
  const { ledger, headHash } = replica;
  const { state, genesis } = ledger;
  const staked = [...state.bonded.values()].reduce((sum, { total }) => sum + total, 0n);
  return plainJson({
    name: Buffer.from(genesis.name).toString("utf8"),
    genesisHash: ledger.genesisHash,
    height: state.height,
    hash: headHash,
    stateHash: ledger.stateHash(),
    session: state.session,
    era: state.eras.at(-1)?.index ?? null,
    gatekeepers: state.gatekeepers,
    validators: state.validators.size,
    nominators: state.nominators.size,
    workers: state.workers.size,
    contracts: state.contracts.size,
    totalIssuance: state.totalIssuance,
    staked,
    unappliedSlashes: [...state.unapplied.values()].map(({ id, validator, own, dueSession }) => ({
      id,
      validator,
      own,
      dueSession,
    })),
    masterKeys: state.sharings.map((sharing) => masterKeyDocument(sharing)),
    keySession: keySessionDocument(state),
    unconfirmedDestructions: state.retired.map(({ epoch, owing }) => ({ epoch, owing })),
    governanceRound: state.governanceRound,
    measurements: state.measurements,
    rotationOrdered: state.rotationOrdered,
    migrationOrdered: state.migrationOrdered,
    waiting: chain.waiting().length,
  }) as Record<string, unknown>;
}

function blockDocument(chain: EmbeddedChain, height: number): Record<string, unknown> {
  const block = height === 0 ? undefined : chain.blocks(height)[0];
  if (block === undefined || block.header.height !== height) {
    throw new GatekeeperError("NOT_FOUND", `there is no block ${height}`, { height });
  }
  return plainJson({
    ...block.header,
    hash: hashHeader(block.header),
    signature: block.signature,
    messages: block.messages.map((bytes) => {
      const message = readMessage(bytes);
      return message === null ? { bytes } : message;
    }),
  }) as Record<string, unknown>;
}

function accountDocument(state: State, id: string): Record<string, unknown> {
  const account = state.accounts.get(id);
  if (account === undefined) throw new GatekeeperError("NOT_FOUND", `there is no account ${id}`, { account: id });
  const exposure = state.eras.at(-1)?.exposures.get(id);
  return plainJson({
    account: id,
    ...account,
    stake: state.bonded.get(id) ?? null,
    validator: state.validators.get(id) ?? null,
    nominations: state.nominators.get(id) ?? null,
    exposure: exposure === undefined ? null : { ...exposure, others: exposure.others.length },
    duty: state.duties.get(id) ?? null,
    worker: workerIn(state, id),
  }) as Record<string, unknown>;
}

function workerIn(state: State, id: string): object | null {
  const worker = state.workers.get(id);
  if (worker === undefined) return null;
  return { ...worker, endpoint: worker.endpoint === null ? null : Buffer.from(worker.endpoint).toString("latin1") };
}

function contractDocument(state: State, id: string): Record<string, unknown> {
  const contract = state.contracts.get(id);
  if (contract === undefined) throw new GatekeeperError("NOT_FOUND", `there is no contract ${id}`, { contract: id });
  return plainJson({
    contract: id,
    ...contract,
    name: Buffer.from(contract.name).toString("utf8"),
  }) as Record<string, unknown>;
}

/** A line a field; lists are counted, and what is nested stands as JSON. */
function textOf(document: Record<string, unknown>): string {
  return Object.entries(document)
    .map(([name, value]) => {
      if (!Array.isArray(value)) return `${name}: ${lineOf(value)}`;
      return [`${name}: ${counted(value.length, "item")}`, ...value.map((item) => `  ${lineOf(item)}`)].join("\n");
    })
    .join("\n");
}

function lineOf(item: unknown): string {
  return typeof item === "string" ? oneLine(item) : JSON.stringify(item);
}
