/** Two ends of an axis, the lower one first. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** What a key does to a range: by how much it is scaled about its middle, and moved by shares of its width. */
const steps: Readonly<Record<string, { readonly scale: number; readonly move: number }>> = {
  '+': { scale: 0.5, move: 0 },
  '=': { scale: 0.5, move: 0 },
  '-': { scale: 2, move: 0 },
  ArrowLeft: { scale: 1, move: -0.25 },
  ArrowRight: { scale: 1, move: 0.25 },
};

/**
 * The range that a key leads to, within the whole; the whole itself for Escape and Home. Undefined for a key that does nothing here, or where nothing is
 * to be seen closer.
 */
export function rangeAfterKey(key: string, { min, max }: Range, whole: Range): Range | undefined {
  if (key === 'Escape' || key === 'Home') return whole;
  const step = steps[key];
  if (!step) return undefined;
  const width = Math.min(whole.max - whole.min, (max - min) * step.scale);
  const first = (min + max - width) / 2 + step.move * (max - min);
  const from = Math.min(whole.max - width, Math.max(whole.min, first));
  return width > 0 && from + width > from ? { min: from, max: from + width } : undefined;
}
