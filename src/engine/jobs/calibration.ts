import { basename, join } from 'node:path';
import { calibrate, type Gram, type MatrixInputs } from '../../evaluation/calibrate';
import { resetPeakMemory } from '../../evaluation/measures';
import { perplexity } from '../../evaluation/statistics';
import { imatrixWriter, writeImatrix } from '../../exporter/writeImatrix';
import { writeSafetensors, type SafetensorsPart } from '../../exporter/writeSafetensors';
import { findFolderTarget } from '../../files/folderTarget';
import { inputsOf, type Inputs } from '../../files/inputs';
import { withThreads } from '../../graph/threads';
import type { Decoder } from '../../graph/transformer/decoder';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';
import type { CalibrationParams, CalibrationResult } from '../../protocol/evaluation';
import { roomFor } from '../evaluation/obtainEvidence';
import { StepMeter } from '../evaluation/progress';
import { passMeasures } from '../evaluation/run';
import {
  keepsWhole,
  planTextOf,
  runDevice,
  stepsOf,
  windowsAtOnce,
  type PlannedText,
} from '../evaluation/runPlan';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';

export function calibrationJob(models: OpenModels): Job<'calibration/run'> {
  return (params, context) => {
    checkParams('calibration/run', params, {
      ...{ ...modelKinds, text: 'path', out: 'path', processOutput: 'boolean?' },
      ...{ statistics: 'path?', hessians: 'path?' },
      ...{ convention: 'convention?', context: 'count?', stride: 'count?', windows: 'count?' },
      ...{ memory: 'memory?', device: 'device', threads: 'count?' },
    });
    return withThreads(params.threads, () =>
      models.use(params, context.signal, (model) => runCalibration(model, params, context)),
    );
  };
}

async function runCalibration(
  model: Model,
  params: CalibrationParams,
  context: JobContext,
): Promise<CalibrationResult> {
  const { signal } = context;
  // Checked before hours of work on output that cannot be written.
  imatrixWriter(params.out);
  const inputs = await inputsOf(model.description, params.text);
  await inputs.check([params.out, params.statistics]);
  if (params.hessians !== undefined) await findFolderTarget(params.hessians, model.description);
  resetPeakMemory();
  const started = performance.now();
  const { device } = await runDevice(params.device, signal);
  const text = await planTextOf(model, params.text, params, signal);
  const keep = keepsWhole(device, params.memory);
  const decoder = await openDecoder(model, { device, length: text.plan.context, keep });
  try {
    const { matrices, losses, measures } = await measureInputs(decoder, text, params, inputs, context);
    await writeOutputs(matrices, text, params, { signal, inputs });
    return {
      ...{ out: params.out, entries: matrices.size, chunks: text.windows.length, tokens: tokensOf(text) },
      perplexity: perplexity(losses),
      ...(params.statistics === undefined ? {} : { statistics: params.statistics }),
      ...(params.hessians === undefined ? {} : { hessians: params.hessians }),
      measures: { seconds: (performance.now() - started) / 1000, ...measures },
    };
  } finally {
    await decoder.close();
  }
}

const tokensOf = ({ windows, plan }: PlannedText): number => windows.length * plan.context;

/** Runs the model over the text; Hessians are written while it runs, as each is complete. */
async function measureInputs(
  decoder: Decoder,
  text: PlannedText,
  { hessians, processOutput = false }: CalibrationParams,
  inputs: Inputs,
  { signal, progress }: JobContext,
) {
  const { windows, plan } = text;
  const steps = stepsOf(decoder, windows.length, plan.scoredTokens);
  const meter = new StepMeter(steps, windows.length, decoder.device, progress);
  const start = performance.now();
  const { inputs: matrices, scores } = await calibrate(decoder, windows, {
    ...{ signal, windowsAtOnce: windowsAtOnce(decoder), includeOutput: processOutput },
    ...(hessians === undefined
      ? {}
      : { allStates: roomFor(hessians, decoder).make, onGram: gramWriter(hessians, { signal, inputs }) }),
    onStep: (part) => meter.step(part),
    onPoint: (point) => meter.curve(point),
  });
  const measures = passMeasures(decoder, tokensOf(text), (performance.now() - start) / 1000);
  return { matrices, losses: scores.losses, measures };
}

/** Writes the importance matrix and, where they are asked for, the statistics. */
async function writeOutputs(
  matrices: ReadonlyMap<string, MatrixInputs>,
  { plan, windows }: PlannedText,
  { out, text, statistics }: CalibrationParams,
  options: WriteOptions,
): Promise<void> {
  const imatrix = {
    entries: entriesOf(matrices),
    ...{ dataset: basename(text), chunks: windows.length, chunkSize: plan.context },
  };
  await writeImatrix(out, imatrix, options.inputs);
  if (statistics !== undefined) await writeStatistics(statistics, matrices, options);
}

interface WriteOptions {
  readonly signal: AbortSignal;
  readonly inputs: Inputs;
}

function entriesOf(inputs: ReadonlyMap<string, MatrixInputs>) {
  return new Map([...inputs].map(([name, { squares, counts }]) => [name, { sums: squares, counts }]));
}

/**
 * Writes, for each matrix, `NAME.mean`, `NAME.mean_square` and `NAME.absmax` `[columns]`, of merged experts `[experts, columns]`,
 * and `NAME.counts` `[experts]`: the tokens that were averaged. Experts without a token have zeros.
 */
async function writeStatistics(
  out: string,
  inputs: ReadonlyMap<string, MatrixInputs>,
  options: WriteOptions,
): Promise<void> {
  const parts = [...inputs].flatMap(([name, { squares, sums, largest, counts }]) => {
    const columns = squares.length / counts.length;
    const average = (values: Float64Array): Float64Array =>
      values.map((value, i) => value / Math.max(1, counts[Math.floor(i / columns)]!));
    const shape = counts.length === 1 ? [columns] : [counts.length, columns];
    return [
      floatPart(`${name}.mean`, shape, average(sums)),
      floatPart(`${name}.mean_square`, shape, average(squares)),
      floatPart(`${name}.absmax`, shape, largest),
      floatPart(`${name}.counts`, [counts.length], counts),
    ];
  });
  await writeSafetensors(out, parts, {}, options);
}

function floatPart(name: string, shape: readonly number[], values: ArrayLike<number>): SafetensorsPart {
  const floats = values instanceof Float32Array ? values : new Float32Array(values);
  const data = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  return { name, dtype: 'F32', shape, data: () => [data] };
}

/** Writes each XᵀX as its own safetensors file, named after the first matrix that it is the input of. */
function gramWriter(folder: string, options: WriteOptions): (gram: Gram) => Promise<void> {
  return async ({ tensors, expert, columns, rows, values }) => {
    const name = expert === undefined ? tensors[0]! : `${tensors[0]}.expert.${expert}`;
    const part = floatPart(name, [columns, columns], values);
    const metadata = { tensors: tensors.join(','), rows: String(rows) };
    await writeSafetensors(join(folder, `${name}.safetensors`), [part], metadata, options);
  };
}
