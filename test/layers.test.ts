/**
 * Data flows one way: a folder imports only from folders before it, and leaves import no folder (ARCHITECTURE.md). And
 * the host can't reach a secret: of what holds some, it sees the boundary alone.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const LAYERS = [
  "engine",
  "keys",
  "election",
  "protocol",
  "store",
  "rotation",
  "pruntime",
  "chain",
  "gatekeeper",
  "cli",
];
/** The host: it relays blocks and messages, asks for work, and has no secret but its owner's accounts. */
const HOST = ["chain", "gatekeeper", "cli"];
/** What it may import of the folders that have to do with secrets; and what its imports may come to load. */
const HOST_IMPORTS =
  /^(protocol|election|store|chain|gatekeeper|cli)\/|^pruntime\/boundary\.ts$|^rotation\/control\.ts$/;
const HOST_LOADS =
  /^(protocol|election|store|chain|gatekeeper|cli|engine)\/|^pruntime\/boundary\.ts$|^rotation\/control\.ts$/;
/** What the ledger verifies dealings, complaints and trials with: it makes no secret, and keeps none. */
const LEDGER_LOADS = new Set(
  [
    ...["group", "scalars", "noble-group", "secp256k1-group", "ristretto255-group"],
    ...[
      "dealing",
      "sub-share",
      "complaint",
      "sharing",
      "shamir",
      "lagrange",
      "possession-check",
      "dleq",
      "hedged-nonce",
    ],
    ...["trial-partial", "partial", "partial-request", "partial-proof", "contract-points", "rotation-id"],
  ].map((name) => `keys/${name}.ts`),
);
/**
 * The one place of the host that has a secret of its own: there the command line is the user's, who seals a command to a
 * contract and holds the one-time key that its answer is sealed to. With them come what a command's key is derived by, and
 * nothing that makes or keeps a key of the network.
 */
const USER = "cli/contract-commands.ts";
const USER_IMPORTS = "keys/sealed-command.ts";
const USER_LOADS = new Set([USER_IMPORTS, "keys/contract-key.ts"]);
const IMPORT = /\b(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"|new URL\(\s*[`"](\.[^`"]+)/g;
/** Where clocks and the environment may be read, besides cli/: nowhere. */
const BANNED = /\bDate\.now\b|\bnew Date\b|\bMath\.random\b|\bprocess\.env\b/;

const sourceRoot = fileURLToPath(new URL("../src", import.meta.url));

/** What breaks the rules in one file, given by its path below src/. */
function violations(path: string, text: string): string[] {
  const folder = path.includes("/") ? path.slice(0, path.indexOf("/")) : null;
  const found: string[] = [];
  for (const [, from, imported, url] of text.matchAll(IMPORT)) {
    const specifier = from ?? imported ?? url!;
    if (!specifier.startsWith(".")) continue;
    const target = normalize(join(dirname(path), specifier));
    if (target.startsWith("..")) {
      // What is measured is the whole package.
      const measured = path === "pruntime/measurement.ts" && target === "..";
      if (!measured && !/build\/kernels(-unfused)?\.wasm$/.test(target))
        found.push(`${path} reaches outside src: ${specifier}`);
      continue;
    }
    const targetFolder = target.includes("/") ? target.slice(0, target.indexOf("/")) : null;
    if (targetFolder === null) continue;
    if (folder === null) {
      // It starts the pRuntime as a program of its own, and loads nothing of it.
      const starts = path === "start-pruntime.ts" && target.startsWith("pruntime/pruntime${");
      if (path !== "index.ts" && !starts) found.push(`${path} is a leaf and imports ${target}`);
    } else if (LAYERS.indexOf(targetFolder) > LAYERS.indexOf(folder) || !LAYERS.includes(targetFolder)) {
      found.push(`${path} -> ${target}`);
    }
  }
  if (folder !== null && HOST.includes(folder)) {
    for (const target of importsOf(path, text)) {
      const isUsers = path === USER && target === USER_IMPORTS;
      if (target.includes("/") && !HOST_IMPORTS.test(target) && !isUsers)
        found.push(`${path} is the host's and imports ${target}`);
    }
  }
  if (folder !== "cli" && BANNED.test(text)) found.push(`${path} reads a clock, chance or the environment`);
  return found;
}

/** Paths of the files that one imports, below src/; types included. */
function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(IMPORT)]
    .map(([, from, imported, url]) => from ?? imported ?? url!)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => normalize(join(dirname(path), specifier)));
}

