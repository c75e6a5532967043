import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import type { Recipe, RecipeRule } from '../../../src/protocol/recipe';
import { compressedIntegers, e4m3, gptq } from '../../../src/quant/grids/libraries';
import { methods } from '../../../src/quant/methods/methods';
import { canonicalRecipe } from '../../../src/recipes/canonical';
import { changedRecipe } from '../../../src/recipes/changes';
import { describeRecipe } from '../../../src/recipes/describeRecipe';
import { describeRecipeMethods } from '../../../src/recipes/ggufCodes';
import { presets } from '../../../src/recipes/presets';
import { parseRecipe } from '../../../src/recipes/readRecipe';
import { presetById, resolveRecipe } from '../../../src/recipes/resolveRecipe';
import { projectRoot, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const schema = JSON.parse(readFileSync(join(projectRoot, 'schemas', 'recipe.schema.json'), 'utf8')) as object;
const isValid = new Ajv({ allowUnionTypes: true, formats: { regex: true } }).compile(schema);

/** A recipe in which nothing that may be there is absent. */
const full: Recipe = {
  ...{
    version: 1,
    id: 'mine',
    label: 'Mine',
    description: 'All of it.',
    layout: 'compressed-tensors-int8',
    target: 'checkpoint',
  },
  rules: [
    { match: '\\.o_proj\\.', grid: 'keep' },
    { grid: gptq(8, 32, true), method: { id: 'gptq', options: { act_order: true, damping: 0.05 } } },
  ],
  skip: ['lm_head', 're:.*router'],
  activations: { levels: { kind: 'integer', bits: 8, signed: true }, scale: 'token' },
  calibration: { text: 'text.txt', tokens: 4096, context: 256 },
};

/** Its JSON with the value at a path replaced; undefined removes it. */
function withValue(path: string, value: unknown): Record<string, unknown> {
  const document = JSON.parse(JSON.stringify(full)) as Record<string, unknown>;
  const names = path.split('.');
  const last = names.pop()!;
  const place = names.reduce((at, name) => at[name] as Record<string, unknown>, document);
  if (value === undefined) delete place[last];
  else place[last] = value;
  return document;
}

describe('presets', () => {
  it.each(presets.map((preset) => [preset.id, preset] as const))(
    '%s is valid by reader and schema',
    async (id, preset) => {
      expect(isValid(preset), JSON.stringify(isValid.errors)).toBe(true);
      expect(parseRecipe(JSON.parse(JSON.stringify(preset)))).toEqual(preset);
      expect(await resolveRecipe({ recipe: id })).toEqual(preset);
    },
  );

  it('have the names that people give them, each once', () => {
    const ids = presets.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(
      expect.arrayContaining([
        ...[
          'bnb-int8',
          'bnb-nf4',
          'bnb-nf4-dq',
          'bnb-fp4',
          'gptq-int4-g128',
          'gptq-int4-g32',
          'gptq-int3-g128',
        ],
        ...[
          'gptq-int8-g128',
          'gptq-int2-g64',
          'gptq-v2-int4-g128',
          'awq-int4-g128',
          'marlin-int4-g128',
          'eetq-int8',
        ],
        ...[
          'w4a16',
          'w8a16',
          'w8a8',
          'fp8-dynamic',
          'fp8-block',
          'nvfp4',
          'mxfp4',
          'torchao-int8wo',
          'torchao-int4wo',
        ],
        ...['torchao-float8wo', 'gguf-q4_k_m'],
      ]),
    );
  });

  it.each([
    ['bnb-nf4', 4.5, 'none', 'vLLM'],
    ['gptq-int4-g128', 4.16, 'hessian', 'TGI'],
    ['awq-int4-g128', 4.16, 'activations', 'SGLang'],
    ['mxfp4', 4.25, 'none', 'transformers'],
  ])('%s is described', (id, bits, evidence, runtime) => {
    const described = describeRecipe(presetById(id));
    expect(described.bitsPerWeight).toBeCloseTo(bits, 2);
    expect(described.evidence).toBe(evidence);
    expect(described.runtimes).toContain(runtime);
  });

  it('are suggested by a similar name', () => {
    expect(() => presetById('gptq-int4-128g')).toThrow(
      /There is no recipe "gptq-int4-128g". Did you mean "gptq-int4-g128"\?/,
    );
  });
});

describe('a recipe file', () => {
  it('is read as it is, whatever the order of keys', async () => {
    const reversed = Object.fromEntries(Object.entries(full).reverse());
    const file = writeFile(
      folder,
      'mine.recipe.json',
      JSON.stringify({ $schema: './schema.json', ...reversed }),
    );
    expect(isValid(JSON.parse(readFileSync(file, 'utf8')))).toBe(true);
    const read = await resolveRecipe({ recipeFile: file });
    expect(read).toEqual({ ...full, calibration: { ...full.calibration, text: join(folder, 'text.txt') } });
    expect(canonicalRecipe(parseRecipe(reversed))).toBe(canonicalRecipe(full));
  });

  it('may name grids', () => {
    const { rules } = parseRecipe(withValue('rules.1.grid', 'int4-g128'));
    expect(rules[1]!.grid).toMatchObject({
      levels: { kind: 'integer', bits: 4, signed: true },
      group: 128,
      scale: 'F16',
    });
    expect(isValid(withValue('rules.1.grid', 'int4-g128'))).toBe(true);
  });

  /** A place, what is there, what the reader says, and whether the schema can tell. */
  it.each([
    ['version', 2, '$.version is 2; it must be one of 1.', true],
    ['layot', 'gptq', '$.layot is not a known key. Did you mean "layout"?', true],
    ['layout', undefined, '$.layout is missing.', true],
    ['target', 'Checkpoint', 'Did you mean "checkpoint"?', true],
    ['rules', {}, '$.rules must be a list.', true],
    ['rules.0.match', '(', '$.rules[0].match is not a regular expression', false],
    ['rules.0.grid', 'int9-g32', '$.rules[0].grid: "int9-g32" is not a grid.', false],
    ['rules.0.grid', 4, '$.rules[0].grid must be a grid, its name, {"ggml": TYPE} or "keep".', true],
    ['rules.0.grid', { ggml: 'Q4_J' }, '$.rules[0].grid.ggml is "Q4_J"', false],
    [
      'rules.1.grid.levels.bits',
      9,
      '$.rules[1].grid.levels.bits is 9; it must be a whole number from 2 to 8.',
      true,
    ],
    ['rules.1.grid.levels.kind', 'int', '$.rules[1].grid.levels.kind is "int"', true],
    ['rules.1.grid.grup', 32, '$.rules[1].grid.grup is not a known key. Did you mean "group"?', true],
    ['rules.1.grid.group', 0, '$.rules[1].grid.group is 0; it must be a whole number from 1 to 65536.', true],
    ['rules.1.grid.group', [32], '$.rules[1].grid.group must be "tensor", "row", a number', true],
    ['rules.1.grid.rule.divisor', 0, '$.rules[1].grid.rule.divisor is 0, which is 0 or infinite', true],
    ['rules.1.grid.rule.divisor', 1e308, 'divisor is 1e+308, which is 0 or infinite in float32.', false],
    ['rules.1.grid.least.zeros', 1e-300, 'zeros is 1e-300, which is 0 or infinite in float32.', false],
    ['rules.1.grid.zero', 'integer', '$.rules[1].grid.rule gives no zero points: it must be a range.', false],
    [
      'rules.1.grid.rule',
      { kind: 'range', widened: true },
      '$.rules[1].grid.rule is a range, which gives zero points: the grid has none.',
      false,
    ],
    ['rules.1.grid.levels.signed', false, '$.rules[1].grid.zero is missing: unsigned integers', false],
    [
      'rules.1.grid.levels',
      { kind: 'float', exponent: 6, mantissa: 6, special: 'finite' },
      '$.rules[1].grid.levels has floats of 13 bits; they have 3 to 8.',
      false,
    ],
    [
      'rules.1.grid.levels',
      { kind: 'float', exponent: 4, mantissa: 3, bias: -128, special: 'finite' },
      '$.rules[1].grid.levels has the bias -128; with these bits it is from -112 to 124.',
      false,
    ],
    ['rules.1.grid.global', true, '$.rules[1].grid.global is true', true],
    [
      'rules.1.method.options.damping',
      null,
      '$.rules[1].method.options.damping must be a number, a text',
      true,
    ],
    ['skip', 'lm_head', '$.skip must be a list.', true],
    [
      'calibration.tokens',
      0.5,
      '$.calibration.tokens is 0.5; it must be a whole number of at least 1.',
      true,
    ],
  ])('is rejected for %s: %j', async (path, value, message, isTold) => {
    const document = withValue(path, value);
    const file = writeFile(folder, 'bad.recipe.json', JSON.stringify(document));
    await expect(resolveRecipe({ recipeFile: file })).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringContaining(`The recipe is not valid: `) as string,
      place: { file },
    });
    await expect(resolveRecipe({ recipeFile: file })).rejects.toThrow(message);
    if (isTold) expect(isValid(document)).toBe(false);
  });

  it.each([
    [
      'layout',
      'gptqq',
      '$.layout is "gptqq", which is not a layout that can be written. Did you mean "gptq"?',
    ],
    [
      'rules.1.method.id',
      'gptqq',
      '$.rules[1].method.id is "gptqq", which is not a method. Did you mean "gptq"?',
    ],
    [
      'rules.1.method.options',
      { dampin: 1 },
      '.options.dampin is not an option of gptq. Did you mean "damping"?',
    ],
    ['rules.1.method.options', { damping: 7 }, '.options.damping is 7; it must be a number from 0 to 1.'],
    ['rules.1.method.options', { act_order: 1 }, '.options.act_order is 1; it must be true or false.'],
    ['fileType', 'Q4_K_M', '$.fileType is for the target "gguf".'],
    ['rules', [], '$.rules must not be empty.'],
    ['target', 'gguf', '$.fileType is missing'],
    [
      'rules.0.grid',
      { ggml: 'Q4_K' },
      '$.rules[0].grid is a type of GGUF; the target must be "gguf" for it.',
    ],
    [
      'activations.levels.bits',
      4,
      '$.activations cannot be stated in the layout compressed-tensors-int8: its runtimes round inputs to signed integers of 8 bits',
    ],
    ['activations.levels.signed', false, 'its runtimes round inputs to signed integers of 8 bits'],
    ['activations.levels', e4m3, 'its runtimes round inputs to signed integers of 8 bits'],
    [
      'layout',
      'gptq',
      '$.activations cannot be stated in the layout gptq: its runtimes take inputs as they are',
    ],
  ])('is rejected for what layouts and methods say: %s %j', async (path, value, message) => {
    const inline = withValue(path, value) as unknown as Recipe;
    await expect(resolveRecipe({ inline })).rejects.toMatchObject({ code: 'REQUEST' });
    await expect(resolveRecipe({ inline })).rejects.toThrow(message);
  });

  const gguf = presetById('gguf-q4_k_m');
  it.each<[Partial<Recipe>, string]>([
    [{ layout: 'gptq' }, '$.layout is "gptq"; it must be "gguf" for the target "gguf".'],
    [{ skip: ['lm_head'] }, '$.skip is not for the target "gguf"'],
    [{ activations: full.activations! }, '$.activations is not for the target "gguf"'],
    [
      { rules: [{ match: 'a', grid: { ggml: 'Q4_K' }, weightDtype: true }] },
      '$.rules[0].weightDtype is not for the target "gguf".',
    ],
    [
      { rules: [{ match: 'a', grid: { ggml: 'Q4_K' }, method: { id: 'gptq-cd' } }] },
      '$.rules[0].method is gptq-cd; $.method says how the codes of all tensors of a GGUF file are found.',
    ],
    [
      { method: { id: 'gptq' } },
      '$.method.id is "gptq"; the codes of a GGUF file are found by rtn or gptq-cd.',
    ],
    [{ method: { id: 'gptq-dc' } }, '$.method.id is "gptq-dc", which is not a method. Did you mean'],
    [
      { method: { id: 'gptq-cd', options: { rounds: 2 } } },
      '$.method.options.rounds cannot be changed for a GGUF file; the objective can.',
    ],
    [
      { method: { id: 'gptq-cd', options: { objective: 'both' } } },
      '$.method.options.objective is "both"; it must be one of one-sided, two-sided.',
    ],
  ])('for GGUF is rejected for %j, which says nothing of such a file', async (more, message) => {
    await expect(resolveRecipe({ inline: { ...gguf, ...more } })).rejects.toThrow(message);
  });

  it('for GGUF says how codes are found, and what that needs', async () => {
    const method = { id: 'gptq-cd', options: { objective: 'two-sided' } };
    const changes = { method: method.id, options: method.options };
    const recipe = await resolveRecipe({ recipe: 'gguf-q4_k_m', changes });
    expect(recipe.method).toEqual(method);
    expect(describeRecipe(recipe)).toMatchObject({ evidence: 'gradients', usable: 'gradients' });
    // As other exports of optimised codes, where no objective is named.
    expect(describeRecipe({ ...recipe, method: { id: 'gptq-cd' } }).evidence).toBe('gradients');
    const oneSided = { ...method, options: { objective: 'one-sided' } };
    expect(describeRecipe({ ...recipe, method: oneSided }).evidence).toBe('hessian');
    const [listed] = describeRecipeMethods().filter(({ id }) => id === method.id);
    expect(listed!.options.find(({ name }) => name === 'objective')!.default).toBe('two-sided');
    expect(describeRecipe(gguf)).toMatchObject({ evidence: 'none', usable: 'none' });
    expect(canonicalRecipe(recipe)).not.toBe(canonicalRecipe(gguf));
    const inline = { ...presetById('w4a16'), method: { id: 'rtn' } };
    await expect(resolveRecipe({ inline })).rejects.toThrow('$.method is for the target "gguf"');
  });

  it('for ONNX is rejected for types of GGUF and for scales in the dtype of weights', async () => {
    const onnx = (rule: RecipeRule): Recipe => {
      return { ...presetById('w4a16'), target: 'onnx', layout: 'qdq', rules: [rule] };
    };
    await expect(resolveRecipe({ inline: onnx({ grid: { ggml: 'Q4_K' } }) })).rejects.toThrow(
      '$.rules[0].grid is a type of GGUF; the target must be "gguf" for it.',
    );
    const grid = compressedIntegers(4, 128);
    await expect(resolveRecipe({ inline: onnx({ grid, weightDtype: true }) })).rejects.toThrow(
      '$.rules[0].weightDtype is for checkpoints; scales of ONNX graphs are float32.',
    );
  });

  it('is rejected for a grid that the layout cannot store', async () => {
    await expect(resolveRecipe({ inline: full, changes: { layout: 'marlin' } })).rejects.toThrow(
      'The recipe is not valid: $.rules[1].grid cannot be stored in the layout marlin: ',
    );
    const inline = withValue('rules.1.grid', 'int8-row-global') as unknown as Recipe;
    await expect(resolveRecipe({ inline })).rejects.toThrow(
      '$.rules[1].grid cannot be stored in the layout compressed-tensors-int8: the layout has no place for a scale of the tensor',
    );
  });
});

