import { describe, expect, it } from 'vitest';
import { fileTypeNamed } from '../../../../src/exporter/plan/fileTypes';
import { dimensions, isMixed } from '../../../../src/exporter/plan/mixed';
import { mixTypes } from '../../../../src/exporter/plan/mixture';
import { compareTensorNames } from '../../../../src/exporter/plan/order';

const llama = { name: 'llama', blocks: 32, heads: 32, kvHeads: 8, experts: 0 };

describe('mixture', () => {
  it('gives Q6_K to the value and down matrices of the first and last eighth and every third layer between', () => {
    const tensors = Array.from({ length: 32 }, (_, block) => ({
      name: `blk.${block}.ffn_down.weight`,
      shape: [256, 256],
    }));
    const types = mixTypes(tensors, fileTypeNamed('Q4_K_M'), llama);
    const sixBit = tensors.flatMap(({ name }, block) => (types.get(name)?.type === 'Q6_K' ? [block] : []));
    expect(sixBit).toEqual([0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]);
    expect(types.get('blk.4.ffn_down.weight')?.type).toBe('Q4_K');
  });

  it('falls back to types with smaller blocks, and to F16 when none fits', () => {
    const output = (columns: number) => [{ name: 'blk.0.attn_q.weight', shape: [256, columns] }];
    const typeOf = (columns: number, fileType: string) =>
      mixTypes(output(columns), fileTypeNamed(fileType), llama).get('blk.0.attn_q.weight')?.type;
    expect(typeOf(96, 'Q4_K_M')).toBe('Q5_0');
    expect(typeOf(96, 'Q5_K_M')).toBe('Q5_1');
    expect(typeOf(96, 'Q6_K')).toBe('Q8_0');
    expect(typeOf(100, 'Q6_K')).toBe('F16');
    expect(typeOf(100, 'Q8_0')).toBe('F16');
  });

  it('treats the embedding as the output when there is no output', () => {
    const embedding = { name: 'token_embd.weight', shape: [256, 256] };
    const output = { name: 'output.weight', shape: [256, 256] };
    const typeOf = (tensors: (typeof output)[]) =>
      mixTypes(tensors, fileTypeNamed('Q4_0'), llama).get('token_embd.weight')?.type;
    expect(typeOf([embedding])).toBe('Q6_K');
    expect(typeOf([output, embedding])).toBe('Q4_0');
  });

  it('leaves norms, biases and vectors alone', () => {
    expect(isMixed({ name: 'blk.0.attn_q.weight', shape: [4, 4] })).toBe(true);
    expect(isMixed({ name: 'blk.0.attn_norm.weight', shape: [4, 4] })).toBe(false);
    expect(isMixed({ name: 'blk.0.attn_q.bias', shape: [4, 4] })).toBe(false);
    expect(isMixed({ name: 'rope_freqs.weight', shape: [32] })).toBe(false);
    expect(isMixed({ name: 'a.weight', shape: [1, 4] })).toBe(false);
  });

  it('counts dimensions as ggml does', () => {
    expect([[], [1], [5], [1, 5], [5, 1], [2, 1, 5]].map(dimensions)).toEqual([1, 1, 1, 1, 2, 3]);
  });

  it('orders tensors outside blocks first, then by block number, then by name', () => {
    const names = ['blk.10.a', 'blk.2.b', 'token_embd.weight', 'blk.2.a', 'output.weight', 'blk.0.z'];
    expect(names.sort(compareTensorNames)).toEqual([
      'output.weight',
      'token_embd.weight',
      'blk.0.z',
      'blk.2.a',
      'blk.2.b',
      'blk.10.a',
    ]);
  });
});
