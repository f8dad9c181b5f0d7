/** The README's examples run as they stand there, on the built package, and print what the README says they print. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parseGenesis } from "../src/chain/genesis-file.ts";
import { Ledger } from "../src/protocol/ledger.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const entry = new URL("../dist/index.js", import.meta.url).href;
const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```\s*prints\s*```\n([\s\S]*?)```/g)];

describe("README.md", () => {
  it("has examples", () => {
    expect(examples.length).toBe(3);
  });

  it.each(examples.map(([, program, output], index) => [index + 1, program!, output!] as const))(
    "example %i prints what it says",
    (index, program, output) => {
      const folder = mkdtempSync(join(tmpdir(), "gatekeeper-readme-"));
      try {
        const file = join(folder, `example-${index}.mts`);
        writeFileSync(file, program.replaceAll('"gatekeeper"', JSON.stringify(entry)));
        expect(execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" })).toBe(output);
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );

  it("has a genesis that a chain can begin with", () => {
    const [, text] = readme.match(/```json\n([\s\S]*?)```/)!;
    const authority = "0x02829bf19f21006b2ae7892353482a4f43e253f8b976ae3714eb0a7340bf622290";
    expect(Ledger.atGenesis(parseGenesis(Buffer.from(text!), authority, 0)).state.gatekeepers).toHaveLength(1);
  });

  it.each(["README.md", "SECURITY.md", "ARCHITECTURE.md"])("and %s name only files that exist", (document) => {
    const root = fileURLToPath(new URL("..", import.meta.url));
    const text = readFileSync(join(root, document), "utf8");
    const named = [...text.matchAll(/\]\(([^)#:]+)\)|`((?:src|assembly|bench|test)\/[\w./-]+\.ts)`/g)];
    for (const [, link, path] of named) expect(() => readFileSync(join(root, link ?? path!))).not.toThrow();
  });
});
