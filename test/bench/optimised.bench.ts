import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { obtainEvidence } from '../../src/engine/evaluation/obtainEvidence';
import { peakMemory } from '../../src/evaluation/measures';
import { exportGguf } from '../../src/exporter/exportGguf';
import { withThreads } from '../../src/graph/threads';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import { matrixOf } from '../../src/model/rows';
import { loadNative } from '../../src/native';
import type { EvidenceSource } from '../../src/quant/evidence';
import { gptqDescent } from '../../src/quant/methods/gptqDescent';
import { printSection, table, writeSection } from './document';
import { blockMatrices, writeRandomLlama } from './evaluation/randomLlama';
import { machine } from './machine';
import { compilePlainLoop, outputError, runPlainLoop } from './optimised/plainMatrix';
import { watchOtherLoad } from './otherLoad';

/**
 * npm run bench -- optimised [--write]: export of a llama of 115 million random weights to Q4_K with optimised codes on one thread: seconds, and memory
 * against that of half of the blocks; and the matrices of a block against plain loops of the same algorithm, which are extrapolated to the whole model.
 */
const blocks = 12;
const sizes = {
  ...{ hidden: 768, feedForward: 2048, heads: 12, kvHeads: 12, vocabulary: 19_456, context: 256, blocks },
};
const tokens = 8192;
const text = join('samples', 'tiny-shakespeare-llama', 'generated-calibration.txt');
/** As the method's own. */
const rounds = 6;
/** Rows of the output matrix that the plain loops are timed over, and rows whose errors are compared. */
const outputShare = 16;
const comparedRows = 32;

const signal = new AbortController().signal;
const evidenceOf = (model: Model, cache: string): Promise<EvidenceSource> =>
  obtainEvidence(model, { text, needs: ['hessian'], device: 'cpu', tokens, context: sizes.context }, cache, {
    signal,
    progress: () => undefined,
  });

interface Exported {
  readonly parameters: number;
  /** Of the export after the pass over the text; processor time of all threads, and elapsed. */
  readonly cpuSeconds: number;
  readonly seconds: number;
  /** Largest resident memory of the pass and of the export, which are two processes, and that before the export (bytes). */
  readonly passPeak: number;
  readonly peak: number;
  readonly idle: number;
}

/** A process of its own: the pass over the text, whose memory is not that of the export. @returns its largest resident memory (bytes). */
async function passOnce(folder: string): Promise<number> {
  const model = await openModel(folder);
  await evidenceOf(model, join(folder, 'cache'));
  await model.close();
  return peakMemory();
}

/** In another one, with what the pass has kept. */
async function exportOnce(folder: string): Promise<Omit<Exported, 'passPeak'>> {
  const model = await openModel(folder);
  const idle = process.memoryUsage.rss();
  const parameters = model.description.tensors.reduce((sum, { elements }) => sum + elements, 0);
  const evidence = await evidenceOf(model, join(folder, 'cache'));
  const target = { type: 'Q4_K_S', codes: 'optimised', objective: 'one-sided' } as const;
  const tensorTypes = [{ pattern: '.*', type: 'Q4_K' }];
  const [start, used] = [performance.now(), process.cpuUsage()];
  await withThreads(1, () =>
    exportGguf(model, { ...target, tensorTypes }, join(folder, 'out.gguf'), { evidence }),
  );
  const { user, system } = process.cpuUsage(used);
  const seconds = (performance.now() - start) / 1000;
  await model.close();
  return { parameters, cpuSeconds: (user + system) / 1e6, seconds, peak: peakMemory(), idle };
}

interface Compared {
  readonly name: string;
  readonly shape: readonly [number, number];
  /** Seconds of processor time of the whole matrix, and relative squared errors of the outputs. */
  readonly ours: number;
  readonly plain: number;
  readonly errors: readonly [number, number];
  /** How many there are in the model. */
  readonly count: number;
}

/** One matrix, by the addon and by the plain loops, from the same Hessian. */
async function compare(
  model: Model,
  evidence: EvidenceSource,
  [program, folder]: readonly [string, string],
  name: string,
): Promise<Compared> {
  const tensor = model.description.tensors.find((item) => item.name === `${name}.weight`)!;
  const { rows, columns } = matrixOf(tensor.shape);
  const share = name === 'lm_head' ? outputShare : 1;
  const bytes = new Uint8Array((4 * tensor.elements) / share);
  await model.readInto(tensor, 0, bytes);
  const weights = new Float32Array(bytes.buffer);
  const hessian = (await evidence.for(tensor.name, 'hessian')).hessian!;
  const used = process.cpuUsage();
  const task = { type: 'Q4_K', shape: [rows / share, columns], evidence: { hessian }, options: {} } as const;
  const quantizer = await gptqDescent.blocks!.open(task);
  const encoded = await quantizer.quantize(weights.slice());
  const { user, system } = process.cpuUsage(used);
  const decoded = new Float32Array(weights.length);
  await loadNative().decode('Q4_K', encoded, decoded);
  const plain = runPlainLoop(program, folder, weights, hessian, rounds);
  const error = (values: Float32Array): number => outputError(weights, values, hessian, comparedRows);
  return {
    ...{ name, shape: [rows, columns], count: name === 'lm_head' ? 1 : blocks },
    ours: ((user + system) / 1e6) * share,
    plain: plain.factor + plain.rows * share,
    errors: [error(decoded), error(plain.decoded)],
  };
}

