import { isRecord } from '../model/json';
import { quantizationOf, type StoredContent } from './layout';
import { said } from '../protocol/said';

/** What a configuration says of a checkpoint besides how its weights are stored. */
export interface Stated {
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/**
 * What config.json says of a quantized checkpoint that decoded weights do not show: transforms of weights and inputs, rounding of inputs, and of
 * keys and values. None of it is applied where the model is looked at, evaluated or converted.
 */
export function statedBesides(config: StoredContent['config']): Stated {
  const stated = quantizationOf(config);
  const transforms = isRecord(stated['transform_config'])
    ? stated['transform_config']['config_groups']
    : undefined;
  const isTransformed = isRecord(transforms) && Object.keys(transforms).length > 0;
  const inputs = roundingOfInputs(stated);
  const cache = stated['kv_cache_scheme'];
  return {
    warnings: isTransformed
      ? [
          said`config.json names transforms of weights and inputs (transform_config), which are not applied: decoded weights are those of the transformed model.`,
        ]
      : [],
    notes: [
      ...(inputs === undefined
        ? []
        : [
            said`Runtimes also round the inputs of these matrices to ${inputs}; evaluations of this model do not.`,
          ]),
      ...(isRecord(cache)
        ? [
            said`Runtimes also round keys and values to ${levelsOf(cache)} (kv_cache_scheme); evaluations of this model do not.`,
          ]
        : []),
    ],
  };
}

/** What inputs are rounded to; undefined where they are not. */
function roundingOfInputs(stated: Readonly<Record<string, unknown>>): string | undefined {
  const method = stated['quant_method'];
  if (method === 'fp8' || method === 'fbgemm_fp8') return said`8-bit floats`;
  if (method === 'bitsandbytes' && stated['load_in_8bit'] === true)
    return said`8-bit integers, but for outliers`;
  const groups = isRecord(stated['config_groups']) ? Object.values(stated['config_groups']) : [];
  const inputs = groups.map((group) => (isRecord(group) ? group['input_activations'] : undefined));
  const found = inputs.find(isRecord);
  return found && levelsOf(found);
}

/** "8-bit integers", from the arguments of compressed-tensors. */
const levelsOf = ({ num_bits: bits = 8, type }: Readonly<Record<string, unknown>>): string =>
  `${typeof bits === 'number' ? bits : 8}-bit ${type === 'float' ? 'floats' : 'integers'}`;
