import { measureSlab } from '../../analysis/compare';
import {
  defaultCandidates,
  outputCandidates,
  runSensitivity,
  storedSensitivity,
  type Measurer,
} from '../../ampq/sensitivity';
import { candidatesOf } from '../../exporter/plan/candidates';
import { hasGraph } from '../../graph/fakeQuant';
import { OrtMeasurer } from '../../graph/measurer';
import { probeDevices } from '../../graph/probe';
import type { Device } from '../../protocol/plan';
import { formatById } from '../../quant/catalogue';
import { addGains, withStoredGains } from '../evaluation/measureGains';
import { runDevice } from '../evaluation/runPlan';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function probeJob(): Job<'device/probe'> {
  return (params, { signal }) => {
    checkParams('device/probe', params, { device: 'device', refresh: 'boolean?' });
    return probeDevices(params.device, { refresh: params.refresh ?? false, signal });
  };
}

export function sensitivityJob(models: OpenModels): Job<'sensitivity/run'> {
  return async (params, { signal, progress }) => {
    checkParams('sensitivity/run', params, {
      ...modelKinds,
      formats: 'strings?',
      device: 'device',
      cacheDir: 'path',
      text: 'path?',
    });
    const { text, cacheDir } = params;
    const candidates = text === undefined ? defaultCandidates : outputCandidates;
    const formats = (params.formats ?? candidates).map(formatById);
    const { chosen } = await probeDevices(params.device, { signal });
    const { measurer, close } = measurerFor(chosen);
    try {
      return await models.use(params, signal, async (model) => {
        const table = await runSensitivity(model, await candidatesOf(model, signal), {
          ...{ formats, measurer, signal, cacheDir },
          exactDevice: params.device !== 'auto',
          onProgress: progress,
        });
        if (text === undefined) return withStoredGains(model, table, cacheDir);
        const { device } = await runDevice(params.device, signal);
        return addGains(model, table, text, device, cacheDir, { signal, progress });
      });
    } finally {
      await close();
    }
  };
}

export function storedSensitivityJob(models: OpenModels): Job<'sensitivity/stored'> {
  return (params, { signal }) => {
    checkParams('sensitivity/stored', params, { ...modelKinds, cacheDir: 'path' });
    const { cacheDir } = params;
    return models.use(params, signal, async (model) => {
      const table = await storedSensitivity(model, await candidatesOf(model, signal), cacheDir);
      return table && withStoredGains(model, table, cacheDir);
    });
  };
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
