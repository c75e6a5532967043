import { describe, expect, it } from 'vitest';
import { loadsFormat, runtimeConstraints, runtimeFormats, runtimeRules } from '../../../src/ampq/runtimes';
import { runtimes } from '../../../src/protocol/runtimes';
import { formatById } from '../../../src/quant/catalogue';

const dense = [
  'token_embd.weight',
  'blk.0.attn_q.weight',
  'blk.0.attn_v.weight',
  'blk.0.ffn_up.weight',
  'output.weight',
];

/** Patterns and what they ask for, by whether they match a tensor. */
const asked = (runtime: (typeof runtimes)[number], tensors: readonly string[], tensor: string) =>
  runtimeConstraints(runtime, tensors)
    .filter((constraint) => new RegExp(constraint.tensors).test(tensor))
    .map(({ allow, agree }) => allow ?? agree);

describe('what runtimes load', () => {
  it('are formats that can be measured, with floats for what is not quantized', () => {
    expect(
      runtimes.flatMap((runtime) => (runtimeFormats(runtime) ?? []).map((id) => formatById(id).id)),
    ).toEqual(runtimes.flatMap((runtime) => runtimeFormats(runtime) ?? []));
    expect(runtimeFormats('vllm')).toEqual(['int4-g128-bf16', 'int8-g128-bf16', 'BF16', 'F16']);
    expect(runtimeFormats('llama.cpp')).toBeUndefined();
    expect(loadsFormat('llama.cpp', 'Q4_K')).toBe(true);
    expect(loadsFormat('llama.cpp', 'int4-g128-bf16')).toBe(false);
    expect(loadsFormat('vllm', 'Q4_K')).toBe(false);
    // Names of formats may be written in any case.
    expect([loadsFormat('llama.cpp', 'q4_k'), loadsFormat('mlx', 'bf16'), loadsFormat('mlx', 'q9')]).toEqual([
      ...[true, true, false],
    ]);
    expect(runtimeRules.vllm.exportAs).toBe('recipe');
  });

  it('vLLM: queries, keys and values are one, gate and up too, embedding and output floats', () => {
    expect(asked('vllm', dense, 'blk.0.attn_q.weight')).toEqual([true]);
    expect(asked('vllm', dense, 'blk.0.ffn_up.weight')).toEqual([true]);
    expect(asked('vllm', dense, 'blk.0.ffn_down.weight')).toEqual([]);
    expect(asked('vllm', dense, 'blk.0.attn_output.weight')).toEqual([]);
    for (const tensor of ['token_embd.weight', 'output.weight'])
      expect(asked('vllm', dense, tensor)).toEqual([['BF16', 'F16']]);
  });

  it('vLLM: the same of a checkpoint that has no GGUF names, and of the experts of a layer', () => {
    const own = [
      'model.layers.0.self_attn.k_proj.weight',
      'model.layers.0.mlp.experts.3.up_proj.weight',
      'lm_head.weight',
    ];
    for (const tensor of own.slice(0, 2)) expect(asked('vllm', own, tensor)).toEqual([true]);
    expect(asked('vllm', own, 'lm_head.weight')).toEqual([['BF16', 'F16']]);
    const experts = ['blk.0.ffn_up_exps.weight', 'blk.0.ffn_down_exps.weight'];
    for (const tensor of experts) expect(asked('vllm', experts, tensor)).toEqual([true]);
  });

  it('ONNX Runtime quantizes the output but no embedding, MLX both', () => {
    expect(asked('onnxruntime', dense, 'output.weight')).toEqual([]);
    expect(asked('onnxruntime', dense, 'token_embd.weight')).toEqual([['BF16', 'F16']]);
    expect(runtimeConstraints('mlx', dense)).toEqual([]);
    expect(runtimeConstraints('llama.cpp', dense)).toEqual([]);
  });

  it('are asked only of tensors that are there', () => {
    expect(runtimeConstraints('vllm', ['blk.0.ffn_down.weight'])).toEqual([]);
  });
});
