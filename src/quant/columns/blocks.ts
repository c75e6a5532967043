import { loadNative, type ColumnGrid, type HessianFactor } from '../../native';
import { ggmlTypes, type GgmlQuantType } from '../../protocol/ggmlTypes';
import { said } from '../../protocol/said';
import type { BlockTask } from '../methods/method';
import { encodeBlocks } from '../codec';
import { groupOfColumns } from './groups';
import { columnState, isAsGood, lossesOf, quantizeColumns, type ScalesOnTheWay } from './quantizeColumns';
import { clearColumns } from './rows';

/** The levels of a type's codes, and how many consecutive weights share a scale (and a minimum). */
interface TypeGrid {
  readonly levels: ColumnGrid['levels'];
  readonly group: number;
  readonly hasMinimum?: true;
}

const signed = (bits: number, group: number): TypeGrid => ({
  levels: { kind: 'integer', bits, signed: true },
  group,
});
const unsigned = (bits: number, group: number): TypeGrid => ({
  levels: { kind: 'integer', bits, signed: false },
  ...{ group, hasMinimum: true },
});
const table = (group: number): TypeGrid => ({ levels: { kind: 'table', table: 'iq4' }, group });
const e2m1 = (group: number): TypeGrid => ({
  levels: { kind: 'float', exponent: 2, mantissa: 1, special: 'finite' },
  group,
});

/** Types whose weights have codes of their own. */
export const typeGrids: Partial<Readonly<Record<GgmlQuantType, TypeGrid>>> = {
  ...{ Q4_0: signed(4, 32), Q4_1: unsigned(4, 32), Q5_0: signed(5, 32), Q5_1: unsigned(5, 32) },
  ...{ Q8_0: { levels: { kind: 'integer', bits: 8, signed: true, narrow: true }, group: 32 } },
  ...{
    Q2_K: unsigned(2, 16),
    Q3_K: signed(3, 16),
    Q4_K: unsigned(4, 32),
    Q5_K: unsigned(5, 32),
    Q6_K: signed(6, 16),
  },
  ...{ IQ4_NL: table(32), IQ4_XS: table(32), MXFP4: e2m1(32), NVFP4: e2m1(16) },
};

/** Types that codes can be chosen for one by one. */
export const typesWithCodes = Object.keys(typeGrids) as readonly GgmlQuantType[];

/** Weights and bytes of a block of a type. */
export function blockOf(type: GgmlQuantType): { readonly block: number; readonly bytes: number } {
  return ggmlTypes.find(({ name }) => name === type)!;
}

/** Columns of a block of a type. */
export function typeBlock(type: GgmlQuantType): number {
  return blockOf(type).block;
}

/** The grid of a type's codes, whose scales and minimums are known. */
export function columnGridOf(type: GgmlQuantType): ColumnGrid {
  const { levels, group, hasMinimum } = typeGrids[type]!;
  return {
    ...{ levels, group, rule: { kind: 'absmax', divisor: 1 }, scale: 'F32' },
    ...(hasMinimum ? { zero: 'minimum' } : {}),
  };
}

/** Why a type or a shape cannot be quantized column by column. */
export function refuseBlocks({ type, shape }: Pick<BlockTask, 'type' | 'shape'>): string | undefined {
  if (!typeGrids[type])
    return said`${type} has no codes of single weights: choose one of ${typesWithCodes.join(', ')}.`;
  return refuseRows(type, shape);
}

/** Why rows are not whole blocks of a type. */
export function refuseRows(type: GgmlQuantType, shape: BlockTask['shape']): string | undefined {
  const block = typeBlock(type);
  return shape[1] % block === 0
    ? undefined
    : said`Rows of ${shape[1]} weights are not whole blocks of ${block}.`;
}

/** How a matrix is quantized column by column in a ggml type. */
export interface BlockPlan {
  readonly factor: HessianFactor;
  /** Of columns, for the type's encoder, which finds the scales. */
  readonly importance: Float32Array;
  /** Columns whose scales are found at a time, whole blocks; undefined where all are found before the first column. */
  readonly columns: number | undefined;
  readonly dead: readonly number[];
}

