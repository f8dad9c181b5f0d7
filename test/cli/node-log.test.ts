/** The log of a node: NDJSON in a file or on standard output. */
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { NodeLog } from "../../src/cli/node-log.ts";
import { Terminal } from "../../src/cli/terminal.ts";
import type { NodeEvent } from "../../src/gatekeeper/node.ts";
import { useFolder } from "../pruntime/folder.ts";

const at = useFolder();
const KEY = `0x02${"ab".repeat(32)}`;
const HASH = `0x${"cd".repeat(32)}`;

const RECEIPT = {
  by: KEY,
  height: 7,
  pages: 1,
  records: 2,
  bytes: 3,
  failed: 0,
  failures: [],
  quarantined: 0,
  digest: HASH,
};
const EVENTS: readonly NodeEvent[] = [
  { kind: "Sent", height: 7, call: "heartbeat" },
  { kind: "PartitionSwept", height: 8, partition: 1, receipt: RECEIPT },
  { kind: "PartitionJudged", height: 9, partition: 1, identityKey: KEY, verdict: "sound" },
  { kind: "PartitionJudged", height: 9, partition: 1, identityKey: KEY, verdict: "faulty" },
  {
    kind: "PartitionBlocked",
    height: 10,
    partition: 1,
    receipt: { ...RECEIPT, failed: 1, failures: [{ contract: HASH, key: Uint8Array.of(1, 255) }] },
  },
  { kind: "RotationLate", height: 11, rotationId: 3, phase: "verification", remaining: 2 },
  {
    kind: "AbandonmentClosed",
    height: 12,
    rotationId: 2,
    records: 2,
    bytes: 3,
    members: [KEY],
    shares: [],
    compacted: false,
    outstanding: [],
  },
  { kind: "Interrupted", reason: "it replaced itself", ended: false },
  { kind: "Interrupted", reason: "it ended by SIGKILL", ended: true },
  { kind: "Fault", reason: 'a "word"\nand another' },
];

const linesOf = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

test("events are lines of JSON with time and level, behind what was in the file", async () => {
  const path = at("node.log");
  writeFileSync(path, '{"level":"info"}\n');
  {
    using log = new NodeLog(new Terminal("gatekeeper", false), path);
    for (const event of EVENTS) await log.add(event);
    // Nothing waits in memory.
    expect(linesOf(readFileSync(path, "utf8"))).toHaveLength(1 + EVENTS.length);
  }
  const [first, ...lines] = linesOf(readFileSync(path, "utf8"));
  expect(first).toEqual({ level: "info" });
  expect(lines.map(({ level }) => level)).toEqual([
    "info",
    "info",
    "info",
    "warn",
    "warn",
    "warn",
    "warn",
    "info",
    "warn",
    "error",
  ]);
  expect(lines.every(({ time }) => /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(String(time)))).toBe(true);
  expect(lines[4]).toMatchObject({
    kind: "PartitionBlocked",
    receipt: { failures: [{ contract: HASH, key: "0x01ff" }] },
  });
  expect(Object.keys(lines[0]!)).toEqual(["level", "time", "kind", "height", "call"]);
});

test("standard output has the same lines", async () => {
  const terminal = new Terminal("gatekeeper", false);
  const write = vi.spyOn(terminal, "write").mockResolvedValue();
  using log = new NodeLog(terminal, "-");
  await log.add(EVENTS[0]!);
  expect(linesOf(write.mock.calls.flat().join(""))).toMatchObject([{ level: "info", kind: "Sent" }]);
});

test("a file that can't be opened is said, and one that can't be written any more is said once", async () => {
  const terminal = new Terminal("gatekeeper", false);
  const notes = vi.spyOn(terminal, "note").mockReturnValue();
  expect(() => new NodeLog(terminal, at("none/node.log"))).toThrow(
    expect.objectContaining({ code: "IO_FAILED", detail: { file: at("none/node.log"), systemCode: "ENOENT" } }),
  );
  // Where Linux has it, it opens, and has no room for anything.
  using log = new NodeLog(terminal, "/dev/full");
  for (const event of EVENTS) await log.add(event);
  expect(notes.mock.calls).toEqual([["the log /dev/full can't be written: ENOSPC"]]);
});
