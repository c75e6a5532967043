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
