/** The first files of the programs: which Nodes suit, and what an old one does. */
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isSuitable } from "../src/suitable-node.ts";
import { programFile, runProgram, workFolder } from "./cli/transcript.ts";

test.each([
  ["v24.14.0", true],
  ["v24.21.0\n", true],
  ["v26.0.0-nightly", true],
  ["v27.1.2", true],
  ["v24.13.9", false],
  ["v25.9.0", false],
  ["v20.20.2", false],
  ["v2.24.14", false],
  ["nonsense", false],
  ["", false],
])("%s: %s", (version, suits) => {
  expect(isSuitable(version)).toBe(suits);
});

test("what suits is what package.json says", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  expect(manifest.engines.node).toBe("^24.14.0 || >=26");
  expect(isSuitable(`${manifest.devDependencies.node}.`)).toBe(true);
});

test.each(["gatekeeper", "rotation-worker", "pruntime", "demo", "suitable-node"])(
  "%s.js keeps to old syntax",
  (name) => {
    const text = readFileSync(programFile(name), "utf8").replace(/^\s*(\/?\*|\/\/).*$/gm, "");
    expect(text).not.toMatch(/\?\.|\?\?|\|\|=|&&=|^\s*await |\busing\b|\bstatic \{|#\w+[;(]/m);
    for (const [, specifier] of text.matchAll(/^import .*"(.*)";$/gm))
      expect(specifier).toMatch(/^(node:|\.\.\/suitable-node\.js$)/);
  },
);

/** A Node on this machine that is too old, if there is one. */
function findOldNode(): string | null {
  for (const path of ["/usr/local/bin/node", "/usr/bin/node"]) {
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    if (/^v\d+\./.test(stdout ?? "") && !isSuitable(stdout)) return path;
  }
  return null;
}

const oldNode = findOldNode();
const work = workFolder();
const alone = join(work, "node_modules", "gatekeeper", "dist", "cli");

describe.skipIf(oldNode === null)(`on an older Node (${oldNode ?? "there is none here: skipped"})`, () => {
  beforeAll(() => {
    mkdirSync(alone, { recursive: true });
    writeFileSync(join(work, "package.json"), '{"type":"module"}');
    for (const name of ["gatekeeper", "rotation-worker", "suitable-node"]) {
      copyFileSync(
        programFile(name),
        name === "suitable-node" ? join(alone, "..", `${name}.js`) : join(alone, `${name}.js`),
      );
    }
    writeFileSync(join(dirname(dirname(alone)), "package.json"), '{"type":"module"}');
  });
  afterAll(() => rmSync(work, { recursive: true }));

  /** Puts a package `node` beside, whose executable is this script. */
  function install(script: string): void {
    const folder = join(work, "node_modules", "node", "bin");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "..", "package.json"), '{"name":"node","bin":{"node":"bin/node"}}');
    writeFileSync(join(folder, "node"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const start = (name: string, ...args: string[]): ReturnType<typeof spawnSync> =>
    spawnSync(oldNode!, [join(alone, `${name}.js`), ...args], { encoding: "utf8" });

  test.each(["gatekeeper", "rotation-worker"])("%s says what to install where there is no other", (name) => {
    rmSync(join(work, "node_modules", "node"), { recursive: true, force: true });
    const { status, stdout, stderr } = start(name, "status", "--json");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /^gatekeeper: Node v[\d.]+ is too old: run `npm install node@24\.21\.0`, or install Node 24\.14 or newer\n$/,
    );
  });

  test.each([
    ["is old, too", "echo v20.1.0"],
    ["does not run", "exit 1"],
  ])("one beside it that %s is no help", (_, script) => {
    install(script);
    expect(start("gatekeeper")).toMatchObject({ status: 1, stdout: "" });
  });

  test("the one beside it is handed arguments and hands back its exit code", () => {
    install('if [ "$1" = --version ]; then echo v24.21.0; else shift; echo "$@"; exit 7; fi');
    expect(start("gatekeeper", "get", "a b", "--json")).toMatchObject({ status: 7, stdout: "get a b --json\n" });
  });

  test("a signal that ends the one beside it ends this one", () => {
    install('if [ "$1" = --version ]; then echo v24.21.0; else kill -TERM $$; fi');
    expect(start("gatekeeper")).toMatchObject({ status: null, signal: "SIGTERM" });
  });

  test("the program itself runs by way of the project's own", async () => {
    const { code, stdout, stderr } = await runProgram("gatekeeper", ["--version"], { cwd: work, node: oldNode! });
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
