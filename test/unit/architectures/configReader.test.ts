import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../support/checkpoints';
import { sampleFolder } from '../../support/files';
import { describeTensors, keyValuesOf } from './support';
import { processorTime } from '../../support/processorTime';

const convert = (name: string, change: object, more: Record<string, number[]> = {}) => {
  const { config, shapes } = checkpoints[name]!;
  return convertCheckpoint(describeTensors({ ...shapes, ...more }), { ...config, ...change }, 'config.json');
};

describe('keys of config.json', () => {
  it.each(Object.keys(checkpoints))('are all read or known for %s', (name) => {
    expect(convert(name, {}).notes.filter((note) => note.includes('unknown keys'))).toEqual([]);
  });

  it('that are not known are reported, those inside objects with their path', () => {
    const rope_scaling = { rope_type: 'linear', factor: 2, spiral: 3 };
    const change = { embedding_multiplier: 12, residual_multiplier: null, temperature: 0.7, rope_scaling };
    expect(convert('llama', change).notes).toEqual([
      expect.stringMatching(
        /unknown keys for this architecture: "embedding_multiplier", "rope_scaling.spiral"\./,
      ),
    ]);
  });

  it('are counted where there are many of them', () => {
    const change = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`odd_${i}`, true]));
    expect(convert('llama', change).notes[0]).toMatch(/"odd_6", "odd_7" and 3 more\./);
  });

  it('inherit nothing from objects', () => {
    const { config, shapes } = checkpoints['llama']!;
    const odd = Object.assign(Object.create({ num_hidden_layers: 7 }) as object, config);
    expect(
      keyValuesOf(convertCheckpoint(describeTensors(shapes), { ...odd }, 'c'))['llama.block_count'],
    ).toBe(2);
  });

  it.each([
    [
      'llama',
      { max_position_embeddings: 2 ** 32 + 5 },
      /"max_position_embeddings" is 4294967301; a whole number from 1 to 4294967295/,
    ],
    [
      'llama',
      { rope_theta: 1e308 },
      /"rope_theta" is 1e\+308; a positive number within the range of float32/,
    ],
    ['llama', { hidden_size: undefined }, /"hidden_size" is missing; a whole number from 1 to/],
    ['llama', { hidden_size: null }, /"hidden_size" is null; a whole number from 1 to/],
    [
      'llama',
      { num_key_value_heads: undefined, num_attention_heads: 65_000 },
      /"num_attention_heads" is 65000; the largest dimension of its tensors is/,
    ],
    ['llama', { rms_norm_eps: 1e-320 }, /"rms_norm_eps" is 1e-320; a positive number/],
    [
      'llama',
      { num_hidden_layers: 1e9 },
      /"num_hidden_layers" is 1000000000; more than 65536 are not possible/,
    ],
    [
      'llama',
      { num_hidden_layers: 60_000 },
      /"num_hidden_layers" is 60000; the checkpoint has only 21 tensors/,
    ],
    ['llama', { num_hidden_layers: 3 }, /9 tensors are missing: "model\.layers\.2\.input_layernorm/],
    [
      'llama',
      { num_attention_heads: 2048 },
      /"num_attention_heads" is 2048; the largest dimension of its tensors is 1024/,
    ],
    [
      'llama',
      {
        head_dim: 2 ** 31,
        rope_scaling: { rope_type: 'llama3', factor: 8, original_max_position_embeddings: 64 },
      },
      /^2147483648 dimensions of a head would be rotated; the largest dimension of the tensors is 1024\./,
    ],
    ['qwen3moe', { num_experts: 1e9 }, /"num_experts" is 1000000000/],
    ['qwen3moe', { num_experts: 60_000 }, /"num_experts" is 60000; the largest dimension/],
    ['deepseek2, version 3', { num_nextn_predict_layers: 1e9 }, /"num_nextn_predict_layers" is 1000000000/],
    ['deepseek2', { q_lora_rank: 2 ** 32 }, /"q_lora_rank" is 4294967296/],
    ['llama', { rope_scaling: { type: 'linear', factor: 1e39 } }, /"rope_scaling.factor" is 1e\+39/],
    ['llama', { num_hidden_layers: 1.5 }, /"num_hidden_layers" is 1\.5; a whole number/],
    ['llama', { attention_bias: true }, /8 tensors are missing: .*q_proj\.bias/],
  ])('out of range or contradicted by tensors are errors: %s %j', (name, change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });

  it.each([
    ['num_hidden_layers', 10_000_000],
    ['max_position_embeddings', 2 ** 32 + 5],
  ])('beyond what the checkpoint can have are an error at once: %s', (key, value) => {
    const path = join(sampleFolder, 'config.json');
    const config = { ...(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>), [key]: value };
    const header = readFileSync(join(sampleFolder, 'model.safetensors'));
    const length = Number(header.readBigUInt64LE());
    const all = JSON.parse(header.subarray(8, 8 + length).toString()) as Record<string, { shape: number[] }>;
    delete all['__metadata__'];
    const shapes = Object.fromEntries(Object.entries(all).map(([name, { shape }]) => [name, shape]));
    const spent = processorTime();
    expect(() => convertCheckpoint(describeTensors(shapes), config, path)).toThrow(
      new RegExp(`^"${key}" is ${value};.*config\\.json`),
    );
    expect(spent()).toBeLessThan(1000);
  });
});

