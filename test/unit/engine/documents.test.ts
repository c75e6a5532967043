import { copyFileSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parsePlan, printPlan } from '../../../src/ampq/planFile';
import type { DocumentCheck, DocumentFault } from '../../../src/protocol/documentCheck';
import type { Plan, PlanConstraint } from '../../../src/protocol/plan';
import { presets } from '../../../src/recipes/presets';
import { engineJobs } from '../../support/engineJobs';
import {
  safetensorsBytes,
  sampleFolder,
  sampleWeights,
  temporaryFolder,
  writeFile,
} from '../../support/files';
import { planFor } from '../../support/plans';

const { request } = engineJobs(temporaryFolder());
const planFile = join(sampleFolder, 'mine.ampq.json');
const recipeFile = join(sampleFolder, 'mine.recipe.json');
const check = (text: string, file = planFile, paths = [sampleWeights]): Promise<DocumentCheck> =>
  request('document/check', { text, file, paths });
const other = writeFile(
  temporaryFolder(),
  'other.safetensors',
  safetensorsBytes({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 8),
);

/** What a fault is about: the part of the text that it stands at. */
const at = (text: string, { start, end }: DocumentFault): string => text.slice(start, end);
const applied = (text: string, { fixes: [fix] }: DocumentFault): string =>
  text.slice(0, fix!.start) + fix!.text + text.slice(fix!.end);

let whole: Plan;
beforeAll(async () => {
  const formats: Record<string, string> = { 'token_embd.weight': 'Q8_0', 'output.weight': 'Q6_K' };
  for (let layer = 0; layer < 6; layer++)
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'])
      formats[`blk.${layer}.${name}.weight`] = 'Q4_K';
  whole = { ...(await planFor(sampleWeights, formats)), budget: { kind: 'bits-per-weight', value: 6 } };
});

/** The plan with other formats of some tensors, or constraints. */
function planText(formats: Readonly<Record<string, string>>, ...constraints: PlanConstraint[]): string {
  const assignments = whole.assignments.map((item) => ({
    ...item,
    format: formats[item.tensor] ?? item.format,
  }));
  return printPlan({ ...whole, assignments, ...(constraints.length > 0 ? { constraints } : {}) });
}

describe('a plan', () => {
  it('has no fault where it is right, and the bits and bytes of each assignment', async () => {
    const text = planText({});
    const { faults, hints, model, names, sources, formats } = await check(text);
    expect(faults).toEqual([]);
    expect(model).toEqual({ path: sampleWeights, name: 'tiny-shakespeare-llama' });
    expect(hints).toHaveLength(whole.assignments.length + 1);
    expect(hints[0]!.text).toMatch(/^44 tensors · [\d.]+ bpw · [\d.]+ MB$/);
    const hint = hints.find(({ offset }) =>
      text
        .slice(0, offset)
        .endsWith('"blk.3.ffn_up.weight","sources":["model.layers.3.mlp.up_proj.weight"],"format":"Q4_K"'),
    );
    expect(hint?.text).toBe('4.50 bpw · 110.59 kB');
    expect(sources![names.indexOf('blk.0.attn_q.weight')]).toEqual([
      'model.layers.0.self_attn.q_proj.weight',
    ]);
    expect(formats).toContain('IQ4_XS');
  });

  it('says once why a model whose config.json does not fit has none of its tensors', async () => {
    const folder = temporaryFolder();
    const weights = join(folder, basename(sampleWeights));
    copyFileSync(sampleWeights, weights);
    const config = readFileSync(join(sampleFolder, 'config.json'), 'utf8');
    writeFile(folder, 'config.json', config.replace('"num_hidden_layers": 6', '"num_hidden_layers": 7'));
    const text = planText({});
    const { faults } = await check(text, join(folder, 'mine.ampq.json'), [weights]);
    const [fault, ...others] = faults.filter(({ severity }) => severity === 'error');
    expect(others).toEqual([]);
    expect(at(text, fault!)).toBe('[');
    expect(fault!.message).toMatch(/^44 of these tensors .* "model\.layers\.6\./);
  });

  it('names unknown tensors with those that were meant', async () => {
    const text = planText({})
      .replace('"tensor":"blk.3.ffn_up.weight"', '"tensor":"blk.3.fn_up.weight"')
      .replace('"tensor":"blk.2.ffn_up.weight"', '"tensor":"model.layers.2.mlp.up_proj.weight"');
    const { faults } = await check(text);
    const found = faults.filter(({ code }) => code === 'tensor/unknown');
    expect(found.map((fault) => [at(text, fault), fault.fixes[0]?.text])).toEqual([
      ['"model.layers.2.mlp.up_proj.weight"', '"blk.2.ffn_up.weight"'],
      ['"blk.3.fn_up.weight"', '"blk.3.ffn_up.weight"'],
    ]);
    expect(found[0]!.message).toContain('in the exported file it is "blk.2.ffn_up.weight"');
    expect(faults.find(({ code }) => code === 'tensor/unlisted')?.message).toContain('blk.3.ffn_up.weight');
    const mended = found.reduceRight((mending, fault) => applied(mending, fault), text);
    expect((await check(mended)).faults).toEqual([]);
  });

  it('has a tensor once', async () => {
    const [first] = whole.assignments;
    const text = printPlan({ ...whole, assignments: [...whole.assignments, first!] });
    const { faults } = await check(text);
    expect(faults.map(({ code }) => code)).toEqual(['tensor/twice']);
    const mended = applied(text, faults[0]!);
    expect(parsePlan(JSON.parse(mended), 'x').assignments).toHaveLength(whole.assignments.length);
    expect((await check(mended)).faults).toEqual([]);
  });

  it('has formats that exist', async () => {
    const text = planText({ 'blk.1.ffn_up.weight': 'Q4K', 'blk.2.ffn_up.weight': 'wood' }).replace(
      '"formats": [',
      '"formats": ["Q9_K", ',
    );
    const { faults } = await check(text);
    expect(faults.map((fault) => [fault.code, at(text, fault), fault.fixes[0]?.text])).toEqual(
      expect.arrayContaining([
        ['format/unknown', '"Q4K"', '"Q4_K"'],
        ['format/unknown', '"wood"', undefined],
      ]),
    );
  });

  it('has formats that hold the rows', async () => {
    const narrow = writeFile(
      temporaryFolder(),
      'narrow.safetensors',
      safetensorsBytes({ 'a.weight': { dtype: 'F32', shape: [4, 96], data_offsets: [0, 1536] } }, 1536),
    );
    const plan = await planFor(narrow, { 'a.weight': 'Q8_0' });
    const text = printPlan(plan).replace('"format":"Q8_0"', '"format":"Q4_K"');
    const [fault] = (await check(text, planFile, [narrow])).faults;
    expect(fault).toMatchObject({ code: 'format/shape', severity: 'error' });
    expect(fault!.message).toContain('96 weights');
    expect(fault!.fixes).toHaveLength(3);
    for (const { text: format } of fault!.fixes) {
      const mended = text.replace('"Q4_K"', format);
      const { faults } = await check(mended, planFile, [narrow]);
      expect(faults.filter(({ code }) => code.startsWith('format/'))).toEqual([]);
    }
  });

  it('keeps to its own constraints', async () => {
    const text = planText(
      { 'blk.0.attn_v.weight': 'Q2_K', 'blk.1.attn_k.weight': 'Q5_K' },
      { tensors: 'attn_v', minBits: 4 },
      { tensors: 'attn_[qk]', agree: true },
      { tensors: 'ffn_down', allow: ['Q6_K', 'nf4'] },
      { tensors: 'nothing', exclude: ['Q2_K'] },
      { tensors: '(', exclude: ['Q2_K'] },
    );
    const { faults } = await check(text);
    const broken = faults.filter(({ code }) => code === 'constraint/broken');
    expect(broken).toHaveLength(1 + 6);
    expect(broken[0]).toMatchObject({
      message: 'Q2_K for blk.0.attn_v.weight breaks --min attn_v=4.',
      fixes: [],
    });
    expect(broken[1]!.fixes.map(({ text: format }) => format)).toEqual(['"Q6_K"', '"nf4"']);
    const [group, ...others] = faults.filter(({ code }) => code === 'group/broken');
    expect(others).toEqual([]);
    expect(group!.fixes).toHaveLength(1);
    expect(at(text, group!)).toMatch(/"Q(4|5)_K"/);
    expect(faults.filter(({ code }) => code === 'constraint/idle').map((fault) => at(text, fault))).toEqual([
      '"nothing"',
    ]);
    expect(
      faults.filter(({ code }) => code === 'constraint/pattern').map((fault) => at(text, fault)),
    ).toEqual(['"("']);
  });

  it('has fixes that keep to all constraints of a group', async () => {
    const constraints = [
      { tensors: 'blk.0.attn_[qkv]', agree: true as const },
      { tensors: 'blk.0.attn_q', allow: ['Q5_K', 'Q6_K'] },
    ];
    let text = planText({}, ...constraints);
    const titles: string[] = [];
    for (let fixes = 0; fixes < 6; fixes++) {
      const fault = (await check(text)).faults.find((found) => found.fixes.length > 0);
      if (!fault) break;
      titles.push(fault.fixes[0]!.title);
      text = applied(text, fault);
    }
    const toGroup = 'Change to Q5_K, as the others of its group';
    expect(titles).toEqual(['Change to Q5_K', toGroup, toGroup]);
    expect((await check(text)).faults).toEqual([]);
    const formats = { 'blk.0.attn_q.weight': 'Q5_K' };
    const apart = planText(formats, ...constraints, { tensors: 'blk.0.attn_k', allow: ['Q4_K'] });
    const groups = (await check(apart)).faults.filter(({ code }) => code === 'group/broken');
    expect(groups.map(({ fixes }) => fixes)).toEqual([[]]);
  });

  it('ends the trial of patterns that never end', async () => {
    const tensors = '^(([a-z0-9._])+)+!$';
    const constraints = Array.from({ length: 20 }, (_, i) => ({ tensors: `${tensors}|${i}`, minBits: 2 }));
    const { faults } = await check(planText({}, ...constraints));
    const patterns = faults.filter(({ code }) => code === 'constraint/pattern');
    expect(patterns).toHaveLength(1);
    expect(patterns[0]!.message).toContain('tries too many ways to match');
  });

  it('has no pattern that is too large', async () => {
    const { faults } = await check(planText({}, { tensors: `^${'\\('.repeat(100_000)}`, minBits: 2 }));
    expect(faults.map(({ code }) => code)).toEqual(['constraint/pattern']);
    expect(faults[0]!.message).toMatch(/^The patterns of the constraints: \^[\\(]{999}… is too large\.$/);
  });

  it('keeps to its budget', async () => {
    const text = printPlan({ ...whole, budget: { kind: 'bits-per-weight', value: 4.5 } });
    const [fault, ...others] = (await check(text)).faults;
    expect(others).toEqual([]);
    expect(fault).toMatchObject({
      code: 'budget/exceeded',
      message: expect.stringContaining('its budget is 4.5') as string,
    });
    expect((await check(applied(text, fault!))).faults).toEqual([]);
    const bytes = printPlan({ ...whole, budget: { kind: 'bytes', value: whole.total.bytes - 1 } });
    expect((await check(bytes)).faults.map(({ code }) => code)).toEqual(['budget/exceeded']);
    const exact = printPlan({ ...whole, budget: { kind: 'bytes', value: whole.total.bytes } });
    expect((await check(exact)).faults).toEqual([]);
  });

  it('can be loaded by some runtime', async () => {
    const mixed = planText({ 'blk.1.attn_k.weight': 'int4-g128-bf16' });
    const [fault, ...others] = (await check(mixed)).faults;
    expect(others).toEqual([]);
    expect(fault).toMatchObject({ code: 'runtime/none', severity: 'warning' });
    expect(fault!.message).toContain('llama.cpp');
    const all = Object.fromEntries(whole.assignments.map(({ tensor }) => [tensor, 'int4-g128-bf16']));
    const bare = { ...all, 'token_embd.weight': 'F16', 'output.weight': 'F16' };
    const loaded = await check(planText(bare));
    expect(loaded.faults.map(({ code }) => code).filter((code) => code !== 'budget/exceeded')).toEqual([]);
    const split = await check(planText({ ...bare, 'blk.2.attn_q.weight': 'int8-g128-bf16' }));
    const [group] = split.faults.filter(({ code }) => code === 'group/broken');
    expect(group!.message).toContain('which vllm needs');
  });

  it('is of the model, which is looked for among those around it', async () => {
    expect((await check(planText({}), planFile, [other, sampleWeights])).model?.path).toBe(sampleWeights);
    const text = planText({ 'blk.1.ffn_up.weight': 'Q4K' });
    const { faults, hints, model } = await check(text, planFile, [other, '/nowhere/x.gguf']);
    expect(faults.map(({ code }) => code)).toEqual(['model/other', 'format/unknown']);
    expect(faults[0]!.message).toContain('("any") than other');
    expect([hints, model]).toEqual([[], undefined]);
    expect((await check(text, planFile, [])).faults.map(({ code }) => code)).toEqual(['format/unknown']);
  });

  const twice = '[{"tensor":"a","format":"F16"},{"tensor":"a","format":"F16"}]';

  it.each([
    '',
    '{',
    '[]',
    '['.repeat(100_000),
    `{"assignments":${'[},'.repeat(100_000)}`,
    `{"__proto__":{"assignments":${twice}}}`,
    `{"assignments":${twice},"assignments":[]}`,
    'null',
    '{"assignments": [{"tensor": 1}, 2], "constraints": {}}',
    '{"model": {"hash": 3}}',
  ])('may be unfinished or hostile while it is written, %#', async (text) => {
    expect((await check(text)).faults).toEqual([]);
  });

  it('counts the last of a key that appears twice, at its place', async () => {
    const text = `{"assignments":[],"assignments":${twice}}`;
    const [fault, ...others] = (await check(text, planFile, [])).faults;
    expect([fault!.code, others]).toEqual(['tensor/twice', []]);
    expect(at(text, fault!)).toBe('"a"');
    expect(fault!.start).toBe(text.lastIndexOf('"a"'));
  });

  it('is checked in part after each change, with the faults and places of the whole', async () => {
    const text = planText({ 'blk.1.ffn_up.weight': 'Q4K' }, { tensors: 'ffn_down', minBits: 5 });
    const lines = text.split('\n');
    const at = lines.findIndex((line) => line.includes('blk.3.attn_q'));
    const versions = [
      text.replace('"tensor":"blk.3.attn_q.weight"', '"tensor":"blk.3.attn_'),
      lines.filter((_, i) => i !== at).join('\n'),
      [...lines.slice(0, at), lines[at]!, ...lines.slice(at)].join('\n'),
      text.replace('"minBits": 5', '"minBits": 3'),
      text.slice(0, -20),
    ];
    for (const version of [...versions, ...versions.toReversed()]) {
      const written = await check(version);
      const fresh = await check(version, join(sampleFolder, 'fresh.ampq.json'));
      expect(written.faults.length).toBeGreaterThan(0);
      expect(written).toEqual(fresh);
      await check(text);
    }
  });

  it('is not checked any longer once a later version is', async () => {
    const controller = new AbortController();
    const params = { text: planText({}), file: planFile, paths: [sampleWeights] };
    const stale = request('document/check', params, { signal: controller.signal });
    controller.abort();
    await expect(stale).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('is checked as a whole, however many assignments it has', async () => {
    const wrong = Object.fromEntries(whole.assignments.map(({ tensor }) => [tensor, 'Q4K']));
    expect((await check(planText(wrong))).faults).toHaveLength(whole.assignments.length);
  });
});

describe('a recipe', () => {
  const preset = presets.find(({ id }) => id === 'gptq-int4-g128')!;
  const recipeText = (changes: object): string => JSON.stringify({ ...preset, ...changes }, undefined, 2);

  it('has no fault where it is right, and the size of what each rule makes', async () => {
    const rules = [{ match: 'down_proj', grid: 'int8-g128' }, { grid: 'int4-g128' }];
    const { faults, hints, names } = await check(recipeText({ rules }), recipeFile);
    expect(faults).toEqual([]);
    expect(hints.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^6 matrices · 8\.\d\d bpw · /) as string,
      expect.stringMatching(/^36 matrices · 4\.\d\d bpw · /) as string,
    ]);
    expect(names).toContain('model.layers.0.mlp.up_proj.weight');
  });

  it('shows all faults at their places', async () => {
    const rules = [
      { match: 'a', grid: 'int4-g128', method: { id: 'gptqq' } },
      { match: 'b', grid: 'int4-g128', method: { id: 'gptq', options: { act_order: 3 } } },
      { grid: 'nf4-g64' },
    ];
    const text = recipeText({ layout: 'gptq', rules });
    const { faults } = await check(text, recipeFile);
    expect(faults.map((fault) => [fault.code, at(text, fault), fault.fixes[0]?.text])).toEqual([
      ['recipe/invalid', '"gptqq"', '"gptq"'],
      ['recipe/invalid', '3', undefined],
      ['recipe/invalid', '"nf4-g64"', undefined],
    ]);
  });

  it('shows the faults of rules that cannot be read', async () => {
    const rules = [{ match: '(', grid: 'int4-g128' }, { grid: 'inf4' }];
    const text = recipeText({ rules });
    const { faults } = await check(text, recipeFile);
    expect(faults.map((fault) => at(text, fault))).toEqual(['"("', '"inf4"']);
  });

  it('shows what does not apply to the model', async () => {
    const rules = [{ match: 'nothing', grid: 'int8-g128' }, { grid: 'int4-g128' }];
    const { faults } = await check(recipeText({ rules }), recipeFile);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ code: 'recipe/idle', severity: 'warning' });
    const none = await check(recipeText({ rules: rules.slice(0, 1) }), recipeFile);
    expect(none.faults.map(({ code }) => code)).toEqual(['recipe/model']);
  });
});

it('is of one of two kinds of files', async () => {
  await expect(check('{}', '/x/config.json')).rejects.toThrow(/neither a plan/);
});
