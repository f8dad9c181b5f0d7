/** `rotations` and `audit`: what rotations of a network were, and whether they were complete, from the blocks of its chain alone. */
import type { Command } from "commander";
import type { EmbeddedChain } from "../chain/embedded.ts";
import { catchUp } from "../chain/follow.ts";
import { type AuditFinding, auditRotation, countingCertifiers } from "../gatekeeper/rotation-audit.ts";
import { RotationHistory, type ReceiptRecord, type RotationRecord } from "../gatekeeper/rotation-history.ts";
import type { PublicKey } from "../protocol/account.ts";
import { replicaCurve } from "../protocol/curve.ts";
import { Ledger } from "../protocol/ledger.ts";
import { Replica } from "../protocol/replica.ts";
import { openChain } from "./chain-home.ts";
import { type CommonOptions, withCommonOptions } from "./command-line.ts";
import { Listing } from "./listing.ts";
import { describeMigration } from "./migration-words.ts";
import { counted, formatCount } from "./progress.ts";
import type { Terminal } from "./terminal.ts";
import { describeUnproved } from "./unproved-words.ts";

/** Digits of a public key that are shown where many stand on a line. */
const KEY_DIGITS = 12;

interface RotationsOptions extends CommonOptions {
  readonly receipts?: boolean;
}

/** Adds the commands. */
export function addHistoryCommands(program: Command, terminal: Terminal): void {
  withCommonOptions(program.command("rotations"))
    .description("print what rotations of a network's MasterKey there were: when, by whom, how much")
    .option("--receipts", "with every receipt, and what was found of it")
    .action((options: RotationsOptions) => rotations(terminal, options));
  withCommonOptions(program.command("audit"))
    .description("replay a chain from its first block, and check that each rotation on it was complete")
    .action((options: CommonOptions) => audit(terminal, options));
}

async function rotations(terminal: Terminal, options: RotationsOptions): Promise<void> {
  using chain = openChain(options);
  const answer = new Listing(terminal, "rotations");
  const tell = async (rotation: RotationRecord): Promise<void> => {
    const { receipts, ...rest } = rotation;
    const document = { ...rest, ...summaryOf(rotation), ...(options.receipts === true ? { receipts } : {}) };
    const lines = options.receipts === true ? receipts.map((receipt) => `  ${receiptLine(receipt)}`) : [];
    await answer.add({ document, text: [describeRotation(rotation), ...lines].join("\n") });
  };
  for await (const rotation of replayed(chain, terminal)) await tell(rotation);
  await answer.end({}, answer.count === 0 ? "no rotation has begun on this chain" : null);
}

async function audit(terminal: Terminal, options: CommonOptions): Promise<void> {
  using chain = openChain(options);
  const answer = new Listing(terminal, "rotations");
  let complete = 0;
  let incomplete = 0;
  for await (const rotation of replayed(chain, terminal)) {
    const { rotationId, outcome, began, ended, left, outstanding } = rotation;
    const findings = auditRotation(rotation);
    if (outcome === "complete" && findings.length === 0) complete++;
    if (findings.length > 0) incomplete++;
    const { swept, verified } = partsOf(rotation);
    const owing = left.map((sharing) => ({ epoch: sharing.epoch, shares: sharing.owing }));
    const did = { swept, verified, certified: countingCertifiers(rotation), compacted: rotation.compactedBy };
    const owed = { shares: owing, keys: outstanding };
    await answer.add({
      document: { rotationId, outcome, began, ended, ...did, owing: owed, findings },
      text: [auditLine(rotation, findings), ...findings.map((finding) => `  ${describeFinding(finding)}`)].join("\n"),
    });
  }
  const verdict =
    incomplete > 0 ? `${counted(incomplete, "rotation")} of this chain can't be shown to have been complete` : null;
  const all = `${counted(complete, "rotation")} complete`;
  await answer.end({ complete, incomplete }, verdict === null ? all : null);
  if (verdict !== null) terminal.complain(verdict);
}

/** All rotations of a chain in their order, each as its last block is followed; the one that is under way last. */
async function* replayed(chain: EmbeddedChain, terminal: Terminal): AsyncGenerator<RotationRecord> {
  // Not from a state that was kept: what was told before it would be missing.
  const ledger = Ledger.atGenesis(chain.genesis);
  const replica = new Replica(replicaCurve(), ledger);
  const history = new RotationHistory(ledger.state.gatekeepers);
  const stage = { name: "replaying", unit: "blocks", total: null };
  for (const applied of catchUp(chain, replica)) {
    terminal.progress.report(stage, applied.height);
    const ended = history.follow(applied);
    if (ended !== null) yield ended;
  }
  terminal.progress.clear();
  if (history.underWay !== null) yield history.underWay;
}

/** Who did what, each once. */
function partsOf({ receipts }: RotationRecord): { swept: PublicKey[]; verified: PublicKey[] } {
  const standing = receipts.filter(({ stands }) => stands);
  const sound = standing.flatMap(({ judgements }) =>
    judgements.filter(({ verdict }) => verdict === "sound" || verdict === "overwritten"),
  );
  return { swept: each(standing), verified: each(sound) };
}

/** What the receipts that count come to. */
function summaryOf(rotation: RotationRecord): object {
  const { swept, verified } = partsOf(rotation);
  const { records, bytes } = totalsOf(rotation);
  return { records, bytes, sweptBy: swept, verifiedBy: verified, certifiedBy: countingCertifiers(rotation) };
}

