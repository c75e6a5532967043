import type { Part } from './decoder';
import type { RowRange } from './description';

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

/**
 * Matrices of all experts, merged into tensors of three dimensions. A checkpoint has them one by one or, as the classes of
 * transformers 5 hold them, fused: gate above up, [count, 2 · size, hiddenSize], and down, [count, hiddenSize, size].
 */
export function expertParts(
  { count, size, hiddenSize }: GatedExperts,
  names: (expert: number) => ExpertNames,
): Part[] {
  const merged = (part: keyof ExpertNames, rows: number, columns: number) => ({
    from: Array.from({ length: count }, (_, expert) => names(expert)[part]),
    to: `ffn_${part}_exps`,
    shape: [count, rows, columns],
    rule: { sourceShape: [rows, columns] },
  });
  /** `size` rows of every expert's 2 · size. */
  const half = (offset: number): RowRange[] =>
    Array.from({ length: count }, (_, expert) => ({ first: 2 * size * expert + offset, count: size }));
  const both = { from: ['mlp.experts.gate_up_proj'], sourceShape: [count, 2 * size, hiddenSize] };
  const down = { from: ['mlp.experts.down_proj'], sourceShape: [count, hiddenSize, size] };
  return [
    { ...merged('gate', size, hiddenSize), instead: { ...both, rows: half(0) } },
    { ...merged('up', size, hiddenSize), instead: { ...both, rows: half(size) } },
    { ...merged('down', hiddenSize, size), instead: down },
  ];
}

/** The same matrices under llama's names. */
export const usualExpertNames = (expert: number): ExpertNames => ({
  gate: `mlp.experts.${expert}.gate_proj`,
  up: `mlp.experts.${expert}.up_proj`,
  down: `mlp.experts.${expert}.down_proj`,
});