describe('changes of a recipe', () => {
  it('are rejected where a module to skip is not a regular expression, as recipes are', async () => {
    const message = /skip\[1\] is not a regular expression: .*Unterminated group/;
    const skip = ['lm_head', 're:('];
    expect(() => parseRecipe(withValue('skip', skip))).toThrow(message);
    await expect(resolveRecipe({ recipe: 'bnb-nf4', changes: { skip } })).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(message) as string,
    });
  });

  it('keep the rule of scales for another number of bits', () => {
    const bits = (recipe: Recipe, count: number) => changedRecipe(recipe, { bits: count }).rules[0]!.grid;
    expect(bits(presetById('w4a16'), 3)).toEqual(compressedIntegers(3, 128));
    expect(bits(presetById('gptq-int4-g128'), 8)).toEqual(gptq(8, 128, true));
    expect(bits(presetById('eetq-int8'), 4)).toMatchObject({ rule: { kind: 'absmax', divisor: 8 } });
    expect(() => bits(presetById('bnb-nf4'), 3)).toThrow('$.rules[0].grid has no integers');
    expect(() => bits(presetById('bnb-int8'), 4)).toThrow('$.rules[0].grid has scales of 127 codes');
    const odd = { ...gptq(4, 32, true), rule: { kind: 'absmax', divisor: 5 } } as const;
    expect(() => bits({ ...full, rules: [{ grid: odd }] }, 3)).toThrow(
      '$.rules[0].grid.rule.divisor is 5, which is not a rule of 4 bits that 3 bits have too.',
    );
  });

  it.each([{ bits: 4 }, { group: 32 }])('are rejected where no rule has a grid: %j', async (changes) => {
    await expect(resolveRecipe({ recipe: 'gguf-q4_k_m', changes })).rejects.toThrow(
      `changes.${Object.keys(changes)[0]!} changes nothing: the recipe gguf-q4_k_m has no rule with a grid.`,
    );
  });

  it('replace a method with its options, and only rules that quantize', async () => {
    const changed = changedRecipe(full, { method: 'rtn', group: 64, skip: [] });
    expect(changed.rules[0]).toEqual({ match: '\\.o_proj\\.', grid: 'keep' });
    expect(changed.rules[1]).toEqual({ grid: gptq(8, 64, true), method: { id: 'rtn' } });
    expect(changed.skip).toEqual([]);
    const kept = changedRecipe(full, { options: { damping: 0.1 } });
    expect(kept.rules[1]!.method).toEqual({ id: 'gptq', options: { act_order: true, damping: 0.1 } });
    await expect(resolveRecipe({ recipe: 'w4a16', changes: { grup: 4 } as object })).rejects.toThrow(
      'changes.grup is not a known key. Did you mean "group"?',
    );
  });

  it('are said after what the recipe does', () => {
    const { description } = changedRecipe(presetById('w4a16'), {
      group: 32,
      method: 'gptq',
      options: { damping: 0.1 },
    });
    expect(description).toBe('Symmetric int4 in groups of 128. Changed: method gptq, group 32, damping 0.1.');
    expect(changedRecipe(presetById('w4a16'), { skip: [] }).description).toBe(
      'Symmetric int4 in groups of 128.',
    );
  });

  it('lead to other results under other keys', () => {
    const keys = [full, changedRecipe(full, { bits: 3 }), changedRecipe(full, { skip: [] })].map(
      canonicalRecipe,
    );
    expect(new Set(keys).size).toBe(3);
    expect(canonicalRecipe({ ...full, label: 'Other', description: 'Words.' })).toBe(keys[0]);
    expect(methods.length).toBeGreaterThan(3);
  });
});
