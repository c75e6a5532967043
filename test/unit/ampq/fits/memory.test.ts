import { describe, expect, it } from 'vitest';
import { cacheBytes, computeBytes } from '../../../../src/ampq/fits/memory';
import { shapeOf } from '../../../../src/ampq/fits/runtimeShape';
import type { RunSettings } from '../../../../src/protocol/fit';
import type { RuntimeShape } from '../../../../src/protocol/loadedModel';

/** The numbers of a model with plain attention. */
interface Attention {
  readonly architecture: string;
  readonly blocks: number;
  readonly hidden: number;
  readonly kvRows: number;
  readonly feedForward?: number;
  readonly vocabulary?: number;
  readonly keys?: Readonly<Record<string, number | boolean>>;
  /** Layers that see a window, where the file lists them. */
  readonly windows?: readonly boolean[];
}

function shapeWith(
  model: Attention,
  part: (index: number) => Readonly<Record<string, number[]>> = () => ({}),
): RuntimeShape {
  const {
    architecture,
    blocks,
    hidden,
    kvRows,
    feedForward = hidden,
    vocabulary = 32_000,
    keys = {},
  } = model;
  const numbers: Record<string, number | boolean> = {
    ...{ block_count: blocks, embedding_length: hidden, context_length: 4096, 'attention.head_count': 32 },
    ...keys,
  };
  const usual = (index: number): Readonly<Record<string, number[]>> => ({
    [`blk.${index}.attn_q.weight`]: [hidden, hidden],
    [`blk.${index}.attn_k.weight`]: [kvRows, hidden],
    [`blk.${index}.attn_v.weight`]: [kvRows, hidden],
    [`blk.${index}.ffn_gate.weight`]: [feedForward, hidden],
    [`blk.${index}.ffn_up.weight`]: [feedForward, hidden],
    ...part(index),
  });
  const tensors = { 'token_embd.weight': [vocabulary, hidden] };
  for (let index = 0; index < blocks; index++) Object.assign(tensors, usual(index));
  return shapeOf(
    {
      architecture,
      value: (key) => numbers[key.slice(architecture.length + 1)],
      list: (key) => (key.endsWith('.sliding_window_pattern') ? model.windows : undefined),
      tensors: Object.entries<number[]>(tensors)
        .filter(([, shape]) => shape.length > 0)
        .map(([name, shape]) => ({ name, shape })),
    },
    'model.gguf',
  );
}

const run = (context: number, cacheType: RunSettings['cacheType'] = 'f16', sequences = 1): RunSettings => ({
  ...{ context, sequences, cacheType },
});
const cacheOf = (shape: RuntimeShape, settings: RunSettings): number =>
  cacheBytes(shape, settings).reduce((sum, bytes) => sum + bytes, 0);

const llama3 = shapeWith({
  ...{ architecture: 'llama', blocks: 32, hidden: 4096, kvRows: 8 * 128, feedForward: 14_336 },
  vocabulary: 128_256,
});

it('of more blocks than a file has tensors is not computed', () => {
  const claimed = { architecture: 'llama', blocks: 1, hidden: 64, kvRows: 64 };
  expect(() => shapeWith({ ...claimed, keys: { block_count: 2 ** 32 - 1 } })).toThrow(
    /"llama.block_count" is 4294967295, but the model has only 6 tensors/,
  );
});

