/** What a thread runs that is told to multiply points of its own by one secret scalar. */
import { parentPort } from "node:worker_threads";
import { checkedRun } from "./curve-contender.ts";
import { ourCurveContenders } from "./curve-ours.ts";
import { makeCurveWorkload, randomPoints } from "./curve-workload.ts";

/** How many points, and how often. The thread answers each task with null, when it is done. */
export interface CurveTask {
  readonly points: number;
  readonly calls: number;
}

if (parentPort === null) throw new Error("this is the program of a thread");
const port = parentPort;

/** A thread is asked for one number of points. */
let multiply: (() => unknown) | undefined;

port.on("message", ({ points, calls }: CurveTask) => {
  multiply ??= multiplier(points);
  for (let call = 0; call < calls; call++) multiply();
  port.postMessage(null);
});

/** Points are made, and what becomes of them is checked, when the thread is first asked. */
function multiplier(points: number): () => unknown {
  const contender = ourCurveContenders().find(({ operation }) => operation === "multiplyAll")!;
  return checkedRun(contender, { ...makeCurveWorkload(0), ...randomPoints(points) }, 1);
}
