import { z } from 'zod';
import { planEnding } from '../ampq/planFile';
import { QuantscopeError } from '../model/errors';
import { budgetFrom } from '../protocol/budget';

/** Parts of schemas that several tools share. */

export const modelField = z
  .string()
  .min(1)
  .describe('Path of a model: a folder, an index or a file (safetensors, PyTorch, GGUF)');

export const tensorField = z.string().min(1).describe('Name of the tensor, as inspect_model lists it');

export const planField = z.string().min(1).describe(`Path of a plan (${planEnding}) of this model`);

/** A figure that JSON can hold: null where it is not defined or infinite. */
export const figureField = z.number().nullable();

export const figureOf = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Bytes of a size that was typed: "8GB". @throws QuantscopeError REQUEST naming the field. */
export function bytesOf(field: string, text: string): number {
  const budget = budgetFrom(text);
  if (budget?.kind === 'bytes' && budget.value > 0) return budget.value;
  throw new QuantscopeError('REQUEST', `"${field}" takes a size, such as 8GB or 7.5GiB, not "${text}".`);
}

/** A figure in words: five significant digits. */
export function figureText(value: number): string {
  if (Number.isNaN(value)) return 'not defined';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  return String(Number(value.toPrecision(5)));
}
