import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runNetwork } from "../../src/cli/network-command.ts";
import { createLocalNetwork, localNodes } from "../../src/gatekeeper/local-network.ts";
import { useFolder } from "../pruntime/folder.ts";
import { refusedWith } from "../pruntime/refused.ts";
import { killNetwork, processesOf } from "./network-kills.ts";

const at = useFolder();
const SIZE = {
  gatekeepers: 2,
  threshold: 1,
  candidates: 0,
  workers: 1,
  keySuite: 1,
  blockMilliseconds: 100,
  refreshBlocks: 40,
  rotationBlocks: 0,
  port: 7_500,
};

test("a network of four gatekeepers makes a MasterKey by processes of their own, two of which are killed", () =>
  killNetwork(at("network"), 7_510, 1, 2_000));

test("a network is made whole or not at all, and never in the place of something", async () => {
  const tooFew = createLocalNetwork(at("network"), { ...SIZE, threshold: 2 }, 0);
  await expect(tooFew).rejects.toThrow(refusedWith("GENESIS_INVALID"));
  expect(localNodes(at("."))).toEqual([]);
  await createLocalNetwork(at("network"), SIZE, 0);
  expect(localNodes(at("network")).map(({ name }) => name)).toEqual(["gatekeeper-1", "gatekeeper-2", "worker-1"]);
  const again = createLocalNetwork(at("network"), SIZE, 0);
  await expect(again).rejects.toThrow(refusedWith("ALREADY_EXISTS"));
});

test("a network that can't be launched any more ends, with all of its processes", async () => {
  const folder = at("network");
  await createLocalNetwork(folder, SIZE, 0);
  rmSync(join(folder, "governance.key"));
  const running = runNetwork(folder, () => Promise.resolve(), new AbortController().signal);
  await expect(running).rejects.toThrow(refusedWith("KEY_UNAVAILABLE"));
  expect(processesOf(folder)).toEqual([]);
});

test.each([0, 65_534])("a network of three nodes is not made where there are no ports for them: %i", async (port) => {
  const none = createLocalNetwork(at("network"), { ...SIZE, port }, 0);
  await expect(none).rejects.toThrow(refusedWith("INVALID_ARGUMENT"));
  expect(localNodes(at("."))).toEqual([]);
});
