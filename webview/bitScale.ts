/**
 * Bits per weight as an ordered quantity: one sequential scale in all views, with lightness that only rises (dark themes) or only
 * falls (light ones), so that it can be read without seeing hues. The colours are the variables `--bits-N` of `styles/bits.css`.
 */

/** Bits with their own colour; values between them are interpolated. */
export const bitStops = [1, 2, 3, 4, 5, 6, 8, 16] as const;

/** A CSS colour for bits per weight, fractions included; clamped at the ends of the scale. */
export function bitColor(bits: number): string {
  const above = bitStops.findIndex((stop) => bits <= stop);
  const upper = bitStops[above] ?? 16;
  const lower = bitStops[above - 1];
  if (lower === undefined || upper === bits || above < 0) return `var(--bits-${upper})`;
  const share = Math.round((100 * (bits - lower)) / (upper - lower));
  return `color-mix(in oklab, var(--bits-${lower}), var(--bits-${upper}) ${share}%)`;
}

/** Length of a bar for bits per weight, as a share of one for 16 bits. */
export const bitLength = (bits: number): number => Math.min(1, Math.max(0, bits / 16));
