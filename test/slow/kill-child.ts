/**
 * The processes that kill.slow.ts starts and kills: `node kill-child.ts MODE HOME …`.
 *
 *   rotate                       begins a rotation if none is under way, and finishes it
 *   finish                       what the rotation-worker does
 *   write LOG SEED WRITER        puts and deletes for ever; LOG gets a line before each and "ok" after it
 *   stale LOG WRITER             seals one write, says "sealed", waits half a second, commits it, says "written"
 */
import { appendFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Engine } from "../../src/engine/engine.ts";
import { LocalHome } from "../../src/pruntime/local-home.ts";
import { ContractStates } from "../../src/pruntime/contract-states.ts";
import { finishRotation, type RotationOptions, rotate } from "../../src/rotation/rotation.ts";
import type { StateStore } from "../../src/store/store.ts";
import { contractOf, hooked, text } from "../rotation/sealed-store.ts";
import { Seeded } from "./seeded.ts";

const CONTRACTS = 6;
const KEYS = 40;

function states(home: LocalHome, store: StateStore): ContractStates {
  return new ContractStates({ store, engine: new Engine(), suite: home.suite, masterKey: (id) => home.masterKey(id) });
}

async function change(writer: ContractStates, log: string, contract: number, key: string, value: string | null) {
  appendFileSync(log, `${JSON.stringify({ contract, key, value })}\n`);
  const edits = [{ key: text(key), value: value === null ? null : text(value) }];
  await writer.write([{ contract: contractOf(contract), edits }]);
  appendFileSync(log, "ok\n");
}

async function write(home: LocalHome, log: string, seed: number, name: string): Promise<void> {
  const choose = new Seeded(seed);
  using writer = states(home, home.store);
  for (let number = 0; ; number++) {
    const key = `writer ${name} ${choose.below(KEYS)}`;
    const filling = "z".repeat(choose.of([0, 20, 200, 4_000]));
    const value = choose.below(4) === 0 ? null : `${seed} ${number} ${filling}`;
    await change(writer, log, choose.below(CONTRACTS), key, value);
    await sleep(choose.below(8));
  }
}

async function stale(home: LocalHome, log: string, name: string): Promise<void> {
  let first = true;
  const store = hooked(home.store, {
    before: async (method) => {
      if (method !== "commit" || !first) return;
      first = false;
      process.stdout.write("sealed\n");
      // Time enough to be stopped in.
      await sleep(500);
    },
  });
  using writer = states(home, store);
  // A contract that may be new: then only the minimum rotation id stands in its way, not another's page.
  const contract = 100 + Number(name);
  await change(writer, log, contract, `stale ${name}`, `sealed before the switch ${name}`);
  process.stdout.write("written\n");
}

const [mode, folder, log, third, fourth] = process.argv.slice(2);
await using home = await LocalHome.open(folder!);
const options: RotationOptions = {
  store: home.location,
  suite: home.suite,
  threads: 1,
  masterKey: (id) => home.masterKey(id),
  newMasterKey: (id) => home.createMasterKey(id),
  abandon: (id) => home.destroyMasterKey(id),
};
if (mode === "rotate") await rotate(options);
else if (mode === "finish") await finishRotation(options);
else if (mode === "write") await write(home, log!, Number(third), fourth!);
else if (mode === "stale") await stale(home, log!, third!);
else throw new Error(`mode ${mode} is not known`);
