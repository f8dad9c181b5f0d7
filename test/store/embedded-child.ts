/**
 * A process of its own beside a test of the embedded store: `node embedded-child.ts JOB PATH [COUNT]`.
 *
 *   increment   adds COUNT times one to a number that others add to as well, by compare-and-swap.
 *   commit      commits n = 1, 2, … for ever, each into two pages and a cell, and prints n once it is durable.
 *   keep        replaces n = 1, 2, … for ever, and prints n once it is durable: the n-th keeps the bodies that it replaces
 *               and drops those that the last but one had kept.
 *   compact     compacts for ever, and prints a line before each time.
 *   fill        writes pages until the store refuses, then prints how many are durable and the error's code.
 *   fill-kept   the same, replacing one page and keeping all that were replaced.
 */
import { writeSync } from "node:fs";
import { GatekeeperError } from "../../src/errors.ts";
import { openStore } from "../../src/store/embedded.ts";
import type { StateStore } from "../../src/store/store.ts";
import { bodyOf, contractId, keepOf, pageWrite, sealedState, text } from "./records.ts";

const ID = contractId(1);
const NO_KEY = new Uint8Array(0);

async function increment(store: StateStore, times: number): Promise<void> {
  for (let done = 0; done < times;) {
    const page = (await store.find(ID, NO_KEY))!;
    const count = new DataView(page.body.buffer, page.body.byteOffset).getUint32(50, true);
    new DataView(page.body.buffer, page.body.byteOffset).setUint32(50, count + 1, true);
    const write = { ...page, expected: page.version, counts: [] };
    const { conflicts } = await store.commit({ groups: [[write]], sealedUnder: 0 });
    if (conflicts.length === 0) done++;
  }
}

function numbered(n: number, bytes: number): Uint8Array {
  const sealed = sealedState(0, n & 0xff, bytes);
  new DataView(sealed.buffer).setUint32(20, n, true);
  return sealed;
}

async function commitForEver(store: StateStore): Promise<void> {
  const cell = await store.cell("n");
  let version = cell?.version ?? null;
  for (let n = (version ?? 0) + 1; ; n++) {
    const sealed = numbered(n, 9_000);
    const group = ["", "m"].map((key) => ({
      contract: ID,
      lowerBound: text(key),
      expected: version,
      body: bodyOf([[text(key), sealed]]),
      counts: version === null ? ([[0, 1]] as const) : [],
    }));
    const cells = [{ name: "n", expected: version, value: text(String(n)) }];
    const { conflicts, cellsHeld } = await store.commit({ groups: [group], sealedUnder: 0, cells });
    if (conflicts.length > 0 || !cellsHeld) throw new Error(`commit ${n} did not hold`);
    version = n;
    writeSync(1, `${n}\n`);
  }
}

async function keepForEver(store: StateStore): Promise<void> {
  const first = (await store.find(ID, NO_KEY))?.version ?? 0;
  for (let n = first + 1; ; n++) {
    const group = ["", "m"].map((key) => ({
      contract: ID,
      lowerBound: text(key),
      expected: n === 1 ? null : n - 1,
      body: bodyOf([[text(key), numbered(n, 9_000)]]),
      counts: n === 1 ? ([[0, 1]] as const) : [],
      ...(n > 1 && { keep: keepOf(n & 0xff) }),
    }));
    const drop = n < 3 ? [] : ["", "m"].map((key) => ({ contract: ID, lowerBound: text(key), version: n - 2 }));
    const { conflicts } = await store.commit({ groups: [group], sealedUnder: 0, drop });
    if (conflicts.length > 0) throw new Error(`commit ${n} did not hold`);
    writeSync(1, `${n}\n`);
  }
}

async function fillKept(store: StateStore): Promise<void> {
  for (let n = 0; ; n++) {
    try {
      const write = {
        ...pageWrite(ID, NO_KEY, { expected: n === 0 ? null : n }),
        body: bodyOf([[NO_KEY, numbered(n, 15_000)]]),
      };
      await store.commit({ groups: [[n === 0 ? write : { ...write, keep: keepOf(n & 0xff) }]], sealedUnder: 0 });
    } catch (error) {
      writeSync(1, `${n} ${error instanceof GatekeeperError ? error.code : error}\n`);
      return;
    }
  }
}

async function fill(store: StateStore): Promise<void> {
  for (let n = 0; ; n++) {
    try {
      const sealed = sealedState(0, n & 0xff, 15_000);
      const body = bodyOf([[text(String(n)), sealed]]);
      const write = { ...pageWrite(contractId(n & 0xff), text(String(n))), body };
      await store.commit({ groups: [[write]], sealedUnder: 0 });
    } catch (error) {
      writeSync(1, `${n} ${error instanceof GatekeeperError ? error.code : error}\n`);
      return;
    }
  }
}

async function compactForEver(store: StateStore): Promise<void> {
  for (;;) {
    writeSync(1, "compacts\n");
    await store.compact();
  }
}

const [, , job, path, count] = process.argv;
const store = await openStore({ path });
if (job === "increment") await increment(store, Number(count));
else if (job === "compact") await compactForEver(store);
else if (job === "commit") await commitForEver(store);
else if (job === "keep") await keepForEver(store);
else if (job === "fill-kept") await fillKept(store);
else await fill(store);
await store.close();
