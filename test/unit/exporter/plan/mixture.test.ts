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

  it('says which type was wanted where rows do not fit it', () => {
    const tensor = { name: 'blk.0.attn_q.weight', shape: [256, 96] };
    const types = mixTypes([tensor], fileTypeNamed('Q4_K_M'), llama, { pure: true });
    expect(types.get(tensor.name)).toEqual({
      ...{ type: 'Q5_0', wanted: 'Q4_K', cause: 'fallback' },
      reason: 'the row length (96) is not a multiple of the block size of Q4_K',
    });
  });

  it('applies rules before the mixture, even in a pure file, and does not count the tensors that they name', () => {
    const tensors = Array.from({ length: 6 }, (_, block) => ({
      name: `blk.${block}.attn_v.weight`,
      shape: [256, 256],
    }));
    const typesOf = (pure: boolean): string[] => {
      const tensorTypes = [{ pattern: '[13]\\.ATTN_V', type: 'q8_0' }];
      const types = mixTypes(tensors, fileTypeNamed('Q3_K_M'), llama, { pure, tensorTypes });
      return tensors.map(({ name }) => types.get(name)!.type);
    };
    // The first two that are counted get more bits.
    expect(typesOf(false)).toEqual(['Q5_K', 'Q8_0', 'Q5_K', 'Q8_0', 'Q4_K', 'Q4_K']);
    expect(typesOf(true)).toEqual(['Q3_K', 'Q8_0', 'Q3_K', 'Q8_0', 'Q3_K', 'Q3_K']);
  });

  it('says why a tensor has its type', () => {
    const tensors = ['output', 'blk.0.attn_k', 'blk.0.attn_q', 'blk.0.attn_v'].map((name) => ({
      name: `${name}.weight`,
      shape: [256, 256],
    }));
    const types = mixTypes(tensors, fileTypeNamed('Q4_K_M'), llama, {
      outputType: 'Q8_0',
      tensorTypes: [{ pattern: 'attn_k', type: 'Q6_K' }],
    });
    const causes = [...types.values()].map(({ cause, type }) => `${cause} ${type}`);
    expect(causes).toEqual(['output Q8_0', 'rule Q6_K', 'default Q4_K', 'mixture Q6_K']);
  });

  it('treats the embedding as the output if there is none', () => {
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
