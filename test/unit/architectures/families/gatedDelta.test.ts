import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../../support/checkpoints';
import { describeTensors, keyValuesOf, rowsOf, shapesOf, shiftedNames } from '../support';

const convert = (name: string, change: object = {}, text: object = {}) => {
  const { config, shapes } = checkpoints[name]!;
  const inner = config['text_config'] as object | undefined;
  return convertCheckpoint(
    describeTensors(shapes, 'BF16'),
    { ...config, ...(inner ? { text_config: { ...inner, ...text } } : {}), ...change },
    'config.json',
  );
};
const named = (name: string, tensor: string) =>
  convert(name).tensors.find((candidate) => candidate.name === tensor);

describe('qwen3next conversion', () => {
  it('takes queries, keys, values and gates apart, which a checkpoint keeps by heads of keys', () => {
    // Two heads of keys of size 32; each has three of values.
    const converted = convert('qwen3next');
    expect(rowsOf(converted, 'blk.0.attn_qkv.weight')).toEqual([
      ...[[0, 32] as const, [256, 32] as const],
      ...[[32, 32] as const, [288, 32] as const],
      ...[[64, 96] as const, [320, 96] as const],
    ]);
    expect(rowsOf(converted, 'blk.0.attn_gate.weight')).toEqual([
      [160, 96],
      [416, 96],
    ]);
    expect(shapesOf(converted)).toMatchObject({
      'blk.0.ssm_conv1d.weight': [320, 4],
      'blk.0.ssm_dt.bias': [6],
      'blk.0.ssm_a': [6],
      'blk.0.ssm_ba.weight': [12, 64],
      'blk.0.ssm_norm.weight': [32],
      'blk.0.ssm_out.weight': [64, 192],
      'blk.1.attn_q.weight': [256, 64],
      'blk.1.ffn_gate_inp_shexp.weight': [64],
    });
    expect(Object.keys(shapesOf(converted)).filter((name) => name.includes('mtp'))).toEqual([]);
  });

  it('adds one to norms, except that of the nets, and makes decays of their logarithms', () => {
    expect(shiftedNames(convert('qwen3next')).sort()).toEqual([
      ...['blk.0.attn_norm.weight', 'blk.0.post_attention_norm.weight'],
      ...['blk.1.attn_k_norm.weight', 'blk.1.attn_norm.weight', 'blk.1.attn_q_norm.weight'],
      ...['blk.1.post_attention_norm.weight', 'output_norm.weight'],
    ]);
    expect(named('qwen3next', 'blk.0.ssm_a')?.map).toBe('-exp');
  });

  it('writes the hyper-parameters of both kinds of layers', () => {
    expect(keyValuesOf(convert('qwen3next'))).toMatchObject({
      'qwen3next.ssm.conv_kernel': 4,
      'qwen3next.ssm.state_size': 32,
      'qwen3next.ssm.group_count': 2,
      'qwen3next.ssm.time_step_rank': 6,
      'qwen3next.ssm.inner_size': 192,
      'qwen3next.full_attention_interval': 2,
      'qwen3next.rope.dimension_count': 8,
      'qwen3next.attention.key_length': 32,
      'qwen3next.expert_shared_feed_forward_length': 48,
    });
  });

  it.each([
    [{ linear_value_head_dim: 64 }, /"linear_value_head_dim" is 64; GGUF can express 32/],
    [{ linear_num_value_heads: 5 }, /a multiple of 2 heads of keys/],
    [{ rms_norm_eps: 1e-5 }, /"rms_norm_eps"/],
    [{ norm_topk_prob: false }, /"norm_topk_prob"/],
    [{ layer_types: ['linear_attention'] }, /one of each of 2 layers/],
    [{ layer_types: ['linear_attention', 'sliding_attention'] }, /layers of type "sliding_attention"/],
    [
      { num_hidden_layers: 3, layer_types: ['full_attention', 'linear_attention', 'full_attention'] },
      /do not repeat/,
    ],
  ])('rejects %j', (change, message) => {
    expect(() => convert('qwen3next', change)).toThrow(message);
  });
});

describe('qwen35 conversion', () => {
  it('puts heads of values in turn, in rows, entries and columns', () => {
    const converted = convert('qwen35');
    const order = [0, 3, 1, 4, 2, 5];
    expect(rowsOf(converted, 'blk.0.ssm_alpha.weight')).toEqual(order.map((head) => [head, 1]));
    expect(rowsOf(converted, 'blk.0.attn_gate.weight')).toEqual(order.map((head) => [head * 32, 32]));
    expect(rowsOf(converted, 'blk.0.attn_qkv.weight')).toEqual([
      [0, 128],
      ...order.map((head) => [128 + head * 32, 32]),
    ]);
    expect(rowsOf(converted, 'blk.0.ssm_a')).toEqual(order.map((head) => [head, 1]));
    expect(named('qwen35', 'blk.0.ssm_out.weight')?.unit).toEqual({
      ...{ rows: 1, order: 'regroup', groups: 2, members: 3, size: 32 },
    });
  });

  it('leaves out the vision part and further predicted tokens of a multimodal model, and says so', () => {
    const converted = convert('qwen35, multimodal');
    expect(converted.notes).toEqual([
      'The vision part is left out: "model.visual.patch_embed.proj.weight". “Export Vision Part (mmproj)…”, or quantscope export-mmproj, writes it to a file of its own.',
      'The part that predicts further tokens is left out: "mtp.fc.weight".',
    ]);
    expect(convert('qwen35, multimodal', { language_model_only: false }).notes).toEqual(converted.notes);
    expect(keyValuesOf(converted)).toMatchObject({
      'qwen35.block_count': 2,
      'qwen35.rope.dimension_sections': [2, 1, 1, 0],
    });
  });

  it('rejects attention without gates', () => {
    expect(() => convert('qwen35', { attn_output_gate: false })).toThrow(/"attn_output_gate" is false/);
  });
});
