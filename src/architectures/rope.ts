import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import type { ComputedTensor } from './description';
import { f32, text, u32 } from './keyValues';
import { said } from '../protocol/said';

/** YaRN (Peng et al. 2023). */
export interface Yarn {
  readonly kind: 'yarn';
  readonly factor: number;
  /** Context length of the training before the stretch. */
  readonly context: number;
  /** Factor of sines and cosines. */
  readonly magnitude: number;
}

/** How rotary frequencies are stretched for long contexts. */
export type RopeScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | Yarn
  /** Divisors of each frequency, which GGUF keeps in the tensor `rope_freqs.weight`, and a factor of sines and cosines. */
  | {
      readonly kind: 'factors';
      readonly factors: Float32Array;
      readonly magnitude: number;
      /** YaRN with a ramp of its own: the same with the ramp that llama.cpp has built in. */
      readonly nearest?: Yarn;
    };

export interface Rope {
  readonly theta: number;
  readonly scaling: RopeScaling;
}

interface RopeShape {
  readonly theta: number;
  /** Dimensions of a head that are rotated. */
  readonly dimensions: number;
  readonly contextLength: number;
}

/**
 * Theta and scaling from config.json: `rope_theta` and `rope_scaling`, or both in `rope_parameters` (transformers 5).
 * @param dimensions dimensions of a head that are rotated.
 * @param parameters the object that holds the scaling, where the architecture has it elsewhere.
 * @throws QuantscopeError UNSUPPORTED for a kind that cannot be written, MODEL_FILE for impossible numbers.
 */
export function readRope(
  config: ConfigReader,
  dimensions: number,
  contextLength: number,
  defaultTheta = 10_000,
  parameters = ropeParameters(config),
): Rope {
  config.checkRotated(dimensions);
  const theta = readTheta(config, defaultTheta, parameters);
  return { theta, scaling: readScaling(parameters, { theta, dimensions, contextLength }) };
}

/** Theta from wherever config.json has it. */
export function readTheta(
  config: ConfigReader,
  fallback = 10_000,
  parameters = ropeParameters(config),
): number {
  if (!parameters?.has('rope_theta')) return config.number('rope_theta', fallback);
  config.known('rope_theta'); // that of the object takes precedence in transformers
  return parameters.number('rope_theta');
}

/**
 * The object that holds the scaling: of two, that of the older spelling unless it is empty (`convert_rope_params_to_dict` of transformers).
 * @throws QuantscopeError UNSUPPORTED for one that has settings for each kind of layer.
 */
export function ropeParameters(config: ConfigReader): ConfigReader | undefined {
  const [older, newer] = [config.inner('rope_scaling'), config.inner('rope_parameters')];
  const parameters = older?.isEmpty() === false ? older : (newer ?? older);
  if (parameters === older) newer?.ignore();
  if (!parameters?.isNested()) return parameters;
  throw parameters.unsupported(
    said`GGUF cannot express separate rope settings for each kind of layer for this architecture.`,
  );
}

/**
 * `rope_type`, or `type` in older files; "default" when there is no scaling. "mrope" is none either: texts rotate as usual, and what differs
 * for images is in `mrope_section`.
 */
export function ropeKind(parameters: ConfigReader | undefined): string {
  const kind = parameters?.text('rope_type', parameters.text('type', 'default')) ?? 'default';
  return kind === 'mrope' ? 'default' : kind;
}

/**
 * How many pairs of a head turn by the position in time, height and width of an image. Texts have the same position in all of them.
 * @param fallback where config.json may leave it out.
 */
export function ropeSections(config: ConfigReader, fallback?: readonly number[]): KeyValue {
  const parameters = ropeParameters(config);
  parameters?.known('mrope_interleaved', 'type', 'rope_type');
  const stated = parameters?.numbers('mrope_section') ?? fallback;
  if (!stated || stated.length > 4)
    throw (parameters ?? config).wrong('mrope_section', 'a list of at most four numbers is needed');
  return {
    ...{ key: 'rope.dimension_sections', type: 'array', elementType: 'i32' },
    values: [...stated, 0, 0, 0, 0].slice(0, 4),
  };
}

