import { describe, expect, it } from 'vitest';
import { differencesFrom, measurableTypes, predictRival, rivalFile } from '../../../src/ampq/rivalFile';
import type { ModelDescription } from '../../../src/protocol/model';
import type { SensitivityCell } from '../../../src/protocol/plan';
import { assignment, rowWith } from '../../support/plans';

const cell = (format: string, relativeSquaredError: number): SensitivityCell => ({
  ...{ format, bytes: 144, bitsPerWeight: 4.5, relativeSquaredError },
  ...{ sqnr: 0, maxError: 0, device: 'cpu' },
});
const row = (tensor: string, gain: number) => ({
  ...rowWith(tensor, 256, [cell('Q4_K', 0.01), cell('Q6_K', 0.001)]),
  gain,
});
const rows = [row('a', 2), row('b', 3), row('c', 5)];

/** A file of two parts with these types. */
function fileWith(types: Readonly<Record<string, string>>, change: Partial<ModelDescription> = {}) {
  const tensors = Object.entries(types).map(([name, dtype]) => ({
    ...{ name, dtype, shape: [1, 256], byteLength: 100, elements: 256 },
  }));
  return {
    ...{ path: '/theirs/x.gguf', format: 'gguf', missingFiles: [], tensors },
    files: [{ size: 1000 }, { size: 234 }],
    ...change,
  } as unknown as ModelDescription;
}

const types = { b: 'BF16', a: 'Q6_K', c: 'Q4_K', norm: 'F32' };

describe('the assignment of a GGUF file', () => {
  it('has the types of the tensors of the table, in its order, and the bytes of all parts', () => {
    const rival = rivalFile(fileWith(types), rows);
    expect(rival).toMatchObject({ file: 'x.gguf', bytes: 1234 });
    expect(rival.tensors.map(({ tensor, type }) => [tensor, type])).toEqual([
      ['a', 'Q6_K'],
      ['b', 'BF16'],
      ['c', 'Q4_K'],
    ]);
  });

  it.each<[string, Partial<ModelDescription>, RegExp]>([
    ['that is not GGUF', { format: 'safetensors' }, /compared with a GGUF file; this is not one/],
    ['that lacks parts', { missingFiles: ['x-00002-of-00002.gguf'] }, /Parts are missing: x-00002/],
    ['of another base', { tensors: [] }, /of another base: it does not have this tensor/],
  ])('is not read from a file %s', (_, change, message) => {
    expect(() => rivalFile(fileWith(types, change), rows)).toThrow(message);
  });

  it('is not that of tensors of another shape', () => {
    const wide = [{ ...rows[0]!, shape: [2, 256] }];
    expect(() => rivalFile(fileWith(types), wide)).toThrow('this tensor is 1 × 256 in it, and 2 × 256');
  });
});

describe('the prediction for a file', () => {
  it('is the sum of gain · error, and nothing for tensors without loss', () => {
    const rival = rivalFile(fileWith(types), rows); // the rows are BF16 without loss
    expect(predictRival(rival, { rows })).toEqual({ divergence: 2 * 0.001 + 0 + 5 * 0.01, unknown: [] });
  });

  it('is absent where an error is not known, and names the tensor', () => {
    const rival = rivalFile(fileWith({ ...types, c: 'TQ1_0' }), rows);
    expect(predictRival(rival, { rows })).toEqual({ unknown: ['c'] });
    expect(measurableTypes(rival)).not.toContain('TQ9_9');
  });
});

describe('a plan beside a file', () => {
  it('differs in the tensors that have other formats', () => {
    const rival = rivalFile(fileWith(types), rows);
    const plan = [assignment('a', 'Q6_K'), assignment('b', 'Q4_K'), assignment('c', 'Q6_K')];
    const found = differencesFrom(rival, plan, { rows });
    expect(found.map(({ tensor, theirs, ours }) => [tensor, theirs.type, ours.format])).toEqual([
      ['b', 'BF16', 'Q4_K'],
      ['c', 'Q4_K', 'Q6_K'],
    ]);
    expect(found[0]).toMatchObject({ theirs: { divergence: 0 }, ours: { divergence: 3 * 0.01 } });
  });
});
