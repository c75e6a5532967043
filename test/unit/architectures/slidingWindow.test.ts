import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../support/checkpoints';
import { describeTensors } from './support';

/** What is said about a tiny checkpoint with a context of 256 tokens and another configuration. */
const notes = (name: string, change: object): readonly string[] => {
  const { config, shapes } = checkpoints[name]!;
  return convertCheckpoint(describeTensors(shapes), { ...config, ...change }, 'config.json').notes;
};

const on = { use_sliding_window: true, sliding_window: 64 };

describe('sliding windows that llama.cpp does not have', () => {
  it.each([
    ['mistral', { sliding_window: 64 }, /^All layers attend to the last 64 tokens only/],
    ['mistral', { max_position_embeddings: 32768 }, /^All layers .* last 4096 tokens/],
    ['mistral', { sliding_window: 64, architectures: undefined }, /^All layers/],
    ['mixtral', { sliding_window: 64 }, /^All layers .* last 64 tokens/],
    ['phi3', { sliding_window: 64 }, /^All layers .* last 64 tokens/],
    ['starcoder2', { sliding_window: 64 }, /^All layers .* last 64 tokens/],
    ['qwen2', { ...on, max_window_layers: 1 }, /^1 of 2 layers .* last 64 tokens/],
    ['qwen2', { use_sliding_window: true, max_position_embeddings: 32768, max_window_layers: 0 }, /4096/],
    ['qwen2', { ...on, layer_types: ['sliding_attention', 'full_attention'] }, /^1 of 2 layers/],
    ['qwen2moe', on, /^1 of 2 layers .* last 64 tokens/],
    ['qwen3', { ...on, max_window_layers: 0 }, /^All layers .* last 64 tokens/],
    ['qwen3moe', on, /^All layers .* last 64 tokens/],
    ['smollm3', on, /^1 of 4 layers .* last 64 tokens/],
  ])('are noted for %s with %j', (name, change, message) => {
    const [note, ...others] = notes(name, change);
    expect(note).toMatch(message);
    expect(note).toMatch(/texts of more than \d+ tokens its results differ from those of transformers\.$/);
    expect(others).toEqual([]);
  });

  it.each([
    ['mistral', {}],
    ['mistral', { sliding_window: null, max_position_embeddings: 32768 }],
    ['mistral', { sliding_window: 256 }],
    ['mixtral', { max_position_embeddings: 32768 }],
    ['phi3', { sliding_window: null }],
    ['phi3', { sliding_window: 0 }],
    ['qwen2', { ...on, use_sliding_window: false, max_window_layers: 0 }],
    ['qwen2', { ...on, sliding_window: null, max_window_layers: 0 }],
    ['qwen2', { ...on, max_window_layers: 2 }],
    ['smollm3', { use_sliding_window: true }],
    ['gemma2', { sliding_window: 16 }],
  ])('are not there for %s with %j', (name, change) => {
    expect(notes(name, change)).toEqual([]);
  });

  it('are rejected together with other kinds of attention', () => {
    const layer_types = ['sliding_attention', 'chunked_attention'];
    expect(() => notes('qwen2', { ...on, layer_types })).toThrow(/layers of type "chunked_attention"/);
    expect(() => notes('mistral', { sliding_window: -1 })).toThrow(
      '"sliding_window" is -1; a whole number from 0 to 4294967295 is needed. (config.json)',
    );
  });
});
