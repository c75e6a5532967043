import { measureSlab } from '../../analysis/compare';
import { withGains } from '../../ampq/gains';
import {
  defaultCandidates,
  missingCandidates,
  outputCandidates,
  runSensitivity,
  storedSensitivity,
  type Measurer,
} from '../../ampq/sensitivity';
import { candidatesOf } from '../../exporter/plan/candidates';
import { hasGraph } from '../../graph/fakeQuant';
import { OrtMeasurer } from '../../graph/measurer';
import { probeDevices } from '../../graph/probe';
import type { Model } from '../../model/model';
import type { SensitivityParams } from '../../protocol/engine';
import type { Device, SensitivityTable } from '../../protocol/plan';
import type { QuantFormat } from '../../quant/format';
import { formatById } from '../../quant/catalogue';
import { errorSeconds, gainsSeconds } from '../evaluation/gainsEstimate';
import { gainsText, type GainsText } from '../evaluation/gainsText';
import { addGains, storedGains, withStoredGains } from '../evaluation/measureGains';
import { runDevice } from '../evaluation/runPlan';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function probeJob(): Job<'device/probe'> {
  return (params, { signal }) => {
    checkParams('device/probe', params, { device: 'device', refresh: 'boolean?' });
    return probeDevices(params.device, { refresh: params.refresh ?? false, signal });
  };
}

const runKinds = {
  ...modelKinds,
  formats: 'strings?',
  device: 'device',
  cacheDir: 'path',
  text: 'path?',
  weightsOnly: 'boolean?',
} as const;

/** The formats that a request measures. */
function formatsOf({ formats }: SensitivityParams, source: GainsText): QuantFormat[] {
  const candidates = 'planned' in source ? outputCandidates : defaultCandidates;
  return [...new Set((formats ?? candidates).map(formatById))];
}

export function sensitivityJob(models: OpenModels): Job<'sensitivity/run'> {
  return async (params, { signal, progress }) => {
    checkParams('sensitivity/run', params, runKinds);
    const { cacheDir } = params;
    const { chosen } = await probeDevices(params.device, { signal });
    const { measurer, close } = measurerFor(chosen);
    try {
      return await models.use(params, signal, async (model) => {
        const source = await gainsText(model, params, signal);
        const table = await runSensitivity(model, await candidatesOf(model, signal), {
          ...{ formats: formatsOf(params, source), measurer, signal, cacheDir },
          exactDevice: params.device !== 'auto',
          onProgress: progress,
        });
        if (!('planned' in source)) return { ...table, weightsOnly: source.weightsOnly };
        const earlier = params.text === undefined ? await storedGains(model, table, cacheDir) : undefined;
        if (earlier) return withGains(table, earlier);
        const { device } = await runDevice(params.device, signal);
        return addGains(model, table, source.planned, device, cacheDir, { signal, progress });
      });
    } finally {
      await close();
    }
  };
}

/** What a run would do and its estimated time; a second or two of it is run for the estimate. */
export function estimateJob(models: OpenModels): Job<'sensitivity/estimate'> {
  return (params, { signal }) => {
    checkParams('sensitivity/estimate', params, runKinds);
    return models.use(params, signal, async (model) => {
      const source = await gainsText(model, params, signal);
      const formats = formatsOf(params, source);
      const candidates = await candidatesOf(model, signal);
      const left = await missingCandidates(model, candidates, params.cacheDir, formats);
      const errors = await errorSeconds(left, signal);
      const estimate = { tensors: candidates.tensors.length, formats: formats.map(({ id }) => id) };
      if (!('planned' in source)) return { ...estimate, weightsOnly: source.weightsOnly, seconds: errors };
      const table = await storedSensitivity(model, candidates, params.cacheDir);
      const over = params.text === undefined ? undefined : source.planned;
      const earlier = table && (await storedGains(model, table, params.cacheDir, over));
      if (earlier) {
        const { path: file, tokens } = earlier.text;
        return { ...estimate, text: { file, tokens, isKept: true }, seconds: errors };
      }
      const text = { file: source.planned.file, tokens: source.planned.plan.scoredTokens };
      const { device } = await runDevice(params.device, signal);
      const seconds = await gainsSeconds(model, source.planned, candidates.tensors.length, device, signal);
      return { ...estimate, text, seconds: errors + seconds };
    });
  };
}

export function storedSensitivityJob(models: OpenModels): Job<'sensitivity/stored'> {
  return (params, { signal }) => {
    checkParams('sensitivity/stored', params, { ...modelKinds, cacheDir: 'path' });
    return models.use(params, signal, (model) => readStoredTable(model, params.cacheDir, signal));
  };
}

/** What earlier runs measured of a model; undefined when nothing. */
export async function readStoredTable(
  model: Model,
  cacheDir: string,
  signal: AbortSignal,
): Promise<SensitivityTable | undefined> {
  const table = await storedSensitivity(model, await candidatesOf(model, signal), cacheDir);
  return table && withStoredGains(model, table, cacheDir);
}

const measureOnCpu: Measurer['measure'] = (reader, slab, format, range, signal) =>
  measureSlab(reader, slab, format, range, { signal });

function measurerFor(device: Device): { measurer: Measurer; close: () => Promise<void> } {
  if (device === 'cpu')
    return {
      measurer: { device, deviceFor: () => device, measure: measureOnCpu },
      close: () => Promise.resolve(),
    };
  const ort = new OrtMeasurer(device);
  return {
    measurer: {
      device,
      deviceFor: ({ scheme }) => (hasGraph(scheme) ? device : 'cpu'),
      measure: (reader, slab, format, ...rest) =>
        hasGraph(format.scheme)
          ? ort.measureSlab(reader, slab, format, ...rest)
          : measureOnCpu(reader, slab, format, ...rest),
    },
    close: () => ort.close(),
  };
}
