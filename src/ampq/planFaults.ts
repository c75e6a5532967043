import type { ModelDescription } from '../protocol/model';
import type { Plan } from '../protocol/plan';
import type { Fault } from '../protocol/verify';
import { said } from '../protocol/said';

/** Where a file differs from the plan that it is to have been made by: tensors of another type, or missing ones. */
export function planFaults(
  plan: Plan,
  { tensors, path }: Pick<ModelDescription, 'tensors' | 'path'>,
): Fault[] {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  return plan.assignments.flatMap(({ tensor: name, format }): Fault[] => {
    const tensor = byName.get(name);
    if (!tensor)
      return [{ kind: 'plan', file: path, tensor: name, message: said`The tensor of the plan is missing.` }];
    if (tensor.dtype.toUpperCase() === format.toUpperCase()) return [];
    const { file, offset, byteLength: bytes, dtype } = tensor;
    const message = said`The tensor is ${dtype}; the plan assigns ${format}.`;
    return [{ kind: 'plan', file, tensor: name, offset, bytes, message }];
  });
}