describe('keys and values', () => {
  it('of Llama 3 8B are 128 KiB for each token in f16, and the share of the blocks of other types', () => {
    expect(cacheOf(llama3, run(8192))).toBe(8192 * 131_072);
    expect(cacheOf(llama3, run(8192, 'q8_0'))).toBe((8192 * 131_072 * 34) / 64);
    expect(cacheOf(llama3, run(8192, 'q4_0'))).toBe((8192 * 131_072 * 18) / 64);
    expect(cacheOf(llama3, run(8192, 'f16', 4))).toBe(4 * 8192 * 131_072);
  });

  it('take whole steps of 256 cells', () => {
    expect(cacheOf(llama3, run(1000))).toBe(1024 * 131_072);
  });

  it('of Mixtral 8x7B are those of its attention, whatever its experts', () => {
    const mixtral = shapeWith({ architecture: 'llama', blocks: 32, hidden: 4096, kvRows: 8 * 128 });
    expect(cacheOf(mixtral, run(32_768))).toBe(4 * 2 ** 30);
  });

  it('of Gemma 2 9B: every other layer keeps its window of 4,096 tokens and a batch', () => {
    const keys = { 'attention.sliding_window': 4096 };
    const gemma2 = shapeWith({ architecture: 'gemma2', blocks: 42, hidden: 3584, kvRows: 8 * 256, keys });
    expect(cacheOf(gemma2, run(8192))).toBe(21 * 8192 * (8192 + 4608));
    // A context that is shorter than the window is kept everywhere.
    expect(cacheOf(gemma2, run(2048))).toBe(42 * 8192 * 2048);
  });

  it('of Gemma 3 12B: five of six layers keep their window of 1,024 tokens and a batch', () => {
    const keys = { 'attention.sliding_window': 1024 };
    const gemma3 = shapeWith({ architecture: 'gemma3', blocks: 48, hidden: 3840, kvRows: 8 * 256, keys });
    expect(cacheOf(gemma3, run(32_768))).toBe(8192 * (8 * 32_768 + 40 * 1536));
  });

  it('of Gemma 3n E2B are those of its first 20 layers: the others take theirs from these', () => {
    const keys = { 'attention.sliding_window': 512, 'attention.shared_kv_layers': 10 };
    const gemma3n = shapeWith({ architecture: 'gemma3n', blocks: 30, hidden: 2048, kvRows: 2 * 256, keys });
    expect(cacheOf(gemma3n, run(4096))).toBe(2048 * (4 * 4096 + 16 * 1024));
  });

  it('of Gemma 4 are those of its windows where the file lists the layers that have one, else of the whole context, with a note', () => {
    const keys = { 'attention.sliding_window': 512, 'attention.sliding_window_pattern': true };
    const model = { architecture: 'gemma4', blocks: 2, hidden: 64, kvRows: 64, keys };
    const listed = shapeWith({ ...model, windows: [true, false] });
    expect(cacheOf(listed, run(4096))).toBe((1024 + 4096) * 256);
    expect(listed.notes).toEqual([]);
    const unlisted = shapeWith(model);
    expect(cacheOf(unlisted, run(4096))).toBe(2 * 4096 * 256);
    expect(unlisted.notes).toHaveLength(1);
  });

  it('of DeepSeek V3 are the compressed key of 576 numbers', () => {
    const keys = {
      'attention.key_length': 576,
      'attention.value_length': 512,
      'attention.key_length_mla': 192,
    };
    const deepseek = shapeWith(
      { architecture: 'deepseek2', blocks: 61, hidden: 7168, kvRows: 0, keys },
      (index) => ({
        [`blk.${index}.attn_q.weight`]: [],
        [`blk.${index}.attn_k.weight`]: [],
        [`blk.${index}.attn_v.weight`]: [],
        [`blk.${index}.attn_kv_a_mqa.weight`]: [576, 7168],
      }),
    );
    expect(cacheOf(deepseek, run(4096))).toBe(61 * 576 * 2 * 4096);
  });

  it('of attention that selects tokens are not known', () => {
    const model = { architecture: 'deepseek32', blocks: 1, hidden: 64, kvRows: 64 };
    const tensors = () => ({ 'blk.0.indexer.attn_k.weight': [128, 64] });
    expect(() => shapeWith(model, tensors)).toThrow(/^The memory of a model whose attention selects tokens/);
  });

  it('of layers whose window is not known are those of the whole context, which a note says', () => {
    const keys = { 'attention.sliding_window': 512 };
    const unknown = shapeWith({ architecture: 'newest', blocks: 2, hidden: 64, kvRows: 64, keys });
    expect(cacheOf(unknown, run(4096))).toBe(2 * 4096 * 256);
    expect(unknown.notes).toEqual([
      expect.stringMatching(/"newest" see only a window of 512 tokens is not known/),
    ]);
  });

  it('are rejected in types whose blocks rows do not fill, naming the layer', () => {
    const narrow = shapeWith({ architecture: 'llama', blocks: 1, hidden: 64, kvRows: 48 });
    expect(() => cacheBytes(narrow, run(256, 'q8_0'))).toThrow(
      /Layer 0 has 48 numbers of keys or values .* not whole blocks of 32: the cache cannot be q8_0/,
    );
  });

  it('of Qwen3-Next are those of its attention, and each sequence has the states of its nets', () => {
    const keys = { 'ssm.state_size': 128, 'ssm.inner_size': 4096 };
    const nets = shapeWith(
      { architecture: 'qwen3next', blocks: 4, hidden: 2048, kvRows: 2 * 256, keys },
      (index): Readonly<Record<string, number[]>> =>
        index === 3
          ? {}
          : {
              ...Object.fromEntries(['q', 'k', 'v'].map((part) => [`blk.${index}.attn_${part}.weight`, []])),
              [`blk.${index}.attn_qkv.weight`]: [8192, 2048],
              [`blk.${index}.attn_gate.weight`]: [4096, 2048],
              [`blk.${index}.ssm_conv1d.weight`]: [8192, 4],
            },
    );
    // Three inputs of the convolution, and a state of 128 · 128 for each of 32 heads, in float32.
    const states = 4 * (3 * 8192 + 32 * 128 * 128);
    expect(cacheOf(nets, run(4096))).toBe(4096 * 2048 + 3 * states);
    expect(cacheOf(nets, run(4096, 'f16', 2))).toBe(2 * (4096 * 2048 + 3 * states));
  });

  it('are not all that recurrent layers of other architectures keep: these are rejected, naming the tensor', () => {
    const mamba = (): RuntimeShape =>
      shapeWith({ architecture: 'jamba', blocks: 1, hidden: 64, kvRows: 64 }, () => ({
        'blk.0.ssm_in.weight': [128, 64],
      }));
    expect(mamba).toThrow(/blk\.0\.ssm_in\.weight/);
  });
});

describe('the compute buffer', () => {
  it('of Llama 3 8B holds the logits of a batch and its states, as llama.cpp reports it: 258.5 MiB', () => {
    expect(computeBytes(llama3, run(8192)) / 2 ** 20).toBeCloseTo(258.5 + 1, 6);
  });

  it('grows with the masks of long contexts', () => {
    const difference = computeBytes(llama3, run(262_144)) - computeBytes(llama3, run(196_608));
    expect(difference).toBe(65_536 * 512 * 2);
  });
});
