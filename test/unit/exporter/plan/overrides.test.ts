import { beforeAll, describe, expect, it } from 'vitest';
import { candidatesOf } from '../../../../src/exporter/plan/candidates';
import { planOverrides } from '../../../../src/exporter/plan/overrides';
import { parseTensorTypes, TensorTypeRules } from '../../../../src/exporter/plan/tensorTypes';
import { weightGroups } from '../../../../src/layouts/layout';
import { openModel } from '../../../../src/layouts/openModel';
import { parseRecipe } from '../../../../src/recipes/readRecipe';
import type { Plan } from '../../../../src/protocol/plan';
import { sampleFolder } from '../../../support/files';
import { assignment, planFor } from '../../../support/plans';

const formats = ['Q2_K', 'Q3_K', 'IQ4_XS', 'Q5_K', 'Q6_K', 'Q8_0', 'F16'];

/** A plan of the sample in which formats take turns; the output matrix has the last. */
async function variedPlan(): Promise<Plan> {
  const model = await openModel(sampleFolder);
  const { tensors } = await candidatesOf(model).finally(() => model.close());
  return planFor(
    sampleFolder,
    Object.fromEntries(tensors.map(({ converted }, i) => [converted.name, formats[i % formats.length]!])),
  );
}

const parsed = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;
const moduleOf = (source: string): string => source.replace(/\.weight$/, '');

