import {
  copyFileSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type * as Fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { planCheckpoint, planRecipe, type CheckpointPlan } from '../../../../src/exporter/checkpoint/plan';
import { previewPlan } from '../../../../src/exporter/checkpoint/preview';
import { writeCheckpoint, type CheckpointOptions } from '../../../../src/exporter/checkpoint/writeCheckpoint';
import { openModel } from '../../../../src/layouts/openModel';
import type { EngineProgress } from '../../../../src/protocol/engine';
import type { Recipe, RecipeRule } from '../../../../src/protocol/recipe';
import { awq, bitsandbytes4bit, gptq } from '../../../../src/quant/grids/libraries';
import { isGrid } from '../../../../src/recipes/checkRecipe';
import { presetById, resolveRecipe } from '../../../../src/recipes/resolveRecipe';
import { clearFaults, failOn } from '../../../support/fileFaults';
import { safetensorsBytes, sampleFolder, temporaryFolder } from '../../../support/files';
import { writeCheckpoint as writeSource } from '../../../support/writeCheckpoint';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});

const root = temporaryFolder();
let folder: string;
let tests = 0;
const here = (name: string): string => join(folder, name);
const notes = (): string[] => {
  const path = join(process.env['QUANTSCOPE_CACHE']!, 'partials');
  return existsSync(path) ? readdirSync(path) : [];
};

beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(folder);
  process.env['QUANTSCOPE_CACHE'] = join(root, `cache-${tests}`);
});
afterEach(() => {
  clearFaults();
  delete process.env['QUANTSCOPE_CACHE'];
});

interface RunOptions extends CheckpointOptions {
  readonly model?: string;
  readonly recipe?: string;
  readonly maxShardBytes?: number;
}

async function run(
  out: string,
  { model: path = sampleFolder, recipe = 'bnb-nf4', maxShardBytes, ...options }: RunOptions = {},
) {
  const model = await openModel(path);
  try {
    const plan = planCheckpoint(model, presetById(recipe), maxShardBytes);
    return { plan, ...(await writeCheckpoint(model, plan, out, options)) };
  } finally {
    await model.close();
  }
}

/** A copy of the sample that tests may change. */
function copy(): string {
  cpSync(sampleFolder, here('model'), { recursive: true });
  return here('model');
}

