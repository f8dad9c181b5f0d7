/**
 * Runs a pRuntime over a chain as fast as it can, for ever, and makes the chain's blocks: `node enclave-kill-child.ts HOME
 * CHAIN`. What the pRuntime gives out goes to standard output, a line each, before anything else is done with it.
 */
import { writeSync } from "node:fs";
import { toHex } from "../../src/bytes.ts";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { Producer } from "../../src/chain/producer.ts";
import { encodeBlock } from "../../src/protocol/block.ts";
import { encodeGenesis } from "../../src/protocol/genesis.ts";
import { CURVE, keyOf } from "../protocol/network.ts";
import { openEnclave } from "./enclave-home.ts";

const [home, path] = process.argv.slice(2) as [string, string];
const chain = EmbeddedChain.open(path);
const producer = new Producer(chain, openReplica(chain, CURVE), keyOf("authority"));
for (;;) {
  // Each time with a ledger that is saved at its end.
  using enclave = await openEnclave(home);
  enclave.join(encodeGenesis(chain.genesis));
  for (let blocks = 0; blocks < 7; blocks++) {
    const missing = chain.blocks(enclave.status.height + 1).map(encodeBlock);
    for (const message of enclave.follow(missing, false).messages) {
      writeSync(1, `${toHex(message)}\n`);
      if (chain.waiting().length === 0) chain.submit(message);
    }
    producer.produce(0, true);
  }
}
