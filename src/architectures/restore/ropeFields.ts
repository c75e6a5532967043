import { greatestOf } from '../../protocol/extremes';
import { yarnMagnitude } from '../rope';
import type { GgufFacts } from './ggufFacts';

/** Fields of a config.json; undefined ones are left out. */
export type Fields = Readonly<Record<string, unknown>>;

/** `rope_scaling` of a config.json, from key-values and the divisors of frequencies. */
export function ropeScaling(facts: GgufFacts): Fields | undefined {
  const type = facts.text('rope.scaling.type');
  const factor = facts.number('rope.scaling.factor');
  if (type === 'linear') return { rope_type: 'linear', factor };
  if (type === 'yarn' && factor !== undefined) return yarn(facts, factor);
  const divisors = facts.numbers('rope_freqs.weight');
  return divisors ? llama3(facts, divisors) : undefined;
}

/** llama.cpp has the usual magnitude built in, and a factor of it. */
function yarn(facts: GgufFacts, factor: number): Fields {
  const share = facts.number('rope.scaling.attn_factor');
  return {
    rope_type: 'yarn',
    factor,
    original_max_position_embeddings: facts.number('rope.scaling.original_context_length'),
    ...(share === undefined ? {} : { attention_factor: share * yarnMagnitude(factor) }),
  };
}

/** The borders of Llama 3.1's scaling in every published model. */
const borders = { low: 1, high: 4 };

/**
 * Llama 3.1's scaling from its divisors: the largest is the factor; one between 1 and the factor tells the context of the training. Whether
 * these settings lead to the same divisors is checked where the whole configuration is.
 */
function llama3(facts: GgufFacts, divisors: readonly number[]): Fields {
  const factor = greatestOf(divisors);
  const theta = facts.number('rope.freq_base') ?? 10_000;
  const { low, high } = borders;
  const pair = divisors.findIndex((divisor) => divisor > 1 && divisor < factor);
  const smooth = pair < 0 ? 0 : (1 / divisors[pair]! - 1 / factor) / (1 - 1 / factor);
  const wavelength = 2 * Math.PI * theta ** (Math.max(0, pair) / divisors.length);
  const context = Math.round(wavelength * (smooth * (high - low) + low));
  return {
    rope_type: 'llama3',
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: pair < 0 ? 8192 : context,
  };
}

/** Phi-3's long rope: two lists of divisors. */
export function longRope(facts: GgufFacts): Fields {
  const long_factor = facts.numbers('rope_factors_long.weight');
  const original = facts.number('rope.scaling.original_context_length');
  if (!long_factor) return { original_max_position_embeddings: original };
  const short_factor = facts.numbers('rope_factors_short.weight');
  return {
    original_max_position_embeddings: original,
    rope_scaling: {
      ...{ type: 'longrope', long_factor, short_factor },
      attention_factor: facts.number('rope.scaling.attn_factor'),
    },
  };
}

/** Scaling with the growth of queries beyond the context of the training, as in Llama 4. */
export function temperature(facts: GgufFacts): Fields | undefined {
  const scale = facts.number('attention.temperature_scale');
  const scaling = ropeScaling(facts);
  if (scale === undefined) return scaling;
  const context = facts.number('rope.scaling.original_context_length');
  return {
    rope_type: 'default',
    original_max_position_embeddings: context,
    ...scaling,
    llama_4_scaling_beta: scale,
  };
}
