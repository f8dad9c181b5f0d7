/** How far a command is: a bar where a terminal shows it, else a line every few seconds, and nothing with --json. */
import { SingleBar } from "cli-progress";

/** A short command is over before it says anything. */
const LINE_MS = 3_000;

/** What is being counted. */
export interface Stage {
  /** What is going on: "sealing". */
  readonly name: string;
  /** What is counted: "records". */
  readonly unit: string;
  /** How many there will be; null while nobody knows. */
  readonly total: number | null;
}

/** Shows one stage after the other. */
export class ProgressMeter {
  readonly #stream: NodeJS.WriteStream | null;
  #bar: SingleBar | null = null;
  #stage = "";
  #lastLine = Date.now();

  /** @param stream - where to show it, or null for nowhere. */
  constructor(stream: NodeJS.WriteStream | null) {
    this.#stream = stream;
  }

  /** So many are done. Called as often as one likes. */
  report(stage: Stage, done: number): void {
    if (this.#stream === null) return;
    if (this.#stream.isTTY) this.#draw(this.#stream, stage, done);
    else this.#print(this.#stream, stage, done);
  }

  /** Takes the bar away, so that something else can be written. */
  clear(): void {
    this.#bar?.stop();
    this.#bar = null;
  }

  #draw(stream: NodeJS.WriteStream, stage: Stage, done: number): void {
    if (this.#bar === null || this.#stage !== stage.name) {
      this.clear();
      const count = stage.total === null ? "{value}" : "[{bar}] {percentage}% {value}/{total}";
      const format = `${stage.name} ${count} ${stage.unit}`;
      this.#bar = new SingleBar({ stream, format, clearOnComplete: true, hideCursor: true, barsize: 30 });
      this.#bar.start(stage.total ?? 0, done);
      this.#stage = stage.name;
    }
    if (stage.total !== null) this.#bar.setTotal(stage.total);
    this.#bar.update(done);
  }

  #print(stream: NodeJS.WriteStream, { name, unit, total }: Stage, done: number): void {
    const now = Date.now();
    if (now - this.#lastLine < LINE_MS) return;
    this.#lastLine = now;
    stream.write(`${name}: ${formatCount(done)}${total === null ? "" : ` of ${formatCount(total)}`} ${unit}\n`);
  }
}

/** A whole number for people: 12,345. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** A number with its unit: "1 record", "2 records". */
export function counted(count: number, unit: string): string {
  return `${formatCount(count)} ${unit}${count === 1 ? "" : "s"}`;
}
