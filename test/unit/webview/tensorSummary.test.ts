import { describe, expect, it } from 'vitest';
import type { TensorAnalysis } from '../../../src/protocol/analysis';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { tensorSummary } from '../../../webview/tensorSummary';

const tensor = {
  ...{ name: 'a|`b`.weight', dtype: 'BF16', shape: [4, 8], elements: 32, byteLength: 64 },
  ...{ file: '/models/x/m.safetensors', offset: 8, readable: true },
} as TensorDescriptor;

const statistics = {
  ...{ count: 32, min: -1.5, max: 2, mean: 0.1, standardDeviation: 0.5, kurtosis: 3, zeros: 1234 },
  ...{ nans: 1, infinities: 0, percentiles: [{ percent: 50, value: 0.125 }] },
};
const line = (index: number) => ({ index, absMax: 2, score: 12.34 });
const analysis = {
  statistics,
  outliers: { outlierRows: [1, 2, 3, 4, 5, 6, 7].map(line), outlierColumns: [] },
} as unknown as TensorAnalysis;

describe('the summary of a tensor', () => {
  it('has what the header says before the tensor is read', () => {
    expect(tensorSummary('my*model', tensor)).toBe(
      '### ``a\\|`b`.weight``\n\nmy\\*model · BF16 · 4 × 8 · 64 B · 16.0 bits per weight · m.safetensors\n\n',
    );
  });

  it('has statistics and the lines that stand out afterwards', () => {
    const text = tensorSummary('m', tensor, analysis);
    for (const row of ['minimum | −1.500', 'maximum | 2.000', '50 % | 0.1250', 'zeros | 1,234', 'NaN | 1'])
      expect(text).toContain(`| ${row} |`);
    expect(text).not.toContain('infinite');
    expect(text).toContain('Rows that stand out: 1 (max 2.000, 12.3 σ), 2');
    expect(text).toMatch(/5 \(max 2\.000, 12\.3 σ\) and 2 more\.\n/);
    expect(text).not.toContain('Columns that');
  });
});
