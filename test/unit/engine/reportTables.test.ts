import { expect, it } from 'vitest';
import { evaluationsTable } from '../../../src/engine/report/tables';
import type { EvaluationResult } from '../../../src/protocol/evaluation';

const own = { name: 'tiny', path: '/m/tiny', hash: 'h' };
const result = (variant: string, at: string, bytes = 1000, model = own): EvaluationResult =>
  ({ variant, at, bytes, bitsPerWeight: 4.5, model }) as EvaluationResult;

it('evaluations that differ in their date alone are listed once', () => {
  const evaluations = [
    ...[result('original', '2026-01-01T00:00:00Z'), result('Q4_0', '2026-01-02T01:00:00Z')],
    ...[result('original', '2026-01-03T00:00:00Z'), result('original', '2026-01-02T00:00:00Z', 2000)],
  ];
  const { rows } = evaluationsTable({ evaluations }, 'h');
  expect(rows.map((row) => [row[0], row[1], row.at(-1)])).toEqual([
    ['original', '1.00 kB', '2026-01-03'],
    ['Q4_0', '1.00 kB', '2026-01-02'],
    ['original', '2.00 kB', '2026-01-02'],
  ]);
});

it('evaluations of other models that were measured from this one name their model', () => {
  const other = { name: 'tiny-Q4_K_M', path: '/m/tiny-Q4_K_M.gguf', hash: 'other' };
  const elsewhere = { ...own, path: '/m/tiny/model.safetensors' };
  const evaluations = [
    result('original', '2026-01-04T00:00:00Z', 500, other),
    result('original', '2026-01-03T00:00:00Z', 1000, elsewhere),
    { ...result('Q4_0', '2026-01-02T00:00:00Z'), roundActivations: true },
  ];
  const { rows } = evaluationsTable({ evaluations }, 'h');
  expect(rows.map(([name]) => name)).toEqual([
    'tiny-Q4_K_M, original',
    'original',
    'Q4_0, 8-bit activations',
  ]);
});
