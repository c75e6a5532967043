import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { loadNative } from '../../src/native';
import { objectives } from '../../src/protocol/export';
import { measureModel, context, type Checked, type MeasuredModel } from './cost/measureModel';
import {
  blockBytes,
  blockOperations,
  outputOperations,
  predict,
  tappedOperations,
  usual,
  type CoreRates,
  type Predicted,
} from './cost/predictions';
import { printSection, table, writeSection } from './document';
import { writeRandomLlama, type LlamaSizes } from './evaluation/randomLlama';
import { machine } from './machine';

/**
 * npm run bench -- cost [--write]: what each part of the passes costs on one core, fitted to three models, the passes as a whole against what follows
 * from it, and what that gives for larger models. Needs `taskset`.
 */
const sample = join('samples', 'tiny-shakespeare-llama');
const small: readonly (LlamaSizes & { readonly folder?: string })[] = [
  {
    folder: sample,
    hidden: 256,
    feedForward: 768,
    heads: 4,
    kvHeads: 2,
    blocks: 6,
    vocabulary: 1024,
    context,
  },
  { hidden: 512, feedForward: 1536, heads: 8, kvHeads: 8, blocks: 6, vocabulary: 8192, context },
  { hidden: 768, feedForward: 2048, heads: 12, kvHeads: 12, blocks: 12, vocabulary: 19_456, context },
];
/** Shapes of Llama 3.2 1B, 3.1 8B and 3.1 70B, in windows of 512 tokens. */
const large: Readonly<Record<string, LlamaSizes>> = {
  '1 B': {
    hidden: 2048,
    feedForward: 8192,
    heads: 32,
    kvHeads: 8,
    blocks: 16,
    vocabulary: 128_256,
    context: 512,
  },
  '8 B': {
    hidden: 4096,
    feedForward: 14_336,
    heads: 32,
    kvHeads: 8,
    blocks: 32,
    vocabulary: 128_256,
    context: 512,
  },
  '70 B': {
    hidden: 8192,
    feedForward: 28_672,
    heads: 64,
    kvHeads: 8,
    blocks: 80,
    vocabulary: 128_256,
    context: 512,
  },
};
const cores = 16;
/** A share of the 67 TFLOP/s in float32 that an H200 is specified with, and 25 GB/s to it; not measured. */
const gpu: CoreRates = { block: 27e12, tapped: 27e12, output: 27e12, load: 25e9, moved: Infinity };

/** The rate that fits the seconds of several models with the smallest squared error of their logarithms. */
function rateOf(work: readonly number[], seconds: readonly number[]): number {
  const rates = work.map((amount, i) => amount / seconds[i]!);
  return Math.exp(rates.reduce((sum, rate) => sum + Math.log(rate), 0) / rates.length);
}

function ratesOf(measured: readonly MeasuredModel[]): CoreRates {
  const fit = (work: (sizes: LlamaSizes) => number, seconds: (model: MeasuredModel) => number): number =>
    rateOf(small.map(work), measured.map(seconds));
  return {
    block: fit(blockOperations, ({ plain }) => plain.window),
    tapped: fit(tappedOperations, ({ tapped }) => tapped.window),
    output: fit(outputOperations, ({ plain }) => plain.output),
    moved: rateOf(
      measured.map(({ parameters }) => parameters),
      measured.map(({ step }) => Math.max(step.measured - step.predicted, step.measured / 10)),
    ),
    load: fit(blockBytes, ({ plain }) => Math.max(plain.load, 1e-6)),
  };
}

const significant = (value: number): string => String(Number(value.toPrecision(2)));

function duration(seconds: number): string {
  if (seconds < 120) return `${significant(seconds)} s`;
  return seconds < 7200 ? `${significant(seconds / 60)} min` : `${significant(seconds / 3600)} h`;
}

function size(bytes: number): string {
  return bytes < 1e9 ? `${significant(bytes / 1e6)} MB` : `${significant(bytes / 1e9)} GB`;
}

function checkedRows(measured: readonly MeasuredModel[]): string[][] {
  const cell = ({ measured: found, predicted }: Checked): string =>
    `${significant(found)} (${significant(predicted)})`;
  const row = (name: string, of: (model: MeasuredModel) => string): string[] => [name, ...measured.map(of)];
  return [
    row('a window through a block, ms', ({ plain }) => significant(1000 * plain.window)),
    row('the same with Hessians, ms', ({ tapped }) => significant(1000 * tapped.window)),
    row('a window through the output matrix, ms', ({ plain }) => significant(1000 * plain.output)),
    row('weights of a block, ms', ({ plain }) => significant(1000 * plain.load)),
    row(`gains of the tensors of 3 blocks, ${context} tokens, s`, ({ gains }) => cell(gains)),
    row(`Hessians, ${4 * context} tokens, s`, ({ hessians }) => cell(hessians)),
    row('the same with gradients, s', ({ gradients }) => cell(gradients)),
    row('a step of a refinement over one window (passes alone), s', ({ step }) => cell(step)),
    ...objectives.map((objective) =>
      row(`codes of a block in Q4_K, ${objective}, s`, ({ codes }) => cell(codes[objective])),
    ),
    row('largest resident memory, MB', ({ peak }) => significant(peak / 1e6)),
  ];
}

