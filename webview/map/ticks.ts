/** Whole numbers at equal distances, in steps of 1, 2 or 5 times a power of ten, that leave each so many pixels. */
export function wholeTicks(first: number, count: number, pixels: number, perTick: number): number[] {
  const least = Math.max(1, (count * perTick) / Math.max(1, pixels));
  const power = 10 ** Math.floor(Math.log10(least));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= least) ?? 10);
  const ticks: number[] = [];
  for (let tick = Math.ceil(first / step) * step; tick < first + count; tick += step) ticks.push(tick);
  return ticks;
}
