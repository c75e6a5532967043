import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import type { ComputedTensor } from './description';
import { f32, text, u32 } from './keyValues';

/** How rotary frequencies are stretched for long contexts. */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  /** YaRN (Peng et al. 2023); `context` is that of the training before the stretch. */
  | { readonly kind: 'yarn'; readonly factor: number; readonly context: number }
  /** Divisors of each frequency: what GGUF keeps in the tensor `rope_freqs.weight`. */
  | { readonly kind: 'factors'; readonly factors: Float32Array };

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

interface RopeShape {
  readonly theta: number;
  /** Sizes of a head that are rotated. */
  readonly dimensions: number;
  readonly contextLength: number;
}

/**
 * Theta and scaling from config.json: `rope_theta` and `rope_scaling`, or both in `rope_parameters` (transformers 5).
 * @param dimensions sizes of a head that are rotated.
 * @throws QuantscopeError UNSUPPORTED for a kind that cannot be written, MODEL_FILE for impossible numbers.
 */
export function readRope(
  config: ConfigReader,
  dimensions: number,
  contextLength: number,
  defaultTheta = 10_000,
): Rope {
  const theta = readTheta(config, defaultTheta);
  return { theta, scaling: readScaling(ropeParameters(config), { theta, dimensions, contextLength }) };
}

/** Theta from wherever config.json has it. */
export function readTheta(config: ConfigReader, fallback = 10_000): number {
  const parameters = ropeParameters(config);
  return parameters?.has('rope_theta')
    ? parameters.number('rope_theta')
    : config.number('rope_theta', fallback);
}

/** The object that holds the scaling, in either spelling. */
export function ropeParameters(config: ConfigReader): ConfigReader | undefined {
  return config.inner('rope_parameters') ?? config.inner('rope_scaling');
}

/** `rope_type`, or `type` in older files; "default" when there is no scaling. */
export function ropeKind(parameters: ConfigReader | undefined): string {
  return parameters?.text('rope_type', parameters.text('type', 'default')) ?? 'default';
}

function readScaling(parameters: ConfigReader | undefined, shape: RopeShape): RopeScaling {
  const kind = ropeKind(parameters);
  if (!parameters || kind === 'default') return { kind: 'none' };
  if (kind === 'linear') return { kind: 'linear', factor: parameters.number('factor', 1) };
  if (kind === 'yarn') {
    // The attention factor 0.1 ln(factor) + 1 and the borders of the ramp are those that llama.cpp has built in.
    parameters.expect('attention_factor', null, null);
    parameters.expect('beta_fast', 32, 32);
    parameters.expect('beta_slow', 1, 1);
    parameters.expect('truncate', true, true);
    const context = parameters.integer('original_max_position_embeddings', shape.contextLength);
    return { kind: 'yarn', factor: parameters.number('factor', 1), context };
  }
  if (kind === 'llama3') {
    const factors = llama3Factors(shape, {
      factor: parameters.number('factor', 8),
      low: parameters.number('low_freq_factor', 1),
      high: parameters.number('high_freq_factor', 4),
      context: parameters.number('original_max_position_embeddings', 8192),
    });
    return { kind: 'factors', factors };
  }
  throw parameters.unsupported(
    `Rope scaling of type ${JSON.stringify(kind)} cannot be exported for this architecture; supported are linear, yarn and llama3.`,
  );
}

/** @throws QuantscopeError UNSUPPORTED for divisors of frequencies, which llama.cpp reads for a few architectures only. */
export function refuseFactors(config: ConfigReader, { scaling }: Rope): void {
  if (scaling.kind !== 'factors') return;
  const kind = JSON.stringify(ropeKind(ropeParameters(config)));
  throw config.unsupported(
    `Rope scaling of type ${kind} cannot be exported for this architecture; supported are linear and yarn.`,
  );
}

/** Theta and scaling as key-values, without the architecture's name. */
export function ropeKeyValues({ theta, scaling }: Rope): KeyValue[] {
  const base = f32('rope.freq_base', theta);
  if (scaling.kind === 'linear')
    return [base, text('rope.scaling.type', 'linear'), f32('rope.scaling.factor', scaling.factor)];
  if (scaling.kind === 'yarn')
    return [
      base,
      text('rope.scaling.type', 'yarn'),
      f32('rope.scaling.factor', scaling.factor),
      u32('rope.scaling.original_context_length', scaling.context),
    ];
  return [base];
}

/** llama.cpp finds the divisors of rotary frequencies in a tensor of this name. */
export function ropeTensors({ scaling }: Rope): ComputedTensor[] {
  if (scaling.kind !== 'factors') return [];
  return [{ to: 'rope_freqs.weight', values: scaling.factors, reason: 'rope scaling of config.json' }];
}

interface Llama3 {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** Context length of the training before the stretch. */
  readonly context: number;
}

/**
 * Divisor of each rotary frequency under Llama 3.1's scaling: 1 for short wavelengths, `factor` for long ones, and a smooth
 * step between (Llama 3.1 reference code, `apply_scaling`).
 */
function llama3Factors(
  { theta, dimensions }: RopeShape,
  { factor, low, high, context }: Llama3,
): Float32Array {
  return Float32Array.from({ length: dimensions / 2 }, (_, i) => {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * i) / dimensions)));
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength < context / high) return 1;
    if (wavelength > context / low) return factor;
    const smooth = (context / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}
