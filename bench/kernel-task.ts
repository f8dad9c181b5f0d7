/** What a thread runs that is told to run the bare kernel, over records of its own. */
import { parentPort } from "node:worker_threads";
import { kernelContender } from "./ours.ts";
import { KERNEL, backAndForth } from "./reencrypt.ts";
import { type WorkloadShape, always, makeWorkload } from "./workload.ts";

/** Over which records the kernel is to run, and how often. The thread answers each task with null, when it is done. */
export interface KernelTask extends Omit<WorkloadShape, "size"> {
  readonly size: number;
  readonly calls: number;
}

if (parentPort === null) throw new Error("this is the program of a thread");
const port = parentPort;

/** By suite: a thread is asked for records of one shape a suite. */
const kernels = new Map<string, () => void>();

port.on("message", (task: KernelTask) => {
  const run = kernels.get(task.suite) ?? kernelOver(task);
  kernels.set(task.suite, run);
  for (let call = 0; call < task.calls; call++) run();
  port.postMessage(null);
});

/** Records are made, and what becomes of them is checked, when a suite is first asked for. */
function kernelOver({ suite, aad, size, contracts, recordsEach }: KernelTask): () => void {
  const workload = makeWorkload({ suite, aad, size: always(size), contracts, recordsEach });
  return backAndForth(KERNEL, workload, kernelContender, 0);
}
