import { bindPlan } from '../../src/ampq/bindPlan';
import { candidatesOf } from '../../src/exporter/plan/candidates';
import { modelHash } from '../../src/model/identity';
import { openModel } from '../../src/layouts/openModel';
import type { Model } from '../../src/model/model';
import type { GainsSource } from '../../src/protocol/gains';
import type { Plan, PlanAssignment, SensitivityCell, SensitivityRow } from '../../src/protocol/plan';

/** A run over a text that gains come from. */
export const gainsFrom: GainsSource = {
  ...{ text: '/t.txt', hash: 'abc', tokens: 2048, context: 256, noise: 1e-9 },
  ...{ loss: 3, chance: 7 },
};

/** A row of the table as the runs of a test need it: errors by format. */
export function rowWith(
  tensor: string,
  weights: number,
  cells: readonly SensitivityCell[],
  sources: readonly string[] = [tensor],
): SensitivityRow {
  return {
    ...{ tensor, sources, shape: [1, weights], weights },
    ...{ lossless: { format: 'BF16', bytes: 2 * weights }, roleFactor: 1 },
    cells,
  };
}

export function assignment(tensor: string, format: string, relativeSquaredError = 0): PlanAssignment {
  return { tensor, sources: [tensor], format, bitsPerWeight: 0, bytes: 0, relativeSquaredError };
}

/** A plan for a model that gives tensors of the exported file a format; nothing is checked. */
export function statedPlan(
  model: Pick<Model, 'description'>,
  formats: Readonly<Record<string, string>>,
): Plan {
  return {
    version: 2,
    model: { name: 'any', hash: modelHash(model.description), parameters: 1 },
    budget: { kind: 'bytes', value: 1 },
    total: { bytes: 1, bitsPerWeight: 1, error: 0 },
    notes: [],
    assignments: Object.entries(formats).map(([tensor, format]) => assignment(tensor, format)),
  };
}

/** The same with the sizes that it comes to. */
export async function planFor(path: string, formats: Readonly<Record<string, string>>): Promise<Plan> {
  const model = await openModel(path);
  try {
    return bindPlan(statedPlan(model, formats), model.description, await candidatesOf(model));
  } finally {
    await model.close();
  }
}