describe('a quantized checkpoint', () => {
  it('has weights, configuration, tokenizer, and what was done', async () => {
    const { weights, out } = await run(here('out'));
    expect(out).toBe(here('out'));
    expect(readdirSync(out).sort()).toEqual([
      ...['README.md', 'config.json', 'generation_config.json', 'model.safetensors'],
      ...['model.safetensors.digests.json', 'quantscope.json'],
      ...['tokenizer.json', 'tokenizer_config.json'],
    ]);
    expect(readdirSync(folder)).toEqual(['out']);
    expect(notes()).toEqual([]);
    for (const name of ['tokenizer.json', 'generation_config.json'])
      expect(readFileSync(join(out, name))).toEqual(readFileSync(join(sampleFolder, name)));
    const readme = readFileSync(join(out, 'README.md'), 'utf8');
    expect(readme).toContain('with the recipe `bnb-nf4`');
    expect(readme).toContain('42 matrices quantized, 15 tensors kept.');
    expect(readme).toContain('Evidence: the weights alone.');
    expect(weights).toHaveLength(42);
    for (const { relativeError } of weights) expect(relativeError).toBeCloseTo(0.0083, 3);
    const record = JSON.parse(readFileSync(join(out, 'quantscope.json'), 'utf8')) as Record<string, unknown>;
    expect(record['recipe']).toEqual(presetById('bnb-nf4'));
    expect(record['methods']).toEqual({ rtn: 1 });
    expect(record['files']).toEqual(
      readdirSync(out)
        .filter((name) => name !== 'quantscope.json')
        .sort(),
    );
  });

  it('quotes the names of the model and the texts of the recipe as text', async () => {
    mkdirSync(here('[x](http:'));
    const odd = 'a|b\n<img src=x>`.weight';
    const model = here('[x](http:');
    copyFileSync(join(sampleFolder, 'config.json'), join(model, 'config.json'));
    const size = 4 * 64 * 64;
    const header = { [odd]: { dtype: 'F32', shape: [64, 64], data_offsets: [0, size] } };
    writeFileSync(join(model, 'model.safetensors'), safetensorsBytes(header, size));
    const recipe = { ...presetById('bnb-nf4'), label: '<b>', description: '[y](z)', skip: [] };
    const opened = await openModel(model);
    await writeCheckpoint(opened, planCheckpoint(opened, recipe), here('out')).finally(() => opened.close());
    const readme = readFileSync(here('out/README.md'), 'utf8');
    expect(readme.split('\n')[0]).toBe('# \\[x\\](http:, \\<b\\>');
    expect(readme).toContain('with the recipe `bnb-nf4`: \\[y\\](z)\n');
    expect(readme).toContain('| ``a\\|b <img src=x>`.weight`` | ');
  });

  it('keeps every other line of config.json, numbers as Python wrote them', async () => {
    const { out } = await run(here('out'), { recipe: 'bnb-int8' });
    const linesOf = (path: string) =>
      readFileSync(join(path, 'config.json'), 'utf8')
        .split('\n')
        .map((line) => line.trim().replace(/,$/, ''));
    const text = readFileSync(join(out, 'config.json'), 'utf8');
    expect(text).toContain('"llm_int8_threshold": 6.0');
    const changed = linesOf(sampleFolder).filter((line) => line !== '' && !linesOf(out).includes(line));
    expect(changed).toEqual(['"torch_dtype": "bfloat16"']);
    expect(text).toContain('"torch_dtype": "float16"');
  });

  it('is opened like any other model, with the weights that were measured', async () => {
    const { out, weights } = await run(here('out'), { recipe: 'w4a16' });
    const model = await openModel(out);
    const { tensors, warnings, parameters } = model.description;
    expect(tensors.filter(({ stored }) => stored)).toHaveLength(weights.length);
    expect(tensors).toHaveLength(57);
    expect(parameters).toBe(5_246_208);
    expect(warnings).toEqual([]);
    await model.close();
  });

  it('is cut into shards with an index, of the sizes that the plan says', async () => {
    const { plan, out } = await run(here('out'), { maxShardBytes: 1_000_000 });
    const { files } = previewPlan(plan, 0);
    expect(files.map(({ name }) => name)).toEqual(
      [1, 2, 3, 4].map((number) => `model-0000${number}-of-00004.safetensors`),
    );
    for (const { name, bytes } of files) expect(readFileSync(join(out, name)).length, name).toBe(bytes);
    const index = JSON.parse(readFileSync(join(out, 'model.safetensors.index.json'), 'utf8')) as {
      metadata: { total_size: number; total_parameters: number };
      weight_map: Record<string, string>;
    };
    expect(Object.keys(index.weight_map)).toHaveLength(files.reduce((sum, { tensors }) => sum + tensors, 0));
    expect(index.metadata.total_parameters).toBe(5_246_208);
    expect(index.metadata.total_size).toBe(plan.tensors.reduce((sum, { bytes }) => sum + bytes, 0));
    const model = await openModel(out);
    expect(model.description.weightFiles).toEqual({ present: 4, total: 4 });
    expect(model.description.warnings).toEqual([]);
    await model.close();
  });

  it('has no more bytes than planned where sizes depend on values', async () => {
    const { plan, out } = await run(here('out'), { recipe: 'bnb-nf4-dq' });
    const [file] = previewPlan(plan, 0).files;
    const { length } = readFileSync(join(out, 'model.safetensors'));
    expect(length).toBeLessThanOrEqual(file!.bytes);
    expect(length).toBeGreaterThan(file!.bytes - 42 * 24);
    const model = await openModel(out);
    expect(model.description.tensors.filter(({ stored }) => stored)).toHaveLength(42);
    await model.close();
  });

  it('is made of a quantized model as of any other, without its configuration', async () => {
    const first = await run(here('first'), { recipe: 'w8a16' });
    writeFileSync(join(first.out, 'quantize_config.json'), '{}');
    const { out } = await run(here('second'), { model: first.out, recipe: 'bnb-nf4' });
    const config = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')) as Record<
      string,
      { quant_method: string }
    >;
    expect(config['quantization_config']!.quant_method).toBe('bitsandbytes');
    expect(readdirSync(out)).not.toContain('quantize_config.json');
    const model = await openModel(out);
    expect(model.tensor('lm_head.weight').dtype).toBe('BF16');
    await model.close();
  });

  it('follows the links of a download, whose files lie elsewhere', async () => {
    mkdirSync(here('snapshot'));
    for (const name of readdirSync(sampleFolder))
      symlinkSync(join(sampleFolder, name), here(`snapshot/${name}`));
    const { out } = await run(here('out'), { model: here('snapshot') });
    expect(readFileSync(join(out, 'tokenizer.json'))).toEqual(
      readFileSync(join(sampleFolder, 'tokenizer.json')),
    );
    expect(readdirSync(out).every((name) => !lstatSync(join(out, name)).isSymbolicLink())).toBe(true);
  });
});

