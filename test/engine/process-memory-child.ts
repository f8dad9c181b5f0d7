/**
 * `node process-memory-child.ts FOLDER SUITE VERB`: runs a batch of sealed records that lies in files, says "done" and
 * stays until its input ends, so that its memory can be searched. It is told nothing that it should not come to know.
 */
import { readFileSync, readSync } from "node:fs";
import { Engine } from "../../src/engine/engine.ts";
import type { Suite } from "../../src/engine/suite.ts";
import { Secret } from "../../src/secret.ts";

const [folder, suite, verb] = process.argv.slice(2) as [string, Suite, "open" | "reencrypt" | "verify"];
const keys = new Uint8Array(readFileSync(`${folder}/keys`));
const batch = {
  arena: new Uint8Array(readFileSync(`${folder}/arena`)),
  table: new Uint32Array(new Uint8Array(readFileSync(`${folder}/table`)).buffer),
  keys: [0, 1].map((index) => new Secret(keys.subarray(index * 32, index * 32 + 32))),
};
const statuses = new Engine()[verb](suite, batch);
process.stdout.write(`${[...new Set(statuses)].join()}\n`);
readSync(0, new Uint8Array(1));
