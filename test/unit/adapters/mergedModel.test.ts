import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import { contentKey, modelHash } from '../../../src/model/identity';
import type { Model } from '../../../src/model/model';
import type { AdapterRef } from '../../../src/protocol/model';
import { addToReference, writeAdapter, type AdapterSpec, type WrittenAdapter } from '../../support/adapters';
import { llamaConfig, llamaShapes } from '../../support/checkpointParts';
import { temporaryFolder } from '../../support/files';
import { Checkpoint } from '../../support/reference/checkpoint';
import { tensor, torchZip } from '../../support/torchFiles';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const base = join(folder, 'base');
const query = 'model.layers.0.self_attn.q_proj';
const down = 'model.layers.1.mlp.down_proj';
const modules = { [query]: [64, 64], [down]: [64, 96] };

beforeAll(() => writeCheckpoint(base, { config: llamaConfig(), shapes: llamaShapes() }));

let adapters = 0;
async function adapter(spec: Partial<AdapterSpec> = {}): Promise<WrittenAdapter & { readonly path: string }> {
  const path = join(folder, `adapter-${adapters++}`);
  return { path, ...(await writeAdapter(path, { modules, ...spec })) };
}

const merge = (...refs: readonly AdapterRef[]): Promise<Model> => openModel({ path: base, adapters: refs });

async function weightsOf(model: Model, name: string): Promise<Float32Array> {
  const tensor = model.tensor(name);
  expect(tensor.dtype).toBe('F32');
  return new Float32Array((await model.read(tensor, 0, tensor.byteLength)).buffer);
}

/** The largest distance from the independent sums in float64, which float32 holds to half a unit in its last place. */
function distance(found: Float32Array, expected: Float64Array | readonly number[]): number {
  expect(found.length).toBe(expected.length);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - Math.fround(expected[i]!))), 0);
}

/** The base with `scale · B · A` in each module. */
function expectedOf(scales: readonly (readonly [WrittenAdapter, number])[], module: string): Float64Array {
  const reference = new Checkpoint(base);
  for (const [{ factors }, scale] of scales)
    addToReference(reference, `${module}.weight`, factors.get(module)!, scale);
  return reference.vector(`${module}.weight`);
}

