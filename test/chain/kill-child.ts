/** Makes blocks as fast as it can, for ever, and says the height of each once it has it: `node kill-child.ts PATH`. */
import { setImmediate } from "node:timers/promises";
import { EmbeddedChain } from "../../src/chain/embedded.ts";
import { openReplica } from "../../src/chain/follow.ts";
import { Producer } from "../../src/chain/producer.ts";
import { CURVE, keyOf } from "../protocol/network.ts";

const chain = EmbeddedChain.open(process.argv[2]!);
const producer = new Producer(chain, openReplica(chain, CURVE), keyOf("authority"));
for (let now = 0; ; now++) {
  const { height } = producer.produce(now, true)!;
  if (height % 7 === 0) producer.keepSnapshot();
  process.stdout.write(`${height}\n`);
  await setImmediate();
}
