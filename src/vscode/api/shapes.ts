import type * as api from '../../../api/quantscope';
import { printPlan } from '../../ampq/planFile';
import { QuantscopeError } from '../../model/errors';
import type { TensorAnalysis } from '../../protocol/analysis';
import { dangerLine } from '../../protocol/dangerText';
import type { ModelDescription } from '../../protocol/model';
import type { Plan, SensitivityTable } from '../../protocol/plan';
import type { PlanGoal } from '../../protocol/recommend';
import { planRung, rungText } from '../../protocol/rungs';

/** Values of the extension in the terms of its API, which stay as they are while the extension changes. */

export function descriptionOf(model: ModelDescription): api.ModelDescription {
  const { name, format, architecture, parameters, dataBytes, tensors, warnings, dangers = [] } = model;
  return {
    ...{ name, format, parameters, bytes: dataBytes, warnings: [...warnings] },
    ...(architecture === undefined ? {} : { architecture }),
    tensors: tensors.map(({ dtype, shape, elements, byteLength, readable, ...tensor }) => ({
      ...{ name: tensor.name, dtype, shape: [...shape], elements, bytes: byteLength, readable },
    })),
    dangers: dangers.map(dangerLine),
  };
}

export function statisticsOf({ statistics }: TensorAnalysis): api.TensorStatistics {
  const { count, min, max, mean, standardDeviation, kurtosis } = statistics;
  const { zeros, nans, infinities, percentiles } = statistics;
  return {
    ...{ count, min, max, mean, standardDeviation, kurtosis, zeros, nans, infinities },
    percentiles: percentiles.map(({ percent, value }) => ({ percent, value })),
  };
}

export const sensitivitiesOf = ({ rows }: SensitivityTable): api.TensorSensitivity[] =>
  rows.map(({ tensor, sources, gain, cells }) => ({
    ...{ tensor, sources: [...sources], ...(gain === undefined ? {} : { gain }) },
    formats: cells.map(({ format, bitsPerWeight, bytes, relativeSquaredError }) => ({
      ...{ format, bitsPerWeight, bytes, relativeSquaredError },
      ...(gain === undefined ? {} : { divergence: gain * relativeSquaredError }),
    })),
  }));

export function planOf(plan: Plan): api.Plan {
  const { total, assignments, notes } = plan;
  const { bitsPerWeight, bytes, fileBytes, divergence } = total;
  return {
    ...{ bitsPerWeight, bytes, evidence: rungText(planRung(plan), plan), notes: [...notes] },
    ...(fileBytes === undefined ? {} : { fileBytes }),
    ...(divergence === undefined ? {} : { divergence }),
    assignments: assignments.map(({ tensor, sources, format, ...item }) => ({
      ...{ tensor, sources: [...sources], format, bitsPerWeight: item.bitsPerWeight, bytes: item.bytes },
    })),
    json: printPlan(plan),
  };
}

const goals: Readonly<Record<string, (value: number, context?: number) => PlanGoal>> = {
  bitsPerWeight: (value) => ({ budget: { kind: 'bits-per-weight', value } }),
  bytes: (value) => ({ budget: { kind: 'bytes', value } }),
  divergence: (mean) => ({ targets: { mean } }),
  memory: (memory, context) => ({
    fit: { memory, sequences: 1, cacheType: 'f16', ...(context === undefined ? {} : { context }) },
  }),
};

/** @throws QuantscopeError REQUEST for anything but one goal whose figures are positive: callers may be in JavaScript. */
export function goalOf(given: api.PlanGoal): PlanGoal {
  const { context, ...rest } = { context: undefined, ...given } as Record<string, unknown>;
  const [[name, value] = ['', 0], ...others] = Object.entries(rest);
  const make = Object.hasOwn(goals, name) ? goals[name] : undefined;
  if (!make || others.length > 0 || (context !== undefined && name !== 'memory'))
    throw new QuantscopeError(
      'REQUEST',
      `A plan has one goal: ${Object.keys(goals).join(', ')}; "context" is for memory.`,
    );
  return make(positive(name, value), context === undefined ? undefined : positive('context', context));
}

function positive(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw new QuantscopeError('REQUEST', `"${name}" takes a positive number, not ${JSON.stringify(value)}.`);
}