describe('what llama.cpp would not load', () => {
  it.each(['llama', 'qwen2', 'qwen3', 'gemma3'])(
    'heads of %s that are rotated in part are rejected',
    (name) => {
      const message =
        /^"partial_rotary_factor" is 0\.5, but heads are rotated as a whole in this architecture/;
      expect(() => convert(name, { partial_rotary_factor: 0.5 })).toThrow(message);
      const rope_parameters = { partial_rotary_factor: 0.5, rope_type: 'default' };
      expect(() => convert(name, { rope_parameters })).toThrow(message);
      expect(convert(name, { partial_rotary_factor: 1 }).notes).toEqual([]);
    },
  );

  it('an output of another size than the embedding is rejected', () => {
    const { config, shapes } = checkpoints['llama']!;
    const larger = describeTensors({ ...shapes, 'lm_head.weight': [1032, 64] });
    expect(() => convertCheckpoint(larger, config, 'config.json')).toThrow(
      'The output has 1032 rows, but the embedding has 1024: llama.cpp needs the same number of both. (m, tensor "lm_head.weight")',
    );
  });
});

describe('theta', () => {
  it('of the rope parameters takes precedence, as in transformers', () => {
    const rope_parameters = { rope_type: 'default', rope_theta: 500 };
    const converted = convert('llama', { rope_theta: 77, rope_parameters });
    expect(keyValuesOf(converted)['llama.rope.freq_base']).toBe(500);
    expect(converted.notes).toEqual([]);
  });
});

describe('dynamic rope scaling', () => {
  it('is left out with a note that names the length up to which nothing changes', () => {
    const converted = convert('qwen2', { rope_scaling: { type: 'dynamic', factor: 4 } });
    expect(converted.notes).toEqual([expect.stringMatching(/^Dynamic rope scaling.*more than 256 tokens/)]);
    expect(Object.keys(keyValuesOf(converted)).filter((key) => key.includes('scaling'))).toEqual([]);
  });
});

describe('scales of a cache of keys and values in FP8', () => {
  it.each([
    ['ModelOpt', ['self_attn.k_proj.k_scale', 'self_attn.v_proj.v_scale']],
    ['llm-compressor', ['self_attn.k_scale', 'self_attn.v_scale', 'self_attn.q_scale']],
    ['AutoFP8', ['self_attn.kv_scale']],
  ])('as %s names them are left out with a note', (_, names) => {
    const { config, shapes } = checkpoints['llama']!;
    const scales = names.map((name) => [`model.layers.1.${name}`, []] as const);
    const tensors = describeTensors({ ...shapes, ...Object.fromEntries(scales) });
    const { notes, ...converted } = convertCheckpoint(tensors, config, 'config.json');
    expect(converted.tensors).toHaveLength(21);
    expect(notes).toEqual([
      `${names.length} scales of a cache of keys and values in FP8 are left out: keys and values are kept in full precision.`,
    ]);
  });
});

describe('prefixes of wrapped models', () => {
  const wrapped = (prefix: string) => {
    const { config, shapes } = checkpoints['llama']!;
    const renamed = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [prefix + name, shape]));
    return convertCheckpoint(describeTensors(renamed), config, 'config.json');
  };

  it.each([
    ...['module.', '_orig_mod.', 'base_model.model.', 'language_model.', 'module._orig_mod.'],
    ...['_forward_module.', '_fsdp_wrapped_module.', 'model.'],
  ])('%s is left out with a note', (prefix) => {
    const { tensors, notes } = wrapped(prefix);
    expect(tensors).toHaveLength(21);
    expect(tensors.find(({ name }) => name === 'output.weight')?.pieces[0]?.tensor.name).toBe(
      `${prefix}lm_head.weight`,
    );
    expect(notes).toEqual([expect.stringContaining(`names contain "${prefix}", which was removed`)]);
  });

  it('are left out, too, inside names, where compiled and sharded blocks have them', () => {
    const { config, shapes } = checkpoints['llama']!;
    const parts = '_fsdp_wrapped_module._checkpoint_wrapped_module.';
    const renamed = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [
        `_fsdp_wrapped_module.${name.replace(/(layers\.\d+\.)/, `$1${parts}`)}`,
        shape,
      ]),
    );
    const { tensors, notes } = convertCheckpoint(describeTensors(renamed), config, 'config.json');
    const named = tensors.find(({ name }) => name === 'blk.1.attn_q.weight');
    expect(named?.pieces[0]?.tensor.name).toBe(
      `_fsdp_wrapped_module.model.layers.1.${parts}self_attn.q_proj.weight`,
    );
    expect(notes.map((note) => /"(.*)"/.exec(note)?.[1])).toEqual([
      '_fsdp_wrapped_module.',
      '_checkpoint_wrapped_module.',
    ]);
  });

  it('stays where the rest does not fit, which names the tensor', () => {
    expect(() => wrapped('wrapper.')).toThrow(
      '21 tensors are missing: "embed_tokens.weight" […, 64]; is it "wrapper.model.embed_tokens.weight"?, ',
    );
    expect(() => convert('llama', {}, { 'module.model.norm.weight': [64] })).toThrow(
      'GGUF\'s architecture "llama" does not have this tensor. (m, tensor "module.model.norm.weight")',
    );
    expect(() => convert('llama', {}, { 'base_model.model.lora_A.weight': [64] })).toThrow(
      'GGUF\'s architecture "llama" does not have this tensor. (m, tensor "base_model.model.lora_A.weight")',
    );
  });
});
