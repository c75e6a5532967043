import { expect, it } from 'vitest';
import { evaluationsTable } from '../../../src/engine/report/tables';
import type { EvaluationResult } from '../../../src/protocol/evaluation';

const result = (variant: string, at: string, bytes = 1000): EvaluationResult =>
  ({ variant, at, bytes, bitsPerWeight: 4.5 }) as EvaluationResult;

it('evaluations that differ in their date alone are listed once', () => {
  const evaluations = [
    ...[result('original', '2026-01-01T00:00:00Z'), result('Q4_0', '2026-01-02T01:00:00Z')],
    ...[result('original', '2026-01-03T00:00:00Z'), result('original', '2026-01-02T00:00:00Z', 2000)],
  ];
  const { rows } = evaluationsTable({ evaluations });
  expect(rows.map((row) => [row[0], row[1], row.at(-1)])).toEqual([
    ['original', '1.00 kB', '2026-01-03'],
    ['Q4_0', '1.00 kB', '2026-01-02'],
    ['original', '2.00 kB', '2026-01-02'],
  ]);
});
