import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import { refuseBidirectional } from '../../../src/architectures/direction';
import { checkpoints } from '../../support/checkpoints';
import { describeTensors, keyValuesOf } from './support';

const convert = (name: string, change: object) => {
  const { config, shapes } = checkpoints[name]!;
  return convertCheckpoint(describeTensors(shapes), { ...config, ...change }, 'config.json');
};

describe('a decoder whose tokens see later ones', () => {
  it.each([
    ['llama', 'llama'],
    ['qwen2', 'qwen2'],
    ['gpt2', 'gpt2'],
    ['deepseek2', 'deepseek2'],
  ])('says so in its file: %s', (name, architecture) => {
    const { keyValues, notes } = convert(name, { is_causal: false });
    expect(keyValues.at(-1)).toEqual({
      key: `${architecture}.attention.causal`,
      type: 'bool',
      value: false,
    });
    expect(notes).toEqual(convert(name, {}).notes);
  });

  it('has no key where it is as usual', () => {
    expect(keyValuesOf(convert('llama', { is_causal: true }))).toEqual(keyValuesOf(convert('llama', {})));
    expect(keyValuesOf(convert('llama', {}))).not.toHaveProperty(['llama.attention.causal']);
  });

  it.each(['gemma2', 'gemma3', 'mistral with a window'])('is rejected with a sliding window: %s', (name) =>
    expect(() => convert(name, { is_causal: false })).toThrow(
      /^"is_causal" is false and layers have a sliding window: /,
    ),
  );

  it('is rejected where the key is not true or false', () =>
    expect(() => convert('llama', { is_causal: 'no' })).toThrow(
      /^"is_causal" is "no"; true or false is needed/,
    ));

  it.each([
    ['llama', { 'llama.attention.causal': false }, true],
    ['llama', { 'llama.attention.causal': true }, false],
    ['llama', { 'qwen2.attention.causal': false }, false],
    ['gemma-embedding', {}, true],
    ['llama-embed', {}, true],
  ])('cannot be run: %s with %j: %j', (architecture, values: Record<string, boolean>, refused) => {
    const check = () => refuseBidirectional({ architecture, value: (key) => values[key] }, '/m.gguf');
    if (!refused) expect(check).not.toThrow();
    else
      expect(check).toThrow(
        /^Attention in this model is bidirectional: .* perplexity and KL divergence are not defined for it, .*\(\/m\.gguf\)$/,
      );
  });
});
