import { test } from "vitest";
import { killRounds } from "../pruntime/enclave-kill-rounds.ts";

test("kill -9 of a pRuntime, 150 times, has it contradict itself nowhere, and lose nothing", () => killRounds(150));
