import { describe, expect, it } from 'vitest';
import type { PlanGoal } from '../../../api/quantscope';
import { goalOf } from '../../../src/vscode/api/shapes';

describe('a goal of another extension', () => {
  it.each<[PlanGoal, object]>([
    [{ bitsPerWeight: 4.5 }, { budget: { kind: 'bits-per-weight', value: 4.5 } }],
    [{ memory: 8e9, context: 4096 }, { fit: { memory: 8e9, context: 4096, sequences: 1, cacheType: 'f16' } }],
  ])('is that of the engine: %j', (given, goal) => {
    expect(goalOf(given)).toEqual(goal);
  });

  it.each<object>([
    {},
    { bits: 4 },
    { constructor: 4 },
    { bytes: 1, divergence: 1 },
    { bytes: 1, context: 4096 },
    { bytes: 0 },
    { bytes: '8GB' },
  ])('is refused where it is none, or several: %j', (given) => {
    expect(() => goalOf(given as unknown as PlanGoal)).toThrow(expect.objectContaining({ code: 'REQUEST' }));
  });
});