describe('a plan as settings of other tools', () => {
  let plan: Plan;
  beforeAll(async () => {
    plan = await variedPlan();
  });

  /** Modules of linear layers but the output, with the bits of their format; 16 is as it is. */
  const linear = (): [module: string, bits: number][] =>
    plan.assignments
      .flatMap(({ sources, format }) =>
        sources.map((source): [string, number] => [moduleOf(source), Number(/\d+/.exec(format)![0])]),
      )
      .filter(([module]) => !/embed_tokens|lm_head/.test(module));

  /** The bits of a module, or the most of those of its layer that vLLM computes together with it. */
  const fusedBits = (module: string): number => {
    const group = [/self_attn\.[qkv]_proj$/, /mlp\.(gate|up)_proj$/].find((part) => part.test(module));
    const layer = /layers\.\d+\./.exec(module)?.[0];
    return Math.max(
      ...linear()
        .filter(([other]) => other === module || (group?.test(other) && other.includes(layer!)))
        .map(([, bits]) => bits),
    );
  };

  it('gives llama-quantize every tensor its type', () => {
    const { text } = planOverrides(plan, 'tensor-types');
    const names = plan.assignments.map(({ tensor }) => tensor);
    const rules = new TensorTypeRules(parseTensorTypes(text), names);
    expect(rules.idle).toEqual([]);
    const types = Object.fromEntries(names.map((name) => [name, rules.of(name)?.type]));
    expect(types).toEqual(Object.fromEntries(plan.assignments.map(({ tensor, format }) => [tensor, format])));
    // A line for each role and type, not for each tensor.
    expect(text.trim().split('\n').length).toBeLessThan(names.length);
    expect(text).toMatch(/^\^blk\\\.\(0\|\d(\|\d)*\)\\\.\w+\\\.weight\$=\w+$/m);
    expect(
      new TensorTypeRules(parseTensorTypes(text), ['blk.10.attn_q.weight']).of('blk.10.attn_q.weight'),
    ).toBe(undefined);
  });

  it('is a recipe of integers of the same or the next width, and says that its figures do not hold', () => {
    const { text, notes } = planOverrides(plan, 'recipe');
    const recipe = parseRecipe(parsed(text));
    expect([recipe.layout, recipe.target]).toEqual(['compressed-tensors-pack', 'checkpoint']);
    const together = linear().map(([module]) => [module, fusedBits(module)] as const);
    for (const [module, bits] of together.filter(([, most]) => most < 16)) {
      const rule = recipe.rules.find(({ match }) => new RegExp(match!, 'u').test(`${module}.weight`));
      expect(rule?.grid, module).toMatchObject({
        levels: { bits: bits <= 4 ? 4 : 8 },
        group: 128,
        scale: 'BF16',
      });
    }
    const kept = together.filter(([, bits]) => bits >= 16);
    expect(together).not.toEqual(linear());
    for (const [module] of [...kept, ['lm_head'], ['model.embed_tokens']] as [string][])
      expect(recipe.rules.some(({ match }) => new RegExp(match!, 'u').test(`${module}.weight`))).toBe(false);
    expect(notes.join(' ')).toMatch(
      /Q2_K, .* are replaced by integers .* of the plan do not hold\. recommend --runtime vllm/,
    );
    expect(notes.join(' ')).toMatch(
      /computes some modules of a layer together, in one format; these get the widest of their group: model\.layers\.\d/,
    );
    // Runtimes that compute matrices one by one get what the plan says.
    const onnx = parseRecipe(parsed(planOverrides(plan, 'onnx-recipe').text));
    for (const [module, bits] of linear().filter(([, own]) => own < 16)) {
      const rule = onnx.rules.find(({ match }) => new RegExp(match!, 'u').test(`${module}.weight`));
      expect(rule?.grid, module).toMatchObject({
        levels: { bits: [2, 4, 8].find((width) => width >= bits) },
      });
    }
  });

  it('gives compressed-tensors a group for each width that its kernels have', () => {
    const { text, notes } = planOverrides(plan, 'compressed-tensors');
    const config = parsed(text);
    expect(
      weightGroups(config)
        .map(({ num_bits, group_size }) => [num_bits, group_size])
        .sort(),
    ).toEqual([
      [4, 128],
      [8, 128],
    ]);
    const { config_groups, ignore } = config['quantization_config'] as {
      config_groups: Record<string, { targets: string[]; weights: { num_bits: number } }>;
      ignore: string[];
    };
    /** As the library does (`find_matched_target`): names come before classes. */
    const bitsOf = (module: string): number => {
      if (ignore.includes(module)) return 16;
      const groups = Object.values(config_groups);
      const group =
        groups.find(({ targets }) => targets.includes(module)) ??
        groups.find(({ targets }) => targets.includes('Linear'));
      return group!.weights.num_bits;
    };
    const expected = linear().map(([module]) => {
      const bits = fusedBits(module);
      return [module, bits > 8 ? 16 : bits > 4 ? 8 : 4];
    });
    expect(linear().map(([module]) => [module, bitsOf(module)])).toEqual(expected);
    expect(ignore).toContain('lm_head');
    expect(ignore.join()).not.toContain('embed_tokens');
    expect(notes.join(' ')).toContain('widened: ');
    expect(notes.join(' ')).toMatch(/Q6_K to 8 bits/);
  });

  it('gives GPTQModel the modules that differ from most', () => {
    const settings = parsed(planOverrides(plan, 'gptq').text);
    const dynamic = settings['dynamic'] as Record<string, { bits?: number }>;
    /** As GPTQModel does (`dynamic_get`): the first pattern that matches from the beginning. */
    const bitsOf = (module: string): number => {
      for (const [pattern, own] of Object.entries(dynamic)) {
        if (!new RegExp(`^(?:${pattern.slice(2)})`).test(module)) continue;
        return pattern.startsWith('-:') ? 16 : (own.bits ?? Number(settings['bits']));
      }
      return Number(settings['bits']);
    };
    const widths = [2, 3, 4, 8];
    expect(linear().map(([module]) => [module, bitsOf(module)])).toEqual(
      linear().map(([module, bits]) => [module, bits > 8 ? 16 : widths.find((width) => width >= bits)]),
    );
  });

  it('gives MLX every width, and what is left as it is', () => {
    const { quantization } = parsed(planOverrides(plan, 'mlx').text) as {
      quantization: Record<string, number | false | { bits: number; group_size: number }>;
    };
    const bitsOf = (module: string): unknown => {
      const own = quantization[module];
      return own === false ? 16 : typeof own === 'object' ? own.bits : quantization['bits'];
    };
    for (const { sources, format } of plan.assignments)
      for (const source of sources)
        expect(bitsOf(moduleOf(source)), source).toBe(Number(/\d+/.exec(format)![0]));
    expect(quantization['group_size']).toBe(64);
  });

  it('is rejected where the plan is of a GGUF file, or a format is not one of GGUF', () => {
    const own = { ...plan, assignments: [assignment('blk.0.attn_q.weight', 'Q4_K')] };
    for (const kind of ['compressed-tensors', 'gptq', 'mlx'] as const)
      expect(() => planOverrides(own, kind)).toThrow('"blk.0.attn_q.weight" is not the name of a module');
    const other = { ...plan, assignments: [assignment('a.weight', 'nf4')] };
    expect(() => planOverrides(other, 'tensor-types')).toThrow('nf4 is not a type of GGUF');
  });

  it('leaves a plan alone whose groups agree', () => {
    const assignments = plan.assignments.map((item) => ({ ...item, format: 'Q4_K' }));
    for (const kind of ['recipe', 'compressed-tensors', 'mlx'] as const)
      expect(planOverrides({ ...plan, assignments }, kind).notes.join(' ')).not.toContain('together');
  });

  it('gives all experts of a layer one format for MLX', () => {
    const of = (part: string, format: string, layer = 0) => ({
      ...plan.assignments[5]!,
      format,
      sources: [0, 1].map((i) => `model.layers.${layer}.block_sparse_moe.experts.${i}.${part}.weight`),
    });
    const assignments = [of('w1', 'Q4_K'), of('w2', 'Q6_K'), of('w3', 'Q5_K'), of('w1', 'Q3_K', 1)];
    const { text, notes } = planOverrides({ ...plan, assignments }, 'mlx');
    const { quantization } = parsed(text) as { quantization: Record<string, unknown> };
    expect(quantization['bits']).toBe(6);
    expect(Object.keys(quantization).filter((name) => /experts/.test(name))).toEqual(
      [0, 1].map((i) => `model.layers.1.block_sparse_moe.experts.${i}.w1`),
    );
    expect(notes.join(' ')).toContain('widest of their group: model.layers.0');
  });

  it('names experts that are one tensor', () => {
    const fused = { ...plan.assignments[5]!, sources: ['model.layers.0.mlp.experts.gate_up_proj'] };
    const { notes } = planOverrides({ ...plan, assignments: [fused] }, 'mlx');
    expect(notes.at(-1)).toBe(
      'Left out, as they are not weights of modules: model.layers.0.mlp.experts.gate_up_proj.',
    );
  });
});
