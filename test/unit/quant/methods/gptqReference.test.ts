import { describe, expect, it } from 'vitest';
import type { Grid } from '../../../../src/protocol/grids';
import { decodeRows } from '../../../../src/quant/grids/roundToNearest';
import { gptq } from '../../../../src/quant/methods/gptq';
import { outputError } from '../../../support/outputError';
import { inputNamed, optionsOf, readReference, vectorsOf } from '../../../support/reference';

interface ReferenceOptions {
  readonly bits: number;
  readonly groupsize: number;
  readonly actorder: boolean;
  readonly static_groups: boolean;
  readonly sym: boolean;
  readonly percdamp: number;
  readonly mse: boolean;
  readonly blocksize: number;
  readonly dead_columns: readonly number[];
}

/** GPTQ's quantizer: symmetric codes are half the range where no weight is negative, others have a zero point. */
function gridOf({ bits, groupsize, sym }: ReferenceOptions): Grid {
  const group = groupsize < 0 ? 'row' : groupsize;
  const shared = { group, scale: 'F32', least: { zeros: 1 } } as const;
  return sym
    ? {
        ...shared,
        levels: { kind: 'integer', bits, signed: true },
        rule: { kind: 'absmax', divisor: (2 ** bits - 1) / 2, oneSided: true },
      }
    : {
        ...shared,
        levels: { kind: 'integer', bits, signed: false },
        ...{ rule: { kind: 'range', widened: true }, zero: 'integer' },
      };
}

describe('codes of the published implementation', () => {
  it.each(vectorsOf('gptq-original', /^b\d-g(?!.*-mse-)/))('%s', async (name) => {
    const described = optionsOf('gptq-original', name);
    const options = described['options'] as ReferenceOptions;
    const dead = options.dead_columns.length > 0 ? '-dead' : '';
    const hessian = readReference('calibration', `layer-h-128${dead}.safetensors`);
    const [h] = [...hessian.values()];
    const matrix = Float64Array.from(await h!.floats());
    const { values, shape } = await inputNamed(String(described['input']));
    const quantizer = await gptq.open({
      grid: gridOf(options),
      shape,
      evidence: { hessian: matrix },
      options: {
        ...{ damping: options.percdamp, act_order: options.actorder, block_size: options.blocksize },
        ...{ static_groups: options.static_groups, group_scales: 'reference' },
        ...{ group_aware: false, clip: false },
      },
    });
    const found = await quantizer.quantize(values.slice());
    const tensors = readReference('gptq-original', 'vectors', `${name}.safetensors`);
    // Symmetric codes are stored around 2^(bits − 1); ours are signed.
    const middle = options.sym ? 2 ** (options.bits - 1) : 0;
    const codes = (await tensors.get('codes')!.floats()).map((code) => code - middle);
    expect(options.sym ? Int8Array.from(found.codes) : found.codes).toEqual(
      options.sym ? Int8Array.from(codes) : Uint8Array.from(codes),
    );
    // Scales that are fitted to corrected weights may differ in the last bit, as the sums of the corrections do.
    const dequantized = await tensors.get('dequantized')!.floats();
    const theirs = outputError(matrix, values, dequantized);
    expect(outputError(matrix, values, await decodeRows(found)) / theirs).toBeCloseTo(1, 6);
  });
});
