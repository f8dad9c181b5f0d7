/** The two kinds of homes, and of requests: a local home's are its owner's, one of a network has a pRuntime's identity. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { GatekeeperError } from "../errors.ts";
import type { Task } from "./server.ts";

/** The requests that only a local home answers. */
const LOCAL = ["createHome", "exportKey", "importKey", "get", "write", "import", "rotate", "verify"] as const;

/** What a local home answers. */
export type LocalTask = Extract<Task, { readonly tag: (typeof LOCAL)[number] }>;
/** What a home of a network answers. */
export type NetworkTask = Exclude<Task, LocalTask>;

/** Which of the two a request is. */
export function isLocalTask(task: Task): task is LocalTask {
  return (LOCAL as readonly string[]).includes(task.tag);
}

/** Where a home has the files of its pRuntime, if it is a home of a network. */
export function enclaveFolder(home: string): string {
  return join(home, "pruntime");
}

/** Whether a home is one of a network. */
export function isNetworkHome(home: string): boolean {
  return existsSync(enclaveFolder(home));
}

/** What a home of a network answers to what only a local home does. */
export function notLocal(home: string): GatekeeperError {
  return new GatekeeperError(
    "NOT_LOCAL",
    `${home} is a home of a network: its keys are no owner's, and its states are read and written by contracts alone`,
    { home },
  );
}
