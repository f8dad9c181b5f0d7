/** Contracts of a network that is measured: how they are deployed, and how their states come into its store. */
import { join } from "node:path";
import { fromHex } from "../dist/bytes.js";
import { readAccountKey } from "../dist/chain/account-key.js";
import type { EmbeddedChain } from "../dist/chain/embedded.js";
import { CONTRACT_KIND, contractId, deployedName } from "../dist/contract-id.js";
import { Engine } from "../dist/engine/engine.js";
import { Secp256k1 } from "../dist/engine/secp256k1.js";
import { httpTransport } from "../dist/gatekeeper/http-transport.js";
import { storePath } from "../dist/gatekeeper/local-network.js";
import { MessageClient } from "../dist/gatekeeper/message-client.js";
import { accountOf } from "../dist/protocol/account.js";
import { encodeBlock } from "../dist/protocol/block.js";
import { encodeGenesis } from "../dist/protocol/genesis.js";
import { publicKeyOf } from "../dist/protocol/message.js";
import type { ContractStates } from "../dist/pruntime/contract-states.js";
import { Enclave } from "../dist/pruntime/enclave.js";
import { EnclaveFiles } from "../dist/pruntime/enclave-files.js";
import { softwareMeasurement } from "../dist/pruntime/measurement.js";
import { openNetworkStore } from "../dist/store/network-store.js";
import { softwareVault } from "../dist/pruntime/vault.js";
import type { ContractName } from "../dist/store/store.js";
import { type FollowedChain, until } from "./network-chain.ts";

const TEXT_BYTES = 200;
const STORAGE_KEY_BYTES = 32;
const RECORDS_A_COMMIT = 20_000;
/** Of a commit: what an engine's batch takes. */
const CONTRACTS_A_COMMIT = 4_000;
const ANSWER_MILLISECONDS = 60_000;

/** What writes states of contracts, in either kind of home. */
type Writer = (edits: Parameters<ContractStates["write"]>[0]) => Promise<unknown>;

/** As many records for each contract, in few commits. @returns how many there are. */
export async function fill(write: Writer, contracts: readonly ContractName[], records: number): Promise<number> {
  const each = Math.max(1, Math.floor(records / contracts.length));
  const value = new Uint8Array(TEXT_BYTES).fill(0x5a);
  const some = Math.min(CONTRACTS_A_COMMIT, Math.max(1, Math.floor(RECORDS_A_COMMIT / each)));
  for (let first = 0; first < contracts.length; first += some) {
    for (let from = 0; from < each; from += RECORDS_A_COMMIT) {
      const count = Math.min(RECORDS_A_COMMIT, each - from);
      const edits = Array.from({ length: count }, (_, index) => {
        const key = new Uint8Array(STORAGE_KEY_BYTES);
        new DataView(key.buffer).setUint32(0, from + index);
        return { key, value };
      });
      await write(contracts.slice(first, first + some).map((contract) => ({ contract, edits })));
    }
  }
  return each * contracts.length;
}

/** The contract of an owner with a number. @param owner - an account id. */
export function contractOf(owner: Uint8Array, index: number): ContractName {
  const name = deployedName(owner, Buffer.from(`contract ${index}`));
  return { id: contractId(CONTRACT_KIND.deployed, name), kind: CONTRACT_KIND.deployed, name };
}

/** Contracts of an operator, run by the last pRuntime that the genesis has. @param keyFile - the operator's. */
export async function deploy(followed: FollowedChain, keyFile: string, count: number): Promise<ContractName[]> {
  const { state, genesis } = followed.replica.ledger;
  const worker = genesis.workers.at(-1)!.identityKey;
  using key = readAccountKey(keyFile);
  const owner = fromHex(accountOf(publicKeyOf(key)), "an account id");
  followed.submit(
    keyFile,
    Array.from({ length: count }, (_, index) => {
      return { tag: "deployContract", value: { name: Buffer.from(`contract ${index}`), worker } };
    }),
  );
  await until("contracts", async () => {
    followed.look();
    return followed.replica.ledger.state.contracts.size === state.contracts.size + count;
  });
  return Array.from({ length: count }, (_, index) => contractOf(owner, index));
}

/** A pRuntime in this process that runs the contracts while the store is filled: commands are not made for so many records. */
export class Loader implements AsyncDisposable {
  readonly #enclave: Enclave;
  readonly #chain: EmbeddedChain;
  readonly #client = new MessageClient();
  readonly #opened: Awaited<ReturnType<typeof openNetworkStore>>;

  private constructor(enclave: Enclave, chain: EmbeddedChain, opened: Awaited<ReturnType<typeof openNetworkStore>>) {
    this.#enclave = enclave;
    this.#chain = chain;
    this.#opened = opened;
  }

  /** @param folder - of the network. @param chain - lent. */
  static async open(name: string, folder: string, chain: EmbeddedChain): Promise<Loader> {
    const curve = new Secp256k1("compressed");
    const files = await EnclaveFiles.open(join(folder, name), curve, softwareVault(softwareMeasurement(), null).open);
    const enclave = new Enclave(files, curve);
    enclave.join(encodeGenesis(chain.genesis));
    const opened = await openNetworkStore(storePath(folder), enclave.genesisHash);
    await enclave.attachStores([opened], { threads: 1, bytesPerSecond: null });
    return new Loader(enclave, chain, opened);
  }

  /** Follows the chain, and sees to keys, until contracts can be written. */
  async untilReady(contracts: readonly ContractName[]): Promise<Writer> {
    const transport = httpTransport(this.#client);
    const worker = this.#enclave.contractWorker(this.#opened, new Engine());
    await until("keys of contracts", async () => {
      const blocks = this.#chain.blocks(this.#enclave.status.height + 1);
      for (const bytes of this.#enclave.follow(blocks.map(encodeBlock), false).messages) this.#chain.submit(bytes);
      const { messages } = this.#enclave.provision([]);
      const answers = messages.map(async ({ bytes, ...destination }) => {
        const answer = await transport(destination, bytes, AbortSignal.timeout(ANSWER_MILLISECONDS));
        if (answer !== null) this.#enclave.deliver(answer);
      });
      await Promise.allSettled(answers);
      return contracts.every(({ id }) => worker.isReady(id));
    });
    return (edits) => worker.write(edits);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#enclave.detachStores();
    this.#enclave[Symbol.dispose]();
    await this.#opened.store.close();
    this.#client[Symbol.dispose]();
  }
}
