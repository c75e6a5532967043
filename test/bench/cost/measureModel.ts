import { join, resolve } from 'node:path';
import { isSampled, sampleOfBlocks } from '../../../src/ampq/interpolatedGains';
import { ggufView } from '../../../src/architectures/ggufView';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { blockSeconds, outputSeconds, plannedGains } from '../../../src/engine/evaluation/gainsEstimate';
import { obtainEvidence } from '../../../src/engine/evaluation/obtainEvidence';
import { estimateRefinement } from '../../../src/engine/refinement/runRefinement';
import { tapsFor } from '../../../src/evaluation/evidence';
import { peakMemory } from '../../../src/evaluation/measures';
import { evidenceWork, gainsWork, secondsOf, type WorkSeconds } from '../../../src/evaluation/passWork';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { CodeFinder, codesMethod } from '../../../src/exporter/codes/codeFinder';
import { openDecoder } from '../../../src/graph/transformer/openDecoder';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { matrixOf } from '../../../src/model/rows';
import { objectives, type Objective } from '../../../src/protocol/export';
import { leastSampledBlocks } from '../../../src/protocol/gains';
import type { EvidenceSource } from '../../../src/quant/evidence';
import { refinementWork } from './predictions';
import { Random } from '../../support/random';

const text = resolve('samples', 'tiny-shakespeare-llama', 'generated-calibration.txt');
/** Tokens of a window, and windows of the passes with evidence: as few as show what each costs. */
export const context = 256;
const windows = 4;
const signal = new AbortController().signal;
const job = { signal, progress: () => undefined };

/** Seconds of processor time, measured and as the cost model has them. */
export interface Checked {
  readonly measured: number;
  readonly predicted: number;
}

export interface MeasuredModel {
  readonly parameters: number;
  /** Of a pass that measures nothing, and of one that sums Hessians. */
  readonly plain: WorkSeconds;
  readonly tapped: WorkSeconds;
  readonly gains: Checked;
  readonly hessians: Checked;
  readonly gradients: Checked;
  /** A step of a refinement over one window, and the passes of it alone. */
  readonly step: Checked;
  /** Codes of the matrices of one block in Q4_K. */
  readonly codes: Readonly<Record<Objective, Checked>>;
  /** Largest resident memory of the process (bytes). */
  readonly peak: number;
}

/** Processor time of this process (s), which other processes hardly change. */
function processorClock(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function timeOf<T>(run: () => Promise<T>): Promise<{ readonly seconds: number; readonly value: T }> {
  const start = processorClock();
  const value = await run();
  return { seconds: processorClock() - start, value };
}

/** What the passes of a model cost in a process that has one core. */
export async function measureModel(folder: string, cache: string): Promise<MeasuredModel> {
  const model = await openModel(folder);
  const { plain, tapped, work, blocks } = await partsOf(model);
  const evidence = (needs: 'hessian' | 'gradients') => {
    const settings = { text, device: 'cpu', tokens: windows * context, context, needs: [needs] } as const;
    return timeOf(() => obtainEvidence(model, settings, join(cache, needs), job));
  };
  const [hessians, gradients] = [await evidence('hessian'), await evidence('gradients')];
  const pass = (hasGradients: boolean): number =>
    secondsOf(evidenceWork(blocks, windows, hasGradients), tapped);
  const gains = { measured: await gainsSecondsOf(model, cache), predicted: secondsOf(work, plain) };
  const peak = peakMemory();
  const step = {
    measured: await stepSecondsOf(model, cache),
    predicted: secondsOf(refinementWork(blocks, 1, 1), plain),
  };
  const codes = await codesOf(model, gradients.value);
  await model.close();
  return {
    parameters: model.description.tensors.reduce((sum, { elements }) => sum + elements, 0),
    ...{ plain, tapped, gains, step, codes, peak },
    hessians: { measured: hessians.seconds, predicted: pass(false) },
    gradients: { measured: gradients.seconds, predicted: pass(true) },
  };
}

async function partsOf(model: Model) {
  const decoder = await openDecoder(model, { device: 'ort-cpu', length: context, keep: false });
  const parts = { hessians: true, activations: false, gradients: false };
  const taps = { kind: tapsFor(parts), onStatistics: () => undefined };
  const output = await outputSeconds(decoder, signal, processorClock);
  const plain = { ...(await blockSeconds(decoder, { signal }, processorClock)), output };
  const tapped = { ...(await blockSeconds(decoder, { signal, taps }, processorClock)), output };
  const names = (await ggufView(model)).tensors.flatMap(({ name, shape }) =>
    shape.length > 1 ? [name] : [],
  );
  const sampled = sampleOfBlocks(names, leastSampledBlocks);
  const changed = names.filter((name) => isSampled(name, sampled));
  const work = gainsWork(plannedGains(decoder, changed, 1, 1e9));
  await decoder.close();
  return { plain, tapped, work, blocks: decoder.shape.blocks.length };
}

/** A pass over one window for the tensors of three blocks, whose errors are measured before. */
async function gainsSecondsOf(model: Model, cacheDir: string): Promise<number> {
  const models = new OpenModels();
  const run = createJobs(models)['sensitivity/run'];
  const params = { path: model.description.path, device: 'cpu', cacheDir, formats: ['Q4_K'] } as const;
  await run({ ...params, weightsOnly: true }, job);
  const over = { text, context, tokens: context, sampleBlocks: leastSampledBlocks };
  const { seconds } = await timeOf(() => run({ ...params, ...over }, job));
  await models.close();
  return seconds;
}

/** Steps that a refinement is estimated for: so many that the passes over the text before and between them hardly count. */
const steps = 10_000;

/** A step over one window, of the model in Q4_K. */
async function stepSecondsOf(model: Model, cacheDir: string): Promise<number> {
  const path = join(cacheDir, 'start.gguf');
  await exportGguf(model, { type: 'Q4_K_S' }, path);
  const start = await openModel(path);
  const over = { text, context, tokens: 24 * context, steps, batch: 1 };
  const params = { ...over, path, original: model.description.path, cacheDir, device: 'cpu' } as const;
  const { seconds } = await estimateRefinement(start, model, params, { signal }, processorClock);
  await start.close();
  return seconds / steps;
}

/** Codes of random weights: what they are does not matter. */
async function codesOf(model: Model, evidence: EvidenceSource): Promise<MeasuredModel['codes']> {
  const random = new Random(3);
  const matrices = (await ggufView(model)).tensors.filter(
    ({ name, shape }) => name.startsWith('blk.0.') && shape.length > 1,
  );
  const entries: [Objective, Checked][] = [];
  for (const objective of objectives) {
    const finder = new CodeFinder(evidence, objective);
    let [measured, predicted] = [0, 0];
    for (const converted of matrices) {
      const { rows, columns } = matrixOf(converted.shape);
      const values = random.fill(rows * columns, () => 0.02 * random.normal());
      await finder.evidenceOf(converted, 0); // read from disk before
      const one = { converted, expert: 0, firstRow: 0 };
      measured += (await timeOf(() => finder.replace(one, 'Q4_K', values))).seconds;
      predicted += codesMethod.coreSeconds([rows, columns], { type: 'Q4_K', options: { objective } });
    }
    entries.push([objective, { measured, predicted }]);
  }
  return Object.fromEntries(entries) as Record<Objective, Checked>;
}
