import { describe, expect, it } from 'vitest';
import { layerMap } from '../../../src/protocol/layerMap';
import { membersAt, nextPlace } from '../../../webview/planMap';

const names = [
  'token_embd.weight',
  ...[0, 2, 10].flatMap((layer) => [`blk.${layer}.attn_q.weight`, `blk.${layer}.ffn_down.weight`]),
  'blk.2.attn_v.weight',
  'output.weight',
];

describe('the map of a plan', () => {
  const map = layerMap(names);

  it('has a row for each role, a column for each layer, and what is outside of layers', () => {
    expect(map).toEqual({
      layers: [0, 2, 10],
      rows: [
        { role: 'attn_q', cells: [[1], [3], [5]] },
        { role: 'ffn_down', cells: [[2], [4], [6]] },
        { role: 'attn_v', cells: [[], [7], []] },
      ],
      others: [
        { role: 'token_embd', members: [0] },
        { role: 'output', members: [8] },
      ],
    });
  });

  it('has the experts of a layer in one cell', () => {
    const experts = [0, 1].map((expert) => `model.layers.3.mlp.experts.${expert}.up_proj.weight`);
    expect(layerMap(experts).rows).toEqual([{ role: 'mlp.experts.up_proj', cells: [[0, 1]] }]);
  });

  it('keeps layers of a vision part and of the language model apart, also where their parts have one name', () => {
    const stacks = ['v.blk.0.attn_q.weight', 'blk.0.attn_q.weight', 'blk.0.ffn_up.weight'];
    expect(layerMap(stacks).rows).toEqual([
      { role: 'v.blk.attn_q', cells: [[0]] },
      { role: 'blk.attn_q', cells: [[1]] },
      { role: 'ffn_up', cells: [[2]] },
    ]);
  });

  it('is walked by arrow keys, past cells without tensors', () => {
    const at = (row: number, column: number) => ({ row, column });
    expect(nextPlace(map, at(0, 0), 'ArrowDown')).toEqual(at(1, 0));
    expect(nextPlace(map, at(1, 0), 'ArrowRight')).toEqual(at(1, 0)); // one cell wide
    expect(nextPlace(map, at(2, 0), 'ArrowRight')).toEqual(at(2, 1));
    expect(nextPlace(map, at(2, 2), 'ArrowRight')).toEqual(at(2, 2));
    expect(nextPlace(map, at(3, 0), 'ArrowDown')).toEqual(at(3, 0)); // layer 0 has no values
    expect(nextPlace(map, at(3, 1), 'ArrowDown')).toEqual(at(4, 1));
    expect(nextPlace(map, at(2, 2), 'ArrowUp')).toEqual(at(1, 0));
    expect(nextPlace(map, at(2, 2), 'x')).toBeUndefined();
    expect(membersAt(map, at(1, 0))).toEqual([8]);
    expect(membersAt(map, at(4, 0))).toEqual([]);
  });
});
