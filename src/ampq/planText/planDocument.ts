import { isRecord } from '../../model/json';
import { JsonDocument } from '../../model/jsonDocument';
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

export function readPlanDocument(text: string): PlanDocument {
  const json = new JsonDocument(text);
  const value = json.value;
  const plan = isRecord(value) ? value : {};
  return {
    json,
    assignments: listOf(plan['assignments']).flatMap((item, index) =>
      isRecord(item) && typeof item['tensor'] === 'string' && typeof item['format'] === 'string'
        ? [{ index, tensor: item['tensor'], format: item['format'] }]
        : [],
    ),
    constraints: listOf(plan['constraints']).flatMap((item, index) => {
      const constraint = constraintOf(item);
      return constraint ? [{ index, constraint }] : [];
    }),
  };
}

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

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
