import { describe, expect, it } from 'vitest';
import { codesFoundOnce } from '../../../src/engine/evaluation/codesFoundOnce';
import { formatById } from '../../../src/quant/catalogue';

const format = formatById('Q4_K');

describe('codes that are found once', () => {
  it('are those of the tensors of a block for as long as no other block is used', async () => {
    const calls: string[] = [];
    const change = (name: string, isKnown = true) => ({
      format,
      replace: (expert: number, firstRow: number, rows: Float32Array) => {
        calls.push(`${name} ${expert} ${firstRow}`);
        if (isKnown) rows.fill(10 * expert + firstRow + 0.5);
        return Promise.resolve(isKnown);
      },
    });
    const names = ['blk.0.attn_q.weight', 'blk.0.attn_k.weight', 'blk.1.attn_q.weight'];
    const [query, key, next] = names;
    const plain = { format };
    const changes = codesFoundOnce(
      new Map([
        [query!, change('q')],
        [key!, change('k', false)],
        [next!, change('next')],
        ['output.weight', plain],
      ]),
    );
    const rows = async (name: string, expert: number, firstRow: number): Promise<number | undefined> => {
      const values = new Float32Array(4);
      return (await changes.get(name)!.replace!(expert, firstRow, values)) ? values[3] : undefined;
    };
    for (let times = 0; times < 3; times++)
      expect([await rows(query!, 0, 0), await rows(query!, 0, 2), await rows(query!, 1, 0)]).toEqual([
        ...[0.5, 2.5, 10.5],
      ]);
    expect([await rows(key!, 0, 0), await rows(key!, 0, 0)]).toEqual([undefined, undefined]);
    expect(calls).toEqual(['q 0 0', 'q 0 2', 'q 1 0', 'k 0 0']);
    expect([await rows(next!, 0, 0), await rows(query!, 0, 0)]).toEqual([0.5, 0.5]);
    expect(calls.slice(4)).toEqual(['next 0 0', 'q 0 0']);
    expect(changes.get('output.weight')).toBe(plain);
  });
});
