/** Spans of eras over which the maximum of slashes is taken: `SlashingSpans` and `SpanSlash` of `pallet_staking`. */
import type { SlashingSpans, SpanRecord } from "./state.ts";

/** What a slash changes. */
export interface SpanChange {
  /** The spans afterwards, or null where nothing changed. */
  readonly spans: SlashingSpans | null;
  /** By how much it is more than what was slashed in the span before. */
  readonly difference: bigint;
  /** What a reporter gets for it. */
  readonly reward: bigint;
  /** Whether the era is in the span that goes on. */
  readonly current: boolean;
}

/** A span of eras; the one that goes on has no end. */
interface Span {
  readonly index: number;
  readonly start: number;
  readonly end: number;
}

/** Half of what a reporter may get is paid for the first report: f_1 in the paper. */
const FIRST_REWARD_DIVISOR = 2n;

/** Somebody's spans, from `windowStart` on: what is before can't be slashed any more. */
export function spansSince(spans: SlashingSpans | undefined, windowStart: number): SlashingSpans {
  if (spans === undefined) {
    return { spanIndex: 0, lastStart: windowStart, lastNonzeroSlash: 0, prior: [], records: [] };
  }
  const over = spansOf(spans)
    .slice(1)
    .findIndex(({ end }) => end <= windowStart);
  const prior = over < 0 ? spans.prior : spans.prior.slice(0, over);
  const records = spans.records.filter(({ spanIndex }) => spanIndex >= spans.spanIndex - prior.length);
  return { ...spans, prior, records, lastStart: Math.max(spans.lastStart, windowStart) };
}

/**
 * Counts a slash.
 * @param amount - what would be slashed for all that was done in `era`.
 * @param rewardMax - what reporters of that get at most.
 */
export function slashedInSpan(spans: SlashingSpans, era: number, amount: bigint, rewardMax: bigint): SpanChange {
  const span = spansOf(spans).find(({ start, end }) => start <= era && era < end);
  if (span === undefined) return { spans: null, difference: 0n, reward: 0n, current: false };
  const none: SpanRecord = { spanIndex: span.index, slashed: 0n, paidOut: 0n };
  const before = spans.records.find(({ spanIndex }) => spanIndex === span.index) ?? none;
  const current = span.index === spans.spanIndex;
  if (amount < before.slashed) return { spans: null, difference: 0n, reward: 0n, current };
  const due = rewardMax > before.paidOut ? rewardMax - before.paidOut : 0n;
  const reward = due / FIRST_REWARD_DIVISOR;
  const difference = amount - before.slashed;
  const record = { spanIndex: span.index, slashed: amount, paidOut: before.paidOut + reward };
  const records = [...spans.records.filter(({ spanIndex }) => spanIndex !== span.index), record];
  const lastNonzeroSlash = difference > 0n ? Math.max(spans.lastNonzeroSlash, era) : spans.lastNonzeroSlash;
  return { spans: { ...spans, records, lastNonzeroSlash }, difference, reward, current };
}

/** Whether an era is in the span that goes on. */
export function isCurrentSpan({ lastStart }: SlashingSpans, era: number): boolean {
  return era >= lastStart;
}

/** Begins a new span with the era after `now`. */
export function endedSpan(spans: SlashingSpans, now: number): SlashingSpans {
  const next = now + 1;
  if (next <= spans.lastStart) return spans;
  return {
    ...spans,
    prior: [next - spans.lastStart, ...spans.prior],
    lastStart: next,
    spanIndex: spans.spanIndex + 1,
  };
}

/** All spans, the last first. */
function spansOf({ spanIndex, lastStart, prior }: SlashingSpans): Span[] {
  const spans: Span[] = [{ index: spanIndex, start: lastStart, end: Number.POSITIVE_INFINITY }];
  for (const length of prior) {
    const { index, start } = spans.at(-1)!;
    spans.push({ index: index - 1, start: start - length, end: start });
  }
  return spans;
}