function predictedRows(rates: CoreRates, onGpu: boolean): string[][] {
  const found = Object.values(large).map((sizes) => predict(sizes, onGpu ? gpu : rates));
  const share = onGpu ? 1 : cores;
  const time = (name: string, of: (item: Predicted) => number): string[] => [
    name,
    ...found.map((item) => duration(of(item) / share)),
  ];
  const passes = [
    time(`gains, ${usual.gains.toLocaleString('en-US')} tokens`, ({ gains }) => gains),
    time(`Hessians, ${usual.evidence.toLocaleString('en-US')} tokens`, ({ hessians }) => hessians),
    time('the same with gradients', ({ gradients }) => gradients),
    time(
      `certify, ${usual.certificate.toLocaleString('en-US')} tokens, ${usual.rivals} sets of weights`,
      ({ certify }) => certify,
    ),
    time(`refine, ${usual.steps} steps of ${usual.batch} windows: passes`, ({ refine }) => refine),
  ];
  if (onGpu) return passes;
  const bytes = (name: string, of: (item: Predicted) => number): string[] => [
    name,
    ...found.map((item) => size(of(item))),
  ];
  return [
    ...passes,
    ['and its numbers, on one core', ...found.map(({ moves }) => duration(moves))],
    time('cells of the usual formats, optimised codes', ({ cells }) => cells),
    time('codes of a file in Q4_K, one-sided', ({ oneSided }) => oneSided),
    time('two-sided', ({ twoSided }) => twoSided),
    bytes('memory: states of gains', ({ memory }) => memory.states),
    ['passes over the model for gains', ...found.map(({ passes: count }) => String(count))],
    bytes('memory: a block or the output matrix in float32', ({ memory }) => memory.weights),
    bytes('memory: largest Hessian with factor and tiles', ({ memory }) => memory.hessian),
    bytes('disk: Hessians', ({ disk }) => disk.hessians),
    bytes('disk: Hessians and gradients', ({ disk }) => disk.gradients),
    bytes('disk or memory: states of the backward pass', ({ disk }) => disk.states),
  ];
}

function sectionOf(measured: readonly MeasuredModel[]): string {
  const rates = ratesOf(measured);
  const giga = (rate: number): string => significant(rate / 1e9);
  const names = measured.map(({ parameters }) => `${(parameters / 1e6).toFixed(0)} M`);
  const sizes = Object.keys(large);
  return [
    `${machine()}; ${loadNative().simd}. Processor time of processes with one core; in brackets what follows from the parts above it or, for codes, from \`src/quant/methods/speeds.ts\`.`,
    table(['Measured', ...names], checkedRows(measured)),
    `Rates of a core that fit the three models: ${giga(rates.block)} GFLOP/s in a block, ${giga(rates.tapped)} with Hessians, ${giga(rates.output)} in the output matrix, ${giga(rates.load)} GB/s of float32 weights read, ${significant(rates.moved / 1e6)} million numbers of a refinement moved in a second.`,
    table([`Predicted, ${cores} such cores`, ...sizes], predictedRows(rates, false)),
    `A GPU of ${gpu.block / 1e12} TFLOP/s in float32 and ${giga(gpu.load)} GB/s to it (two fifths of the arithmetic that an H200 is specified with; not measured), passes only, as codes are found on the CPU:`,
    table(['Predicted, GPU', ...sizes], predictedRows(rates, true)),
  ].join('\n\n');
}

async function report(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
  try {
    const measured: MeasuredModel[] = [];
    for (const [index, sizes] of small.entries()) {
      const model = sizes.folder ?? join(folder, `model-${index}`);
      if (sizes.folder === undefined) await writeRandomLlama(model, sizes, 'F32');
      const args = [
        '-c',
        '0',
        process.execPath,
        process.argv[1]!,
        '--model',
        resolve(model),
        join(folder, `cache-${index}`),
      ];
      measured.push(JSON.parse(execFileSync('taskset', args, { encoding: 'utf8' })) as MeasuredModel);
    }
    return sectionOf(measured);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const at = process.argv.indexOf('--model');
if (at >= 0) {
  process.stdout.write(JSON.stringify(await measureModel(process.argv[at + 1]!, process.argv[at + 2]!)));
} else {
  const section = await report();
  printSection(section);
  if (process.argv.includes('--write')) writeSection('docs/AMPQ.md', 'cost', section);
}
