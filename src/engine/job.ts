import { isAbsolute } from 'node:path';
import { isRemote } from '../model/remote/address';
import { QuantscopeError } from '../model/errors';
import { isRecord } from '../model/json';
import { mmprojTypes, type MmprojType } from '../protocol/mmproj';
import { convertDtypes, convertNames, type ConvertDtype, type ConvertNames } from '../protocol/convert';
import { codeChoices, objectives, type CodeChoice, type Objective } from '../protocol/export';
import { trainedParts, type TrainedParts } from '../protocol/refinement';
import { leastSampledBlocks } from '../protocol/gains';
import { backends, type Backend } from '../protocol/plan';
import { cacheTypes, type CacheType } from '../protocol/fit';
import { inputRanges, type InputRange } from '../protocol/exportOnnx';
import type { EngineMethod, EngineProgress, EngineRequests } from '../protocol/engine';
import { said } from '../protocol/said';
import { stated } from '../model/statedValue';
import { isPlanGoal } from './recommendation/planGoal';

/** Context of a running request besides its parameters. */
export interface JobContext {
  readonly signal: AbortSignal;
  readonly progress: (progress: EngineProgress) => void;
}

export type Job<M extends EngineMethod> = (
  params: EngineRequests[M]['params'],
  context: JobContext,
) => Promise<EngineRequests[M]['result']>;

export type Jobs = { readonly [M in EngineMethod]: Job<M> };

/** Bins of a histogram: more than a screen has columns to show them in. */
const maxBins = 65_536;

/** Whether a text names a file wherever a process runs: a path is absolute, or an address. */
const isPlace = (text: string): boolean => isAbsolute(text) || isRemote(text);

/** What a target of a run is named by, besides its kind. */
const runTargetNames: Readonly<Record<string, string | undefined>> = {
  ...{ stored: undefined, type: 'type', recipe: 'recipe', plan: 'planFile' },
};

function isRunTarget(value: unknown): boolean {
  if (!isRecord(value) || !Object.hasOwn(runTargetNames, String(value['kind']))) return false;
  const name = runTargetNames[String(value['kind'])];
  if (name === undefined) return true;
  const named = value[name];
  return typeof named === 'string' && named.length > 0 && (name !== 'planFile' || isAbsolute(named));
}

