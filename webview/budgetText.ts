import * as l10n from '@vscode/l10n';
import { budgetFrom } from '../src/protocol/budget';
import type { Plan } from '../src/protocol/plan';
import { size } from '../src/protocol/words';

/** Bits per weight. */
export interface BudgetRange {
  readonly min: number;
  readonly max: number;
}

/** How far below the least budget a typed one may be: the text with the range rounds its sizes to two decimals. */
const rounding = 0.005;

/** How bits per weight of a plan's tensors and the size of all tensor data follow from each other. */
export class PlanSize {
  private readonly others: number;
  private readonly weights: number;

  constructor({ total, assignments }: Pick<Plan, 'total' | 'assignments'>) {
    const assigned = assignments.reduce((sum, { bytes }) => sum + bytes, 0);
    this.others = total.bytes - assigned;
    this.weights = (8 * assigned) / total.bitsPerWeight;
  }

  /** Tensor data, bytes. */
  bytesOf(bitsPerWeight: number): number {
    return this.others + (bitsPerWeight * this.weights) / 8;
  }

  bitsPerWeightOf(bytes: number): number {
    return (8 * (bytes - this.others)) / this.weights;
  }
}

/**
 * A budget as typed: bits per weight, with or without unit, or a size of the tensor data.
 * @returns bits per weight within the range; undefined for a budget that is too small, and for what is not one. A size that the
 * largest plan does not use up is that of the largest plan.
 */
export function typedBudget(text: string, range: BudgetRange, sizes?: PlanSize): number | undefined {
  const plain = /^\s*\d+(\.\d*)?\s*$/.test(text);
  const budget = budgetFrom(plain ? `${Number(text)}bpw` : text);
  if (!budget || (budget.kind === 'bytes' && !sizes)) return undefined;
  const isSize = budget.kind === 'bytes';
  const bits = isSize ? sizes!.bitsPerWeightOf(budget.value) : budget.value;
  if (bits < range.min * (1 - rounding) || (!isSize && bits > range.max)) return undefined;
  return Math.min(Math.max(bits, range.min), range.max);
}

/** What can be typed: "2.63 to 16.00 bits per weight, or 1.73 MB to 10.50 MB of tensor data". */
export function rangeText({ min, max }: BudgetRange, sizes?: PlanSize): string {
  const bits = l10n.t('{0} to {1} bits per weight', min.toFixed(2), max.toFixed(2));
  if (!sizes) return bits;
  const bytes = (value: number): string => size(Math.round(sizes.bytesOf(value)));
  return l10n.t('{0}, or {1} to {2} of tensor data', bits, bytes(min), bytes(max));
}