/** What is loaded when these files are: imports of types are not. */
function loadedBy(paths: readonly string[]): Set<string> {
  const loaded = new Set<string>();
  const queue = [...paths];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (loaded.has(path) || !files.includes(path)) continue;
    loaded.add(path);
    const values = readFileSync(join(sourceRoot, path), "utf8").replaceAll(/\b(?:import|export) type [^;]*;/g, "");
    queue.push(...importsOf(path, values));
  }
  return loaded;
}

const files = readdirSync(sourceRoot, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"));

describe("the layers", () => {
  it("hold in every source file", () => {
    const found = files.flatMap((path) => violations(path, readFileSync(join(sourceRoot, path), "utf8")));
    expect(found).toEqual([]);
    expect(files.length).toBeGreaterThan(20);
  });

  it("keep from the host whatever holds a secret, through all that it imports", () => {
    const host = files.filter((path) => HOST.some((folder) => path.startsWith(`${folder}/`)));
    const loaded = [...loadedBy(host)].filter((path) => path.includes("/"));
    const others = loaded.filter((path) => !HOST_LOADS.test(path) && !LEDGER_LOADS.has(path));
    expect(others.sort()).toEqual([...USER_LOADS].sort());
    const relaying = [...loadedBy(host.filter((path) => !path.startsWith("cli/")))];
    expect(relaying.filter((path) => USER_LOADS.has(path))).toEqual([]);
    expect([...LEDGER_LOADS].filter((path) => !loaded.includes(path))).toEqual([]);
    expect(loaded).toContain("pruntime/boundary.ts");
    // The other side does load it, so this test sees what there is to see.
    expect([...loadedBy(["pruntime/program.ts"])]).toContain("keys/master-key.ts");
  });

  it.each([
    ["chain/a.ts", 'import { x } from "../engine/b.ts";'],
    ["cli/a.ts", 'import type { X } from "../keys/b.ts";'],
    ["cli/a.ts", 'import { x } from "../keys/sealed-command.ts";'],
    ["cli/contract-commands.ts", 'import { x } from "../keys/master-key.ts";'],
    ["gatekeeper/a.ts", 'import { x } from "../keys/sealed-command.ts";'],
    ["gatekeeper/a.ts", 'import { x } from "../pruntime/sealer.ts";'],
    ["gatekeeper/a.ts", 'import { x } from "../rotation/rotation.ts";'],
    ["engine/a.ts", 'import { x } from "../store/b.ts";'],
    ["engine/a.ts", 'import type { X } from "../keys/b.ts";'],
    ["engine/a.ts", 'import "../keys/b.ts";'],
    ["engine/a.ts", 'const m = await import("../cli/b.ts");'],
    ["engine/a.ts", 'export { x } from "../rotation/b.ts";'],
    ["engine/a.ts", "const u = new URL(`../keys/task.ts`, import.meta.url);"],
    ["errors.ts", 'import { x } from "./engine/b.ts";'],
    ["engine/a.ts", 'import { x } from "../../test/b.ts";'],
    ["store/a.ts", "const now = Date.now();"],
    ["store/a.ts", "const home = process.env.HOME;"],
  ])("are seen to be broken by %s: %s", (path, text) => {
    expect(violations(path, text)).toHaveLength(1);
  });

  it.each([
    ["rotation/a.ts", 'import { x } from "../store/b.ts";'],
    ["rotation/a.ts", 'import { x } from "./b.ts";'],
    ["rotation/a.ts", 'import { x } from "../errors.ts";'],
    ["index.ts", 'export { x } from "./rotation/b.ts";'],
    ["cli/a.ts", 'import { x } from "../pruntime/boundary.ts";'],
    ["cli/contract-commands.ts", 'import { x } from "../keys/sealed-command.ts";'],
    ["cli/a.ts", "const now = Date.now();"],
  ])("allow %s: %s", (path, text) => {
    expect(violations(path, text)).toEqual([]);
  });
});

describe("the files", () => {
  it("stay below 600 lines, and are not named after nothing", () => {
    const lines = (path: string): number => readFileSync(join(sourceRoot, path), "utf8").split("\n").length;
    expect(files.filter((path) => lines(path) > 600)).toEqual([]);
    expect(files.filter((path) => /util|helper|manager|common/.test(path))).toEqual([]);
  });
});
