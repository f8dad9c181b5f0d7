import { test } from "vitest";
import { killRounds } from "./enclave-kill-rounds.ts";

test("kill -9 of a pRuntime, again and again, has it contradict itself nowhere, and lose nothing", () => killRounds(3));
