/** `npm start`. Read by old Nodes too: see suitable-node.ts. */
import { runOnSuitableNode } from "../suitable-node.ts";

runOnSuitableNode(import.meta.url, () => import("./demo-program.ts").then((program) => program.main()));
