/** Runs records through RowRunner under nonces that are given, as published vectors need them. */
import { KeyTable } from "../../src/engine/key-table.ts";
import { Kernels } from "../../src/engine/kernels.ts";
import type { Paths } from "../../src/engine/paths.ts";
import { ROW, ROW_WORDS, RecordStatus } from "../../src/engine/rows.ts";
import { RowRunner } from "../../src/engine/run.ts";
import { KEY_BYTES, type Suite, type Verb } from "../../src/engine/suite.ts";

/** What a record is under. */
export interface Under {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly aad: Uint8Array;
}

/** A record as it lies before a run, and for a re-encryption what it is to be under. */
export interface GivenRecord extends Under {
  readonly text: Uint8Array;
  readonly tag: Uint8Array;
  readonly to?: Under;
  /** Not to be touched. */
  readonly skipped?: boolean;
}

/** A record after a run. */
export interface GivenOutcome {
  readonly status: number;
  /** nonce | text | tag. */
  readonly box: Buffer;
}

/** What a record is before a run, in the form of an outcome's box. */
export function boxOf({ nonce, text, tag }: GivenRecord): Buffer {
  return Buffer.concat([nonce, text, tag]);
}

/**
 * Runs a verb over records in a memory of their own. Equal keys are one key of the batch; a re-encryption may go to
 * another suite.
 */
export function runRecords(
  paths: Paths,
  suite: Suite,
  verb: Verb,
  records: readonly GivenRecord[],
  kernels = new Kernels(),
  newSuite = suite,
): GivenOutcome[] {
  const name = (key: Uint8Array): string => Buffer.from(key).toString("hex");
  const byName = new Map(records.flatMap(({ key, to }) => [key, to?.key ?? key]).map((key) => [name(key), key]));
  const names = [...byName.keys()];
  const contextBytes = kernels.keyContextBytes(suite);
  const contexts = kernels.alloc(names.length * contextBytes);
  const newContextBytes = kernels.keyContextBytes(newSuite);
  const newContexts = newSuite === suite ? contexts : kernels.alloc(names.length * newContextBytes);
  const raw = kernels.alloc(names.length * KEY_BYTES);
  for (const [index, each] of names.entries()) kernels.bytes.set(byName.get(each)!, raw + index * KEY_BYTES);
  const context = (key: Uint8Array): number => contexts + names.indexOf(name(key)) * contextBytes;
  const newContext = (key: Uint8Array): number => newContexts + names.indexOf(name(key)) * newContextBytes;
  const texts: number[] = [];
  const rows = records.flatMap((record) => {
    const to = record.to ?? record;
    const text = kernels.put(boxOf(record)) + record.nonce.length;
    texts.push(text);
    const old = [text, record.text.length, kernels.put(record.aad), record.aad.length, context(record.key)];
    const status = record.skipped ? RecordStatus.skipped : RecordStatus.pending;
    return [...old, kernels.put(to.aad), to.aad.length, newContext(to.key), kernels.put(to.nonce), status];
  });
  const at = kernels.put(new Uint8Array(Uint32Array.from(rows).buffer));
  const keys = new KeyTable(kernels, suite, { raw, contexts, count: names.length });
  const newKeys =
    newSuite === suite ? keys : new KeyTable(kernels, newSuite, { raw, contexts: newContexts, count: names.length });
  new RowRunner(kernels, paths).run(verb, at, records.length, keys, newKeys);
  const words = new Uint32Array(kernels.bytes.buffer, at, records.length * ROW_WORDS);
  return records.map(({ nonce, text, tag }, index) => {
    const begin = texts[index]! - nonce.length;
    const box = Buffer.from(kernels.bytes.slice(begin, texts[index]! + text.length + tag.length));
    return { status: words[index * ROW_WORDS + ROW.status]!, box };
  });
}
