import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { arch, platform, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const MODULE = JSON.stringify(new URL("../../bench/secp256k1-addon.ts", import.meta.url).href);
const PROGRAM = `
  const { loadSecp256k1Addon } = await import(${MODULE});
  const addon = await loadSecp256k1Addon();
  console.log(addon === null ? "null" : typeof addon.ecdh);
`;

/** What a process of its own says of the addon, with more in its environment. */
function loadedWith(environment: NodeJS.ProcessEnv): string {
  return execFileSync(process.execPath, ["--input-type=module", "--eval", PROGRAM], {
    env: { ...process.env, ...environment },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
}

describe("loadSecp256k1Addon", () => {
  const folder = mkdtempSync(join(tmpdir(), "gatekeeper-addon-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  it("says null where the package has no binary for the machine", () => {
    expect(loadedWith({ npm_config_arch: "pdp11" })).toBe("null");
  });

  /** A file where the package looks for its binary first. */
  const prebuilds = join(folder, "prebuilds", `${platform()}-${arch()}`);
  mkdirSync(prebuilds, { recursive: true });
  writeFileSync(join(prebuilds, "secp256k1.node"), "not a library");

  it("says null where the machine can't load the binary", () => {
    expect(loadedWith({ SECP256K1_PREBUILD: folder })).toBe("null");
  });

  it("fails when it can't be loaded for another reason", () => {
    const broken = join(folder, "broken.cjs");
    writeFileSync(broken, 'process.dlopen = () => { throw new Error("broken"); };');
    expect(() => loadedWith({ SECP256K1_PREBUILD: folder, NODE_OPTIONS: `--require ${broken}` })).toThrow("broken");
  });
});
