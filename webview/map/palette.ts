import { heatScales } from '../../src/protocol/heatScale';

/** Colours of a map's values, as bytes of red, green and blue. */
export interface Palette {
  /** From 0 to the top of the scale, `3 × steps`. */
  readonly ramp: Uint8Array;
  /** Of values above the threshold. */
  readonly beyond: readonly [number, number, number];
  /** Of weights that are not finite. */
  readonly bad: readonly [number, number, number];
}

export const steps = 256;

/** What stands out of the scale, and what is not a number: neither is a colour of the scale. */
const apart = {
  dark: { beyond: '#ff7a1a', bad: '#ff4fd8' },
  light: { beyond: '#e8590c', bad: '#c2189b' },
} as const;

const rgb = (color: string): [number, number, number] =>
  [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)) as [number, number, number];

export const beyondColor = (isDark: boolean): string => apart[isDark ? 'dark' : 'light'].beyond;

export function paletteOf(isDark: boolean): Palette {
  const theme = isDark ? 'dark' : 'light';
  const stops = heatScales[theme].map(rgb);
  const ramp = new Uint8Array(3 * steps);
  for (let step = 0; step < steps; step++) {
    const at = (step / (steps - 1)) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(at));
    for (let channel = 0; channel < 3; channel++) {
      const [from, to] = [stops[below]![channel]!, stops[below + 1]![channel]!];
      ramp[3 * step + channel] = Math.round(from + (at - below) * (to - from));
    }
  }
  return { ramp, beyond: rgb(apart[theme].beyond), bad: rgb(apart[theme].bad) };
}

/** How magnitudes become colours. */
export interface Scale {
  /** Magnitude at the end of the ramp. */
  readonly top: number;
  /** Whether what is above stands out; it has the last colour of the ramp otherwise. */
  readonly marksBeyond: boolean;
}

/** Red, green and blue of a value into four bytes at `at`. */
export function colorInto(
  target: Uint8ClampedArray,
  at: number,
  value: number,
  { top, marksBeyond }: Scale,
  { ramp, beyond, bad }: Palette,
): void {
  const magnitude = Math.abs(value);
  target[at + 3] = 255;
  if (magnitude <= top) {
    const step = 3 * Math.round((magnitude / top) * (steps - 1));
    target[at] = ramp[step]!;
    target[at + 1] = ramp[step + 1]!;
    target[at + 2] = ramp[step + 2]!;
    return;
  }
  const last = 3 * (steps - 1);
  const [red, green, blue] = !(magnitude < Infinity)
    ? bad
    : marksBeyond
      ? beyond
      : [ramp[last]!, ramp[last + 1]!, ramp[last + 2]!];
  target[at] = red;
  target[at + 1] = green;
  target[at + 2] = blue;
}

/** Relative luminance (WCAG 2) of three bytes: which of black and white can be read on them. */
export function isBright([red, green, blue]: readonly [number, number, number]): boolean {
  const linear = (byte: number): number =>
    byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4;
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) > 0.18;
}