describe('the folder that a checkpoint is written to', () => {
  const refused = (message: RegExp | string, path: string) => ({
    code: 'REQUEST',
    message: expect.stringMatching(message) as string,
    place: { file: path },
  });

  const link = (to: string): string => (symlinkSync(to, here('link')), here('link'));
  it.each([
    ['the model itself', (model: string) => model],
    ['a link to it', link],
    ['a folder in it', (model: string) => join(model, 'quantized')],
    ['a folder in it by a detour', (model: string) => `${model}/../model/quantized/nf4`],
    ['a folder in a link to it', (model: string) => join(link(model), 'quantized')],
    ['a folder that it lies in', () => folder],
  ])('must not be %s', async (_, place) => {
    const model = copy();
    const before = readdirSync(model).sort();
    await expect(run(place(model), { model, overwrite: true })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(/holds the model that is read|is that of the model/) as string,
    });
    expect(readdirSync(model).sort()).toEqual(before);
  });

  it('must not be an earlier output that is the model', async () => {
    const { out } = await run(here('out'));
    await expect(run(out, { model: out, recipe: 'bnb-int8', overwrite: true })).rejects.toMatchObject(
      refused(/is that of the model/, out),
    );
  });

  it('must not be a file, a folder of something else, or a link that leads nowhere', async () => {
    writeFileSync(here('file'), '');
    mkdirSync(here('other'));
    writeFileSync(here('other/thesis.txt'), 'years');
    symlinkSync(here('nowhere'), here('link'));
    await expect(run(here('file'))).rejects.toMatchObject(
      refused(/exists and is not a folder/, here('file')),
    );
    await expect(run(here('other'), { overwrite: true })).rejects.toMatchObject(
      refused(/not an earlier output of Quantscope/, here('other')),
    );
    await expect(run(here('link'))).rejects.toMatchObject(refused(/link that leads nowhere/, here('link')));
    await expect(run(here('file/out'))).rejects.toMatchObject(
      refused(`The output would be inside ${here('file')}, which is not a folder.`, here('file/out')),
    );
    expect(readFileSync(here('other/thesis.txt'), 'utf8')).toBe('years');
  });

  it('may be empty, a link to an empty one, or below folders that are not there yet', async () => {
    mkdirSync(here('empty'));
    symlinkSync(here('empty'), here('link'));
    await run(here('link'));
    expect(readdirSync(here('empty'))).toContain('model.safetensors');
    await run(here('a/b/out'));
    expect(readdirSync(here('a/b'))).toEqual(['out']);
  });

  it('is replaced where it is an earlier output, if that is allowed and nothing was added', async () => {
    const { out } = await run(here('out'));
    await expect(run(out, { recipe: 'bnb-int8' })).rejects.toMatchObject(refused(/--overwrite/, out));
    await run(out, { recipe: 'bnb-int8', overwrite: true });
    expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('`bnb-int8`');
    writeFileSync(join(out, 'results.csv'), '1');
    await expect(run(out, { overwrite: true })).rejects.toMatchObject(refused(/has "results.csv"/, out));
    expect(readdirSync(folder)).toEqual(['out']);
  });
});

