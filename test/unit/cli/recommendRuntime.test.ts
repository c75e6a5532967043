import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import type { QuantizePreview } from '../../../src/protocol/quantizeModel';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
});

const run = (command: string, ...options: string[]): Promise<Ended> =>
  runProgram(programs.cli, [command, sampleFolder, ...options], { cache: folder });

const planFileOf = (runtime: string): string => join(folder, `${runtime}.ampq.json`);

async function planFor(runtime: string, ...options: string[]): Promise<{ plan: Plan; stdout: string }> {
  const file = planFileOf(runtime);
  const goal = ['--runtime', runtime, '--out', file, '--weights-only', '--device', 'cpu', ...options];
  const { code, stderr, stdout } = await run('recommend', ...goal);
  expect(code, stderr).toBe(0);
  return { plan: JSON.parse(readFileSync(file, 'utf8')) as Plan, stdout };
}

/** What quantize-model would write with the recipe of a plan. */
async function preview(runtime: string, kind: string): Promise<QuantizePreview> {
  const recipe = join(folder, `${runtime}.recipe.json`);
  const written = await run('export-overrides', '--plan', planFileOf(runtime), '--as', kind, '--out', recipe);
  expect(written.code, written.stderr).toBe(0);
  expect(written.stderr).not.toMatch(/do not hold|Left as they are/);
  const dry = await run('quantize-model', '--recipe', recipe, '--dry-run', '--json');
  expect(dry.code, dry.stderr).toBe(0);
  return JSON.parse(dry.stdout) as QuantizePreview;
}

const formatIn = ({ assignments }: Plan, tensor: string): string =>
  assignments.find((item) => item.tensor === tensor)!.format;

/** Quantized matrices of a preview, and those that the plan quantizes: by the names of the checkpoint, or in GGUF, which ONNX models have. */
const quantizedIn = ({ tensors }: QuantizePreview): string[] =>
  tensors.flatMap(({ name, rule }) => (rule === undefined ? [] : [name])).sort();
const plannedIn = ({ assignments }: Plan, by: 'sources' | 'tensor'): string[] =>
  assignments.flatMap((item) => (/^u?int/.test(item.format) ? item[by] : [])).sort();

describe('quantscope recommend --runtime', () => {
  it('makes plans that vLLM loads: fused matrices agree, and the recipe quantizes what the plan does', async () => {
    const { plan, stdout } = await planFor('vllm', '--budget', '6.2bpw');
    expect(new Set(plan.assignments.map(({ format }) => format)).size).toBeGreaterThan(2);
    for (let block = 0; block < 6; block++) {
      const formats = (parts: string[]): Set<string> =>
        new Set(parts.map((part) => formatIn(plan, `blk.${block}.${part}.weight`)));
      expect(formats(['attn_q', 'attn_k', 'attn_v']).size).toBe(1);
      expect(formats(['ffn_gate', 'ffn_up']).size).toBe(1);
    }
    expect([formatIn(plan, 'token_embd.weight'), formatIn(plan, 'output.weight')]).toEqual(['BF16', 'BF16']);
    expect(stdout).toMatch(
      /For vllm: quantscope export-overrides MODEL --plan .* --as recipe --out plan\.recipe\.json/,
    );
    expect(quantizedIn(await preview('vllm', 'recipe'))).toEqual(plannedIn(plan, 'sources'));
  });

  it('makes plans that ONNX Runtime loads, the output matrix included', async () => {
    const { plan } = await planFor('onnxruntime', '--budget', '5.5bpw');
    expect(formatIn(plan, 'token_embd.weight')).toBe('BF16');
    expect(formatIn(plan, 'output.weight')).toMatch(/^int[248]-g32-f32$/);
    expect(quantizedIn(await preview('onnxruntime', 'onnx-recipe'))).toEqual(plannedIn(plan, 'tensor'));
  });

  it('makes plans that MLX loads, whose widths the settings have', async () => {
    const { plan } = await planFor('mlx', '--budget', '4.6bpw');
    const file = join(folder, 'mlx.json');
    const written = await run('export-overrides', '--plan', planFileOf('mlx'), '--as', 'mlx', '--out', file);
    expect(written.stderr).toMatch(/MLX stores a bias for each group/);
    expect(written.stderr).not.toMatch(/widened|in place of the types of GGUF/);
    const { quantization } = JSON.parse(readFileSync(file, 'utf8')) as {
      quantization: Record<string, number | { bits: number }>;
    };
    for (const { sources, format } of plan.assignments) {
      const own = quantization[sources[0]!.replace(/\.weight$/, '')];
      const bits = typeof own === 'object' ? own.bits : quantization['bits'];
      expect(`uint${bits as number}-g64-zp`).toBe(format);
    }
  });

  it.each([
    [['--runtime', 'tgi'], /--runtime takes llama\.cpp, vllm, onnxruntime or mlx, not "tgi"/],
    [['--runtime', 'vllm', '--formats', 'Q4_K'], /vllm does not load Q4_K\. It loads int4-g128-bf16/],
    [
      ['--runtime', 'llama.cpp', '--formats', 'int4-g128'],
      /llama\.cpp does not load int4-g128\. It loads the types of GGUF/,
    ],
    [['--runtime', 'vllm', '--codes', 'optimised'], /Codes are optimised for types of GGUF/],
    [['--runtime', 'mlx', '--imatrix', 'a.gguf'], /--imatrix is for llama\.cpp/],
    [['--runtime', 'mlx', '--backend', 'gpu'], /--backend is for llama\.cpp/],
  ])('ends with 2 and a hint for %j', async (options, hint) => {
    const out = ['--budget', '5bpw', '--out', join(folder, 'none.ampq.json')];
    const { code, stderr } = await run('recommend', ...out, ...options);
    expect([code, stderr]).toEqual([2, expect.stringMatching(hint)]);
  });
});
