import { expect, test } from "vitest";
import { useFolder } from "../pruntime/folder.ts";
import { killRotatingNetwork } from "./rotation-kills.ts";

const at = useFolder();

test("a network goes on rotating, and migrates to another store, when processes of it are killed, and has all that was acknowledged", async () => {
  const kills = { port: 7_570, seed: 1, milliseconds: 8_000, pauseMilliseconds: 2_000, migrates: true };
  const came = await killRotatingNetwork(at("network"), kills);
  expect(came.kills).toBeGreaterThan(0);
  expect(came.acknowledged).toBeGreaterThan(0);
}, 400_000);
