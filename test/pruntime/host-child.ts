/**
 * `node host-child.ts HOME`: a host that is told what to ask by lines of JSON, `[tag, value]`, with bytes as `{"hex": …}`,
 * and prints the answer's kind; `["snapshot", FILE]` writes a snapshot of its heap. It is told no secret.
 */
import { createInterface } from "node:readline";
import { writeHeapSnapshot } from "node:v8";
import { PRuntime } from "../../src/gatekeeper/pruntime.ts";

await using pruntime = new PRuntime({ home: process.argv[2]! });
for await (const line of createInterface({ input: process.stdin })) {
  const [tag, value] = JSON.parse(line, (_, inner) =>
    typeof inner?.hex === "string" ? Buffer.from(inner.hex, "hex") : inner,
  ) as [string, unknown];
  try {
    if (tag === "snapshot") writeHeapSnapshot(value as string);
    else await pruntime.ask(tag as never, value as never);
    process.stdout.write("done\n");
  } catch (error) {
    process.stdout.write(`${String(error)}\n`);
  }
}
