/** Divergences at the ends of the scale, which is logarithmic: below the first two models are hardly told apart, above the other they say different things. */
export const scaleEnds = { least: 1e-4, most: 1 } as const;

/** The place of a divergence (nats) in the scale, 0 to 1. */
export function placeOf(divergence: number): number {
  const { least, most } = scaleEnds;
  const place = Math.log(divergence / least) / Math.log(most / least);
  return Math.min(1, Math.max(0, Number.isNaN(place) ? 0 : place));
}

/** A token as it is seen: ends of lines, tabs and what is empty have a sign. */
export function visibleText(text: string): string {
  if (text === '') return '∅';
  return text.replaceAll(/\r?\n/g, '⏎\n').replaceAll('\t', '⇥');
}

/** The same in one line. */
export const quoted = (text: string): string => `“${visibleText(text).replaceAll('\n', '')}”`;
