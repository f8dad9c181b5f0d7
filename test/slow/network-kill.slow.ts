import { test } from "vitest";
import { killNetwork } from "../cli/network-kills.ts";
import { useFolder } from "../pruntime/folder.ts";

const at = useFolder();

test.each([11, 12, 13])(
  "kill -9 of chain, nodes and pRuntimes at random for two minutes, seed %s: the network always converges",
  (seed) => killNetwork(at("network"), 7_600 + 10 * seed, seed, 120_000),
);
