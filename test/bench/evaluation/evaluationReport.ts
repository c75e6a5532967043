import { join } from 'node:path';
import type { Placement } from '../../../src/graph/transformer/graphLoader';
import { table } from '../document';
import { llamaCppVersion, machine, packageVersion } from '../machine';
import type { Taken } from './contestants';
import type { Memory } from './memory';
import { blockWeights, type LlamaSizes } from './randomLlama';
import { windowLength } from './work';

type PassName =
  | 'whole'
  | 'streamedF32'
  | 'streamedF16'
  | 'llamaCppF32'
  | 'llamaCppF16'
  | 'embedding'
  | 'output'
  | 'constant'
  | 'fed'
  | 'transposed';

interface Passes {
  readonly threads: number;
  readonly taken: Readonly<Record<PassName, Taken>>;
}

export interface MemoryResult {
  readonly model: string;
  readonly placement: Placement;
  readonly activations: number;
  readonly memory: Memory;
}

export interface EvaluationResults {
  readonly small: LlamaSizes;
  readonly large: LlamaSizes;
  /** Windows of a pass. */
  readonly windows: number;
  readonly shortWindow: { readonly length: number; readonly windows: number };
  readonly passes: readonly Passes[];
  readonly perRun: readonly { readonly tokensAtOnce: number; readonly taken: Taken }[];
  readonly generation: readonly {
    readonly threads: number;
    readonly quantscope: Taken;
    readonly llamaCpp: Taken;
  }[];
  readonly memory: readonly MemoryResult[];
  /** By number of threads. */
  readonly copyBytesPerSecond: readonly number[];
}

/** Above this load of other processes, times are unreliable. */
const tolerableLoad = 0.1;

export function describeEvaluation(results: EvaluationResults): string {
  const { small, windows } = results;
  const load = Math.max(...loadsOf(results));
  return [
    `- Machine: ${machine()}.`,
    `- Quantscope: npm \`onnxruntime-node\` ${packageVersion(join('node_modules', 'onnxruntime-node'))}, CPU provider.`,
    `- llama.cpp: npm \`@node-llama-cpp/linux-x64\` ${llamaCppVersion()}, the CPU library that it selects.`,
    `- Other processes used up to ${percent(load)} of the machine's processor time during the rounds that count${load > tolerableLoad ? ': **the times below were taken under load**; CPU seconds are less affected' : ''}.`,
    `- Model: ${describeLlama(small)}; a pass is ${windows} windows of ${windowLength} tokens.`,
    ...['', '### Prompt processing', '', passTable(results)],
    ...['', '### Where the time goes', '', partTable(results)],
    ...['', '### Tokens that go through a graph at a time', '', perRunTable(results)],
    ...['', '### Generation', '', generationTable(results)],
    ...['', '### Memory of a streamed pass', '', describeMemory(results)],
  ].join('\n');
}

function* loadsOf({ passes, perRun, generation }: EvaluationResults): Generator<number> {
  for (const { taken } of passes) for (const { otherLoad } of Object.values(taken)) yield otherLoad;
  for (const { taken } of perRun) yield taken.otherLoad;
  for (const { quantscope, llamaCpp } of generation) yield* [quantscope.otherLoad, llamaCpp.otherLoad];
}

const weightsOf = ({ blocks, vocabulary, hidden, ...rest }: LlamaSizes): number =>
  blockWeights({ blocks, vocabulary, hidden, ...rest }) * blocks + vocabulary * hidden;

function describeLlama(sizes: LlamaSizes): string {
  const { hidden, feedForward, heads, kvHeads, blocks, vocabulary } = sizes;
  const parameters = (weightsOf(sizes) + vocabulary * hidden) / 1e6;
  return `llama, ${parameters.toFixed(0)} million weights (hidden ${hidden}, feed-forward ${feedForward}, ${heads} heads, ${kvHeads} KV heads, ${blocks} blocks, vocabulary ${vocabulary})`;
}