/** Types that parameters may be required to have. A path is absolute: the engine's working directory is arbitrary. */
const kinds = {
  path: (value: unknown) => typeof value === 'string' && isPlace(value),
  paths: (value: unknown) =>
    Array.isArray(value) && value.every((item) => typeof item === 'string' && isPlace(item)),
  adapters: (value: unknown) =>
    Array.isArray(value) &&
    value.every(
      (item) =>
        isRecord(item) &&
        typeof item['path'] === 'string' &&
        isPlace(item['path']) &&
        Number.isFinite(item['weight']),
    ),
  string: (value: unknown) => typeof value === 'string' && value.length > 0,
  text: (value: unknown) => typeof value === 'string',
  strings: (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  choices: (value: unknown) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (item) => isRecord(item) && typeof item['tensor'] === 'string' && typeof item['format'] === 'string',
    ),
  recipes: (value: unknown) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every(
      (item) => isRecord(item) && typeof item['grid'] === 'string' && typeof item['method'] === 'string',
    ),
  sampleBlocks: (value: unknown) => Number.isSafeInteger(value) && (value as number) >= leastSampledBlocks,
  count: (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0,
  bins: (value: unknown) =>
    Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= maxBins,
  range: (value: unknown) =>
    isRecord(value) &&
    [value['min'], value['max']].every(Number.isFinite) &&
    (value['min'] as number) < (value['max'] as number),
  device: (value: unknown) => ['auto', 'cuda', 'webgpu', 'ort-cpu', 'cpu'].includes(value as string),
  convention: (value: unknown) => ['llama.cpp', 'sliding'].includes(value as string),
  inputRange: (value: unknown) => inputRanges.includes(value as InputRange),
  memory: (value: unknown) => ['auto', 'whole', 'streamed'].includes(value as string),
  trainedParts: (value: unknown) => trainedParts.includes(value as TrainedParts),
  backend: (value: unknown) => backends.includes(value as Backend),
  cacheType: (value: unknown) => cacheTypes.includes(value as CacheType),
  runTargets: (value: unknown) => Array.isArray(value) && value.every(isRunTarget),
  codes: (value: unknown) => codeChoices.includes(value as CodeChoice),
  convertDtype: (value: unknown) => convertDtypes.includes(value as ConvertDtype),
  convertNames: (value: unknown) => convertNames.includes(value as ConvertNames),
  mmprojType: (value: unknown) => mmprojTypes.includes(value as MmprojType),
  objective: (value: unknown) => objectives.includes(value as Objective),
  calibration: (value: unknown) =>
    isRecord(value) &&
    typeof value['text'] === 'string' &&
    isPlace(value['text']) &&
    [value['tokens'], value['context']].every(
      (count) => count === undefined || (Number.isSafeInteger(count) && (count as number) > 0),
    ),
  optimised: (value: unknown) =>
    isRecord(value) &&
    typeof value['evidenceDir'] === 'string' &&
    isPlace(value['evidenceDir']) &&
    (value['isRequired'] === undefined || typeof value['isRequired'] === 'boolean') &&
    (value['backend'] === undefined || backends.includes(value['backend'] as Backend)) &&
    (value['text'] === undefined || (typeof value['text'] === 'string' && isPlace(value['text']))) &&
    (value['tokens'] === undefined ||
      (Number.isSafeInteger(value['tokens']) && (value['tokens'] as number) > 0)) &&
    (value['objective'] === undefined || objectives.includes(value['objective'] as Objective)),
  goal: isPlanGoal,
  record: isRecord,
  boolean: (value: unknown) => typeof value === 'boolean',
  blocks: (value: unknown) =>
    Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0),
  tensorTypes: (value: unknown) =>
    Array.isArray(value) &&
    value.every(
      (item) => isRecord(item) && typeof item['pattern'] === 'string' && typeof item['type'] === 'string',
    ),
  split: (value: unknown) =>
    isRecord(value) &&
    (value['kind'] === 'keep' ||
      (['bytes', 'tensors'].includes(value['kind'] as string) && Number(value['value']) >= 1)),
} as const;
type Kind = keyof typeof kinds;

/** Parameters that say which model a request is about. */
export const modelKinds = {
  path: 'path',
  alone: 'boolean?',
  checked: 'boolean?',
  adapters: 'adapters?',
} as const;

/**
 * Checks the parameters of a request where they enter the process. A kind that ends in "?" may be absent.
 * @throws QuantscopeError REQUEST naming the parameter.
 */
export function checkParams(method: string, params: unknown, expected: Kinds): void {
  if (!isRecord(params)) throw new QuantscopeError('REQUEST', said`${method} was called without parameters.`);
  const wrong = wrongValue(params, expected);
  if (wrong) throw new QuantscopeError('REQUEST', `${method}: ${wrong}`);
}

/** What may be required of the values of a record; a kind that ends in "?" may be absent. */
export type Kinds = Readonly<Record<string, Kind | `${Kind}?`>>;

/** What is wrong with the first value that is not of its kind, as a sentence that names it; undefined where all are. */
export function wrongValue(values: Readonly<Record<string, unknown>>, expected: Kinds): string | undefined {
  for (const [name, kind] of Object.entries(expected)) {
    const optional = kind.endsWith('?');
    if (optional && values[name] === undefined) continue;
    const required = kind.replace('?', '') as Kind;
    if (!kinds[required](values[name]))
      return `"${name}" ${stated(values[name])}; a valid ${required} is needed.`;
  }
  return undefined;
}
