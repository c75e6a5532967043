import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { loadNative, type HessianFactor } from '../../native';
import { said } from '../../protocol/said';

/** How a Hessian is factorized. */
export interface FactorOptions {
  /** Added to the diagonal, as a share of its mean. */
  readonly damping: number;
  /** Columns as they are, in falling order of their diagonal elements, or so in groups of so many that stay together. */
  readonly order: 'none' | 'importance' | number;
  /** Columns that are worked on together. */
  readonly block: number;
}

/** What is added to a diagonal that cannot be factorized, each time ten times as much. */
const attempts = 4;
const leastDamping = 1e-3;

const factors = new WeakMap<Float64Array, { readonly key: string; readonly factor: HessianFactor }>();

/**
 * The factor of a Hessian, the last one of each being kept while the Hessian is: several matrices have the same inputs. Columns that no
 * input reached have a diagonal element of 1. One that is not positive definite gets ten times the damping, three times.
 * @param name of the tensor, for the message.
 * @throws QuantscopeError REQUEST when even that does not help.
 */
export async function factorOf(
  hessian: Float64Array,
  options: FactorOptions,
  name: string | undefined,
  signal?: AbortSignal,
): Promise<HessianFactor> {
  throwIfCancelled(signal);
  const key = JSON.stringify(options);
  const kept = factors.get(hessian);
  if (kept?.key === key) return kept.factor;
  const factor = await factorize(hessian, options, name, signal);
  factors.set(hessian, { key, factor });
  return factor;
}

async function factorize(
  hessian: Float64Array,
  { damping, order: wanted, block }: FactorOptions,
  name: string | undefined,
  signal?: AbortSignal,
): Promise<HessianFactor> {
  const diagonal = diagonalOf(hessian);
  const columns = diagonal.length;
  const mean = diagonal.reduce((sum, value) => sum + value, 0) / columns;
  const factor = new Float32Array(loadNative().factorSize({ columns, block }));
  const pivots = new Float64Array(columns);
  const order = wanted === 'none' ? undefined : orderOf(diagonal, wanted);
  let share = damping;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const target = { columns, block, factor, pivots, order, damping: share * mean };
    const failed = await loadNative().factorHessian(hessian, target, signal);
    if (failed === undefined) return target;
    share = Math.max(share, leastDamping) * 10;
  }
  const message = said`The Hessian of the inputs of ${name ?? 'a matrix'} cannot be factorized, even with ${share / 10} of its mean diagonal element added to the diagonal. Its values are not finite or not those of a matrix XᵀX.`;
  throw new QuantscopeError('REQUEST', message, name === undefined ? {} : { tensor: name });
}

/** The diagonal, with 1 for columns of zeros. */
export function diagonalOf(hessian: Float64Array): Float64Array {
  const columns = Math.round(Math.sqrt(hessian.length));
  return Float64Array.from({ length: columns }, (_, i) => {
    const element = hessian[i * (columns + 1)]!;
    return element === 0 ? 1 : element;
  });
}

/** Groups in falling order of their means, a last one that is shorter at the end, and the columns of each in falling order. */
function orderOf(diagonal: Float64Array, wanted: 'importance' | number): Int32Array {
  const columns = diagonal.length;
  const falling = Int32Array.from(diagonal.keys()).sort((a, b) => diagonal[b]! - diagonal[a]! || a - b);
  if (wanted === 'importance') return falling;
  const means = Array.from({ length: Math.ceil(columns / wanted) }, (_, group) => {
    const own = diagonal.subarray(group * wanted, (group + 1) * wanted);
    return own.length < wanted ? -1 : own.reduce((sum, value) => sum + value, 0);
  });
  const ranks = new Map(
    [...means.keys()].sort((a, b) => means[b]! - means[a]!).map((group, rank) => [group, rank]),
  );
  const rankOf = (column: number): number => ranks.get(Math.floor(column / wanted))!;
  return falling.sort((a, b) => rankOf(a) - rankOf(b) || diagonal[b]! - diagonal[a]! || a - b);
}

/** Columns that no input reached. */
export function deadColumns(hessian: Float64Array): number[] {
  const columns = Math.round(Math.sqrt(hessian.length));
  return Array.from({ length: columns }, (_, i) => i).filter((i) => hessian[i * (columns + 1)] === 0);
}
