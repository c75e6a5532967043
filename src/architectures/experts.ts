import type { Part } from './partRules';
import type { Instead, RowRange } from './description';

/** Gated experts of a block, all of the same size. */
export interface GatedExperts {
  readonly count: number;
  /** Feed-forward size of one. */
  readonly size: number;
  readonly hiddenSize: number;
}

/** Names of one expert's matrices without suffix. */
export interface ExpertNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

/** How a checkpoint may hold the matrices of all experts in one tensor each, without ".weight". */
export interface FusedExperts {
  readonly prefix: string;
  /** [count, hiddenSize, 2 · size], gate beside up, and [count, size, hiddenSize]. */
  readonly transposed: boolean;
}

/**
 * Matrices of all experts, merged into tensors of three dimensions. A checkpoint has them one by one or, as the classes of
 * transformers 5 hold them, fused: gate above up, [count, 2 · size, hiddenSize], and down, [count, hiddenSize, size].
 */
export function expertParts(
  experts: GatedExperts,
  names: (expert: number) => ExpertNames,
  fused: FusedExperts = { prefix: 'mlp.experts', transposed: false },
): Part[] {
  const { count, size, hiddenSize } = experts;
  const merged = (part: keyof ExpertNames, rows: number, columns: number) => ({
    from: Array.from({ length: count }, (_, expert) => names(expert)[part]),
    to: `ffn_${part}_exps`,
    shape: [count, rows, columns],
    rule: { sourceShape: [rows, columns] },
  });
  const { gate, up, down } = (fused.transposed ? transposedExperts : stackedExperts)(experts, fused.prefix);
  return [
    { ...merged('gate', size, hiddenSize), instead: gate },
    { ...merged('up', size, hiddenSize), instead: up },
    { ...merged('down', hiddenSize, size), instead: down },
  ];
}

type FusedParts = Readonly<Record<keyof ExpertNames, Instead>>;

function stackedExperts({ count, size, hiddenSize }: GatedExperts, prefix: string): FusedParts {
  /** `size` rows of every expert's 2 · size. */
  const half = (offset: number): RowRange[] =>
    Array.from({ length: count }, (_, expert) => ({ first: 2 * size * expert + offset, count: size }));
  const both = { from: [`${prefix}.gate_up_proj`], sourceShape: [count, 2 * size, hiddenSize] };
  return {
    gate: { ...both, rows: half(0) },
    up: { ...both, rows: half(size) },
    down: { from: [`${prefix}.down_proj`], sourceShape: [count, hiddenSize, size] },
  };
}

function transposedExperts({ count, size, hiddenSize }: GatedExperts, prefix: string): FusedParts {
  const half = (first: number): Instead => ({
    from: [`${prefix}.gate_up_proj`],
    sourceShape: [count, hiddenSize, 2 * size],
    unit: { rows: hiddenSize, order: 'transpose', columns: { first, count: size } },
  });
  return {
    gate: half(0),
    up: half(size),
    down: {
      from: [`${prefix}.down_proj`],
      sourceShape: [count, size, hiddenSize],
      unit: { rows: size, order: 'transpose' },
    },
  };
}

/** The same matrices under llama's names. */
export const usualExpertNames = (expert: number): ExpertNames => ({
  gate: `mlp.experts.${expert}.gate_proj`,
  up: `mlp.experts.${expert}.up_proj`,
  down: `mlp.experts.${expert}.down_proj`,
});
