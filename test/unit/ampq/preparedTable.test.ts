import { expect, it } from 'vitest';
import { prepareTable } from '../../../src/ampq/preparedTable';
import type { PlanConstraint, SensitivityTable } from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';

it('a table is prepared once for each of the sets of constraints that were used last', () => {
  const cell = { format: 'Q4_K', bytes: 144, bitsPerWeight: 4.5, relativeSquaredError: 0.01 };
  const table: SensitivityTable = {
    ...{ modelHash: 'h', modelName: 'm', parameters: 256, fixedBytes: 0, fixedParameters: 0, presets: [] },
    rows: [rowWith('a.weight', 256, [{ ...cell, sqnr: 0, maxError: 0, device: 'cpu' }])],
  };
  const constraint = (minBits: number): PlanConstraint[] => [{ tensors: 'a', minBits: minBits / 10 }];
  const first = prepareTable(table, constraint(0));
  const second = prepareTable(table, constraint(1));
  for (let i = 2; i < 8; i++) prepareTable(table, constraint(i));
  expect(prepareTable(table, constraint(0))).toBe(first); // used again, and so after the second
  prepareTable(table, constraint(8));
  expect(prepareTable(table, constraint(0))).toBe(first);
  expect(prepareTable(table, constraint(1))).not.toBe(second);
});
