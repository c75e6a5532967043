import { resolve } from 'node:path';
import type { CodeChoice } from '../protocol/export';
import { leastSampledBlocks } from '../protocol/gains';
import type { Backend } from '../protocol/plan';
import { settings } from './contributions';
import type { MeasuringSettings } from './sensitivityJob';

/** The settings of the extension as they are for one model: those of its workspace folder before those of the workspace and the user. */
export interface ModelConfiguration {
  get<T>(name: string, absent: T): T;
}

/**
 * How sensitivity of a model is measured.
 * @param folder of the model: the importance matrix may be named relative to it.
 */
export function measuringSettings(configuration: ModelConfiguration, folder: string): MeasuringSettings {
  const tokens = configuration.get<number>(settings.gainTokens, 0);
  const sampleBlocks = configuration.get<number>(settings.sampleBlocks, 0);
  const imatrix = configuration.get<string>(settings.importanceMatrix, '').trim();
  const codes = configuration.get<CodeChoice>(settings.codes, 'optimised');
  const backend = configuration.get<Backend>(settings.backend, 'cpu');
  const is = (name: string): boolean => configuration.get<boolean>(name, false);
  return {
    ...{ codes, backend },
    ...(is(settings.curvature) ? { curvature: true } : {}),
    ...(is(settings.latticeTypes) ? { lattices: true } : {}),
    ...(isCount(tokens) ? { tokens } : {}),
    ...(isCount(sampleBlocks) ? { sampleBlocks: Math.max(leastSampledBlocks, sampleBlocks) } : {}),
    ...(imatrix === '' ? {} : { imatrix: resolve(folder, imatrix) }),
  };
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value > 0;
