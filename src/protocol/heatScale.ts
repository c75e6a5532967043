/**
 * Colours from small to large: lightness only rises (dark themes) or only falls (light ones), from near the background to the most
 * contrast, so that the order is seen without hues and in any kind of colour vision.
 */
export const heatScales = {
  dark: ['#210460', '#044079', '#096b84', '#099791', '#48c286', '#b6de76', '#fff6d1'],
  light: ['#fefbe4', '#b1e287', '#48c190', '#059494', '#056683', '#00357b', '#1e014d'],
} as const;

/** The scale of a theme as plotly takes it. */
export function heatScale(isDark: boolean): [number, string][] {
  const colors = heatScales[isDark ? 'dark' : 'light'];
  return colors.map((color, i) => [i / (colors.length - 1), color]);
}

/** The colour of a place in a scale. @param place 0 to 1. */
export function heatColor(place: number, isDark: boolean): string {
  const colors = heatScales[isDark ? 'dark' : 'light'];
  const at = Math.min(1, Math.max(0, place)) * (colors.length - 1);
  const lower = Math.min(colors.length - 2, Math.floor(at));
  const [from, to] = [channelsOf(colors[lower]!), channelsOf(colors[lower + 1]!)];
  const mixed = from.map((channel, i) => Math.round(channel + (to[i]! - channel) * (at - lower)));
  return `rgb(${mixed.join(' ')})`;
}

const channelsOf = (hex: string): number[] =>
  [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