describe('a model with adapters', () => {
  it('has base + Σ weight · alpha / r · B · A, in any part of a weight', async () => {
    const first = await adapter();
    const second = await adapter({ seed: 8, config: { r: 6, lora_alpha: 4.5 } });
    const model = await merge({ path: first.path, weight: 0.75 }, { path: second.path, weight: -2 });
    const scales = [
      [first, 0.75 * 2],
      [second, -2 * 0.75],
    ] as const;
    for (const module of [query, down])
      expect(distance(await weightsOf(model, `${module}.weight`), expectedOf(scales, module))).toBe(0);
    const whole = await weightsOf(model, `${down}.weight`);
    for (const [start, count] of [
      [0, 1],
      [95, 3],
      [130, 400],
    ] as const) {
      const part = await model.read(model.tensor(`${down}.weight`), 4 * start, 4 * count);
      expect(new Float32Array(part.buffer)).toEqual(whole.slice(start, start + count));
    }
    const untouched = model.tensor('model.norm.weight');
    expect(untouched.dtype).toBe('BF16');
    expect(model.description.notes.join(' ')).toContain('merged with weight 0.75: 2 low-rank changes');
    await model.close();
  });

  it('scales by the square root of the rank, and by patterns', async () => {
    const written = await adapter({
      config: {
        use_rslora: true,
        rank_pattern: { down_proj: 2 },
        alpha_pattern: { 'layers\\.1\\.mlp.*': 5 },
      },
      ranks: { [down]: 2 },
    });
    const model = await merge({ path: join(written.path, 'adapter_config.json'), weight: 1 });
    const of = (module: string, scale: number) => expectedOf([[written, scale]], module);
    expect(distance(await weightsOf(model, `${query}.weight`), of(query, 8 / Math.sqrt(4)))).toBe(0);
    expect(distance(await weightsOf(model, `${down}.weight`), of(down, 5 / Math.sqrt(2)))).toBe(0);
    await model.close();
  });

  it('reads adapter_model.bin', async () => {
    const { path, factors } = await adapter();
    const model = await merge({ path, weight: 1 });
    const expected = await weightsOf(model, `${query}.weight`);
    await model.close();
    const tensors = [...factors].flatMap(([module, { a, b, rank }]) => [
      [`base_model.model.${module}.lora_A.weight`, tensor('F32', [rank, a.length / rank], a)] as const,
      [`base_model.model.${module}.lora_B.weight`, tensor('F32', [b.length / rank, rank], b)] as const,
    ]);
    rmSync(join(path, 'adapter_model.safetensors'));
    writeFileSync(join(path, 'adapter_model.bin'), torchZip(Object.fromEntries(tensors)));
    const pickled = await merge({ path, weight: 1 });
    expect(await weightsOf(pickled, `${query}.weight`)).toEqual(expected);
    await pickled.close();
  });

  it('replaces modules that were saved whole, and adds the transpose to embeddings', async () => {
    const written = await adapter({
      embeddings: { 'model.embed_tokens': [1024, 64] },
      whole: {
        'lm_head.modules_to_save.weight': [1024, 64],
        'model.embed_tokens.base_layer.weight': [1024, 64],
      },
      config: { modules_to_save: ['lm_head'] },
    });
    const model = await merge({ path: written.path, weight: 1 });
    const saved = written.whole.get('lm_head.modules_to_save.weight')!;
    expect(await weightsOf(model, 'lm_head.weight')).toEqual(saved);
    const reference = new Checkpoint(base);
    const expected = reference.vector('model.embed_tokens.weight');
    expected.set(written.whole.get('model.embed_tokens.base_layer.weight')!);
    const factors = written.factors.get('model.embed_tokens')!;
    addToReference(reference, 'model.embed_tokens.weight', factors, 2, true);
    expect(distance(await weightsOf(model, 'model.embed_tokens.weight'), expected)).toBe(0);
    await model.close();
    await expect(merge({ path: written.path, weight: 0.5 })).rejects.toThrow(/only be merged with weight 1/);
    await expect(merge({ path: written.path, weight: 1 }, { path: written.path, weight: 1 })).rejects.toThrow(
      /which another adapter changes, too/,
    );
  });

  it('is another model than its base, and than with another weight or configuration', async () => {
    const { path } = await adapter();
    const other = await adapter({ config: { lora_alpha: 9 } });
    const hashes = new Set<string>();
    const keys = new Set<string>();
    for (const refs of [
      [],
      [{ path, weight: 1 }],
      [{ path, weight: 0.5 }],
      [{ path: other.path, weight: 1 }],
    ]) {
      const model = await merge(...refs);
      hashes.add(modelHash(model.description));
      keys.add(contentKey(model.description));
      await model.close();
    }
    expect([hashes.size, keys.size]).toEqual([4, 4]);
  });

  const refused: readonly (readonly [string, Partial<AdapterSpec>, RegExp])[] = [
    ['other kinds', { config: { peft_type: 'IA3' } }, /"peft_type" is "IA3"/],
    ['DoRA', { config: { use_dora: true } }, /"use_dora" is true.*DoRA/],
    ['unknown keys', { config: { use_newer_lora: 3 } }, /"use_newer_lora" is 3.*not known/],
    ['bases that were changed', { config: { init_lora_weights: 'pissa' } }, /"init_lora_weights" is "pissa"/],
    ['repeated layers', { config: { layer_replication: [[0, 1]] } }, /"layer_replication"/],
    ['changes of parameters', { config: { target_parameters: ['experts.down'] } }, /"target_parameters"/],
    ['an impossible rank', { config: { r: 0 }, ranks: { [query]: 4, [down]: 4 } }, /"r" is 0/],
    ['a missing scale', { config: { lora_alpha: null } }, /"lora_alpha" is null/],
    ['another rank', { ranks: { [query]: 5 } }, /says rank 4.*q_proj/],
    [
      'modules that are no targets',
      { config: { target_modules: ['q_proj'] } },
      /"target_modules" does not name/,
    ],
    ['excluded modules', { config: { exclude_modules: '.*down_proj' } }, /"exclude_modules" names it/],
    ['other layers', { config: { layers_to_transform: [1] } }, /"layers_to_transform" leaves its layer out/],
    ['bad patterns', { config: { target_modules: '(' } }, /not a regular expression/],
    [
      'other models',
      { modules: { 'model.layers.7.mlp.up_proj': [96, 64] } },
      /layers\.7\.mlp\.up_proj.*not in the/,
    ],
    ['other sizes', { modules: { [query]: [64, 80] } }, /64 × 80.*is \[64, 64\]/],
    ['parts that are no factors', { whole: { [`${query}.lora_magnitude_vector`]: [64] } }, /one of DoRA/],
    ['saved parts of other sizes', { whole: { 'lm_head.weight': [1025, 64] } }, /\[1025, 64\]/],
  ];
  it.each(refused)('refuses %s', async (_, spec, message) => {
    const { path } = await adapter(spec);
    await expect(merge({ path, weight: 1 })).rejects.toThrow(message);
  });

  it('refuses factors that are not finite, and folders without an adapter', async () => {
    const { path, factors } = await adapter();
    const a = factors.get(query)!.a;
    a[5] = NaN;
    const part = (name: string, shape: readonly number[], values: Float32Array) => ({
      ...{ name: `base_model.model.${query}.${name}.weight`, dtype: 'F32', shape },
      data: () => [new Uint8Array(values.buffer)],
    });
    const file = join(path, 'adapter_model.safetensors');
    await writeSafetensors(
      file,
      [part('lora_A', [4, 64], a), part('lora_B', [64, 4], factors.get(query)!.b)],
      {},
    );
    const model = await merge({ path, weight: 1 });
    await expect(weightsOf(model, `${query}.weight`)).rejects.toThrow(/Number 5 is NaN.*lora_A/);
    await model.close();
    rmSync(file);
    await expect(merge({ path, weight: 1 })).rejects.toThrow(
      /adapter_model\.safetensors or adapter_model\.bin is missing/,
    );
    writeFileSync(join(path, 'adapter_model.bin'), 'not a model');
    await expect(merge({ path, weight: 1 })).rejects.toThrow(/adapter_model\.bin/);
  });
});

describe('an adapter of an embedding that is the output', () => {
  it('is refused: PEFT would change the embedding only', async () => {
    const tied = join(folder, 'tied');
    const shapes = Object.fromEntries(
      Object.entries(llamaShapes()).filter(([name]) => name !== 'lm_head.weight'),
    );
    await writeCheckpoint(tied, { config: llamaConfig({ tie_word_embeddings: true }), shapes });
    const { path } = await adapter({ embeddings: { 'model.embed_tokens': [1024, 64] } });
    await expect(openModel({ path: tied, adapters: [{ path, weight: 1 }] })).rejects.toThrow(
      /the output of this model as well/,
    );
  });
});
