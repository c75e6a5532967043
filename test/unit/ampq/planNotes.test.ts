import { describe, expect, it } from 'vitest';
import { makePlan } from '../../../src/ampq/planFile';
import type { Objective } from '../../../src/protocol/export';
import type { SensitivityTable } from '../../../src/protocol/plan';
import { rowWith } from '../../support/plans';

/** The notes of a plan of these tensors in one type, whose codes have an objective. */
function notesOf(tensors: readonly string[], format: string, objective: Objective): readonly string[] {
  const cell = { format, bytes: 64, bitsPerWeight: 2, relativeSquaredError: 0.1, sqnr: 10, maxError: 1 };
  const table: SensitivityTable = {
    ...{ modelHash: 'h', modelName: 'm', parameters: 512, fixedBytes: 0, fixedParameters: 0, presets: [] },
    codes: { method: 'gptq-cd 6', text: 'c.txt', hash: 'c', tokens: 512, objective },
    rows: tensors.map((tensor) => rowWith(tensor, 256, [{ ...cell, device: 'cpu' }])),
  };
  return makePlan(table, { kind: 'bits-per-weight', value: 3 }).notes;
}

describe('the notes of a plan', () => {
  const blocks = 'blk.0.attn_q.weight';
  const said = 'are those of the one-sided objective';

  it.each([
    ['output.weight', [blocks, 'token_embd.weight', 'output.weight']],
    ['token_embd.weight', ['token_embd.weight', blocks]],
  ])('name %s where it is the output matrix, on a lattice and not two-sided', (output, tensors) => {
    const notes = notesOf(tensors, 'IQ3_S', 'two-sided');
    expect(notes.filter((note) => note.includes(said))).toEqual([
      expect.stringContaining(`Codes of ${output} in IQ3_S ${said}: `),
    ]);
  });

  it.each([
    ['IQ4_XS', 'two-sided', [blocks, 'output.weight']],
    ['IQ3_S', 'one-sided', [blocks, 'output.weight']],
    ['IQ3_S', 'two-sided', [blocks]],
  ] as const)('say nothing of it in %s, %s, with %j', (format, objective, tensors) => {
    expect(notesOf(tensors, format, objective).join(' ')).not.toContain(said);
  });
});
