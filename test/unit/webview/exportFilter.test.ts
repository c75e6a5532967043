import { describe, expect, it } from 'vitest';
import type { ExportedTensor } from '../../../src/protocol/export';
import { matching } from '../../../webview/views/export/filter';

const tensor = (name: string, to: string, presetType?: string): ExportedTensor => ({
  ...{ name, to, source: name, sources: 1, shape: [2, 2], from: 'BF16', bytes: 8 },
  ...{ cause: 'mixture', reason: 'more bits for this layer' },
  ...(presetType === undefined ? {} : { presetType }),
});
const tensors = [
  tensor('blk.0.attn_v.weight', 'Q6_K'),
  tensor('blk.0.ffn_down.weight', 'Q8_0', 'Q4_K'),
  tensor('output.weight', 'Q6_K', 'Q8_0'),
];
const names = (text: string, onlyDifferent = false): string[] =>
  matching(tensors, { text, onlyDifferent }).rows.map(({ name }) => name);

describe('the filter of the table of an export', () => {
  it('finds all words in names, types and reasons, in any case', () => {
    expect(names('')).toHaveLength(3);
    expect(names('q6_k')).toEqual(['blk.0.attn_v.weight', 'output.weight']);
    expect(names('BITS Blk.0 q8')).toEqual(['blk.0.ffn_down.weight']);
    expect(names('attn_q')).toEqual([]);
  });

  it('has the syntax of all filters', () => {
    expect(names('!output & q6_k')).toEqual(['blk.0.attn_v.weight']);
    expect(names('Q?_0 | *.attn_?.*')).toEqual(['blk.0.attn_v.weight', 'blk.0.ffn_down.weight']);
    expect(names('/^blk\\.\\d/')).toEqual(['blk.0.attn_v.weight', 'blk.0.ffn_down.weight']);
    const { filter, rows } = matching(tensors, { text: '(q6_k', onlyDifferent: true });
    expect(filter).toEqual({ kind: 'error', message: 'A “(” is not closed.' });
    expect(rows).toHaveLength(2);
  });

  it('shows what differs from the preset alone', () => {
    expect(names('', true)).toEqual(['blk.0.ffn_down.weight', 'output.weight']);
    expect(names('output', true)).toEqual(['output.weight']);
  });
});
