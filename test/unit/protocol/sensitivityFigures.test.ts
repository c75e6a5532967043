import { describe, expect, it } from 'vitest';
import { fromColumns } from '../../../src/protocol/columns';
import { parseExact, stringifyExact } from '../../../src/protocol/exactJson';
import type { SensitivityTable } from '../../../src/protocol/plan';
import { sensitivityFigures, type SensitivityFigures } from '../../../src/protocol/sensitivityFigures';
import { tableOf } from '../../support/tables';
import { gainsFrom } from '../../support/plans';

const sent = (table: SensitivityTable): SensitivityFigures =>
  parseExact(stringifyExact(sensitivityFigures(table))) as SensitivityFigures;

describe('a sensitivity table on its way to a page', () => {
  it('is two figures for each cell, −1 where there is none, the smallest format first', () => {
    const { formats, measured, devices } = sent(
      tableOf({ Q8_0: 0.5, Q4_K: NaN }, { Q4_K: Infinity, Q6_K: 0 }, {}),
    );
    expect(formats).toEqual([
      {
        ...{ format: 'Q4_K', bitsPerWeight: 4.5 },
        errors: new Float32Array([NaN, Infinity, -1]),
        maxErrors: new Float32Array([NaN, Infinity, -1]),
      },
      {
        ...{ format: 'Q6_K', bitsPerWeight: 6.5625 },
        errors: new Float32Array([-1, 0, -1]),
        maxErrors: new Float32Array([-1, 0, -1]),
      },
      {
        ...{ format: 'Q8_0', bitsPerWeight: 8.5 },
        errors: new Float32Array([0.5, -1, -1]),
        maxErrors: new Float32Array([1, -1, -1]),
      },
    ]);
    expect([measured, devices]).toEqual([2, ['cpu']]);
  });

  it('names the tensors, with their gains and what these were measured in', () => {
    const table = tableOf({ Q4_K: 0.5 }, { Q4_K: 0.25 });
    const measured = { format: 'Q4_K', error: 0.5, divergence: 1e-3 };
    const rows = [{ ...table.rows[0]!, gain: 2e-3, measured }, table.rows[1]!];
    expect(fromColumns(sent({ ...table, rows }).rows)).toEqual([
      { tensor: 'a', sources: ['a'], weights: 256, gain: 2e-3, measured },
      { tensor: 'b', sources: ['b'], weights: 256 },
    ]);
  });

  it('says what the user should know', () => {
    const { notes, ...figures } = sent({
      ...tableOf({ Q4_K: 0.5 }, {}),
      ...{ gainsFrom, weightsOnly: 'no text', notKept: 'The disk is full.' },
    });
    expect(notes).toEqual([
      'Tensors that were not measured are kept without loss: b (F32).',
      'The output is not finite when these are quantized, so plans use the errors of the weights alone: a.',
    ]);
    expect(figures).toMatchObject({
      ...{ gainsFrom, weightsOnly: 'no text' },
      notKept: 'These results could not be kept for later: The disk is full.',
    });
    expect(sent(tableOf({ Q4_K: 0.5 }))).not.toHaveProperty('notKept');
  });
});