function passTable({ passes, windows }: EvaluationResults): string {
  const tokens = windows * windowLength;
  const head = [
    ...['file', 'threads', 'whole tokens/s', 'CPU s', 'streamed tokens/s', 'CPU s'],
    ...['llama.cpp tokens/s', 'CPU s', 'ratio whole', 'CPU ratio', 'ratio streamed', 'CPU ratio'],
  ];
  const line = (file: string, threads: number, ours: Taken, streamed: Taken, theirs: Taken): string[] => [
    ...[file, String(threads)],
    ...[ours, streamed, theirs].flatMap(({ seconds, cpuSeconds }) => [
      (tokens / seconds).toFixed(0),
      cpuSeconds.toFixed(2),
    ]),
    ...[ours, streamed].flatMap(({ seconds, cpuSeconds }) => [
      (theirs.seconds / seconds).toFixed(2),
      (theirs.cpuSeconds / cpuSeconds).toFixed(2),
    ]),
  ];
  const rows = passes.flatMap(({ threads, taken }) => [
    line('F32', threads, taken.whole, taken.streamedF32, taken.llamaCppF32),
    line('F16', threads, taken.whole, taken.streamedF16, taken.llamaCppF16),
  ]);
  return table(head, rows);
}

function partTable({ passes, windows, small }: EvaluationResults): string {
  const operations = 2 * weightsOf(small) * windows * windowLength;
  const seconds = ({ seconds }: Taken): string => seconds.toFixed(2);
  const rate = ({ seconds }: Taken): string => (operations / seconds / 1e9).toFixed(0);
  const rows = passes.map(({ threads, taken }) => [
    String(threads),
    ...[taken.whole, taken.embedding, taken.output].map(seconds),
    ...[taken.whole, taken.llamaCppF32, taken.llamaCppF16, taken.fed, taken.transposed, taken.constant].map(
      rate,
    ),
  ]);
  const head = [
    ...['threads', 'whole s', 'embedding s', 'output s', 'Quantscope GFLOP/s', 'llama.cpp F32 GFLOP/s'],
    ...['llama.cpp F16 GFLOP/s', 'Gemm GFLOP/s', 'MatMul GFLOP/s', 'packed Gemm GFLOP/s'],
  ];
  return table(head, rows);
}

function perRunTable({ perRun, shortWindow }: EvaluationResults): string {
  const tokens = shortWindow.length * shortWindow.windows;
  const rows = perRun.map(({ tokensAtOnce, taken }) => [
    String(tokensAtOnce),
    (tokens / taken.seconds).toFixed(0),
    taken.cpuSeconds.toFixed(2),
  ]);
  return table(['tokens at a time', 'tokens/s', 'CPU s'], rows);
}

function generationTable({ generation, small, copyBytesPerSecond }: EvaluationResults): string {
  const keysAndValues = (2 * small.blocks * windowLength * small.hidden * small.kvHeads) / small.heads;
  const bytes = 4 * (weightsOf(small) + keysAndValues);
  const rows = generation.map(({ threads, quantscope, llamaCpp }, i) => {
    const speed = bytes / quantscope.seconds;
    return [
      String(threads),
      ...[quantscope, llamaCpp].map(({ seconds }) => (1000 * seconds).toFixed(1)),
      (llamaCpp.seconds / quantscope.seconds).toFixed(2),
      ...[speed, bytes / llamaCpp.seconds, copyBytesPerSecond[i]!].map((value) => (value / 1e9).toFixed(1)),
      percent(speed / copyBytesPerSecond[i]!),
    ];
  });
  const head = [
    'threads',
    'ms/token',
    'llama.cpp ms/token',
    'ratio',
    'GB/s',
    'llama.cpp GB/s',
    'copy GB/s',
    'of copy',
  ];
  return table(head, rows);
}

function describeMemory({ memory, large, windows }: EvaluationResults): string {
  const [{ memory: first, activations }] = memory as [MemoryResult];
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
  const rows = memory.map(({ model, placement, memory: { peak, states, block } }) => [
    model,
    placement,
    megabytes(peak),
    (peak / block).toFixed(2),
    ((peak - states - activations) / block).toFixed(2),
  ]);
  return [
    `${describeLlama(large)}; two passes of ${windows} windows of ${windowLength} tokens, 2 threads. A block has ${megabytes(first.block)} MB in float32, the states have ${megabytes(first.states)} MB, a run's activations ${megabytes(activations)} MB; the process had ${megabytes(first.baseline)} MB before.`,
    '',
    table(['file', 'weights', 'peak MB', 'blocks', 'blocks without states and activations'], rows),
  ].join('\n');
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