/** A receipt may claim any number: sums stay numbers. */
function totalsOf({ receipts }: RotationRecord): { records: number; bytes: number } {
  const sum = (numbers: readonly number[]): number =>
    numbers.reduce((all, number) => Math.min(all + number, Number.MAX_SAFE_INTEGER), 0);
  return { records: sum(receipts.map(({ records }) => records)), bytes: sum(receipts.map(({ bytes }) => bytes)) };
}

function describeRotation(rotation: RotationRecord): string {
  const { rotationId, outcome, orderedBy, migration, partitions, left, outstanding } = rotation;
  const order = orderedBy === null ? "by its interval" : `ordered by ${list(orderedBy)}`;
  const cause = migration === null ? order : `a migration to ${describeMigration(migration)}, ${order}`;
  const head = `rotation ${rotationId}: ${outcome}, ${blocksOf(rotation)}, ${cause}`;
  if (outcome === "aborted" || rotation.switched === null) return head;
  const { records, bytes } = totalsOf(rotation);
  const { swept, verified } = partsOf(rotation);
  const work =
    partitions === null
      ? "no partitions"
      : `${counted(partitions, "partition")}, ${counted(records, "record")}, ${formatCount(bytes)} bytes; swept by ${list(swept)}; ` +
        `verified by ${list(verified)}; certified by ${list(countingCertifiers(rotation))}`;
  const owing = [...new Set([...left.flatMap((sharing) => sharing.owing), ...outstanding])];
  const end = rotation.closed === null ? "" : `; closed by ${list(rotation.closed.members)}: ${unproved(rotation)}`;
  return `${head}; ${work}; outstanding: ${list(owing)}${end}`;
}

/** Of one that governance closed. */
function unproved({ rotationId, closed }: RotationRecord): string {
  return `MasterKey ${rotationId - 1}: ${describeUnproved(closed!, short)}`;
}

function blocksOf({ began, switched, ended }: RotationRecord): string {
  const switching = switched === null ? "" : `, switch at ${switched}`;
  return ended === null ? `since block ${began}${switching}` : `blocks ${began} to ${ended}${switching}`;
}

function receiptLine({
  partition,
  attempt,
  height,
  by,
  records,
  bytes,
  failed,
  judgements,
  stands,
}: ReceiptRecord): string {
  const found = judgements.map(({ by: judge, verdict }) => `${verdict} by ${short(judge)}`).join(", ") || "not judged";
  const lost = failed === 0 ? "" : `, ${formatCount(failed)} can't be opened`;
  const fate = stands ? "" : "; does not count";
  return (
    `partition ${partition}, attempt ${attempt}, block ${height}: ${counted(records, "record")}, ${formatCount(bytes)} bytes${lost}, ` +
    `by ${short(by)}; ${found}${fate}`
  );
}

function auditLine(rotation: RotationRecord, findings: readonly AuditFinding[]): string {
  const { rotationId, outcome, left, outstanding, compactedBy } = rotation;
  const head = `rotation ${rotationId} (${blocksOf(rotation)})`;
  if (outcome === "aborted") return `${head} was given up: all is as it was before`;
  if (outcome === "under way") return `${head} is under way`;
  if (findings.length > 0) return `${head} is not shown to have been complete:`;
  const { swept, verified } = partsOf(rotation);
  const shares = left.map(({ epoch, owing }) => `shares of key session ${epoch}: ${list(owing)}`);
  const owing = `not declared destroyed, ${[...shares, `keys of contracts: ${list(outstanding)}`].join("; ")}`;
  if (compactedBy === null) return `${head} is complete: there was no store; ${owing}`;
  return (
    `${head} is complete: swept by ${list(swept)}; verified by ${list(verified)}; certified by ${list(countingCertifiers(rotation))}; ` +
    `compacted by ${list([compactedBy])}; ${owing}`
  );
}

function describeFinding(finding: AuditFinding): string {
  switch (finding.kind) {
    case "uncut":
      return "there was a store, and nobody cut it into partitions";
    case "unswept":
      return `partition ${finding.partition} was not swept`;
    case "unverified":
      return `partition ${finding.partition}, swept by ${finding.by}, was not verified by enough others`;
    case "verifiedBySweeper":
      return `partition ${finding.partition} was verified by ${finding.by}, who had swept it`;
    case "uncertified":
      return `certified by ${list(finding.certifiers)}, of ${counted(finding.threshold, "holder")} that it takes`;
    case "uncompacted":
      return "nobody has declared that the store was compacted";
    case "sharesLeft":
      return `not declared destroyed, and enough for the old MasterKey: shares of key session ${finding.epoch} of ${list(finding.owing)}`;
    case "closed":
      return `governance closed it, by ${list(finding.members)}: the forward secrecy of what was under MasterKey ${finding.rotationId - 1} is not proved`;
    case "owingDiffers":
      return `keys of contracts are owed by ${list(finding.owing)}, and the ledger names ${list(finding.told)}`;
  }
}

function each(items: readonly { readonly by: PublicKey }[]): PublicKey[] {
  return [...new Set(items.map(({ by }) => by))];
}

function list(keys: readonly PublicKey[]): string {
  return keys.map(short).join(", ") || "nobody";
}

function short(key: PublicKey): string {
  return `${key.slice(0, KEY_DIGITS)}…`;
}
