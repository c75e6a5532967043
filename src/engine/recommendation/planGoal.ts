import { isRecord } from '../../model/json';
import { cacheTypes, type CacheType } from '../../protocol/fit';

const isPositive = (value: unknown): boolean =>
  typeof value === 'number' && Number.isFinite(value) && value > 0;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;
const mayBeAbsent =
  (is: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || is(value);

const targetKinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  ...{ mean: isPositive, percentile99: isPositive },
  sameTopToken: (value) => isPositive(value) && (value as number) < 1,
};

const gpuKinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  ...{ memory: isPositive, cpuMoe: (value) => typeof value === 'boolean' },
  layers: mayBeAbsent((value) => value === 0 || isCount(value)),
};

const fitKinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  ...{ memory: isPositive, sequences: isCount, context: mayBeAbsent(isCount) },
  cacheType: (value) => cacheTypes.includes(value as CacheType),
  gpu: mayBeAbsent((value) => hasKinds(value, gpuKinds)),
};

/** What each kind of goal must be. */
const goalKinds: Readonly<Record<string, (value: unknown) => boolean>> = {
  budget: (value) =>
    isRecord(value) &&
    ['bits-per-weight', 'bytes'].includes(value['kind'] as string) &&
    isPositive(value['value']),
  targets: (value) =>
    isRecord(value) &&
    Object.keys(value).length > 0 &&
    Object.entries(value).every(([name, target]) => targetKinds[name]?.(target) === true),
  fit: (value) => hasKinds(value, fitKinds),
};

const hasKinds = (value: unknown, kinds: Readonly<Record<string, (value: unknown) => boolean>>): boolean =>
  isRecord(value) && Object.entries(kinds).every(([name, is]) => is(value[name]));

/** Whether a value is one of the goals of a plan, and nothing besides. */
export function isPlanGoal(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const [name, ...others] = Object.keys(value);
  return name !== undefined && others.length === 0 && goalKinds[name]?.(value[name]) === true;
}
