#!/usr/bin/env node
/** The command `pruntime`. Read by old Nodes too: see suitable-node.ts. */
import { runOnSuitableNode } from "../suitable-node.ts";

runOnSuitableNode(import.meta.url, () => import("./program.ts").then((program) => program.main(process.argv.slice(2))));
