import { describe, expect, it } from 'vitest';
import { GgufFacts } from '../../../src/architectures/restore/ggufFacts';
import type { GgufScalar, GgufValue } from '../../../src/model/ggufValue';
import type { TensorDescriptor } from '../../../src/protocol/model';

const embedding: TensorDescriptor = {
  ...{ name: 'token_embd.weight', dtype: 'F32', shape: [8, 4], elements: 32, byteLength: 128 },
  ...{ file: 'm.gguf', offset: 0, readable: true },
};

function factsOf(values: Readonly<Record<string, GgufScalar>>): GgufFacts {
  const all = { 'general.architecture': 'lfm2', ...values };
  const metadata = new Map(Object.entries(all).map(([key, scalar]) => [key, { scalar } as GgufValue]));
  return new GgufFacts({ metadata }, [embedding], false, new Map());
}

describe('what a GGUF file says of its architecture', () => {
  it('is of no more blocks than the file has tensors', () => {
    const { length } = factsOf({ 'lfm2.block_count': 4_000_000_000 }).ofBlocks('attention.head_count_kv');
    expect(length).toBe(1);
    expect(factsOf({ 'lfm2.block_count': 1, 'lfm2.k': 3 }).ofBlocks('k')).toEqual([3]);
  });

  it('has special tokens that the embedding has rows for', () => {
    const facts = factsOf({
      'tokenizer.ggml.padding_token_id': 4_000_000_000,
      'tokenizer.ggml.bos_token_id': 7,
    });
    expect(facts.token('padding')).toBeUndefined();
    expect(facts.token('bos')).toBe(7);
  });
});
