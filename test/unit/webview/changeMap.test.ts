import { describe, expect, it } from 'vitest';
import type { ComparedTensor } from '../../../src/protocol/compare';
import { changeMap } from '../../../webview/changeMap';

const compared = (name: string, relativeError?: number): ComparedTensor => {
  if (relativeError === undefined) return { name, status: 'only in A' };
  const error = { relativeError, relativeSquaredError: relativeError ** 2 } as NonNullable<
    ComparedTensor['error']
  >;
  return { name, status: relativeError === 0 ? 'equal' : 'different', error };
};

describe('the map of what changed', () => {
  const map = changeMap([
    compared('blk.1.ffn_down.weight', 0.3),
    compared('blk.0.attn_q.weight', 0.1),
    compared('blk.0.attn_norm.weight', 0),
    compared('blk.1.attn_k.weight'),
    compared('blk.0.ffn_down.0.weight', 0.3),
    compared('blk.0.ffn_down.1.weight', 0.4),
    compared('output.weight', 0.2),
  ]);

  it('has a row for each role in the order of execution, and a cell for each layer', () => {
    expect(map.layers).toEqual([0, 1]);
    expect(map.rows.map(({ role }) => role)).toEqual(['attn_norm', 'attn_q', 'ffn_down']);
    expect(map.rows[1]!.cells).toEqual([
      { tensors: ['blk.0.attn_q.weight'], error: 0.1 },
      { tensors: [], error: NaN },
    ]);
  });

  it('takes the root mean square of the experts of a role', () => {
    const [experts, single] = map.rows[2]!.cells;
    expect(experts!.tensors).toHaveLength(2);
    expect(experts!.error).toBeCloseTo(Math.sqrt((0.09 + 0.16) / 2), 12);
    expect(single!.error).toBe(0.3);
  });

  it('keeps tensors outside of layers apart, and leaves out what was not measured', () => {
    expect(map.others).toEqual([{ role: 'output', error: 0.2 }]);
    expect(JSON.stringify(map)).not.toContain('attn_k');
  });
});
