import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tokenDivergences, tokenLosses } from '../../src/evaluation/divergence';
import { joinArrays } from '../../src/evaluation/joinArrays';
import { scoredOf, sumLogits } from '../../src/evaluation/scoring';
import { mean, perplexity } from '../../src/evaluation/statistics';
import { openTokenizer } from '../../src/evaluation/tokenizer/openTokenizer';
import { variantOf } from '../../src/engine/evaluation/recipeVariant';
import { planText, type PlannedText } from '../../src/engine/evaluation/runPlan';
import { planRecipe } from '../../src/exporter/checkpoint/plan';
import type { Decoder } from '../../src/graph/transformer/decoder';
import { openDecoder } from '../../src/graph/transformer/openDecoder';
import type { LayoutWriter } from '../../src/layouts/layout';
import { openModel } from '../../src/layouts/openModel';
import { matrixOf } from '../../src/model/rows';
import type { Model } from '../../src/model/model';
import type { Grid } from '../../src/protocol/grids';
import type { Recipe } from '../../src/protocol/recipe';
import { gridBytes } from '../../src/quant/grids/gridSize';
import { bitsandbytes4bit, bitsandbytes8bit, gptq, llmInt8 } from '../../src/quant/grids/libraries';
import { printSection, table, writeSection } from './document';
import { machine } from './machine';

/**
 * npm run bench -- methods [--write]: the sample in the grids and by the methods of the field: size, perplexity and KL divergence on eval.txt, with
 * calibration on calibration.txt.
 */
/** The sample with the texts that it did not learn from. */
const sharedModel = join(process.cwd(), '..', 'shared', 'models', 'tiny-shakespeare-llama');
const group = 32;
const context = 256;
const options = { device: 'ort-cpu', length: context, keep: false } as const;
const job = { signal: new AbortController().signal, progress: () => undefined };

/** Takes every grid: what is measured does not depend on how it is stored. */
const anyLayout: LayoutWriter = {
  ...{ id: 'none', label: 'None', runtimes: [] },
  refuse: () => undefined,
  parts({ name, shape, grid }) {
    const { rows, columns } = matrixOf(shape);
    return [{ name, dtype: 'U8', shape: [gridBytes(grid, rows, columns)] }];
  },
  encode: () => Promise.reject(new Error('nothing is written')),
  config: () => ({}),
};

interface Case {
  readonly name: string;
  readonly bits: number;
  readonly grid: Grid;
  readonly method: string;
}

const integers = (bits: number): Case[] =>
  [
    ['round to nearest', 'rtn'],
    ['clipping and bias correction', 'ecb'],
    ['AWQ', 'awq'],
    ['GPTQ', 'gptq'],
  ].map(([name, method]) => ({ name: name!, method: method!, bits, grid: gptq(bits, group, false) }));

const cases: readonly Case[] = [
  ...integers(8),
  { name: 'int8 per row', bits: 8, grid: bitsandbytes8bit, method: 'rtn' },
  { name: 'LLM.int8', bits: 8, grid: llmInt8, method: 'llm-int8' },
  ...integers(4),
  { name: 'NF4', bits: 4, grid: bitsandbytes4bit('nf4', group), method: 'rtn' },
  { name: 'NF4, GPTQ', bits: 4, grid: bitsandbytes4bit('nf4', group), method: 'gptq' },
  { name: 'FP4', bits: 4, grid: bitsandbytes4bit('fp4', group), method: 'rtn' },
  ...integers(3),
  ...integers(2),
];

/** States of all positions after the last norm. */
async function statesOf(decoder: Decoder, { windows }: PlannedText): Promise<Float32Array> {
  const tokens = joinArrays(
    Int32Array,
    windows.map(({ inputs }) => inputs),
  );
  const states = await decoder.embed(tokens);
  await decoder.advance(states);
  return states;
}

/** The original, and its states of scored tokens. */
interface Original {
  readonly decoder: Decoder;
  readonly states: Float32Array;
}

async function measure(
  model: Model,
  text: PlannedText,
  { decoder: base, states }: Original,
  one: Case,
  cacheDir: string,
): Promise<string[]> {
  const recipe: Recipe = {
    ...{ version: 1, id: one.name, label: one.name, description: '', layout: 'none', target: 'checkpoint' },
    rules: [{ grid: one.grid, method: { id: one.method } }],
    calibration: { text: join(sharedModel, 'calibration.txt'), context },
  };
  const plan = planRecipe(model, recipe, anyLayout);
  const variant = await variantOf(model, plan, { cacheDir, device: 'cpu' }, job);
  const decoder = await openDecoder(variant.model, options);
  try {
    const { hiddenSize } = decoder.shape;
    const scored = scoredOf(text.windows, await statesOf(decoder, text), hiddenSize, 0);
    const read = (first: number, target: Float32Array): Promise<void> => {
      target.set(states.subarray(first * hiddenSize, first * hiddenSize + target.length));
      return Promise.resolve();
    };
    const sums = await sumLogits(decoder, scored, { decoder: base, read });
    const { value, standardError } = mean(tokenDivergences(sums).divergences);
    const row = [
      ...[one.name, String(one.bits), ((8 * variant.bytes) / variant.parameters).toFixed(2)],
      ...[(variant.bytes / 1e6).toFixed(2), perplexity(tokenLosses(sums)).value.toFixed(3)],
      `${value.toPrecision(3)} ± ${standardError.toPrecision(1)}`,
    ];
    process.stderr.write(`${row.join('  ')}\n`);
    return row;
  } finally {
    await decoder.close();
  }
}

const cacheDir = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
const model = await openModel(sharedModel);
try {
  const tokenizer = await openTokenizer(model, job.signal);
  const settings = { context, windows: 96 };
  const text = await planText(join(sharedModel, 'eval.txt'), tokenizer, settings, context, job.signal);
  const decoder = await openDecoder(model, options);
  const { states } = scoredOf(text.windows, await statesOf(decoder, text), decoder.shape.hiddenSize, 0);
  const rows: string[][] = [];
  for (const one of cases) rows.push(await measure(model, text, { decoder, states }, one, cacheDir));
  await decoder.close();
  const head = ['', 'Bits', 'Bits per weight of the whole model', 'MB', 'Perplexity', 'KL divergence (nats)'];
  const section = [
    `${machine()}. Integers with zero points and F16 scales in groups of ${group}, NF4 and FP4 in blocks of ${group}; embedding and output matrix kept. ${text.plan.scoredTokens.toLocaleString('en-US')} tokens of \`eval.txt\` are scored in windows of ${context}; evidence from \`calibration.txt\`.`,
    table(head, rows),
  ].join('\n\n');
  printSection(section);
  if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'methods', section);
} finally {
  await model.close();
  rmSync(cacheDir, { recursive: true, force: true });
}
