import { stripVTControlCharacters } from 'node:util';
import type { LogLevel, LogLine } from '../protocol/engine';

/** Levels of ONNX Runtime by their letters: verbose, info, warning, error, fatal. */
const runtimeLevels: Readonly<Record<string, LogLevel>> = {
  V: 'trace',
  I: 'debug',
  W: 'warn',
  E: 'error',
  F: 'error',
};
const runtimeLine = /\[([VIWEF]):onnxruntime\b/;

/** What Node and V8 print of their own accord; the first that fits counts. */
const kinds: readonly (readonly [RegExp, LogLevel])[] = [
  [/^\(node:\d+\) .*Warning\b/, 'warn'],
  [/^\(Use `.*--trace-/, 'debug'],
  [/^(FATAL ERROR|#? ?Fatal error|Uncaught|\w*Error\b.*:|Segmentation fault|terminate called)/, 'error'],
  [/^ +at /, 'error'],
];

/**
 * A line that an engine process printed, without colours, and its level.
 * @param level of a line that does not say its own.
 */
export function printedLine(line: string, level: LogLevel): LogLine {
  const text = stripVTControlCharacters(line);
  const letter = runtimeLine.exec(text)?.[1];
  const own = letter === undefined ? kinds.find(([start]) => start.test(text))?.[1] : runtimeLevels[letter];
  return { level: own ?? level, text };
}
