import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import type { Placement } from '../../src/graph/transformer/graphLoader';
import { loadNative } from '../../src/native';
import { hasLlamaCpp } from '../support/cache';
import { printSection, writeSection } from './document';
import { compete, serve, type TimedRun } from './evaluation/contestants';
import { describeEvaluation, type EvaluationResults, type MemoryResult } from './evaluation/evaluationReport';
import { gemmRun, type GemmKind } from './evaluation/gemmRuns';
import { llamaCppGeneration, llamaCppRun } from './evaluation/llamaCppRuns';
import { activationsOfRun, peakOfPasses, type Memory } from './evaluation/memory';
import { quantscopeGeneration, quantscopeRun, type OursSpec } from './evaluation/quantscopeRuns';
import { exportAs, writeRandomLlama, type LlamaSizes } from './evaluation/randomLlama';

/** A llama of 115 million weights, for speed. */
const small: LlamaSizes = {
  ...{ hidden: 768, feedForward: 2560, heads: 12, kvHeads: 4, blocks: 12 },
  ...{ vocabulary: 16_384, context: 4096 },
};
/** Blocks of 268 MB in float32, for memory. */
const large: LlamaSizes = {
  ...{ hidden: 2048, feedForward: 8192, heads: 16, kvHeads: 16, blocks: 6 },
  ...{ vocabulary: 1024, context: 4096 },
};
const threadCounts = [1, 2] as const;
/** Windows of a pass. */
const windows = 4;
const tokensAtOnce = [256, 512, 1024, 2048] as const;
/** Shorter windows, so that few tokens at a time are whole windows too. */
const shortWindow = { length: 256, windows: 8 };

/** What a child process does; it serves runs, or prints one measurement. */
type Job =
  | { readonly job: 'quantscope'; readonly spec: OursSpec }
  | { readonly job: 'llama.cpp'; readonly path: string; readonly threads: number }
  | { readonly job: 'gemm'; readonly kind: GemmKind; readonly threads: number }
  | {
      readonly job: 'generation';
      readonly of: 'quantscope' | 'llama.cpp';
      readonly path: string;
      readonly threads: number;
    }
  | { readonly job: 'peak'; readonly path: string; readonly placement: Placement }
  | { readonly job: 'activations'; readonly path: string };

const { values: options } = parseArgs({
  options: {
    write: { type: 'boolean' },
    child: { type: 'string' },
    folder: { type: 'string' },
  },
});
if (options.child !== undefined) await runChild(JSON.parse(options.child) as Job);
else await compareAll();

async function runChild(job: Job): Promise<void> {
  if (job.job === 'peak') return print(await peakOfPasses(job.path, job.placement, windows));
  if (job.job === 'activations') return print(await activationsOfRun(job.path));
  serve(await timedRun(job));
}

