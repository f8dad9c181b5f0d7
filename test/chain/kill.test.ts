import { test } from "vitest";
import { killRounds } from "./kill-rounds.ts";

test("kill -9 while blocks are made leaves the last whole or absent, and every message once", () => killRounds(5));
