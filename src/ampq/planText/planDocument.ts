import { isRecord } from '../../model/json';
import type { JsonDocument } from '../../model/jsonDocument';
import type { PlanConstraint } from '../../protocol/plan';

/** An assignment as a text states it, whether or not it is right. */
export interface StatedAssignment {
  /** Place in the list. */
  readonly index: number;
  readonly tensor: string;
  readonly format: string;
}

/** A plan file while it is being written: what of it can be understood, and where it stands. */
export interface PlanDocument {
  readonly json: JsonDocument;
  readonly assignments: readonly StatedAssignment[];
  /** Those of which all is as it must be, with their places. */
  readonly constraints: readonly { readonly index: number; readonly constraint: PlanConstraint }[];
}

export function readPlanDocument(json: JsonDocument): PlanDocument {
  const placesIn = (list: string): number[] => Array.from({ length: json.lengthAt(list) }, (_, i) => i);
  return {
    json,
    assignments: placesIn('assignments').flatMap((index) => {
      const tensor = json.valueAt('assignments', index, 'tensor');
      const format = json.valueAt('assignments', index, 'format');
      return typeof tensor === 'string' && typeof format === 'string' ? [{ index, tensor, format }] : [];
    }),
    constraints: placesIn('constraints').flatMap((index) => {
      const constraint = constraintOf(json.valueAt('constraints', index));
      return constraint ? [{ index, constraint }] : [];
    }),
  };
}

function constraintOf(item: unknown): PlanConstraint | undefined {
  if (!isRecord(item) || typeof item['tensors'] !== 'string') return undefined;
  const { tensors, allow, exclude, minBits, agree } = item;
  return {
    tensors,
    ...(isStrings(allow) ? { allow } : {}),
    ...(isStrings(exclude) ? { exclude } : {}),
    ...(typeof minBits === 'number' ? { minBits } : {}),
    ...(agree === true ? { agree } : {}),
  };
}

const isStrings = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');
