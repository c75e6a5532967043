import { describe, expect, it } from 'vitest';
import type { ModelSizes } from '../../../src/protocol/planResults';
import { nowText, plannedText } from '../../../src/vscode/codeLens/lensText';

const sizes: ModelSizes = { name: 'm', bytes: 10_492_416, parameters: 5e6, dtype: 'BF16', missingFiles: 0 };
const total = { bytes: 3_180_000, bitsPerWeight: 4.85 };

describe('the size above a document of a model', () => {
  it('is that of its tensors now', () => {
    expect(nowText(sizes)).toBe('10.49 MB now, BF16');
    expect(nowText({ ...sizes, missingFiles: 1 })).toBe('10.49 MB now, BF16 · 1 file missing');
    expect(nowText({ name: 'm', bytes: 0, parameters: 0, missingFiles: 59 })).toBe('59 files missing');
  });

  it('is that of the plan which is shown, of a file, or of the usual size', () => {
    const planned = { ...total, file: '$(x)\n.ampq.json' };
    expect(plannedText({ planned }, undefined)).toBe('3.18 MB at 4.85 bits per weight, by \\$(x) .ampq.json');
    const shown = { total: { bytes: 1e6, bitsPerWeight: 3.2, fixedBytes: 0 } } as never;
    expect(plannedText({ planned }, shown)).toBe('1.00 MB at 3.20 bits per weight, by the plan shown');
    expect(plannedText({ planned: { ...total, isEstimate: true } }, undefined)).toBe(
      '3.18 MB at 4.85 bits per weight, not measured yet',
    );
    expect(plannedText({ planned: total }, undefined)).toBe('3.18 MB at 4.85 bits per weight');
    expect(plannedText({}, undefined)).toBeUndefined();
  });
});
