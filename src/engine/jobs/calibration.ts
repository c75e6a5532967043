import { basename, join } from 'node:path';
import { calibrate, type Gram, type MatrixInputs } from '../../evaluation/calibrate';
import { resetPeakMemory } from '../../evaluation/measures';
import { perplexity } from '../../evaluation/statistics';
import { openTokenizer } from '../../evaluation/tokenizer/openTokenizer';
import { imatrixWriter, writeImatrix } from '../../exporter/writeImatrix';
import { writeSafetensors, type SafetensorsPart } from '../../exporter/writeSafetensors';
import { findFolderTarget } from '../../files/folderTarget';
import { inputsOf, type Inputs } from '../../files/inputs';
import { withThreads } from '../../graph/threads';
import { openDecoder } from '../../graph/transformer/openDecoder';
import type { Model } from '../../model/model';
import type { CalibrationParams, CalibrationResult } from '../../protocol/evaluation';
import { roomFor } from '../evaluation/obtainEvidence';
import { StepMeter } from '../evaluation/progress';
import { passMeasures } from '../evaluation/run';
import {
  contextLengthOf,
  keepsWhole,
  planText,
  runDevice,
  stepsOf,
  windowsAtOnce,
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
  { signal, progress }: JobContext,
): Promise<CalibrationResult> {
  // Checked before hours of work on output that cannot be written.
  imatrixWriter(params.out);
  const inputs = await inputsOf(model.description, params.text);
  await inputs.check([params.out, params.statistics]);
  if (params.hessians !== undefined) await findFolderTarget(params.hessians, model.description);
  resetPeakMemory();
  const started = performance.now();
  const { device } = await runDevice(params.device, signal);
  const tokenizer = await openTokenizer(model, signal);
  const { plan, windows } = await planText(
    params.text,
    tokenizer,
    params,
    await contextLengthOf(model),
    signal,
  );
  const keep = keepsWhole(device, params.memory);
  const decoder = await openDecoder(model, { device, length: plan.context, keep });
  const meter = new StepMeter(
    stepsOf(decoder, windows.length, plan.scoredTokens),
    windows.length,
    device,
    progress,
  );
  try {
    const passes = performance.now();
    const { inputs: matrices, scores } = await calibrate(decoder, windows, {
      ...{ signal, windowsAtOnce: windowsAtOnce(decoder) },
      ...(params.hessians === undefined ? {} : { allStates: roomFor(params.hessians, decoder) }),
      includeOutput: params.processOutput ?? false,
      onStep: (part) => meter.step(part),
      onPoint: (point) => meter.curve(point),
      ...(params.hessians === undefined ? {} : { onGram: gramWriter(params.hessians, { signal, inputs }) }),
    });
    const tokens = windows.length * plan.context;
    const measures = passMeasures(decoder, tokens, (performance.now() - passes) / 1000);
    const imatrix = {
      entries: entriesOf(matrices),
      ...{ dataset: basename(params.text), chunks: windows.length, chunkSize: plan.context },
    };
    await writeImatrix(params.out, imatrix, inputs);
    if (params.statistics !== undefined)
      await writeStatistics(params.statistics, matrices, { signal, inputs });
    return {
      ...{ out: params.out, entries: matrices.size, chunks: windows.length },
      tokens,
      perplexity: perplexity(scores.losses),
      ...(params.statistics === undefined ? {} : { statistics: params.statistics }),
      ...(params.hessians === undefined ? {} : { hessians: params.hessians }),
      measures: { seconds: (performance.now() - started) / 1000, ...measures },
    };
  } finally {
    await decoder.close();
  }
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
