import { parseArgs } from 'node:util';
import { loadNative } from '../../src/native';
import type { GgmlQuantType } from '../../src/protocol/ggmlTypes';
import { hasLlamaCpp } from '../support/cache';
import { Random } from '../support/random';
import { printSection, writeSection } from './document';
import { describeKernels, type DecodeResult, type EncodeResult, type KernelResults } from './kernelsReport';
import { watchOtherLoad } from './otherLoad';
import { medianTimes, timeOf, type Run } from './rounds';
import type { LlamaCppKernel } from '../support/ggml';

/** How a type meets an importance matrix: it does without, takes one if there is one, or cannot do without. */
type Imatrix = 'ignored' | 'optional' | 'required';

const types: readonly (readonly [GgmlQuantType, Imatrix])[] = [
  ['F16', 'ignored'],
  ['BF16', 'ignored'],
  ['Q1_0', 'ignored'],
  ['Q2_0', 'ignored'],
  ['Q4_0', 'optional'],
  ['Q4_1', 'optional'],
  ['Q5_0', 'optional'],
  ['Q5_1', 'optional'],
  ['Q8_0', 'ignored'],
  ['Q2_K', 'optional'],
  ['Q3_K', 'optional'],
  ['Q4_K', 'optional'],
  ['Q5_K', 'optional'],
  ['Q6_K', 'optional'],
  ['IQ1_S', 'required'],
  ['IQ1_M', 'required'],
  ['IQ2_XXS', 'required'],
  ['IQ2_XS', 'required'],
  ['IQ2_S', 'required'],
  ['IQ3_XXS', 'required'],
  ['IQ3_S', 'optional'],
  ['IQ4_NL', 'optional'],
  ['IQ4_XS', 'optional'],
  ['TQ1_0', 'ignored'],
  ['TQ2_0', 'ignored'],
  ['MXFP4', 'ignored'],
  ['NVFP4', 'ignored'],
];

const columns = 4096;
const mostRows = 4096;
/** Enough for two threads and for every block to occur in many shapes. */
const fewestRows = 16;
/** One round of one type takes about this long at most, unless the fewest rows take longer. */
const roundMilliseconds = 500;
const sigma = 0.02;
const threadCounts = [1, 2] as const;

const native = loadNative();
const widest = native.simd;
const options = optionsOrExit();
// Loaded late, because it opens llama.cpp's library.
const { copyFloats, llamaCppKernel } = await import('../support/ggml');
const weights = new Random(1).fill(mostRows * columns, (random) => random.normal() * sigma);
const importance = new Random(2).fill(columns, (random) => random.normal() ** 2 + 0.01);
const [ours, theirs, copied] = [0, 1, 2].map(() => new Float32Array(weights.length)) as [
  Float32Array,
  Float32Array,
  Float32Array,
];

const results = await measureAll();
const section = describeKernels(results);
if (options.write) writeSection('docs/BENCHMARKS.md', 'kernels', section);
else printSection(section);
process.exit(results.differences.length === 0 ? 0 : 1);

interface Options {
  readonly types: typeof types;
  readonly simd: readonly string[];
  readonly write: boolean;
}

