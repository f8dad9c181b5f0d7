/** The two kinds of requests: a local home answers its owner, one of a network a host that it does not trust. */
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
