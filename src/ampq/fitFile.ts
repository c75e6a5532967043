import { cacheTypes, type PlanFit } from '../protocol/fit';
import type { Checker } from './planChecker';

/** The memory that a plan was made for, from the JSON of its file. @throws QuantscopeError MODEL_FILE naming the invalid place. */
export function parseFit(check: Checker, value: unknown, path: string): PlanFit {
  const fit = check.record(value, path);
  const gpu = fit['gpu'] === undefined ? undefined : check.record(fit['gpu'], `${path}.gpu`);
  return {
    context: check.positive(fit['context'], `${path}.context`),
    sequences: check.positive(fit['sequences'], `${path}.sequences`),
    cacheType: check.oneOf(fit['cacheType'], cacheTypes, `${path}.cacheType`),
    memory: check.count(fit['memory'], `${path}.memory`),
    ...(gpu
      ? {
          gpu: {
            memory: check.count(gpu['memory'], `${path}.gpu.memory`),
            layers: check.count(gpu['layers'], `${path}.gpu.layers`),
            cpuMoe: check.boolean(gpu['cpuMoe'], `${path}.gpu.cpuMoe`),
          },
        }
      : {}),
  };
}