function readScaling(parameters: ConfigReader | undefined, shape: RopeShape): RopeScaling {
  const kind = ropeKind(parameters);
  if (!parameters || kind === 'default') return { kind: 'none' };
  if (kind === 'linear') return { kind: 'linear', factor: parameters.number('factor', 1) };
  if (kind === 'yarn') return readYarn(parameters, shape);
  if (kind === 'dynamic') return readDynamic(parameters, shape);
  if (kind === 'llama3') {
    const factors = llama3Factors(shape, {
      factor: parameters.number('factor', 8),
      low: parameters.number('low_freq_factor', 1),
      high: parameters.number('high_freq_factor', 4),
      context: parameters.number('original_max_position_embeddings', 8192),
    });
    return { kind: 'factors', factors, magnitude: 1 };
  }
  throw parameters.unsupported(
    said`Rope scaling of type ${JSON.stringify(kind)} cannot be exported for this architecture; the supported types are linear, dynamic, yarn and llama3.`,
  );
}

/** YaRN's settings as transformers reads them (modeling_rope_utils, `_compute_yarn_parameters`). */
function readYarn(parameters: ConfigReader, shape: RopeShape): RopeScaling {
  parameters.known('finetuned');
  const context = parameters.integer('original_max_position_embeddings', shape.contextLength);
  const factor = parameters.number('factor', shape.contextLength / context);
  const mscale = parameters.numberUnlessZero('mscale');
  const all = parameters.numberUnlessZero('mscale_all_dim');
  const usual =
    mscale !== undefined && all !== undefined
      ? yarnMagnitude(factor, mscale) / yarnMagnitude(factor, all)
      : yarnMagnitude(factor);
  const magnitude = parameters.number('attention_factor', usual);
  return yarnScaling(
    shape,
    { kind: 'yarn', factor, context, magnitude },
    {
      fast: parameters.number('beta_fast', usualRamp.fast),
      slow: parameters.number('beta_slow', usualRamp.slow),
      whole: parameters.flag('truncate', usualRamp.whole),
    },
  );
}

/**
 * YaRN with a ramp. llama.cpp has the usual ramp built in; any other becomes divisors of the frequencies.
 * @param nearest with the usual ramp.
 */
export function yarnScaling(
  shape: Pick<RopeShape, 'theta' | 'dimensions'>,
  nearest: Yarn,
  settings: RampSettings,
): RopeScaling {
  const { context, factor, magnitude } = nearest;
  const ramp = rampOf(shape, context, settings);
  if (String(ramp) === String(rampOf(shape, context, usualRamp))) return nearest;
  return { kind: 'factors', factors: divisorsOf(shape, ramp, factor), magnitude, nearest };
}

/** What YaRN divides each frequency by. */
function divisorsOf({ dimensions }: Pick<RopeShape, 'dimensions'>, ramp: Ramp, factor: number): Float32Array {
  return Float32Array.from({ length: dimensions / 2 }, (_, pair) => {
    const share = Math.min(1, Math.max(0, (pair - ramp[0]) / Math.max(0.001, ramp[1] - ramp[0])));
    return 1 / (share / factor + 1 - share);
  });
}

/**
 * For an architecture to which llama.cpp gives no divisors of frequencies: YaRN with its own ramp becomes YaRN with the ramp that llama.cpp
 * has built in, and what to divide those frequencies by for the model's own.
 */
export function withUsualRamp(
  rope: Rope,
  dimensions: number,
): { readonly rope: Rope; readonly divisors?: Float32Array } {
  const { theta, scaling } = rope;
  if (scaling.kind !== 'factors' || !scaling.nearest) return { rope };
  const { nearest, factors } = scaling;
  const ramp = rampOf({ theta, dimensions }, nearest.context, usualRamp);
  const usual = divisorsOf({ dimensions }, ramp, nearest.factor);
  return { rope: { theta, scaling: nearest }, divisors: factors.map((own, pair) => own / usual[pair]!) };
}

export interface RampSettings {
  /** Turns within the training context above which a frequency is kept, and below which it is stretched in full. */
  readonly fast: number;
  readonly slow: number;
  /** The ramp starts and ends at whole pairs. */
  readonly whole: boolean;
}

