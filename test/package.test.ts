/** What `npm publish` would send: what a user needs, and nothing else. The build ran before (npm test). */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const npm = process.platform === "win32" ? "npm.cmd" : "npm";

describe("the package", () => {
  const [packed] = JSON.parse(
    execFileSync(npm, ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ) as [{ files: { path: string }[] }];
  const files = packed.files.map(({ path }) => path);

  it.each([
    "package.json",
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "build/kernels.wasm",
    "build/kernels-unfused.wasm",
    "dist/index.js",
    "dist/index.d.ts",
    "dist/cli/gatekeeper.js",
    "dist/cli/rotation-worker.js",
    "dist/pruntime/pruntime.js",
    "dist/pruntime/import-task.js",
    "dist/engine/pool-task.js",
    "dist/rotation/sweep-task.js",
    "dist/store/embedded.js",
  ])("holds %s", (path) => {
    expect(files).toContain(path);
  });

  it("holds no program whose source is gone: it would be measured, too", () => {
    const programs = files.filter((path) => /^dist\/.*\.js$/.test(path));
    const sources = programs.map((path) => join(root, path.replace(/^dist/, "src").replace(/js$/, "ts")));
    expect(sources.filter((source) => !existsSync(source))).toEqual([]);
    expect(programs.length).toBeGreaterThan(100);
  });

  it("holds no sources, tests, benchmarks, demo, homes or archives", () => {
    expect(files.filter((path) => /^(src|assembly|test|bench|\.ci|demo-home|gatekeeper-home)\//.test(path))).toEqual(
      [],
    );
    expect(files.filter((path) => /demo|\.test\.|\.tgz$|\.sqlite|\.map$/.test(path))).toEqual([]);
    expect(files.filter((path) => !/^(dist|build)\//.test(path)).sort()).toEqual([
      "ARCHITECTURE.md",
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "package.json",
    ]);
  });
});