function optionsOrExit(): Options {
  try {
    return readOptions();
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
}

function readOptions(): Options {
  if (!hasLlamaCpp)
    throw new Error('llama.cpp is not installed; there is no library of it for this platform.');
  const { values } = parseArgs({
    options: { types: { type: 'string' }, simd: { type: 'string' }, write: { type: 'boolean' } },
  });
  const names = types.map(([type]) => type);
  const wanted = listed(values.types, '--types', names) ?? names;
  return {
    types: types.filter(([type]) => wanted.includes(type)),
    simd: listed(values.simd, '--simd', native.simdPaths) ?? [],
    write: values.write ?? false,
  };
}

/** The names of an option, checked. */
function listed<T extends string>(
  value: string | undefined,
  option: string,
  known: readonly T[],
): T[] | undefined {
  return value?.split(',').map((name) => {
    const match = known.find((other) => other.toLowerCase() === name.trim().toLowerCase());
    if (match === undefined) throw new Error(`${option}: no ${name}; there are: ${known.join(', ')}.`);
    return match;
  });
}

async function measureAll(): Promise<KernelResults> {
  const otherLoad = watchOtherLoad();
  const encoded: EncodeResult[] = [];
  const decoded: DecodeResult[] = [];
  const differences: string[] = [];
  for (const [type, imatrix] of options.types) {
    process.stderr.write(`${type}\n`);
    const kernel = llamaCppKernel(type);
    for (const weighted of [false, true]) {
      if (imatrix === (weighted ? 'ignored' : 'required')) continue;
      const rows = await rowsFor(type, kernel, weighted);
      for (const threads of threadCounts)
        encoded.push(await measureEncode({ type, kernel, weighted, rows, threads }, differences));
    }
    const codes = tiledCodes(kernel);
    for (const threads of threadCounts)
      decoded.push(await measureDecode(type, kernel, codes, threads, differences));
  }
  return {
    simd: widest,
    paths: options.simd,
    data: { rows: mostRows, columns, sigma },
    threadCounts,
    otherLoad: otherLoad(),
    encoded,
    decoded,
    differences,
  };
}

interface EncodeCase {
  readonly type: GgmlQuantType;
  readonly kernel: LlamaCppKernel;
  readonly weighted: boolean;
  readonly rows: number;
  readonly threads: number;
}

/** As many rows as a round has time for: a power of two. */
async function rowsFor(type: GgmlQuantType, kernel: LlamaCppKernel, weighted: boolean): Promise<number> {
  native.setThreads(1);
  const contestants = encoders({ type, kernel, weighted, rows: fewestRows, threads: 1 });
  let milliseconds = 0;
  for (const { run } of contestants) {
    await run();
    milliseconds += await timeOf(run);
  }
  const rows = (fewestRows * roundMilliseconds) / milliseconds;
  return Math.min(mostRows, Math.max(fewestRows, 2 ** Math.floor(Math.log2(rows))));
}

interface Contestant {
  readonly name: string;
  readonly run: Run;
  readonly codes: Uint8Array;
}

/** llama.cpp, the addon as it runs here and, in one thread, the addon with each instruction set that was asked for. */
function encoders({ type, kernel, weighted, rows, threads }: EncodeCase): Contestant[] {
  const values = weights.subarray(0, rows * columns);
  const weighting = weighted ? importance : undefined;
  const buffer = (): Uint8Array => new Uint8Array(kernel.bytes(values.length));
  const addon = (name: string): Contestant => {
    const codes = buffer();
    const run = async (): Promise<void> => {
      native.setSimd(name);
      await native.encodeRows(type, values, columns, codes, { importance: weighting });
    };
    return { name, run, codes };
  };
  const codes = buffer();
  const theirs: Run =
    threads === 1
      ? () => kernel.encode(values, columns, codes, weighting)
      : () => kernel.encodeIn(threads, values, columns, codes, weighting);
  const paths = threads === 1 ? options.simd : [];
  return [{ name: 'llama.cpp', run: theirs, codes }, addon(widest), ...paths.map(addon)];
}

async function measureEncode(encodeCase: EncodeCase, differences: string[]): Promise<EncodeResult> {
  const { type, weighted, rows, threads } = encodeCase;
  native.setThreads(threads);
  const contestants = encoders(encodeCase);
  const times = await medianTimes(contestants.map(({ run }) => run));
  const [theirs, ...ours] = contestants;
  for (const { name, codes } of ours) {
    const matrix = weighted ? 'with imatrix' : 'without imatrix';
    const where = `encode ${type} ${matrix}, ${name}, threads: ${threads}`;
    noteDifference(where, codes, theirs?.codes, differences);
  }
  native.setSimd(widest);
  const count = rows * columns;
  const [theirTime = NaN, ourTime = NaN, ...paths] = times.map((time) => (time * 1e6) / count);
  return { type, weighted, threads, weights: count, ours: ourTime, theirs: theirTime, paths };
}

/** llama.cpp's codes of the first rows, repeated to the size of the whole matrix. */
function tiledCodes(kernel: LlamaCppKernel): Uint8Array {
  const values = weights.subarray(0, fewestRows * columns);
  const tile = new Uint8Array(kernel.bytes(values.length));
  kernel.encode(values, columns, tile, importance);
  const codes = new Uint8Array(kernel.bytes(weights.length));
  for (let at = 0; at < codes.length; at += tile.length) codes.set(tile, at);
  return codes;
}

async function measureDecode(
  type: GgmlQuantType,
  kernel: LlamaCppKernel,
  codes: Uint8Array,
  threads: number,
  differences: string[],
): Promise<DecodeResult> {
  native.setThreads(threads);
  const times = await medianTimes([
    threads === 1
      ? () => kernel.decode(codes, theirs)
      : () => kernel.decodeIn(threads, columns, codes, theirs),
    () => native.decode(type, codes, ours),
    () => copyFloats(weights, copied, threads),
  ]);
  const where = `decode ${type}, ${widest}, threads: ${threads}`;
  noteDifference(where, new Uint8Array(ours.buffer), new Uint8Array(theirs.buffer), differences);
  const [theirTime = NaN, ourTime = NaN, copyTime = NaN] = times.map((time) => (time * 1e6) / weights.length);
  return { type, threads, ours: ourTime, theirs: theirTime, copy: copyTime };
}

function noteDifference(
  where: string,
  ours: Uint8Array,
  theirs: Uint8Array | undefined,
  differences: string[],
): void {
  if (theirs && Buffer.compare(ours, theirs) === 0) return;
  const at = ours.findIndex((byte, index) => byte !== theirs?.[index]);
  differences.push(`${where}: first at byte ${at} of ${ours.length}`);
}
