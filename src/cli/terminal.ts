import type { EngineProgress } from '../protocol/engine';
import type { EvaluationPoint } from '../protocol/evaluation';
import { printable } from '../protocol/printable';
import type { RefinementPoint } from '../protocol/refinement';
import { plural, timeLeft } from '../protocol/words';
import { number } from './text';
import { writeWhole } from './writeWhole';

/** Columns of text that is laid out in lines: those of the terminal, in bounds in which it can be read; elsewhere 80. */
const columns = { usual: 80, least: 60, most: 120 } as const;

/** Milliseconds between two lines of progress: on a terminal, and elsewhere. */
const intervals = { terminal: 100, file: 5000 } as const;

/** Moves to the start of the line and clears it. */
const clearLine = '\r\u001b[K';

/** The only place that prints. Results go to stdout, everything else to stderr; every line is made printable here. */
export class Terminal {
  private last = -Infinity;
  /** A line of progress is on the terminal. */
  private shown = false;

  constructor(
    private readonly out: NodeJS.WriteStream = process.stdout,
    private readonly err: NodeJS.WriteStream = process.stderr,
  ) {}

  /** Columns that help is laid out in. */
  get width(): number {
    const { columns: width = columns.usual } = this.out;
    return Math.min(columns.most, Math.max(columns.least, width));
  }

  /** Whether stdout is open; that its reader has closed it shows after a text was written. */
  get isHeard(): boolean {
    return this.out.writable;
  }

  /**
   * Lines of a result.
   * @returns whether all of them were written; if not, it has been told why.
   */
  print(lines: readonly string[]): boolean {
    return this.write(lines.map((line) => `${printable(line)}\n`).join(''));
  }

  /** A part of a result that is not complete yet. Ends of lines are such. @returns as `print`. */
  say(text: string): boolean {
    return this.write(text.split('\n').map(printable).join('\n'));
  }

  private write(text: string): boolean {
    this.clear();
    try {
      writeWhole(this.out, text);
      return true;
    } catch (error) {
      this.tell(`quantscope: The result cannot be written to stdout: ${(error as Error).message}`);
      return false;
    }
  }

  /** One message for the user: an error, a warning, a note. */
  tell(message: string): void {
    this.clear();
    this.err.write(`${printable(message)}\n`);
  }

  /** Progress: one line that is rewritten on a terminal, a line every few seconds elsewhere. */
  progress(step: EngineProgress): void {
    const { isTTY: terminal, columns: width = columns.usual } = this.err;
    const now = performance.now();
    if (now - this.last < intervals[terminal ? 'terminal' : 'file']) return;
    this.last = now;
    const line = printable(progressText(step));
    // A line that wraps could not be cleared.
    this.err.write(terminal ? `${clearLine}${line.slice(0, width - 1)}` : `${line}\n`);
    this.shown = terminal;
  }

  private clear(): void {
    if (this.shown) this.err.write(clearLine);
    this.shown = false;
  }
}

function progressText({
  message,
  done,
  total,
  unit,
  secondsLeft,
  curve,
  refinement,
}: EngineProgress): string {
  const share = unit === 'bytes' ? `${Math.floor((100 * done) / Math.max(1, total))} %` : `${done}/${total}`;
  const point = curve?.points.at(-1);
  const reached = refinement?.points.at(-1);
  const measured = point ? `, ${figures(point)}` : reached ? `, ${reachedText(reached)}` : '';
  return `${share} ${message}${measured}${timeLeft(secondsLeft)}`;
}

/** The latest measurement of a refinement. */
const reachedText = ({ step, divergence }: RefinementPoint): string =>
  `mean KLD ${number(divergence)} after ${plural(step, 'step')}`;

/** The current point of an evaluation's curve. */
function figures({ perplexity, divergence }: EvaluationPoint): string {
  return `perplexity ${number(perplexity)}${divergence === undefined ? '' : `, mean KLD ${number(divergence)}`}`;
}
