import type { OutlierLine } from '../../src/protocol/analysis';

/** Lines nearer to each other than this share of all of them would have names over each other in a narrow plot. */
const leastDistance = 0.1;

/** The lines that are named in a plot: the strongest first, as far as their names do not lie over each other. @param outstanding strongest first. */
export function namedLines(outstanding: readonly OutlierLine[], lines: number): readonly OutlierLine[] {
  const named: OutlierLine[] = [];
  for (const line of outstanding)
    if (named.every(({ index }) => Math.abs(index - line.index) >= leastDistance * lines)) named.push(line);
  return named;
}