describe('a checkpoint that cannot be completed', () => {
  const isAsBefore = (): void => {
    expect(readFileSync(here('out/README.md'), 'utf8')).toContain('`bnb-int8`');
    expect(readdirSync(folder).filter((name) => name !== 'model')).toEqual(['out']);
    expect(notes()).toEqual([]);
  };

  it.each([
    ['the disk is full in the second shard', 'write', /model-00002-of/, 3, 'ENOSPC'],
    ['a shard cannot be opened', 'open', /model-00003-of/, 1, 'EIO'],
    ['a shard cannot be synced', 'sync', /model-00004-of/, 1, 'EIO'],
    ['the folder cannot be put in place', 'rename', /→ .*out$/, 1, 'EACCES'],
  ] as const)('leaves nothing, and an earlier one as before, when %s', async (_, call, path, nth, code) => {
    await run(here('out'), { recipe: 'bnb-int8' });
    failOn(call, path, { nth, code });
    const work = run(here('out'), { maxShardBytes: 1_000_000, overwrite: true });
    await expect(work).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining(code) as string,
    });
    isAsBefore();
  });

  it('leaves nothing when it is cancelled, in any tensor', async () => {
    await run(here('out'), { recipe: 'bnb-int8' });
    for (const stop of [1, 20, 57]) {
      const controller = new AbortController();
      let reports = 0;
      const onProgress = ({ finished }: EngineProgress): void => {
        reports += 1;
        if (finished || stop === 1) if (reports >= stop) controller.abort();
      };
      const work = run(here('out'), { overwrite: true, signal: controller.signal, onProgress });
      if (stop < 57) await expect(work).rejects.toMatchObject({ code: 'CANCELLED' });
      else await work.catch(() => undefined);
      if (stop < 57) isAsBefore();
    }
  });

  it('leaves nothing when a file of the model changes meanwhile', async () => {
    const model = copy();
    await run(here('out'), { recipe: 'bnb-int8' });
    let touched = false;
    const onProgress = (): void => {
      if (!touched) utimesSync(join(model, 'model.safetensors'), 1, 1);
      touched = true;
    };
    await expect(run(here('out'), { model, overwrite: true, onProgress })).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringContaining('changed while it was read') as string,
    });
    isAsBefore();
  });
});

/** A rule whose scales are those of rows. */
const inRows = (rule: RecipeRule): RecipeRule =>
  isGrid(rule.grid) ? { ...rule, grid: { ...rule.grid, group: 'row' } } : rule;

