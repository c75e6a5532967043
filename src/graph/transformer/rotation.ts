/** Rotary embedding of one kind of layer (Su et al. 2021): pair i of a head turns by position · frequencies[i]. */
export interface Rotation {
  /** `halves`: dimensions i and i + dimensions/2 turn together; `pairs`: 2i and 2i + 1. */
  readonly order: 'pairs' | 'halves';
  /** Dimensions of a head that turn; the rest stay unchanged. */
  readonly dimensions: number;
  /** Radians per position, one per pair. */
  readonly frequencies: Float64Array;
  /** Factor of sines and cosines. */
  readonly magnitude: number;
}

export interface RotationSettings {
  readonly order: Rotation['order'];
  readonly dimensions: number;
  readonly theta: number;
  /** How frequencies are stretched. */
  readonly scaling?:
    | { readonly kind: 'linear'; readonly factor: number }
    /**
     * YaRN (Peng et al. 2023), with the context length of the training before the stretch, and rotations after which a frequency counts as
     * fast, and before which as slow.
     */
    | {
        readonly kind: 'yarn';
        readonly factor: number;
        readonly context: number;
        readonly fast?: number;
        readonly slow?: number;
      }
    | undefined;
  /** Divisors of each frequency (Llama 3.1's, LongRoPE's). */
  readonly factors?: Float32Array | undefined;
  /** Factor of sines and cosines that the file states. */
  readonly attentionFactor?: number | undefined;
}

/** Usual numbers of rotations (YaRN, section 3.2). */
export const usualTurns = { fast: 32, slow: 1 };

export function rotationOf(settings: RotationSettings): Rotation {
  const { order, dimensions, theta, scaling, factors, attentionFactor = 1 } = settings;
  const base = (pair: number): number => theta ** ((-2 * pair) / dimensions) / (factors?.[pair] ?? 1);
  const stretch = stretchOf(settings);
  return {
    order,
    dimensions,
    frequencies: Float64Array.from({ length: dimensions / 2 }, (_, pair) => stretch(base(pair), pair)),
    magnitude:
      attentionFactor *
      (scaling?.kind === 'yarn' && scaling.factor > 1 ? 1 + 0.1 * Math.log(scaling.factor) : 1),
  };
}

function stretchOf({
  scaling,
  dimensions,
  theta,
}: RotationSettings): (frequency: number, pair: number) => number {
  if (!scaling) return (frequency) => frequency;
  const { factor } = scaling;
  if (scaling.kind === 'linear') return (frequency) => frequency / factor;
  // The pair whose frequency turns so often within the context of the training.
  const pairTurning = (turns: number): number =>
    (dimensions * Math.log(scaling.context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const { fast = usualTurns.fast, slow = usualTurns.slow } = scaling;
  const first = Math.max(0, Math.floor(pairTurning(fast)));
  const last = Math.min(dimensions - 1, Math.ceil(pairTurning(slow)));
  return (frequency, pair) => {
    const ramp = Math.min(1, Math.max(0, (pair - first) / Math.max(0.001, last - first)));
    return (frequency / factor) * ramp + frequency * (1 - ramp);
  };
}

/** Cosines and sines [positions, pairs] of the positions from 0 on. */
export function rotationTables(
  { frequencies, magnitude }: Rotation,
  positions: number,
): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const pairs = frequencies.length;
  const cos = new Float32Array(positions * pairs);
  const sin = new Float32Array(positions * pairs);
  for (let position = 0; position < positions; position++) {
    for (let pair = 0; pair < pairs; pair++) {
      const angle = position * frequencies[pair]!;
      cos[position * pairs + pair] = magnitude * Math.cos(angle);
      sin[position * pairs + pair] = magnitude * Math.sin(angle);
    }
  }
  return { cos, sin };
}
