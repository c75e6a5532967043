import { describe, expect, it } from 'vitest';
import { foundEvidence, scaledEvidence, type EvidenceSource } from '../../../src/quant/evidence';
import { applyTransform, type TensorTransform } from '../../../src/quant/transforms';

const transformed = (
  values: readonly number[],
  shape: readonly number[],
  firstRow: number,
  transform: Parameters<typeof applyTransform>[3],
): number[] => {
  const floats = Float32Array.from(values);
  applyTransform(floats, shape, firstRow, transform);
  return [...floats];
};

describe('a transform of a tensor', () => {
  it('scales columns and divides rows, counted from the first row of the slab', () => {
    const columnScales = Float32Array.of(1, 2, 4);
    const rowDivisors = Float32Array.of(1, 1, 2, 8);
    expect(transformed([8, 8, 8, 16, 16, 16], [4, 3], 2, { columnScales, rowDivisors })).toEqual([
      ...[4, 8, 16],
      ...[2, 4, 8],
    ]);
  });

  it('has scales of each expert’s own columns', () => {
    const columnScales = Float32Array.of(1, 2, 3, 4, 5, 6);
    expect(transformed([1, 1, 1, 1, 1, 1], [3, 2, 2], 2, { columnScales })).toEqual([3, 4, 3, 4, 5, 6]);
  });

  it('divides the entries of a vector, and 1 + weight where the norm multiplies by that', () => {
    const rowDivisors = Float32Array.of(1, 2, 4);
    expect(transformed([1, 1, 1], [3], 0, { rowDivisors })).toEqual([1, 0.5, 0.25]);
    expect(transformed([1, 7], [3], 1, { rowDivisors, offset: 1 })).toEqual([0, 1]);
  });

  it('rejects numbers of scales and divisors that do not fit', () => {
    expect(() => transformed([1, 1], [1, 2], 0, { columnScales: new Float32Array(3) })).toThrow(
      '3 scales for 2 columns',
    );
    expect(() => transformed([1, 1], [1, 2], 0, { rowDivisors: new Float32Array(2) })).toThrow(
      '2 divisors for 1 rows',
    );
  });
});

describe('evidence of a transformed matrix', () => {
  const gradients = { diagonal: Float64Array.of(3, 5) };
  const source: EvidenceSource = {
    ...{ text: { path: 'text', tokens: 1, hash: '' }, notes: [], outputs: new Set() },
    for: () =>
      Promise.resolve({
        ...{ importance: Float32Array.of(4, 9), hessian: Float64Array.of(4, 6, 6, 9), gradients },
      }),
  };
  const found = (transform: TensorTransform) =>
    scaledEvidence(source, new Map([['matrix', transform]])).for('matrix', 'gradients');

  it('has inputs divided by the scales of columns, and the same gradients', async () => {
    const { importance, hessian, gradients: same } = await found({ columnScales: Float32Array.of(2, 3) });
    expect([importance, hessian, same]).toEqual([
      Float32Array.of(1, 1),
      Float64Array.of(1, 1, 1, 1),
      gradients,
    ]);
  });

  it('has no gradients where rows are divided', async () => {
    const evidence = await found({ rowDivisors: Float32Array.of(2, 3) });
    expect(Object.keys(evidence)).toEqual(['importance', 'hessian']);
  });
});

it('gradients that do not say how rows depend on each other leave a matrix with its Hessian', () => {
  const hessian = Float64Array.of(4, 6, 6, 9);
  const diagonal = Float64Array.of(3, 5);
  const covariance = Float64Array.of(3, 1, 1, 5);
  expect(foundEvidence('gradients', { hessian, gradients: { diagonal } })).toBe('hessian');
  expect(foundEvidence('gradients', { hessian, gradients: { diagonal, covariance } })).toBe('gradients');
});
