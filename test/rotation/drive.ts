/**
 * A rotation in this thread, over any store: the steps of rotation.ts with one sweeper and a hook into every use of
 * the store, so that a test decides what happens between any two of them. Goes on where it was interrupted.
 */
import { sweepClaimed } from "../../src/rotation/claim.ts";
import { advance, newPartitions, readPartitions, readRotation, removePartition } from "../../src/rotation/control.ts";
import type { StateStore } from "../../src/store/store.ts";
import { type Generations, sweepContext } from "./sealed-store.ts";

let sweepers = 0;

/** The switch to the next generation. */
export async function beginRotation(store: StateStore, generations: Generations, pagesEach = 2): Promise<void> {
  const rotation = await readRotation(store);
  const rotationId = rotation.value.rotationId + 1;
  (await generations.newMasterKey(rotationId))[Symbol.dispose]();
  const step = advance(rotation, { ...rotation.value, rotationId, phase: "reencryption", pass: 1 });
  const cells = [step, ...newPartitions(await store.partitionBounds(pagesEach))];
  await store.commit({ groups: [], sealedUnder: null, cells });
}

/** Sweeps the pass under way, taking over whatever another sweeper holds. */
export async function sweepOnce(store: StateStore, generations: Generations): Promise<void> {
  const { rotationId, pass } = (await readRotation(store)).value;
  const context = await sweepContext(store, generations, rotationId);
  using _keys = context.keys;
  const abandoned = (await readPartitions(store)).map(({ name, version }) => ({ name, version }));
  await sweepClaimed(context, { owner: `test ${sweepers++}`, pass, begin: 0, abandoned });
}

/** Finishes a rotation that is under way. @returns what its last pass could not open. */
export async function finishInThread(store: StateStore, generations: Generations): Promise<number> {
  for (let swept = -1; ;) {
    const rotation = await readRotation(store);
    const { phase, pass, rotationId } = rotation.value;
    if (phase === "idle") return 0;
    if (phase === "abandonment") {
      await generations.abandon(rotationId - 1);
      await store.compact();
      const idle = advance(rotation, { ...rotation.value, phase: "idle", pass: 0 });
      const cells = [idle, ...(await readPartitions(store)).map(removePartition)];
      await store.commit({ groups: [], sealedUnder: null, cells });
      continue;
    }
    await sweepOnce(store, generations);
    const found = (await readPartitions(store)).reduce((sum, { value }) => sum + value.found, 0);
    const failed = (await readPartitions(store)).reduce((sum, { value }) => sum + value.failed, 0);
    if (phase === "verification" && found > 0 && found === failed && pass === swept) return failed;
    swept = pass + 1;
    const next = phase === "verification" && found === 0 ? "abandonment" : "verification";
    const cells = [advance(rotation, { ...rotation.value, phase: next, pass: pass + 1 })];
    await store.commit({ groups: [], sealedUnder: null, cells, minimumRotationId: rotationId });
  }
}