/** The ramp that llama.cpp has built in. */
const usualRamp: RampSettings = { fast: 32, slow: 1, whole: true };

type Ramp = readonly [first: number, last: number];

/** Pairs between which the stretch grows from none to all (Peng et al. 2023, section 3.2). */
function rampOf(
  { theta, dimensions }: Pick<RopeShape, 'theta' | 'dimensions'>,
  context: number,
  { fast, slow, whole }: RampSettings,
): Ramp {
  const pairTurning = (turns: number): number =>
    (dimensions * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairTurning(fast), pairTurning(slow)];
  return [
    Math.max(0, whole ? Math.floor(first) : first),
    Math.min(dimensions - 1, whole ? Math.ceil(last) : last),
  ];
}

/** YaRN's factor of sines and cosines (Peng et al. 2023, section 3.3), in DeepSeek's generalisation. */
export const yarnMagnitude = (factor: number, mscale = 1): number =>
  factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;

/** Dynamic NTK scaling changes nothing within the training context, and llama.cpp changes nothing beyond it either. */
function readDynamic(parameters: ConfigReader, { contextLength }: RopeShape): RopeScaling {
  parameters.number('factor', 1);
  if (parameters.has('alpha'))
    throw parameters.unsupported(
      said`Dynamic rope scaling with "alpha" changes the base for every length; it cannot be exported.`,
    );
  const original = parameters.integer('original_max_position_embeddings', contextLength);
  const context = Math.min(original, contextLength);
  parameters.notes.push(
    said`Dynamic rope scaling stretches texts of more than ${context} tokens, which llama.cpp does not do: their results differ from those of transformers.`,
  );
  return { kind: 'none' };
}

/** @throws QuantscopeError UNSUPPORTED for divisors of frequencies, which llama.cpp reads only for a few architectures. */
export function refuseFactors(config: ConfigReader, { scaling }: Rope): void {
  if (scaling.kind !== 'factors') return;
  const kind = JSON.stringify(ropeKind(ropeParameters(config)));
  throw config.unsupported(
    said`Rope scaling of type ${kind} with these settings cannot be exported for this architecture; the supported types are linear, dynamic, and yarn with its usual "beta_fast", "beta_slow" and "truncate".`,
  );
}

/** Theta and scaling as key-values, without the architecture's name. */
export function ropeKeyValues({ theta, scaling }: Rope): KeyValue[] {
  const base = f32('rope.freq_base', theta);
  if (scaling.kind === 'linear')
    return [base, text('rope.scaling.type', 'linear'), f32('rope.scaling.factor', scaling.factor)];
  if (scaling.kind === 'yarn') return [base, ...yarnKeyValues(scaling)];
  return scaling.kind === 'factors' ? [base, ...magnitudeKeyValues(scaling.magnitude)] : [base];
}

/** llama.cpp has the usual magnitude built in, and a factor of it. */
function yarnKeyValues({ factor, context, magnitude }: Yarn): KeyValue[] {
  return [
    text('rope.scaling.type', 'yarn'),
    f32('rope.scaling.factor', factor),
    u32('rope.scaling.original_context_length', context),
    ...magnitudeKeyValues(magnitude / yarnMagnitude(factor)),
  ];
}

const magnitudeKeyValues = (factor: number): KeyValue[] =>
  factor === 1 ? [] : [f32('rope.scaling.attn_factor', factor)];

/** llama.cpp finds the divisors of rotary frequencies in a tensor of this name. */
export function ropeTensors({ scaling }: Rope): ComputedTensor[] {
  if (scaling.kind !== 'factors') return [];
  return [{ to: 'rope_freqs.weight', values: scaling.factors, reason: said`rope scaling of config.json` }];
}

interface Llama3 {
  readonly factor: number;
  readonly low: number;
  readonly high: number;
  /** Context length of the training before the stretch. */
  readonly context: number;
}

/** Divisor of each rotary frequency under Llama 3.1's scaling: 1 for short wavelengths, `factor` for long ones (its reference code, `apply_scaling`). */
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