describe('what a recipe does to a model', () => {
  it('says which rule applies to each tensor, and why others are kept', async () => {
    const model = await openModel(sampleFolder);
    const { tensors, notes: kept } = planCheckpoint(model, {
      ...presetById('w4a16'),
      rules: [
        { match: 'o_proj', grid: 'keep' },
        { match: 'layers\\.0\\.', ...presetById('w8a16').rules[0]! },
        presetById('w4a16').rules[0]!,
      ],
      skip: ['lm_head', 're:.*layers\\.5\\.mlp'],
    });
    const reasons = Object.fromEntries(tensors.map(({ tensor, reason }) => [tensor.name, reason]));
    expect(reasons).toMatchObject({
      'model.layers.0.mlp.up_proj.weight': 'rule 2',
      'model.layers.0.self_attn.o_proj.weight': 'kept by rule 1',
      'model.layers.1.mlp.up_proj.weight': 'linear layer',
      'model.layers.5.mlp.up_proj.weight': 'kept: skipped by the recipe',
      'model.embed_tokens.weight': 'kept: an embedding',
      'model.norm.weight': 'kept: not a matrix',
    });
    expect(kept).toContain('4 matrices are kept: skipped by the recipe.');
    await model.close();
  });

  it.each([
    [{}, false],
    [{ act_order: true, group_aware: false }, true],
    [{ act_order: true, group_aware: false, static_groups: true }, false],
    [{ act_order: false, group_aware: false }, false],
  ])(
    'has files with the group of each column only where GPTQ with %j gives it',
    async (options, permuted) => {
      const model = await openModel(sampleFolder);
      const recipe = {
        ...presetById('gptq-int4-g128'),
        rules: [{ grid: gptq(4, 32, true), method: { id: 'gptq', options } }],
      };
      const { tensors, quantization } = planCheckpoint(model, recipe);
      const weights = tensors.flatMap(({ matrix }) => (matrix ? [matrix.weight] : []));
      expect(weights.every((weight) => weight.permuted === true)).toBe(permuted);
      expect(quantization).toMatchObject({ desc_act: permuted });
      await model.close();
    },
  );

  const awqRule = { grid: awq(4, 32), method: { id: 'rtn' } };
  it.each<[string, Partial<Recipe>, string]>([
    [
      'AWQ has one group size',
      { layout: 'awq', rules: [{ match: 'layers\\.0\\.', ...awqRule, grid: awq(4, 64) }, awqRule] },
      'The layout has one group size for the whole model, but "model.layers.0.mlp.down_proj.weight" has 64 and ' +
        '"model.layers.1.mlp.down_proj.weight" 32.',
    ],
    [
      'bitsandbytes has one table',
      {
        layout: 'bitsandbytes-4bit',
        rules: [{ match: 'mlp', grid: bitsandbytes4bit('fp4', 64) }, { grid: bitsandbytes4bit('nf4', 64) }],
      },
      'The layout has one table for the whole model',
    ],
    [
      'fixed scales of inputs have no place',
      { ...presetById('w8a8'), activations: { ...presetById('w8a8').activations!, scale: 'static' } },
      'Fixed scales of inputs are not written',
    ],
  ])('is rejected before any work where %s', async (_, more, message) => {
    const model = await openModel(sampleFolder);
    const recipe = { ...presetById('bnb-nf4'), ...more };
    expect(() => planCheckpoint(model, recipe)).toThrow(message);
    expect(planRecipe(model, recipe).tensors.filter(({ matrix }) => matrix)).toHaveLength(42);
    await model.close();
  });

  it('is rejected before any work where only a params.json describes the model', async () => {
    const source = here('mistral');
    await writeSource(source, 'mistral, consolidated');
    await expect(run(here('out'), { model: source })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('no config.json') as string,
    });
    expect(existsSync(here('out'))).toBe(false);
  });

  it.each([
    ['bnb-nf4', { llm_int8_skip_modules: null }, { llm_int8_skip_modules: [] }],
    ['fp8-block', { modules_to_not_convert: null }, { modules_to_not_convert: [] }],
    ['gptq-int4-g128', { lm_head: false }, { lm_head: true }],
    ['w8a8', { ignore: ['lm_head'] }, { ignore: [] }],
    ['awq-int4-g128', { modules_to_not_convert: null }, { modules_to_not_convert: null }],
  ])('%s: says in config.json whether the output matrix is quantized', async (id, kept, quantized) => {
    const model = await openModel(sampleFolder);
    expect(planCheckpoint(model, presetById(id)).quantization).toMatchObject(kept);
    expect(planCheckpoint(model, { ...presetById(id), skip: [] }).quantization).toMatchObject(quantized);
    await model.close();
  });

  it('keeps the output matrix and embeddings whatever they are called, and tells libraries', async () => {
    mkdirSync(here('model'));
    const names = [
      ...['gpt_neox.embed_in', 'gpt_neox.layers.0.mlp.dense_4h_to_h', 'gpt_neox.layers.0.embed_mixer'],
      ...['model.embed_tokens_per_layer', 'embed_out'],
    ];
    const size = 4 * 64 * 64;
    const header = names.map((module, i): [string, object] => {
      const data = [i * size, (i + 1) * size];
      return [`${module}.weight`, { dtype: 'F32', shape: [64, 64], data_offsets: data }];
    });
    const bytes = safetensorsBytes(Object.fromEntries(header), names.length * size);
    writeFileSync(here('model/model.safetensors'), bytes);
    writeFileSync(here('model/config.json'), '{"model_type": "gpt_neox"}');
    const model = await openModel(here('model'));
    const recipe = { ...presetById('w8a16'), rules: presetById('w8a16').rules.map(inRows) };
    const planned = (skip?: string[]) => planCheckpoint(model, { ...recipe, ...(skip ? { skip } : {}) });
    const kept = ({ tensors }: CheckpointPlan) =>
      tensors.flatMap(({ tensor, matrix }) => (matrix ? [] : [tensor.name.replace('.weight', '')]));
    const embeddings = ['gpt_neox.embed_in', 'model.embed_tokens_per_layer'];
    expect(kept(planned()).sort()).toEqual(['embed_out', ...embeddings]);
    expect(planned().quantization['ignore']).toEqual(['embed_out']);
    expect(kept(planned([])).sort()).toEqual(embeddings);
    expect(planned(['embed_mixer', 'embed_out']).quantization['ignore']).toEqual([
      'gpt_neox.layers.0.embed_mixer',
      'embed_out',
    ]);
    await model.close();
  });

  it('keeps matrices that are too large for a method, with a warning', async () => {
    const recipe = await resolveRecipe({ recipe: 'w4a16', changes: { group: 32, method: 'obq' } });
    const model = await openModel(sampleFolder);
    const { tensors, warnings } = planCheckpoint(model, recipe);
    await model.close();
    const byObq = tensors.flatMap(({ tensor, matrix }) =>
      matrix?.method.id === 'obq' ? [tensor.shape] : [],
    );
    expect(byObq).toHaveLength(36);
    expect(warnings[0]).toMatch(/^6 matrices are kept: OBQ is for small layers: /);
  });

  it('keeps matrices that the layout cannot store, with a warning, and is an error where nothing is left', async () => {
    const model = await openModel(sampleFolder);
    const { warnings, notes, tensors } = planCheckpoint(model, presetById('marlin-int4-g128'));
    expect(tensors.filter(({ matrix }) => matrix)).toHaveLength(30);
    // One sentence for all matrices that are kept for the same reason.
    expect(warnings).toEqual([
      '12 matrices are kept: 256 must divide its 128 outputs and 128 its 256 inputs.',
      expect.stringMatching(
        /^model\.layers\.0\.self_attn\.k_proj\.weight, .* \(and 5 more of that kind\): some of them/,
      ),
    ]);
    expect(notes).toEqual([
      'model.embed_tokens.weight is kept: an embedding.',
      'lm_head.weight is kept: skipped by default.',
    ]);
    const inGroups = { ...presetById('gptq-int4-g128'), rules: [{ grid: gptq(4, 512, true) }] };
    expect(() => planCheckpoint(model, inGroups)).toThrow(
      /The recipe gptq-int4-g128 quantizes nothing of this model\. 6 matrices are kept: groups of 512 do not divide rows of 768 weights\./,
    );
    await model.close();
  });
});
