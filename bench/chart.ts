/**
 * The results as one HTML page that opens anywhere: drawings are SVG in the page, there is no script, and nothing is
 * loaded from elsewhere. (benny's own charts load a library from the network and stay empty without one.)
 */
import type { HistoryLine, Surroundings } from "./history.ts";
import { nanoseconds, times95 } from "./print.ts";
import { type TableResult, cellOf, pairsOf, peersOf, ratioOf } from "./table.ts";

const WIDTH = 760;
const HEIGHT = 360;
const LEFT = 70;
/** Room for the names beside the lines' ends. */
const RIGHT = 190;
const TOP = 16;
const BOTTOM = 40;
const LABEL_GAP = 15;
const BAR = 18;
/** Runs listed from the history. */
const HISTORY_SHOWN = 30;

const STYLE = `
  :root { color-scheme: light dark; --ink: #1d2129; --soft: #667; --rule: #d5d8de; --paper: #fff;
    --ours: #0b6bcb; --ours2: #1f9d8a; --ours3: #4338ca; --ours4: #4d7c0f;
    --peer1: #c2410c; --peer2: #7c3aed; --peer3: #a16207; --peer4: #be185d; --peer5: #78716c; }
  @media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #9aa3b2; --rule: #3a404b; --paper: #16191f;
    --ours: #5aa9f7; --ours2: #4fd1b9; --ours3: #a5b4fc; --ours4: #a3e635;
    --peer1: #fb923c; --peer2: #b794f6; --peer3: #e3b341; --peer4: #f472b6; --peer5: #a8a29e; } }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 3rem; } p, li { color: var(--soft); }
  .wide { overflow-x: auto; } svg { max-width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
  svg .rule { stroke: var(--rule); } svg .line { fill: none; stroke-width: 2; }
  table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .7rem 0; }
  th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
  th:first-child, td:first-child { text-align: left; } td { vertical-align: top; } small { display: block; color: var(--soft); }`;

const OUR_COLOURS = ["var(--ours)", "var(--ours2)", "var(--ours3)", "var(--ours4)"];
const PEER_COLOURS = ["var(--peer1)", "var(--peer2)", "var(--peer3)", "var(--peer4)", "var(--peer5)"];

/** The whole page. */
export function chartPage(
  from: Surroundings,
  results: readonly TableResult[],
  history: readonly HistoryLine[],
): string {
  const commit =
    from.commit === null ? "an unknown commit" : `${from.commit.slice(0, 10)}${from.dirty ? " + changes" : ""}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gatekeeper: benchmarks</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Gatekeeper: benchmarks</h1>
<p>${escaped(`${from.date.slice(0, 16).replace("T", " ")} UTC, ${commit}, ${from.cpu} (${from.cores} cores), Node ${from.node}`)}.
Times are medians over interleaved rounds of one process; ratios are taken round by round and carry the interval that
holds their median with 95 % confidence (all rounds, where there are fewer than six).</p>
${results.map(section).join("\n")}
${historySection(history)}
</body>
</html>
`;
}

function section(result: TableResult): string {
  const drawing = result.rows.length > 2 && !result.unordered ? lines(result) : bars(result);
  return `<section>
<h2>${escaped(result.title)}</h2>
<div class="wide">${drawing}</div>
<div class="wide">${timesTable(result)}</div>
<div class="wide">${ratioTable(result)}</div>
<ul>${result.notes.map((note) => `<li>${escaped(note)}</li>`).join("")}</ul>
</section>`;
}

function colourOf(result: TableResult, column: string): string {
  const own = result.ours.indexOf(column);
  if (own >= 0) return OUR_COLOURS[own % OUR_COLOURS.length]!;
  return PEER_COLOURS[peersOf(result).indexOf(column) % PEER_COLOURS.length]!;
}

/** One line a column over the rows in their order; the time axis is logarithmic. */
function lines(result: TableResult): string {
  const all = result.rows.flatMap((row) => result.columns.map((column) => cellOf(result, row, column) ?? Number.NaN));
  const known = all.filter((time) => !Number.isNaN(time));
  const low = Math.floor(Math.log10(Math.min(...known)));
  const high = Math.ceil(Math.log10(Math.max(...known)));
  const x = (index: number): number => LEFT + (index * (WIDTH - LEFT - RIGHT)) / (result.rows.length - 1);
  const y = (time: number): number =>
    HEIGHT - BOTTOM - ((Math.log10(time) - low) * (HEIGHT - TOP - BOTTOM)) / (high - low);
  const rules = Array.from({ length: high - low + 1 }, (_, step) => {
    const time = 10 ** (low + step);
    return `<line class="rule" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(time)}" y2="${y(time)}"/>
<text x="${LEFT - 8}" y="${y(time) + 4}" text-anchor="end">${duration(time)}</text>`;
  });
  const ticks = result.rows.map(
    (row, index) => `<text x="${x(index)}" y="${HEIGHT - BOTTOM + 20}" text-anchor="middle">${escaped(row)}</text>`,
  );
  const drawn = result.columns.map((column) => {
    const colour = colourOf(result, column);
    const points = result.rows.flatMap((row, index) => {
      const time = cellOf(result, row, column);
      return time === null ? [] : [{ at: `${x(index).toFixed(1)},${y(time).toFixed(1)}`, index, time, row }];
    });
    const dots = points.map(({ index, time, row }) => {
      const title = `${column}, ${row}: ${nanoseconds(time)} ns per ${result.item}`;
      return `<circle cx="${x(index)}" cy="${y(time)}" r="4" fill="${colour}"><title>${escaped(title)}</title></circle>`;
    });
    return `<polyline class="line" stroke="${colour}" points="${points.map(({ at }) => at).join(" ")}"/>${dots.join("")}`;
  });
  return svg(HEIGHT, `time per ${result.item}`, [...rules, ...ticks, ...drawn, ...lineNames(result, y)]);
}

