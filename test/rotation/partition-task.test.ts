import { beforeEach, expect, it, vi } from "vitest";
import { GatekeeperError } from "../../src/errors.ts";
import type { PartitionTask } from "../../src/rotation/partition-task.ts";
import run from "../../src/rotation/partition-task.ts";
import { rehearse } from "../../src/rotation/rehearsal.ts";
import { EMBEDDED_STORE, openStoreAt } from "../../src/store/location.ts";
import { useFolder } from "../pruntime/folder.ts";
import { generation, identity, sharedKeys, switched, WHOLE } from "./leased.ts";
import { Generations } from "./sealed-store.ts";

vi.mock("../../src/rotation/rehearsal.ts");

const inFolder = useFolder();
let work: (work: PartitionTask["work"]) => ReturnType<typeof run>;
let sweep: PartitionTask["work"];

beforeEach(async () => {
  vi.mocked(rehearse).mockResolvedValue();
  const location = { module: EMBEDDED_STORE, options: { path: inFolder("store.sqlite") } };
  const store = await openStoreAt({ ...location, options: { ...location.options, create: true } });
  const generations = new Generations();
  await switched(generations, 1, 10, store);
  await store.close();
  const task = { store: location, identity: identity(1), bytesPerSecond: null, stop: new SharedArrayBuffer(4) };
  work = (each) => run({ ...task, work: each });
  sweep = { kind: "sweep", keys: await sharedKeys(generations, [0]), partition: WHOLE, options: {} };
});

it("does no work any more when a rehearsal has failed, and says why", async () => {
  const rehearsal = { kind: "rehearse", from: generation(0), to: generation(1) } as const;
  expect(await work(rehearsal)).toEqual({ end: null });
  expect(await work(sweep)).toMatchObject({ end: { end: "done" } });
  vi.mocked(rehearse).mockRejectedValueOnce(new GatekeeperError("KERNEL_SELF_TEST_FAILED", "it errs"));
  const refused = { error: { code: "KERNEL_SELF_TEST_FAILED", message: "it errs" } };
  expect(await work(rehearsal)).toMatchObject(refused);
  expect(await work(sweep)).toMatchObject(refused);
  expect(await work(rehearsal)).toMatchObject(refused);
});
