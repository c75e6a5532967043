import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scanWeights } from '../../../src/analysis/scanWeights';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { openModel } from '../../../src/layouts/openModel';
import { readAs } from '../../../src/model/rows';
import { hasSharedData, sampleFolder, sharedData } from '../../support/files';
import { scanFaults } from '../../support/scanReference';

/** Larger tensors are left out: the reference takes seconds for a million weights. */
const mostWeights = 70_000;
const figures = { bins: 10, percentiles: [0.1, 1, 50, 99, 99.9], thresholds: [3, 4, 5, 6, 8] };

const real = (...path: string[]): string => join(sharedData, ...path);
const models: readonly (readonly [string, string])[] = [
  ['the sample', sampleFolder],
  ...(hasSharedData
    ? ([
        ['a speech model in F32', real('silero-vad', 'silero_vad_16k.safetensors')],
        ['embeddings in F16', real('model2vec', 'float16', 'model.safetensors')],
        ['a GGUF file', real('gguf', 'llama-2-tiny-random.gguf')],
        ['FP8 of compressed-tensors', real('reference', 'compressed-tensors', 'folders', 'FP8_DYNAMIC')],
        ['GPTQ', real('reference', 'gptqmodel', 'folders', 'gptq-3bit-g32-sym')],
        ['NF4 of bitsandbytes', real('reference', 'bitsandbytes', 'folders', 'nf4-double-quant')],
      ] as const)
    : []),
];

describe.each(models)('the weights of %s', (_, path) => {
  it('have the figures that plain loops in float64 find', async () => {
    const model = await openModel(path);
    let scanned = 0;
    for (const tensor of model.description.tensors) {
      if (!tensor.readable || tensor.elements === 0 || tensor.elements > mostWeights) continue;
      const reader = new TensorReader(model, tensor);
      const { rows, columns } = reader;
      const options = { rows, columns, cellRows: 3, cellColumns: 5, ...figures };
      const { result } = await scanWeights(reader, { dtype: readAs(tensor).dtype, ...options });
      const values = new Float32Array(tensor.elements);
      for await (const slab of reader.values()) values.set(slab.values, slab.firstWeight);
      expect(scanFaults(result, values, options), tensor.name).toEqual([]);
      scanned += 1;
    }
    await model.close();
    expect(scanned).toBeGreaterThan(0);
  });
});
