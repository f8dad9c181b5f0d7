/** A chain in a folder of its own, and messages to it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { Producer } from "../../src/chain/producer.ts";
import type { Call } from "../../src/protocol/call.ts";
import { type Genesis, hashGenesis } from "../../src/protocol/genesis.ts";
import { signMessage } from "../../src/protocol/message.ts";
import type { Replica } from "../../src/protocol/replica.ts";
import { CURVE, genesisOf, idOf, keyOf, signerOf } from "../protocol/network.ts";

/** A chain that is removed when it is disposed. */
export class FolderChain implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "gatekeeper-chain-"));
  readonly path = join(this.folder, "chain.sqlite");
  readonly genesis: Genesis;
  readonly chain: EmbeddedChain;
  readonly replica: Replica;
  readonly producer: Producer;

  constructor(genesis: Genesis = genesisOf()) {
    this.genesis = genesis;
    EmbeddedChain.create(this.path, genesis);
    this.chain = EmbeddedChain.open(this.path);
    this.replica = openReplica(this.chain, CURVE);
    this.producer = new Producer(this.chain, this.replica, keyOf("authority"));
  }

  message(name: string, sequence: number, call: Call): Uint8Array {
    return signMessage(signerOf(name), hashGenesis(this.genesis), sequence, call);
  }

  transfer(from: string, sequence: number, to: string, amount = 1_000n): Uint8Array {
    return this.message(from, sequence, { tag: "transfer", value: { to: idOf(to), amount } });
  }

  /** A second connection, as another process has one; the caller disposes it. */
  reopened(): EmbeddedChain {
    return EmbeddedChain.open(this.path);
  }

  [Symbol.dispose](): void {
    this.chain[Symbol.dispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