async function compareMatrices(folder: string): Promise<Compared[]> {
  const model = await openModel(folder);
  const evidence = await evidenceOf(model, join(folder, 'cache'));
  const program = compilePlainLoop(folder);
  loadNative().setThreads(1);
  const names = [...Object.keys(blockMatrices(sizes)).map((name) => `model.layers.0.${name}`), 'lm_head'];
  const found: Compared[] = [];
  for (const name of names) found.push(await compare(model, evidence, [program, folder], name));
  await model.close();
  return found;
}

function exportIn(folder: string): Exported {
  const child = (what: string): unknown =>
    JSON.parse(execFileSync(process.execPath, [process.argv[1]!, what, folder], { encoding: 'utf8' }));
  const passPeak = child('--pass') as number;
  return { ...(child('--export') as Omit<Exported, 'passPeak'>), passPeak };
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
const figure = (value: number): string => value.toPrecision(3);

function sectionOf(
  [half, whole]: readonly [Exported, Exported],
  matrices: readonly Compared[],
  load: number,
) {
  const exportRow = (name: string, { parameters, cpuSeconds, seconds, ...memory }: Exported): string[] => [
    ...[name, megabytes(parameters), cpuSeconds.toFixed(1), seconds.toFixed(1)],
    ...[memory.idle, memory.passPeak, memory.peak].map(megabytes),
  ];
  const total = (of: (item: Compared) => number): number =>
    matrices.reduce((sum, item) => sum + item.count * of(item), 0);
  const plain = total((item) => item.plain);
  const blockBytes =
    4 * Object.values(blockMatrices(sizes)).reduce((sum, [rows, columns]) => sum + rows * columns, 0);
  return [
    `${machine()}; ${loadNative().simd}, one thread; other processes used ${(100 * load).toFixed(0)} % of the machine's processor time. Llamas of random weights in float32: hidden size ` +
      `${sizes.hidden}, feed-forward ${sizes.feedForward}, vocabulary ${sizes.vocabulary}; everything in Q4_K, the one-sided objective, Hessians over ${tokens} tokens. Processor time; the pass over the text comes before.`,
    table(
      [
        'Export',
        'Millions of weights',
        'Processor time (s)',
        'Elapsed (s)',
        'Memory before (MB)',
        'Peak of the pass (MB)',
        'Peak of the export (MB)',
      ],
      [exportRow(`${blocks / 2} blocks`, half), exportRow(`${blocks} blocks`, whole)],
    ),
    `A block has ${megabytes(blockBytes)} MB of weights in float32; its largest Hessian has ${megabytes(8 * sizes.feedForward ** 2)} MB in float64.`,
    table(
      [
        'Matrix',
        'Rows × columns',
        'Addon (s)',
        'Plain loops (s)',
        'Ratio',
        'Error, addon',
        'Error, plain loops',
      ],
      matrices.map(({ name, shape, ours, plain: theirs, errors }) => [
        name.replace('model.layers.0.', ''),
        shape.join(' × '),
        ...[ours, theirs, theirs / ours].map(figure),
        ...errors.map((value) => value.toExponential(2)),
      ]),
    ),
    `The matrices of one block and the output matrix (1/${outputShare} of its rows), each times its number, give ${plain.toFixed(0)} s for plain loops of the whole model and ` +
      `${total((item) => item.ours).toFixed(0)} s for the addon; the whole export with reading and writing took ${whole.cpuSeconds.toFixed(0)} s: ${figure(plain / whole.cpuSeconds)} times as fast. ` +
      `The plain loops are C++ (g++ -O3 -march=native -ffast-math): scales searched as llama.cpp does, GPTQ column by column over the whole matrix, then scales and codes by coordinate descent, ${rounds} rounds at most. Errors are relative squared errors of the outputs of the first ${comparedRows} rows.`,
  ].join('\n\n');
}

async function report(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'quantscope-bench-'));
  try {
    const folders = [blocks / 2, blocks].map((count) => join(folder, `blocks-${count}`));
    for (const [index, count] of [blocks / 2, blocks].entries())
      await writeRandomLlama(folders[index]!, { ...sizes, blocks: count }, 'F32');
    const otherLoad = watchOtherLoad();
    const [half, whole] = [exportIn(folders[0]!), exportIn(folders[1]!)];
    const matrices = await compareMatrices(folders[1]!);
    return sectionOf([half, whole], matrices, otherLoad());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const [, , what = '', folder = ''] = process.argv;
if (what === '--pass') process.stdout.write(JSON.stringify(await passOnce(folder)));
else if (what === '--export') process.stdout.write(JSON.stringify(await exportOnce(folder)));
else {
  const section = await report();
  printSection(section);
  if (process.argv.includes('--write')) writeSection('docs/BENCHMARKS.md', 'optimised', section);
}