/** Names at the height of the lines' ends, wherever those are, moved apart where they would overlap. */
function lineNames(result: TableResult, y: (time: number) => number): string[] {
  const names = result.columns
    .map((column) => {
      const times = result.rows.map((row) => cellOf(result, row, column)).filter((time) => time !== null);
      return { column, at: y(times.at(-1)!) };
    })
    .sort((a, b) => a.at - b.at);
  let above = Number.NEGATIVE_INFINITY;
  return names.map(({ column, at }) => {
    above = Math.max(at, above + LABEL_GAP);
    const style = `style="fill:${colourOf(result, column)}"`;
    return `<text x="${WIDTH - RIGHT + 12}" y="${(above + 4).toFixed(1)}" ${style}>${escaped(column)}</text>`;
  });
}

/** Horizontal bars, grouped by row; the time axis is linear. */
function bars(result: TableResult): string {
  const left = 150;
  const cells = result.rows.flatMap((row) =>
    result.columns.flatMap((column) => {
      const time = cellOf(result, row, column);
      return time === null ? [] : [{ row, column, time }];
    }),
  );
  const longest = Math.max(...cells.map(({ time }) => time));
  let y = TOP;
  const parts: string[] = [];
  for (const row of result.rows) {
    parts.push(`<text x="0" y="${y + 12}" style="font-weight:600">${escaped(row)}</text>`);
    y += BAR + 2;
    for (const { column, time } of cells.filter((cell) => cell.row === row)) {
      const width = Math.max(1, (time / longest) * (WIDTH - left - 110));
      parts.push(
        `<text x="${left - 8}" y="${y + 13}" text-anchor="end">${escaped(column)}</text>
<rect x="${left}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 3}" fill="${colourOf(result, column)}"/>
<text x="${(left + width + 6).toFixed(1)}" y="${y + 13}">${nanoseconds(time)} ns</text>`,
      );
      y += BAR + 2;
    }
    y += 10;
  }
  return svg(y, `time per ${result.item}`, parts);
}

function svg(height: number, label: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(label)}">${parts.join("\n")}</svg>`;
}

function timesTable(result: TableResult): string {
  const rows = result.rows.map((row) => [
    row,
    ...result.columns.map((column) => nanoseconds(cellOf(result, row, column))),
  ]);
  return table([`ns per ${result.item}`, ...result.columns], rows);
}

function ratioTable(result: TableResult): string {
  const rows = pairsOf(result).map(([ours, theirs]) => [
    `${ours} than ${theirs}`,
    ...result.rows.map((row) => times95(ratioOf(result, row, ours, theirs))),
  ]);
  // The interval goes below its ratio, or the table would be too wide to read.
  const html = table(["times faster", ...result.rows], rows);
  return html.replace(/ (\([\d.]+–[\d.]+\))/g, "<small>$1</small>");
}

/** What earlier runs of this working copy found, in the first row of each table: the newest first. */
function historySection(history: readonly HistoryLine[]): string {
  const shown = history.slice(-HISTORY_SHOWN).toReversed();
  const names = [...new Set(shown.flatMap(({ tables }) => tables.map(({ name }) => name)))];
  const rows = shown.map((line) => [
    line.date.slice(0, 16).replace("T", " "),
    `${line.commit?.slice(0, 10) ?? "–"}${line.dirty ? " + changes" : ""}`,
    line.cpu,
    line.node,
    ...names.map((name) => {
      const row = line.tables.find((each) => each.name === name)?.rows[0];
      const [ratio] = Object.values(row?.ratios ?? {});
      return ratio === undefined ? "–" : ratio[0].toFixed(1);
    }),
  ]);
  return `<section>
<h2>Earlier runs</h2>
<p>How many times faster the first of Gatekeeper's columns was than the first of the others, in the first row of each table.</p>
<div class="wide">${table(["date (UTC)", "commit", "CPU", "Node", ...names], rows)}</div>
</section>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: "th" | "td", of: readonly string[]): string =>
    of.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join("");
  const body = rows.map((row) => `<tr>${cells("td", row)}</tr>`).join("");
  return `<table><thead><tr>${cells("th", head)}</tr></thead><tbody>${body}</tbody></table>`;
}

/** A power of ten of nanoseconds. */
function duration(time: number): string {
  if (time < 1e3) return `${time} ns`;
  return time < 1e6 ? `${time / 1e3} µs` : `${time / 1e6} ms`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`);
}