/**
 * Blocks of a type whose scales are those of its encoder and whose codes are found column by column. Rows whose output error is larger than
 * with the encoder's own codes keep these.
 * @param values `[rows, columns]`; dead columns are overwritten.
 * @throws BadWeightError for the first weight that is not finite.
 */
export async function quantizeBlocks(
  type: GgmlQuantType,
  plan: BlockPlan,
  values: Float32Array,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const find = async (blocks: Uint8Array): Promise<Float64Array> => {
    const state = columnState(plan.factor, values);
    const codes = new Uint8Array(values.length);
    const target = await targetOf(type, plan, blocks, plan.factor.columns);
    await quantizeColumns(state, { ...target, codes }, signal);
    await loadNative().setBlockCodes(type, blocks, codes);
    return state.losses;
  };
  return neverWorse(type, plan, values, find, signal);
}

/**
 * Blocks that are those of the type's encoder where others have a larger output error, row by row.
 * @param values `[rows, columns]`; dead columns are overwritten.
 * @param find replaces the encoder's blocks by others; returns the output errors of the rows.
 * @throws BadWeightError for the first weight that is not finite.
 */
export async function neverWorse(
  type: GgmlQuantType,
  { factor, importance, dead }: BlockPlan,
  values: Float32Array,
  find: (blocks: Uint8Array) => Promise<Float64Array>,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  clearColumns(values, factor.columns, dead);
  const { codes: encoded } = await encodeBlocks(type, values, factor.columns, { importance, signal });
  const decoded = new Float32Array(values.length);
  await loadNative().decode(type, encoded, decoded, signal);
  const losses = await lossesOf(factor, values, decoded, signal);
  const blocks = encoded.slice();
  const found = await find(blocks);
  const rowBytes = encoded.length / losses.length;
  losses.forEach((loss, row) => {
    if (!isAsGood(found[row]!, loss))
      blocks.set(encoded.subarray(row * rowBytes, (row + 1) * rowBytes), row * rowBytes);
  });
  return blocks;
}

/** The type's grid with the scales of its blocks; both are replaced where scales are found on the way. */
async function targetOf(type: GgmlQuantType, plan: BlockPlan, blocks: Uint8Array, columns: number) {
  const { group, hasMinimum } = typeGrids[type]!;
  const { block, bytes } = blockOf(type);
  const groups = ((blocks.length / bytes) * block) / group;
  const scales = new Float32Array(groups);
  const zeros = hasMinimum ? new Float32Array(groups) : undefined;
  await loadNative().blockParameters(type, blocks, scales, zeros);
  const grid = columnGridOf(type);
  const across = columns / group;
  const parameters = {
    ...{ scales, zeros, globalScale: 0, groupRows: 1, across, flat: 0 },
    groups: groupOfColumns(columns, group, undefined),
  };
  const find: ScalesOnTheWay['find'] = async (weights, first, count, signal) => {
    const importance = plan.importance.subarray(first, first + count);
    const { codes: some } = await encodeBlocks(type, weights, count, { importance, signal });
    const ownScales = new Float32Array(weights.length / group);
    const ownZeros = zeros && new Float32Array(weights.length / group);
    await loadNative().blockParameters(type, some, ownScales, ownZeros);
    const rows = weights.length / count;
    const rowBytes = (count / block) * bytes;
    for (let row = 0; row < rows; row++) {
      const [start, end] = [(row * count) / group, ((row + 1) * count) / group];
      const to = row * across + first / group;
      scales.set(ownScales.subarray(start, end), to);
      if (ownZeros) zeros.set(ownZeros.subarray(start, end), to);
      blocks.set(
        some.subarray(row * rowBytes, (row + 1) * rowBytes),
        ((row * columns + first) / block) * bytes,
      );
    }
  };
  return {
    grid,
    parameters,
    scales: plan.columns === undefined ? undefined : { columns: plan.columns, find },
  };
}
