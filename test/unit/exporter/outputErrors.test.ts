import { expect, it } from 'vitest';
import type { TensorReader } from '../../../src/analysis/tensorReader';
import type { ConvertedTensor } from '../../../src/architectures/convertedTensor';
import { CodeFinder } from '../../../src/exporter/codes/codeFinder';
import { outputErrors } from '../../../src/exporter/codes/outputErrors';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { formatById } from '../../../src/quant/catalogue';
import type { EvidenceSource } from '../../../src/quant/evidence';
import { correlatedHessian } from '../../support/hessian';
import { Random } from '../../support/random';

const [experts, rows, columns] = [3, 8, 64];
const weights = new Random(2).fill(experts * rows * columns, (random) => random.normal());

it('of experts in several slabs need what is known of each once', async () => {
  const asked: string[] = [];
  const source: EvidenceSource = {
    ...{ text: { path: 'text', tokens: 1, hash: '' }, notes: [], outputs: new Set() },
    for: (tensor) => {
      asked.push(tensor);
      return Promise.resolve({ hessian: correlatedHessian(columns, 200, asked.length) });
    },
  };
  const piece = (expert: number) => ({
    ...{ tensor: { name: `expert ${expert}`, dtype: 'F32' } as TensorDescriptor, firstRow: 0, rows },
  });
  const converted: ConvertedTensor = {
    ...{ name: 'blk.0.ffn_up_exps.weight', shape: [experts, rows, columns], columns },
    pieces: Array.from({ length: experts }, (_, expert) => piece(expert)),
  };
  const reader = { columns, elements: weights.length } as TensorReader;
  const finder = new CodeFinder(source, 'one-sided');
  const range = { min: -9, max: 9 };
  // Half an expert in each slab.
  for (let first = 0; first < weights.length; first += (rows / 2) * columns) {
    const data = new Uint8Array(weights.slice(first, first + (rows / 2) * columns).buffer);
    const slab = { dtype: 'F32', data, firstWeight: first, weights: data.length / 4, columns } as const;
    const sums = await outputErrors(finder, reader, slab, formatById('Q4_0'), range, { converted });
    expect(sums!.error / sums!.source).toBeLessThan(0.01);
  }
  expect(asked).toEqual(['expert 0', 'expert 1', 'expert 2']);
});
