import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { CONTEXT } from "../../src/context.ts";
import { softwareMeasurement } from "../../src/pruntime/measurement.ts";
import { runChild } from "./child.ts";
import { useFolder } from "./folder.ts";

const at = useFolder();
const root = fileURLToPath(new URL("../..", import.meta.url));
const OTHERS = ["build/kernels.wasm", "build/kernels-unfused.wasm", "package.json"];

/** What the header of measurement.ts says, for a folder with a program. */
function expected(folder: string): string {
  const programs = readdirSync(join(folder, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|js)$/.test(name) && !/\.d\.ts$/.test(name) && !/(^|\/)demo[^/]*$/.test(name))
    .map((name) => `src/${name}`);
  const sum = createHash("sha256").update(CONTEXT.softwareMeasurement);
  for (const path of [...programs, ...OTHERS].sort()) {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(path.length);
    const file = createHash("sha256")
      .update(readFileSync(join(folder, path)))
      .digest();
    sum.update(Buffer.concat([length, Buffer.from(path), file]));
  }
  return `0x${sum.digest("hex")}`;
}

describe("the measurement of a program", () => {
  test("is what is said of it, and the same each time", () => {
    expect(softwareMeasurement()).toBe(expected(root));
    expect(softwareMeasurement()).toBe(softwareMeasurement());
  });

  test("is the same wherever the program lies, and another for each change of what runs", async () => {
    const folder = at("copy");
    mkdirSync(folder);
    cpSync(join(root, "src"), join(folder, "src"), { recursive: true });
    for (const path of OTHERS) cpSync(join(root, path), join(folder, path), { recursive: true });
    const script = `
      import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
      process.chdir(${JSON.stringify(folder)});
      const { softwareMeasurement } = await import(${JSON.stringify(join(folder, "src/pruntime/measurement.ts"))});
      const say = () => console.log(softwareMeasurement());
      say();
      writeFileSync("src/types.d.ts", "");
      writeFileSync("src/cli/demo-more.ts", "");
      writeFileSync("README.md", "");
      say();
      for (const path of ["src/errors.ts", "build/kernels.wasm", "build/kernels-unfused.wasm", "package.json"]) {
        appendFileSync(path, " ");
        say();
      }
      writeFileSync("src/pruntime/more.ts", "");
      say();
      renameSync("src/pruntime/more.ts", "src/pruntime/other.ts");
      say();
      rmSync("src/pruntime/other.ts");
      say();
      rmSync("build/kernels.wasm");
      try { say(); } catch (error) { console.log(error.code, error.detail.systemCode); }
    `;
    const { stdout, stderr } = await runChild(script);
    const [first, unchanged, ...changed] = stdout.trimEnd().split("\n");
    expect([first, unchanged], stderr).toEqual([softwareMeasurement(), first]);
    expect(changed.pop()).toBe("IO_FAILED ENOENT");
    // A file that is gone again leaves what was before it.
    expect(changed.pop()).toBe(changed[3]);
    expect(new Set([first, ...changed]).size).toBe(7);
  });
});
