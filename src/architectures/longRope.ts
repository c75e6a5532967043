import type { KeyValue } from '../model/keyValue';
import type { ConfigReader } from './configReader';
import type { Decoder } from './decoder';
import type { ComputedTensor } from './description';
import { f32, u32 } from './keyValues';
import { ropeKind, ropeParameters } from './rope';
import { said } from '../protocol/said';

/** What GGUF has of it: key-values without the architecture's name, and both lists of divisors. */
export interface LongRope {
  readonly keyValues: readonly KeyValue[];
  readonly computed: readonly ComputedTensor[];
}

/**
 * LongRoPE (Ding et al. 2024): divisors of the rotary frequencies for contexts up to the original length and beyond, and a
 * factor of sines and cosines, √(1 + ln(stretch) / ln(original length)) unless stated.
 */
export function readLongRope(
  config: ConfigReader,
  { ropeDimensions, contextLength }: Pick<Decoder, 'ropeDimensions' | 'contextLength'>,
): LongRope {
  const parameters = ropeParameters(config);
  const kind = ropeKind(parameters);
  if (kind !== 'default' && kind !== 'longrope' && kind !== 'su')
    throw config.unsupported(
      said`Rope scaling of type ${JSON.stringify(kind)} cannot be exported for this architecture; only longrope is supported.`,
    );
  config.known('original_max_position_embeddings');
  const stretched = parameters !== undefined && kind !== 'default';
  const inside = parameters?.has('original_max_position_embeddings') ? parameters : config;
  const original = inside.integer('original_max_position_embeddings', stretched ? 4096 : contextLength);
  const keyValues = [u32('rope.scaling.original_context_length', original)];
  if (!stretched) return { keyValues, computed: [] };
  const ratio = parameters.number('factor', contextLength / original);
  const attention = ratio > 1 ? Math.sqrt(1 + Math.log(ratio) / Math.log(original)) : 1;
  const factors = (length: 'short' | 'long'): ComputedTensor => {
    const values = parameters.numbers(`${length}_factor`);
    if (values?.length !== ropeDimensions / 2)
      throw parameters.wrong(`${length}_factor`, `a list of ${ropeDimensions / 2} numbers is needed`);
    return {
      to: `rope_factors_${length}.weight`,
      values: Float32Array.from(values),
      reason: said`rope scaling of config.json`,
    };
  };
  return {
    keyValues: [
      ...keyValues,
      f32('rope.scaling.attn_factor', parameters.number('attention_factor', attention)),
    ],
    computed: [factors('long'), factors('short')],
  };
}