async function timedRun(job: Exclude<Job, { job: 'peak' | 'activations' }>): Promise<TimedRun> {
  switch (job.job) {
    case 'quantscope':
      return quantscopeRun(job.spec);
    case 'llama.cpp':
      return llamaCppRun(job.path, job.threads, windows);
    case 'gemm':
      return gemmRun(small, job.kind, job.threads, windows);
    case 'generation': {
      const generation = job.of === 'quantscope' ? quantscopeGeneration : llamaCppGeneration;
      return generation(job.path, job.threads);
    }
  }
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`, () => process.exit(0));
}

async function compareAll(): Promise<void> {
  if (!hasLlamaCpp) throw new Error('llama.cpp is not installed; see CONTRIBUTING.md.');
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
  try {
    const files = await makeModels(folder);
    const results: EvaluationResults = {
      ...{ small, large, windows, shortWindow },
      memory: await compareMemory(files),
      passes: await comparePasses(files),
      perRun: await compareTokensAtOnce(files.f32),
      generation: await compareGeneration(files.f32),
      copyBytesPerSecond: await copySpeeds(),
    };
    const section = describeEvaluation(results);
    if (options.write) writeSection('docs/BENCHMARKS.md', 'evaluation', section);
    else printSection(section);
  } finally {
    if (options.folder === undefined) rmSync(folder, { recursive: true });
  }
}

interface Files {
  readonly f32: string;
  readonly f16: string;
  readonly largeCheckpoint: string;
  readonly largeGguf: string;
}

/** Models in a folder; those that are there already are taken. */
async function makeModels(folder: string): Promise<Files> {
  const [checkpoint, largeCheckpoint] = [join(folder, 'small'), join(folder, 'large')];
  if (!existsSync(checkpoint)) await writeRandomLlama(checkpoint, small, 'F32');
  if (!existsSync(largeCheckpoint)) await writeRandomLlama(largeCheckpoint, large, 'BF16');
  const exported = async (from: string, type: string): Promise<string> => {
    const file = `${from}-${type}.gguf`;
    if (!existsSync(file)) await exportAs(from, type, file);
    return file;
  };
  return {
    f32: await exported(checkpoint, 'F32'),
    f16: await exported(checkpoint, 'F16'),
    largeCheckpoint,
    largeGguf: await exported(largeCheckpoint, 'Q8_0'),
  };
}

function asArguments(job: Job): string[] {
  return [JSON.stringify(job)];
}

async function comparePasses({ f32, f16 }: Files): Promise<EvaluationResults['passes']> {
  const passes = [];
  for (const threads of threadCounts) {
    const ours = (path: string, keep: boolean, part: OursSpec['part'] = 'all'): string[] =>
      asArguments({ job: 'quantscope', spec: { path, threads, keep, part, windows } });
    const theirs = (path: string): string[] => asArguments({ job: 'llama.cpp', path, threads });
    const gemm = (kind: GemmKind): string[] => asArguments({ job: 'gemm', kind, threads });
    const taken = await compete({
      ...{ whole: ours(f32, true), streamedF32: ours(f32, false), streamedF16: ours(f16, false) },
      ...{ llamaCppF32: theirs(f32), llamaCppF16: theirs(f16) },
      ...{ embedding: ours(f32, true, 'embedding'), output: ours(f32, true, 'output') },
      ...{ constant: gemm('constant'), fed: gemm('fed'), transposed: gemm('transposed') },
    });
    passes.push({ threads, taken });
  }
  return passes;
}

async function compareTokensAtOnce(path: string): Promise<EvaluationResults['perRun']> {
  const threads = threadCounts.at(-1)!;
  const spec = { path, threads, keep: true, part: 'all', ...shortWindow } as const;
  const jobs = tokensAtOnce.map((count): [string, string[]] => [
    String(count),
    asArguments({ job: 'quantscope', spec: { ...spec, tokensAtOnce: count } }),
  ]);
  const taken = await compete(Object.fromEntries(jobs));
  return tokensAtOnce.map((count) => ({ tokensAtOnce: count, taken: taken[String(count)]! }));
}

async function compareGeneration(path: string): Promise<EvaluationResults['generation']> {
  const found = [];
  for (const threads of threadCounts) {
    const job = (of: 'quantscope' | 'llama.cpp'): string[] =>
      asArguments({ job: 'generation', of, path, threads });
    const taken = await compete({ quantscope: job('quantscope'), llamaCpp: job('llama.cpp') });
    found.push({ threads, ...taken });
  }
  return found;
}

async function compareMemory({ largeCheckpoint, largeGguf }: Files): Promise<MemoryResult[]> {
  const activations = await once<number>({ job: 'activations', path: largeCheckpoint });
  const results: MemoryResult[] = [];
  for (const [model, path] of [
    ['safetensors, BF16', largeCheckpoint],
    ['GGUF, Q8_0', largeGguf],
  ] as const) {
    for (const placement of ['fed', 'held'] as const) {
      const memory = await once<Memory>({ job: 'peak', path, placement });
      results.push({ model, placement, activations, memory });
    }
  }
  return results;
}

/** The answer of a process that does one job. */
async function once<T>(job: Job): Promise<T> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    process.argv[1]!,
    ...['--child', ...asArguments(job)],
  ]);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as T;
}

async function copySpeeds(): Promise<number[]> {
  const speeds = [];
  for (const threads of threadCounts) {
    loadNative().setThreads(threads);
    speeds.push(await loadNative().copyBandwidth(256 * 1024 * 1024));
  }
  return speeds;
}
