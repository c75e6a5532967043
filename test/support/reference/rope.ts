import type { Vector } from './math';

/** A rotation of heads by position: frequencies of each pair, and which entries are a pair. */
export interface Rotation {
  readonly frequencies: Vector;
  /** `half`: i and i + d/2; `pairs`: 2i and 2i + 1. */
  readonly layout: 'half' | 'pairs';
  /** Factor of the rotated part. */
  readonly magnitude: number;
  /** By what a pair is turned at a position of a text, where it is not the position. */
  readonly place?: (position: number, pair: number) => number;
}

/**
 * Entries of a head that are turned: `partial_rotary_factor`, under the class's own name for it, of the head.
 * transformers 5 keeps it among the rope parameters.
 */
export function turnedOf(
  config: Settings,
  headSize: number,
  fallback: number,
  name = 'partial_rotary_factor',
): number {
  const parameters = (config['rope_parameters'] ?? {}) as Settings;
  return Math.trunc(headSize * Number(parameters['partial_rotary_factor'] ?? config[name] ?? fallback));
}

export function frequencies(theta: number, dimensions: number): Vector {
  return Float64Array.from({ length: dimensions / 2 }, (_, i) => theta ** ((-2 * i) / dimensions));
}

type Settings = Readonly<Record<string, unknown>>;

/** Frequencies under `rope_scaling` / `rope_parameters` of a config, as transformers' modeling_rope_utils computes them. */
export function rotationOf(
  config: Settings,
  dimensions: number,
  { defaultTheta = 10_000, textLength = 0 }: { defaultTheta?: number; textLength?: number } = {},
): Rotation {
  const parameters = (config['rope_parameters'] ?? config['rope_scaling'] ?? {}) as Settings;
  const theta = Number(parameters['rope_theta'] ?? config['rope_theta'] ?? defaultTheta);
  const base = frequencies(theta, dimensions);
  const kind = parameters['rope_type'] ?? parameters['type'] ?? 'default';
  const number = (key: string, fallback?: number): number => Number(parameters[key] ?? fallback);
  const plain = { layout: 'half', magnitude: 1 } as const;
  if (kind === 'linear') return { ...plain, frequencies: base.map((f) => f / number('factor')) };
  if (kind === 'llama3') return { ...plain, frequencies: base.map((f) => llama3(f, number)) };
  if (kind === 'longrope') return longRope(config, parameters, base, textLength);
  if (kind === 'yarn') return { ...yarn(config, parameters, theta, dimensions) };
  return { ...plain, frequencies: base };
}

function llama3(frequency: number, number: (key: string) => number): number {
  const wavelength = (2 * Math.PI) / frequency;
  const context = number('original_max_position_embeddings');
  const [low, high, factor] = [number('low_freq_factor'), number('high_freq_factor'), number('factor')];
  if (wavelength < context / high) return frequency;
  if (wavelength > context / low) return frequency / factor;
  const smooth = (context / wavelength - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/** Short factors hold for texts within the original context, long ones for all of a longer text. */
function longRope(config: Settings, parameters: Settings, base: Vector, textLength: number): Rotation {
  const original = Number(
    parameters['original_max_position_embeddings'] ??
      config['original_max_position_embeddings'] ??
      config['max_position_embeddings'],
  );
  const factors = parameters[textLength > original ? 'long_factor' : 'short_factor'] as number[];
  const stretch = Number(config['max_position_embeddings']) / original;
  return {
    frequencies: base.map((f, i) => f / factors[i]!),
    layout: 'half',
    magnitude: stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(original)),
  };
}

/** YaRN (Peng et al. 2023); magnitudes of DeepSeek where both are stated. */
function yarn(config: Settings, parameters: Settings, theta: number, dimensions: number): Rotation {
  const number = (key: string, fallback: number): number => Number(parameters[key] ?? fallback);
  const context = Number(config['max_position_embeddings']);
  const original = number('original_max_position_embeddings', context);
  const factor = number('factor', context / original);
  const boundary = (turns: number): number =>
    (dimensions * Math.log(original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const whole = parameters['truncate'] !== false;
  const [fast, slow] = [boundary(number('beta_fast', 32)), boundary(number('beta_slow', 1))];
  const low = Math.max(0, whole ? Math.floor(fast) : fast);
  const high = Math.min(dimensions - 1, whole ? Math.ceil(slow) : slow);
  const base = frequencies(theta, dimensions);
  const magnitudeOf = (mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const [mscale, all] = [number('mscale', 0), number('mscale_all_dim', 0)];
  return {
    frequencies: base.map((f, i) => {
      const ramp = Math.min(1, Math.max(0, (i - low) / Math.max(high - low, 0.001)));
      return (f / factor) * ramp + f * (1 - ramp);
    }),
    layout: 'half',
    magnitude: number(
      'attention_factor',
      mscale && all ? magnitudeOf(mscale) / magnitudeOf(all) : magnitudeOf(1),
    ),
  };
}

/** Turns the first entries of a head, as many as the rotation has. */
export function rotate(
  head: Vector,
  position: number,
  { frequencies: f, layout, magnitude, place }: Rotation,
): Vector {
  const result = head.slice();
  for (let i = 0; i < f.length; i++) {
    const [a, b] = layout === 'half' ? [i, i + f.length] : [2 * i, 2 * i + 1];
    const angle = (place?.(position, i) ?? position) * f[i]!;
    const [cos, sin] = [Math.cos(angle) * magnitude, Math.sin(angle) * magnitude];
    result[a] = head[a]! * cos - head[b]! * sin;
    result[b] = head[b]! * cos + head[a]! * sin;
  }
  return result;
}
