import { test } from "vitest";
import { killRounds } from "../chain/kill-rounds.ts";

test("kill -9 while blocks are made, 50 times, leaves the last whole or absent, and every message once", () =>
  killRounds(50));
